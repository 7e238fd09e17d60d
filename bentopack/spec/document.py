"""A bentofile as read: its values, and the line and column of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from bentopack.errors import Problem

Path: TypeAlias = tuple[str | int, ...]
"""Keys and list positions from the top, such as ``("python", "packages", 2)``."""

Mark: TypeAlias = tuple[int, int]
"""Line and column, counted from 1."""


@dataclass(frozen=True)
class Places:
    """Where each value of a file stands."""

    file: str
    marks: Mapping[Path, Mark] = field(default_factory=dict)

    def problem(self, path: Path, message: str) -> Problem:
        """Make a problem at ``path``, or at the nearest value around it whose place is known."""
        line, column = self.find(path)
        return Problem(self.file, line, column, message)

    def find(self, path: Path) -> Mark:
        """Return the line and column of ``path``; zeros when nothing around it is known either."""
        for length in range(len(path), -1, -1):
            if mark := self.marks.get(path[:length]):
                return mark
        return (0, 0)


NOWHERE = Places("bentofile.yaml")
"""For a Spec that was made in code and stands in no file."""


@dataclass(frozen=True)
class Document:
    """The values of a file and their places."""

    data: dict[str, Any]
    places: Places


def spell(path: Path) -> str:
    """Write a path the way a user reads it: ``python.packages[2]``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
