"""Reads the bentofile's table of a ``pyproject.toml`` into a Document.

Python's TOML reader keeps no places, so they are found by reading the lines once more: table headers and keys at the
start of a line. What is not found this way has the place of the table around it.
"""

from __future__ import annotations

import datetime
import re
import sys
from collections.abc import Iterator
from typing import Any

from bentopack.errors import Problem, SpecError
from bentopack.spec.document import Document, Mark, Path, Places
from bentopack.spec.scalars import Written

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TABLES = (("tool", "bentopack"), ("tool", "bentoml", "build"))
"""The tables that hold a bentofile: ours, and BentoML's."""

_KEY = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_DOTTED = rf"{_KEY}(?:[ \t]*\.[ \t]*{_KEY})*"
_HEADER = re.compile(rf"[ \t]*\[{{1,2}}[ \t]*(?P<path>{_DOTTED})[ \t]*\]")
_ENTRY = re.compile(rf"[ \t]*(?P<path>{_DOTTED})[ \t]*=")


def read_toml(text: str, file: str) -> dict[str, Any]:
    """Parse a TOML file.

    Raises:
        SpecError: it is not TOML.
    """
    try:
        return tomllib.loads(text, parse_float=lambda number: Written(float(number), number))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        line, column = _error_mark(str(error))
        reason = re.sub(r" \(at .*\)$", "", str(error))
        raise SpecError(Problem(file, line, column, f"not valid TOML: {reason}")) from None


def tables(data: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return which of the tables that may hold a bentofile are there."""
    return [table for table in TABLES if _descend(data, table) is not None]


def table_document(text: str, file: str, data: dict[str, Any], table: tuple[str, ...]) -> Document:
    """Take one table as a bentofile, with what ``[project]`` says of name and dependencies.

    Raises:
        SpecError: there is no such table of keys and values.
    """
    marks: dict[Path, Mark] = {}
    for path, mark in _scan(text):
        if path[: len(table)] == table:
            marks.setdefault(path[len(table) :], mark)
    places = Places(file, marks)
    content = _descend(data, table)
    if not isinstance(content, dict):
        raise SpecError(places.problem((), f"expected the table [{'.'.join(table)}]"))
    return Document(_with_project(_textual(content), data.get("project")), places)


def _descend(data: Any, table: tuple[str, ...]) -> Any:
    for step in table:
        data = data.get(step) if isinstance(data, dict) else None
    return data


def _with_project(content: dict[str, Any], project: Any) -> dict[str, Any]:
    if not isinstance(project, dict):
        return content
    if isinstance(name := project.get("name"), str):
        content.setdefault("name", name)
    dependencies, python = project.get("dependencies"), content.setdefault("python", {})
    # A lockfile holds what they came to.
    if isinstance(dependencies, list) and isinstance(python, dict) and not python.get("lockfile"):
        packages = python.get("packages", [])
        packages = [packages] if isinstance(packages, str) else packages
        if isinstance(packages, list):
            python["packages"] = [*packages, *dependencies]
    return content


def _textual(value: Any) -> Any:
    """Return the tree with times as text: a bentofile knows none."""
    if isinstance(value, dict):
        return {key: _textual(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_textual(item) for item in value]
    return str(value) if isinstance(value, datetime.date | datetime.time) else value


def _scan(text: str) -> Iterator[tuple[Path, Mark]]:
    table: Path = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = _split(header["path"])
            yield table, (number, header.start("path") + 1)
        elif entry := _ENTRY.match(line):
            path = (*table, *_split(entry["path"]))
            mark = (number, entry.start("path") + 1)
            for length in range(len(table) + 1, len(path) + 1):
                yield path[:length], mark


def _split(dotted: str) -> tuple[str, ...]:
    return tuple(key.strip("\"'") for key in re.findall(_KEY, dotted))


def _error_mark(message: str) -> Mark:
    match = re.search(r"at line (\d+), column (\d+)", message)
    return (int(match[1]), int(match[2])) if match else (0, 0)
