"""Says in our own words, and with a place, what pydantic found."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from bentopack.errors import Problem, did_you_mean
from bentopack.spec.document import Path, Places, spell
from bentopack.spec.scalars import found

_EXPECTED = {
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "model_attributes_type": "keys and values",
    "string_type": "text",
}


def problems(error: ValidationError, types_: type[BaseModel], places: Places) -> Iterator[Problem]:
    """Yield one problem for each place that does not fit the types."""
    seen: set[Path] = set()
    for detail in error.errors(include_url=False):
        # pydantic marks a wrong key by a step of its own.
        path = tuple(step for step in detail["loc"] if step != "[key]")
        if path in seen:
            continue
        seen.add(path)
        yield places.problem(path, _message(detail, path, types_))


def _message(detail: Any, path: Path, types_: type[BaseModel]) -> str:
    kind, name = detail["type"], spell(path)
    if kind == "extra_forbidden":
        known = keys_at(types_, path[:-1])
        return f"unknown key '{name}'{did_you_mean(str(path[-1]), known)}"
    if kind == "missing":
        return f"the key '{name}' is missing"
    if kind in {"expected", "refused"}:
        return f"{name}: {detail['msg']}"
    if kind == "literal_error":
        return f"{name}: expected {detail['ctx']['expected']}, found {found(detail['input'])}"
    return f"{name}: expected {_EXPECTED.get(kind, 'another value')}, found {found(detail['input'])}"


def keys_at(types_: type[BaseModel], path: Path) -> list[str]:
    """Return the keys that the section at ``path`` may have."""
    section: type[BaseModel] = types_
    for step in path:
        if isinstance(step, str) and (field := section.model_fields.get(step)):
            section = next(iter(_models(field.annotation)), section)
    return list(section.model_fields)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
