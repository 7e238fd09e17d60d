"""Reads the dependencies of a ``pyproject.toml`` as the lines of a requirements file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from bentopack.errors import LockError
from bentopack.spec.toml_source import read_toml


def dependency_lines(path: Path, name: str) -> Iterator[tuple[int, str]]:
    """Yield ``[project].dependencies`` with the numbers of their lines in the file.

    Raises:
        LockError: there are none written in the file, or one is no requirement.
        SpecError: the file is not TOML.
    """
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise LockError(f"{name} is not UTF-8 text") from None
    project = read_toml(text, name).get("project")
    dependencies = project.get("dependencies", []) if isinstance(project, dict) else None
    if not isinstance(dependencies, list) or not isinstance(project, dict):
        raise LockError(f"{name}: there is no table [project] with a list of dependencies")
    if "dependencies" in project.get("dynamic", ()):
        raise LockError(
            f"{name}: project.dependencies is dynamic: its build tool alone can tell them",
            hint="name the file that it takes them from as python.requirements_txt",
        )
    for each in dependencies:
        number = _line_of(str(each), text)
        try:
            yield number, str(Requirement(each))
        except (InvalidRequirement, TypeError):
            raise LockError(f"{name}:{number}: {each!r} is not a requirement") from None


def _line_of(dependency: str, text: str) -> int:
    """Return the line that a dependency stands in, else that of the list."""
    for pattern in (rf"[\"']{re.escape(dependency)}[\"']", r"(?m)^\s*dependencies\b"):
        if match := re.search(pattern, text):
            return text.count("\n", 0, match.start()) + 1
    return 1
