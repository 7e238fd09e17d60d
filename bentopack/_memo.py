"""Texts that follow from their inputs alone, remembered by the digest of these: what makes them is slow to import."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from bentopack._fs import is_writable, write_atomic
from bentopack._home import home


def remembered(
    kind: str, inputs: Iterable[str | bytes | None], code: Iterable[Path], make: Callable[[], Mapping[str, bytes]]
) -> dict[str, bytes]:
    """Return what ``make`` gives, or gave before for the same inputs.

    Args:
        kind: what it is, as a name among what is remembered.
        inputs: everything that decides it, in a fixed order.
        code: the files whose code makes it, since that changes too.
        make: gives files of text by their paths.
    """
    path = home() / "cache" / "made" / kind / _key(inputs, code)
    try:
        told = json.loads(path.read_text("utf-8"))
        return {name: str(text).encode() for name, text in told.items()}
    except (OSError, ValueError, AttributeError):
        pass
    made = dict(make())
    if is_writable(home()):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, json.dumps({name: content.decode() for name, content in made.items()}).encode())
    return made


def version_of(package: str) -> str:
    """The version of an installed package, as one of the inputs."""
    from importlib import metadata  # takes as long as all else here

    return metadata.version(package)


def _key(inputs: Iterable[str | bytes | None], code: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for each in (*inputs, *(path.read_bytes() for path in sorted(code))):
        content = b"" if each is None else each.encode() if isinstance(each, str) else each
        total.update(f"{each is None} {len(content)} ".encode())
        total.update(content)
    return total.hexdigest()[:32]
