"""Files that a bentofile names: each must exist, and lie inside the project.

A path is rewritten relative to the project; a description's file and a ``.env`` file are replaced by what they say.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bentopack.errors import Problem, did_you_mean
from bentopack.spec.document import Document, spell
from bentopack.spec.environment import read_dotenv


class BadReference(Exception):
    """A named file that cannot be used; the argument says why."""


def inside(project: Path, text: str) -> str:
    """Return the path ``text`` relative to the project, with ``/`` between its parts.

    Raises:
        BadReference: it leads out of the project, by itself or through a link, or there is no such file.
    """
    root = project.resolve()
    path = root / text.replace("\\", "/")
    try:
        real = path.resolve()
        if not real.is_relative_to(root):
            raise BadReference(f"'{text}' leads out of the project")
        if not real.is_file():
            what = "is a folder" if real.is_dir() else "does not exist"
            raise BadReference(f"the file '{text}' {what}{_near(path)}")
    except (OSError, RuntimeError, ValueError):
        raise BadReference(f"the file '{text}' cannot be read") from None
    # The name that the user gave is kept, not where a link inside the project leads.
    folder = path.parent.resolve()
    return ((folder if folder.is_relative_to(root) else real.parent) / path.name).relative_to(root).as_posix()


def _near(path: Path) -> str:
    folder = path.parent
    return did_you_mean(path.name, sorted(entry.name for entry in folder.iterdir())) if folder.is_dir() else ""


def _path(project: Path, text: str) -> Any:
    return inside(project, text)


def _wheel(project: Path, text: str) -> Any:
    if not text.endswith(".whl"):
        raise BadReference(f"expected the path of a wheel (.whl), found '{text}'")
    return inside(project, text)


def _lockfile(project: Path, text: str) -> Any:
    name = re.split(r"[/\\\\]", text)[-1]
    if not re.fullmatch(r"pylock(\.[^.]+)?\.toml|uv\.lock|poetry\.lock", name):
        raise BadReference(f"expected the path of a pylock.toml, a uv.lock or a poetry.lock, found '{text}'")
    return inside(project, text)


def _description(project: Path, text: str) -> Any:
    if not text.startswith("file:"):
        return text
    return _read(project, text.removeprefix("file:").strip())


def _dotenv(project: Path, text: str) -> Any:
    content = _read(project, text)
    try:
        return read_dotenv(content)
    except ValueError as error:
        raise BadReference(f"'{text}', line {error.args[0]}: expected NAME=value") from None


def _read(project: Path, text: str) -> str:
    try:
        return (project / inside(project, text)).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BadReference(f"the file '{text}' is not UTF-8 text") from None
    except OSError as error:
        raise BadReference(f"the file '{text}' cannot be read: {error.strerror}") from None


@dataclass(frozen=True)
class _Row:
    section: str | None
    key: str
    replace: Callable[[Path, str], Any]


_REFERENCES = (
    _Row(None, "description", _description),
    _Row("python", "requirements_txt", _path),
    _Row("python", "lockfile", _lockfile),
    _Row("python", "wheels", _wheel),
    _Row("conda", "environment_yml", _path),
    _Row("docker", "setup_script", _path),
    _Row("docker", "dockerfile_template", _path),
    _Row("docker", "env", _dotenv),
)


def resolve(document: Document, project: Path) -> tuple[Document, list[Problem]]:
    """Return the document with each reference replaced, and what is wrong with the others."""
    data = copy.deepcopy(document.data)
    wrong: list[Problem] = []
    for row in _REFERENCES:
        holder = data if row.section is None else data.get(row.section)
        for container, key, path in _texts(holder, row):
            try:
                container[key] = row.replace(project, container[key])
            except BadReference as error:
                wrong.append(document.places.problem(path, f"{spell(path)}: {error}"))
                # The types are checked next; an empty value there has nothing more to say about this one.
                container[key] = {} if row.replace is _dotenv else container[key]
    return Document(data, document.places), wrong


def _texts(holder: Any, row: _Row) -> Iterator[tuple[Any, Any, tuple[str | int, ...]]]:
    """Yield the container, the key in it and the path of each text at a row's place."""
    if not isinstance(holder, dict):
        return
    path = (row.key,) if row.section is None else (row.section, row.key)
    value = holder.get(row.key)
    if row.replace is not _description:
        # The types say what is wrong with a script or a list of requirements written in place.
        value = None if isinstance(value, str) and not value.isprintable() else value
    if isinstance(value, str) and value:
        yield holder, row.key, path
    elif isinstance(value, list) and row.replace is not _dotenv:
        yield from ((value, index, (*path, index)) for index, item in enumerate(value) if isinstance(item, str))
