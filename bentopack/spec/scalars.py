"""Scalars as the user wrote them.

YAML and TOML read ``3.10`` as the number 3.1 and ``yes`` as true. The user meant a version and a word, so a scalar
that is not text keeps its spelling, and the field that receives it decides which of the two it wants.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Written:
    """A number or a truth value, and how it is spelled in its file."""

    value: bool | int | float
    text: str


def as_text(value: Any) -> Any:
    """Return a scalar's spelling; what is no scalar stays as it is."""
    if isinstance(value, Written):
        return value.text
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    return value


def plain(value: Any) -> Any:
    """Return a tree with every scalar as its value, the way a YAML or TOML reader would give it."""
    if isinstance(value, Written):
        return value.value
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def found(value: Any) -> str:
    """Say what stands in the file, for the end of ``expected …, found …``."""
    value = as_text(value)
    if isinstance(value, str):
        shown = value if len(value) <= 60 else value[:57] + "..."
        return f"'{shown}'".replace("\n", "\\n").replace("\r", "\\r")
    if value is None:
        return "nothing"
    return "keys and values" if isinstance(value, dict) else "a list"
