"""A Bento as one file: written in one canonical form, read with suspicion."""

from __future__ import annotations

import contextlib
import gzip
import os
import tarfile
from pathlib import Path, PurePosixPath

from bentopack._fs import EPOCH, normalise, scratch_dir, walk_files
from bentopack._store import Stored
from bentopack.bento.digest import verify, version_of
from bentopack.bento.store import bento_store, same_bento_stored
from bentopack.errors import BentopackError, IntegrityError, NotFound
from bentopack.spec.manifest import read_manifest
from bentopack.tag import Tag, is_name, is_version

SUFFIX = ".bento"
_MAX_FILES = 1_000_000


def export_bento(stored: Stored, target: Path) -> Path:
    """Write a Bento as a gzipped tar, whose bytes follow from the Bento alone.

    Args:
        target: the file to write; where it is a folder, ``<name>-<version>.bento`` in it.

    Raises:
        BentopackError: the place cannot be written.
    """
    path = target / f"{stored.tag.name}-{stored.tag.version}{SUFFIX}" if target.is_dir() else target
    scratch = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        # A GzipFile with neither a name nor a time: its header says nothing of this machine.
        with (
            scratch.open("wb") as raw,
            gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=1, mtime=0) as packed,
        ):
            _write_tar(stored.path, packed)
        scratch.replace(path)
    except OSError as error:
        raise BentopackError(f"cannot write {path}: {error.strerror}") from None
    finally:
        scratch.unlink(missing_ok=True)
    return path


def import_bento(archive: Path) -> Stored:
    """Read an archive, prove every file in it, and store the Bento.

    Raises:
        NotFound: there is no such file.
        IntegrityError: it is no archive, has a member that no Bento has, or its files are not what SHA256SUMS says.
    """
    if not archive.is_file():
        raise NotFound(f"{archive} does not exist or is not a file")
    store = bento_store()
    with scratch_dir(store.root) as scratch:
        folder = scratch / "bento"
        folder.mkdir()
        try:
            with tarfile.open(archive, "r:*") as tar:
                _extract(tar, folder)
        except (tarfile.TarError, EOFError, gzip.BadGzipFile) as error:
            raise IntegrityError(f"{archive} is not a Bento archive: {error}") from None
        normalise(folder)
        digest = verify(folder)
        manifest = read_manifest(folder)
        if not is_name(manifest.name) or not (manifest.version is None or is_version(manifest.version)):
            raise IntegrityError(f"{archive} holds a Bento whose name is not valid: '{manifest.name}'")
        tag = Tag(manifest.name, manifest.version or version_of(digest))
        same_bento_stored(store, tag, digest)
        return store.put(tag, folder)


def _write_tar(folder: Path, target: gzip.GzipFile) -> None:
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for relative, path in walk_files(folder):
            status = path.stat()
            member = tarfile.TarInfo(relative)
            member.size = status.st_size
            member.mode = 0o755 if status.st_mode & 0o100 else 0o644
            member.mtime = EPOCH
            with path.open("rb") as file:
                tar.addfile(member, file)


def _extract(tar: tarfile.TarFile, folder: Path) -> None:
    seen: set[str] = set()
    for member in tar:
        if member.isdir():
            continue
        _check(member, seen)
        seen.add(member.name)
        target = folder / member.name
        source = tar.extractfile(member)
        if source is None:
            raise IntegrityError(f"the archive's member '{member.name}' has no content")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as file, contextlib.closing(source):
                while chunk := source.read(1 << 20):
                    file.write(chunk)
        except (FileExistsError, NotADirectoryError):
            raise IntegrityError(f"the archive's member '{member.name}' is in another one's place") from None
        target.chmod(0o755 if member.mode & 0o100 else 0o644)


def _check(member: tarfile.TarInfo, seen: set[str]) -> None:
    """Refuse what no export writes: links, devices, names that lead out, names that come twice."""
    name = PurePosixPath(member.name)
    if not member.isreg():
        raise IntegrityError(f"the archive's member '{member.name}' is not a file")
    if name.is_absolute() or ".." in name.parts or str(name) != member.name or "\\" in member.name:
        raise IntegrityError(f"the archive's member '{member.name}' would leave the Bento")
    if member.name in seen:
        raise IntegrityError(f"the archive's member '{member.name}' comes twice")
    if len(seen) >= _MAX_FILES:
        raise IntegrityError(f"the archive has more than {_MAX_FILES} files")
