"""Files, made the same everywhere: ordered walks, atomic writes, links instead of copies, normalised archives."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import stat
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bentopack.errors import StorageError

_CHUNK = 1 << 18
_WORTH_THREADS = 16 << 20  # bytes
SCRATCH = ".bentopack-tmp-"
_ABANDONED = 24 * 3600  # seconds
# Another file system, one without links, too many links to one file, or a policy against them.
_NO_LINKS = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES)
_FULL = (errno.ENOSPC, errno.EDQUOT)
_REFUSED = (errno.EROFS, errno.EACCES, errno.EPERM)
_NO_FOLDER = (errno.ENOTDIR, errno.EEXIST, errno.ENOENT)  # a file is in the way, or it is below /proc
_FICLONE = 0x40049409
EPOCH = 315_532_800  # 1980-01-01 UTC, the first moment that a zip can tell


@dataclass(frozen=True, order=True)
class FileEntry:
    """One file as a digest sees it: its POSIX path, whether it is executable, its size in bytes, its SHA-256."""

    path: str
    executable: bool
    size: int
    sha256: str


def walk_files(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield ``(POSIX path relative to root, path)`` of every file below ``root``, sorted by the relative path.

    Links are not followed: a store holds none, and an archive may bring none.
    """
    found = [
        (Path(folder, name).relative_to(root).as_posix(), Path(folder, name))
        for folder, _, names in os.walk(root)
        for name in names
    ]
    yield from sorted(found)


def strange_below(root: Path) -> Iterator[tuple[str, str]]:
    """Yield the POSIX path and the kind of all below ``root`` that no Bento has: links, devices, empty folders."""
    for folder, folders, names in os.walk(root):
        if not (folders or names) and Path(folder) != root:
            yield f"{Path(folder).relative_to(root).as_posix()}/", "an empty folder"
        for path in (Path(folder, name) for name in (*folders, *names)):
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                yield path.relative_to(root).as_posix(), "a link"
            elif not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                yield path.relative_to(root).as_posix(), "not a file"


def is_scratch(name: str) -> bool:
    """Whether a file's name is that of a temporary file of ours, left by a process that was killed."""
    return name.startswith(SCRATCH)


def sha256_file(path: Path) -> str:
    """Return the hex SHA-256 of a file, read once, in pieces."""
    digest = hashlib.sha256()
    buffer = bytearray(_CHUNK)
    view = memoryview(buffer)
    with path.open("rb", buffering=0) as file:
        while size := file.readinto(buffer):
            digest.update(view[:size])
    return digest.hexdigest()


