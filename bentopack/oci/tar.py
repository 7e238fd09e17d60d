"""Tar archives in their one form: sorted, parents first, root's, of one time; so the same files are the same bytes."""

from __future__ import annotations

import hashlib
import stat
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bentopack.oci.content import ContentError

_PIECE = 1 << 20  # bytes
_BLOCK = tarfile.BLOCKSIZE
WHITEOUT = ".wh."
"""What the name of a file begins with that deletes another one of the layers below.

Source: https://github.com/opencontainers/image-spec/blob/v1.1.0/layer.md#whiteouts.
"""


@dataclass(frozen=True)
class Entry:
    """One path of a layer, without a slash before it: a file's bytes or source, a link's target, or a folder.

    ``mode`` are the permission bits; no set-user or set-group bit is ever written. ``sha256`` is what the file has to
    be, in hex, where that is known: who reads it compares.
    """

    path: str
    mode: int = 0o644
    source: Path | bytes | None = None
    target: str | None = None
    sha256: str | None = None

    @property
    def is_folder(self) -> bool:
        """Whether it holds others, and nothing itself."""
        return self.source is None and self.target is None

    @property
    def size(self) -> int:
        """The bytes that it holds."""
        return self.source.stat().st_size if isinstance(self.source, Path) else len(self.source or b"")


def tar_stream(entries: Iterable[Entry], *, time: int) -> Iterator[bytes | memoryview]:
    """Yield an archive in pieces of at most a mebibyte; only one is ever held.

    Args:
        entries: in any order; folders on the way that are missing are added.
        time: of every entry, in seconds since 1970.

    Raises:
        ContentError: a path leaves the layer, is there twice, a file changed while it was read, or is not what it
            should be.
    """
    size = 0
    for entry, header, held in _members(entries, time):
        size += len(header)
        yield header
        for piece in _content(entry, held):
            size += len(piece)
            yield piece
    yield bytes(2 * _BLOCK)
    # As tar itself pads, to its record.
    yield bytes(-(size + 2 * _BLOCK) % tarfile.RECORDSIZE)


def complete(entries: Iterable[Entry]) -> list[Entry]:
    """Sort entries, parents first, and add the folders that nobody named."""
    found: dict[str, Entry] = {}
    for entry in entries:
        _require_inside(entry)
        if found.setdefault(entry.path, entry) != entry:
            raise ContentError(f"a layer cannot hold {entry.path} twice")
    for path in list(found):
        parent = path.rpartition("/")[0]
        while parent:
            held = found.setdefault(parent, Entry(parent, 0o755))
            if not held.is_folder:
                raise ContentError(f"a layer cannot hold {path}, since {parent} is no folder")
            parent = parent.rpartition("/")[0]
    return [found[path] for path in sorted(found, key=lambda path: path.split("/"))]


def tree(root: Path, at: str) -> Iterator[Entry]:
    """Yield all below a folder of this machine as entries below ``at``; what is executable stays so, links stay.

    Raises:
        ContentError: something is no file, link or folder: to read a pipe would be to wait for who writes to it.
    """
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        name = f"{at}/{path.relative_to(root).as_posix()}"
        if stat.S_ISLNK(status.st_mode):
            yield Entry(name, 0o777, target=path.readlink().as_posix())
        elif stat.S_ISDIR(status.st_mode):
            yield Entry(name, 0o755)
        elif not stat.S_ISREG(status.st_mode):
            raise ContentError(f"{path} is no file (a socket, pipe or device), and no layer can hold it")
        else:
            yield Entry(name, 0o755 if status.st_mode & 0o100 else 0o644, source=path)


def _require_inside(entry: Entry) -> None:
    parts = entry.path.split("/")
    if not entry.path or any(part in ("", ".", "..") for part in parts) or "\0" in entry.path:
        raise ContentError(f"{entry.path!r} is no path that a layer can hold")
    if any(part.startswith(WHITEOUT) for part in parts):
        name = entry.path.partition(WHITEOUT)[2]
        raise ContentError(
            f"{entry.path!r} cannot be in a layer: there it would mean that {name!r} is deleted",
            hint=f"rename it: no name in an image begins with {WHITEOUT}",
        )


def tar_size(entries: Iterable[Entry]) -> int:
    """The bytes of what :func:`tar_stream` yields, without reading a file."""
    size = sum(len(header) + -(-held // _BLOCK) * _BLOCK for _, header, held in _members(entries, 0)) + 2 * _BLOCK
    return -(-size // tarfile.RECORDSIZE) * tarfile.RECORDSIZE


def _members(entries: Iterable[Entry], time: int) -> Iterator[tuple[Entry, bytes, int]]:
    """Yield each entry with its header and the bytes that it holds."""
    for entry in complete(entries):
        header = tarfile.TarInfo(entry.path)
        header.mtime = time
        header.mode = entry.mode & 0o777
        if entry.target is not None:
            header.type, header.linkname = tarfile.SYMTYPE, entry.target
        elif entry.source is None:
            header.type = tarfile.DIRTYPE
        else:
            header.size = entry.size
        yield entry, header.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape"), header.size


def _content(entry: Entry, size: int) -> Iterator[bytes | memoryview]:
    if isinstance(entry.source, bytes):
        yield entry.source
    elif entry.source is not None:
        yield from _of_file(entry.source, size, entry.sha256)
    yield bytes(-size % _BLOCK)


def _of_file(path: Path, size: int, sha256: str | None) -> Iterator[memoryview]:
    left, found = size, hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while left:
            buffer = bytearray(min(_PIECE, left))
            read = file.readinto(buffer)
            if not read:
                break
            left -= read
            piece = memoryview(buffer)[:read]
            if sha256:
                found.update(piece)
            yield piece
        if left or file.read(1):
            raise ContentError(f"{path} changed while it was read")
    if sha256 not in (None, found.hexdigest()):
        raise ContentError(f"{path} is not the file that it was", hint="`bentopack verify` tells what else has changed")
