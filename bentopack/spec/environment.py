"""Environment variables, in all the ways that bentofiles spell them."""

from __future__ import annotations

from typing import Any

from bentopack.spec.fields import expected
from bentopack.spec.scalars import as_text


def as_pairs(value: Any) -> Any:
    """Bring ``docker.env`` to names and values: from ``["K=V"]`` or ``[{name: K, value: V}]``."""
    if not isinstance(value, list):
        return value
    pairs: dict[str, Any] = {}
    for item in value:
        name, content = _pair(item)
        pairs[name] = content
    return pairs


def as_entries(value: Any) -> Any:
    """Bring ``envs`` to a list of ``{name, value}``: from names and values, from ``["K=V"]`` or bare names."""
    if isinstance(value, dict):
        return [{"name": name, "value": content} for name, content in value.items()]
    if not isinstance(value, list):
        return value
    return [_entry(item) for item in value]


def read_dotenv(text: str) -> dict[str, str]:
    """Read a ``.env`` file: ``K=V`` lines, comments, ``export`` and quotes.

    Raises:
        ValueError: a line is none of these; its number is the argument.
    """
    values: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        content = line.strip().removeprefix("export ").strip()
        if not content or content.startswith("#"):
            continue
        name, equals, value = content.partition("=")
        if not equals:
            raise ValueError(number)
        values[name.strip()] = _unquote(value.strip())
    return values


def _unquote(value: str) -> str:
    for quote in "\"'":
        if len(value) > 1 and value[0] == quote and (end := value.find(quote, 1)) > 0:
            return value[1:end]
    return value.partition(" #")[0].rstrip()


def _pair(item: Any) -> tuple[str, Any]:
    if isinstance(item, str) and "=" in item:
        name, _, value = item.partition("=")
        return name.strip(), value
    if isinstance(item, dict) and set(item) <= {"name", "value"} and isinstance(item.get("name"), str):
        return item["name"], "" if item.get("value") is None else item["value"]
    raise expected("items such as NAME=value", item)


def _entry(item: Any) -> Any:
    text = as_text(item)
    if not isinstance(text, str):
        return item
    name, _, value = text.partition("=")
    return {"name": name.strip(), "value": value}
