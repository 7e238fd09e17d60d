"""Keeps passwords out of everything that is written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import quote

_USER = re.compile(r"(\b[a-z][a-z0-9+.-]*://)([^/?#\s]*)@", re.IGNORECASE)
_NAME = r"\$\{([A-Za-z0-9_]+)\}"
_REFERENCE = r"\$\{[A-Za-z0-9_]+\}"
_SHORTEST = 4  # characters; to hide a shorter value would be to hide parts of words


def without_credentials(text: str) -> str:
    """Drop ``user:password@`` and ``token@`` from every URL in a text; pip asks the environment or netrc for them.

    What only refers to variables, such as ``${USER}:${TOKEN}@``, stays: it tells nothing, and pip fills it in.
    """
    return _USER.sub(lambda match: match[0] if _is_reference(match[2]) else match[1], text)


def concealing(lines: Iterable[str], environment: Mapping[str, str]) -> Callable[[str], str]:
    """Return what drops credentials from a text, and puts ``${NAME}`` for the value of each variable in the lines.

    A token may stand anywhere in an address, and resolvers print addresses with their variables filled in.
    """
    values: dict[str, str] = {}
    for name in sorted(references(lines)):
        value = environment.get(name, "")
        for form in (value, quote(value, safe="")):
            if len(form) >= _SHORTEST:
                values[form] = f"${{{name}}}"
    ordered = sorted(values, key=len, reverse=True)  # one may be a part of another

    def conceal(text: str) -> str:
        for value in ordered:
            text = text.replace(value, values[value])
        return without_credentials(text)

    return conceal


def references(lines: Iterable[str]) -> set[str]:
    """Return the names of the variables that lines refer to as ``${NAME}``."""
    return {name for line in lines for name in re.findall(_NAME, line)}


def expanded(text: str, environment: Mapping[str, str]) -> str:
    """Fill in the variables that a text refers to, as pip does: what is not set stays as it is."""
    return re.sub(_NAME, lambda match: environment.get(match[1]) or match[0], text)


def _is_reference(user: str) -> bool:
    return re.fullmatch(f"{_REFERENCE}(:{_REFERENCE})?", user) is not None