def pieces_of(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes, a mebibyte at a time."""
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            yield piece


def describe_files(files: Iterable[tuple[str, Path]]) -> list[FileEntry]:
    """Stat and hash files, on all processors where they are large enough to be worth it; the order is kept."""
    pairs = list(files)
    if sum(path.stat().st_size for _, path in pairs) < _WORTH_THREADS:
        return [_describe(relative, path) for relative, path in pairs]
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # hashing releases the interpreter's lock
        return list(pool.map(_describe, *zip(*pairs, strict=True)))


def _describe(relative: str, path: Path) -> FileEntry:
    status = path.stat()
    return FileEntry(relative, bool(status.st_mode & 0o100), status.st_size, sha256_file(path))


@contextlib.contextmanager
def writing(place: Path, *, otherwise: str) -> Iterator[None]:
    """Tell in one way that what the block writes in ``place`` cannot be written.

    Args:
        otherwise: how the user takes another place: ``set BENTOPACK_HOME to``.

    Raises:
        StorageError: its disk is full, it is read-only, it is another user's, or it cannot be made.
    """
    try:
        yield
    except OSError as error:
        if not (_cannot_be_made(error, place) or (error.errno in (*_FULL, *_REFUSED) and _concerns(error, place))):
            raise
        way_out = f"{otherwise} a folder that this user can write"
        if error.errno in _FULL:
            way_out = f"make room there, or {otherwise} a folder on another disk"
        raise StorageError(f"{place} cannot be written: {error.strerror}", hint=way_out) from None


def _cannot_be_made(error: OSError, place: Path) -> bool:
    named = error.filename
    return error.errno in _NO_FOLDER and isinstance(named, (str, os.PathLike)) and place.is_relative_to(Path(named))


def _concerns(error: OSError, place: Path) -> bool:
    """Whether an error is about a folder, or about one above that was to be made for it."""
    named = error.filename2 or error.filename  # where there are two, the second is what is written
    if not isinstance(named, (str, os.PathLike)):
        return error.errno in _FULL  # of a file that is open the system names no path
    path = Path(named).absolute()
    return path.is_relative_to(place) or place.is_relative_to(path)


@contextlib.contextmanager
def alone_in(folder: Path, *, waiting: Callable[[], None]) -> Iterator[None]:
    """Keep others who ask for the same out of a folder while the block runs; a killed process keeps out nobody.

    It leaves no file, and asks for no more than to read the folder. Where a system cannot do it, nobody waits.

    Args:
        waiting: called where another one is in there.
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network file systems
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def is_writable(folder: Path) -> bool:
    """Whether this user may make files in a folder, as far as can be told without making one."""
    return os.access(folder, os.W_OK)


@contextlib.contextmanager
def scratch_dir(parent: Path) -> Iterator[Path]:
    """Give a hidden temporary folder in ``parent``, removed at the end whatever happened.

    Being on the same file system as its destination, what is finished in it can be renamed into place.
    """
    parent.mkdir(parents=True, exist_ok=True)
    sweep(parent)
    scratch = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=parent))
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def zip_entry(name: str, *, executable: bool = False) -> zipfile.ZipInfo:
    """Describe a file of a zip so that no clock, umask or system shows; stored, since deflaters' outputs differ."""
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.create_system = 3  # Unix, whatever this machine is: the modes are Unix modes
    entry.external_attr = (0o100755 if executable else 0o100644) << 16
    entry.compress_type = zipfile.ZIP_STORED
    return entry


def sweep(parent: Path, prefix: str = SCRATCH) -> None:
    """Remove what killed processes left behind in a folder, once it is a day old, and so nobody's work any more.

    Args:
        parent: the folder.
        prefix: what the names of temporary files begin with there.
    """
    oldest = time.time() - _ABANDONED
    for path in parent.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):  # another process swept it, or it is another user's
            if path.lstat().st_mtime >= oldest:
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write a file so that a reader sees the old content or the new one, never a part.

    What is no regular file (a pipe, ``/dev/stdout``) is written to, not replaced, and a link's target is.
    """
    data = content.encode() if isinstance(content, str) else content
    if path.exists() and not path.is_file():  # before links are resolved: where /dev/stdout leads is no path at last
        path.write_bytes(data)
        return
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent)
    handle, name = tempfile.mkstemp(prefix=SCRATCH, dir=path.parent)
    scratch = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        scratch.chmod(0o644)
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def link_or_copy(source: Path, target: Path) -> None:
    """Hard-link ``source`` to ``target``, or reflink it, or copy it where the file system can do neither."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if _cloned(source, target):
            shutil.copymode(source, target)
        else:
            copy_normalised(source, target)


def _cloned(source: Path, target: Path) -> bool:
    """Let a file share another's blocks until one of them is changed (a reflink), where the file system can."""
    if sys.platform != "linux":
        return False
    import fcntl

    with source.open("rb") as old, target.open("wb") as new:
        try:
            fcntl.ioctl(new.fileno(), _FICLONE, old.fileno())
        except OSError:
            return False
    return True


def copy_normalised(source: Path, target: Path) -> None:
    """Copy a file's bytes, with mode 0755 or 0644 by whether its owner may execute it, whatever the umask."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o755 if source.stat().st_mode & 0o100 else 0o644)


def normalise(folder: Path) -> None:
    """Take from all below ``folder`` what a digest does not see but a layer does: the clock and the umask."""
    for parent, folders, files in os.walk(folder):
        for name in folders:
            Path(parent, name).chmod(0o755)
        for name in files:
            path = Path(parent, name)
            path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
            os.utime(path, (EPOCH, EPOCH))
