"""Texts that follow from their inputs alone, remembered by the digest of these: what makes them is slow to import."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path

from bentopack._fs import is_writable, write_atomic
from bentopack._home import home

_PACKAGE = Path(__file__).parent


def remembered(
    kind: str,
    inputs: Iterable[str | bytes | None],
    make: Callable[[], Mapping[str, bytes]],
    *,
    files: Iterable[Path] = (),
) -> dict[str, bytes]:
    """Return what ``make`` gives, or gave before for the same inputs, by the same release of this package.

    Args:
        kind: what it is, as a name among what is remembered.
        inputs: everything that decides it, in a fixed order.
        make: gives files of text by their paths.
        files: what it reads besides, such as templates.
    """
    path = home() / "cache" / "made" / kind / _key(inputs, files)
    if (found := _read(path)) is not None:
        return found
    made = dict(make())
    if is_writable(home()):
        text = json.dumps({name: content.decode() for name, content in made.items()})
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, f"{_digest(text)}\n{text}")
    return made


def version_of(package: str) -> str:
    """The version of an installed package, as one of the inputs."""
    from importlib import metadata  # takes as long as all else here

    return metadata.version(package)


def _read(path: Path) -> dict[str, bytes] | None:
    """What was written, or None where it is not there any more as it was: it is made again then."""
    try:
        digest, _, text = path.read_text("utf-8").partition("\n")
    except (OSError, ValueError):
        return None
    if digest != _digest(text):
        return None
    return {name: content.encode() for name, content in json.loads(text).items()}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _key(inputs: Iterable[str | bytes | None], files: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for each in (_code(), *inputs, *(path.read_bytes() for path in sorted(files))):
        content = b"" if each is None else each.encode() if isinstance(each, str) else each
        total.update(f"{each is None} {len(content)} ".encode())
        total.update(content)
    return total.hexdigest()[:32]


@cache
def _code() -> str:
    """All code of this package, as far as a look at its folders tells: any of it may decide what is made.

    In a checkout a changed file has another time. To read them all would take longer than what is remembered saves.
    """
    # Where the release's number stands: installers may give all files one time.
    found = [(_PACKAGE / "__init__.py").read_text("utf-8")]
    for folder, folders, names in os.walk(_PACKAGE):
        folders[:] = sorted(each for each in folders if each != "__pycache__")
        for path in (Path(folder, name) for name in sorted(names) if name.endswith(".py")):
            status = path.stat()
            found.append(f"{path} {status.st_size} {status.st_mtime_ns}")
    return "\n".join(found)
