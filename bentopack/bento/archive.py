"""A Bento as one file: written in one canonical form, read with suspicion."""

from __future__ import annotations

import contextlib
import errno
import gzip
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath
from threading import Lock

from bentopack._fs import EPOCH, normalise, scratch_dir, walk_files, writing
from bentopack._store import Stored
from bentopack.bento.store import bento_store, require_digest
from bentopack.bento.verify import ProvenBento, prove, prove_stored
from bentopack.errors import BentopackError, IntegrityError, NotFound
from bentopack.oci.bounded import BoundedTar

SUFFIX = ".bento"
_MAX_FILES = 1_000_000
_PADDING = 2 * tarfile.RECORDSIZE
_DIGEST = "bentopack.digest"
_SIZE = "bentopack.size"


def export_bento(stored: Stored, target: Path) -> Path:
    """Prove a Bento and write it as a gzipped tar. One compressor gives its archive the same bytes each time.

    Args:
        target: the file to write, or a pipe; where it is a folder, ``<name>-<version>.bento`` in it.

    Raises:
        BentopackError: the place is not there, or cannot be written.
        IntegrityError: the Bento is damaged. Nothing is written then.
    """
    path = target / f"{stored.tag.name}-{stored.tag.version}{SUFFIX}" if target.is_dir() else target
    folder = path.resolve().parent
    if not folder.is_dir():
        raise BentopackError(f"cannot write {path}: there is no folder {folder}")
    proven = prove_stored(stored)
    try:
        with writing(folder, otherwise="export to"):
            if path.exists() and not path.is_file():
                _write(proven, path)
                return path
            with scratch_dir(folder) as scratch:
                _write(proven, scratch / "archive")
                (scratch / "archive").replace(path.resolve())
    except OSError as error:
        raise BentopackError(f"cannot write {path}: {error.strerror}") from None
    return path


@contextlib.contextmanager
def unpacked(archive: Path, place: AbstractContextManager[Path]) -> Iterator[ProvenBento]:
    """Unpack an archive into a scratch folder, prove every file, and give it for the block.

    Raises:
        NotFound: there is no such file.
        IntegrityError: it is no archive, has a member that no Bento has, or its files are not what SHA256SUMS says.
        StorageError: the disk has no room for it.
    """
    if not archive.is_file():
        raise NotFound(f"{archive} does not exist or is not a file")
    with place as scratch:
        folder = scratch / "bento"
        folder.mkdir()
        try:
            with BoundedTar.open(archive, "r:gz") as tar:
                if not {_DIGEST, _SIZE} <= tar.pax_headers.keys():
                    raise IntegrityError(f"{archive} was not made by `bentopack export`")
                _extract(tar, folder, limit=_promised_size(tar, scratch))
                if not _is_padding(tar.fileobj.read(_PADDING + 1)):
                    raise IntegrityError(f"{archive} has something after its end")
                promised = tar.pax_headers[_DIGEST]
        except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error, ValueError) as error:
            raise IntegrityError(f"{archive} is not a Bento archive, or it is damaged: {error}") from None
        normalise(folder)
        proven = _proved(folder, archive)
        if promised != proven.digest:
            raise IntegrityError(
                f"{archive} is not what was exported: its digest is {proven.digest}, promised was {promised}"
            )
        yield proven


def import_bento(archive: Path) -> Stored:
    """Prove an archive's Bento and store it.

    Raises:
        NotFound, IntegrityError: see :func:`unpacked`; or its tag is taken by other bytes.
        StorageError: the store cannot be written.
    """
    store = bento_store()
    with unpacked(archive, store.scratch()) as proven:
        stored = store.put(proven.tag, proven.path)
        require_digest(stored, proven.digest)
        return stored


def _write(bento: ProvenBento, target: Path) -> None:
    size = sum(path.stat().st_size for _, path in walk_files(bento.path))
    headers = {_DIGEST: bento.digest, _SIZE: str(size)}
    with (
        target.open("wb") as raw,
        # Neither a name nor a time: the header says nothing of this machine.
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=1, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT, pax_headers=headers) as tar,
    ):
        for relative, path in walk_files(bento.path):
            status = path.stat()
            member = tarfile.TarInfo(relative)
            member.size = status.st_size
            member.mode = 0o755 if status.st_mode & 0o100 else 0o644
            member.mtime = EPOCH
            with path.open("rb") as file:
                tar.addfile(member, file)


def _proved(folder: Path, archive: Path) -> ProvenBento:
    """Prove what was unpacked; errors name the archive, since the folder is gone when they are read."""
    try:
        return prove(folder)
    except (IntegrityError, NotFound) as error:
        error.message = error.message.replace(str(folder), str(archive))
        raise


def _is_padding(rest: bytes) -> bool:
    """Whether what follows an archive's last file are the zeros that fill its last record, and no more."""
    return len(rest) <= _PADDING and not any(rest)


def _promised_size(tar: tarfile.TarFile, folder: Path) -> int:
    """How many bytes the archive says that its files have: what goes beyond is a bomb, and has to fit the disk."""
    size = int(tar.pax_headers[_SIZE])
    if size > shutil.disk_usage(folder).free:
        raise OSError(errno.ENOSPC, f"the archive unpacks to {size} bytes, and there is no room for them", str(folder))
    return size


def _extract(tar: tarfile.TarFile, folder: Path, *, limit: int) -> None:
    unpacker = Unpacker(folder, limit)
    for member in tar:
        if not member.isdir():
            unpacker.take(tar, member, member.name)


class Unpacker:
    """Writes the files of one Bento out of archives, with suspicion.

    Args:
        folder: where to; it is the Bento's alone.
        limit: bytes that all of them may have.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        self._seen: set[str] = set()
        self._total = 0
        self._lock = Lock()

    def take(self, tar: tarfile.TarFile, member: tarfile.TarInfo, name: str) -> None:
        """Write one member under a name in the Bento.

        Raises:
            IntegrityError: it is what no Bento has.
        """
        with self._lock:
            _check(member, name, self._seen)
            self._seen.add(name)
            self._total += member.size
            if self._total > self._limit:
                raise IntegrityError(f"the archive unpacks to more than the {self._limit} bytes that it says")
        target = self._folder / name
        source = tar.extractfile(member)
        if source is None:
            raise IntegrityError(f"the archive's member '{name}' has no content")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as file, contextlib.closing(source):
                while chunk := source.read(1 << 20):
                    file.write(chunk)
        except (FileExistsError, NotADirectoryError):
            raise IntegrityError(f"the archive's member '{name}' is in another one's place") from None
        target.chmod(0o755 if member.mode & 0o100 else 0o644)


def _check(member: tarfile.TarInfo, named: str, seen: set[str]) -> None:
    """Refuse what no export writes: links, devices, names that lead out, names that come twice."""
    name = PurePosixPath(named)
    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):  # a sparse file is not one either
        raise IntegrityError(f"the archive's member '{named}' is not a file")
    if name.is_absolute() or ".." in name.parts or str(name) != named or "\\" in named:
        raise IntegrityError(f"the archive's member '{named}' would leave the Bento")
    if named in seen:
        raise IntegrityError(f"the archive's member '{named}' comes twice")
    if len(seen) >= _MAX_FILES:
        raise IntegrityError(f"the archive has more than {_MAX_FILES} files")
