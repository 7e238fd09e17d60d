"""What a Bento's digest is made of, and the proof of it that needs no bentopack: ``sha256sum -c SHA256SUMS``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from bentopack._fs import FileEntry, describe_files, strange_below, walk_files
from bentopack.errors import IntegrityError

SUMS_NAME = "SHA256SUMS"
_VERSION_LENGTH = 16  # hex digits: 64 bits name a version; the whole digest proves it


def list_files(bento: Path, known: Iterable[FileEntry] = ()) -> list[FileEntry]:
    """Hash every file of a Bento but ``SHA256SUMS``, sorted by path; those in ``known`` are not read again."""
    hashed = {file.path: file for file in known}
    unknown = [(name, path) for name, path in walk_files(bento) if name != SUMS_NAME and name not in hashed]
    return sorted([*hashed.values(), *describe_files(unknown)])


def digest_of(files: Iterable[FileEntry]) -> str:
    """Return ``sha256:<hex>`` over the sorted lines ``mode size sha256 path``, where mode is ``x`` or ``-``."""
    total = hashlib.sha256()
    for file in sorted(files):
        mode = "x" if file.executable else "-"
        total.update(f"{mode} {file.size} {file.sha256} {file.path}\n".encode())
    return f"sha256:{total.hexdigest()}"


def version_of(digest: str) -> str:
    """Return the version that a digest gives to a Bento whose user gave none."""
    return digest.removeprefix("sha256:")[:_VERSION_LENGTH]


def write_sums(bento: Path, known: Iterable[FileEntry] = ()) -> str:
    """Write ``SHA256SUMS`` for a finished Bento and return its digest."""
    files = list_files(bento, known)
    # No name in a Bento has a line break or a backslash, so no line needs sha256sum's escapes.
    text = "".join(f"{file.sha256}  {file.path}\n" for file in files)
    (bento / SUMS_NAME).write_bytes(text.encode())
    return digest_of(files)


def read_digest(bento: Path) -> str:
    """Return the digest of a Bento from its ``SHA256SUMS``, trusting it: nothing is hashed."""
    return digest_of(read_files(bento))


def read_files(bento: Path) -> list[FileEntry]:
    """Describe every file of a Bento as its ``SHA256SUMS`` does, trusting it: nothing is hashed.

    Raises:
        IntegrityError: a file is missing.
    """
    files = []
    for name, sha256 in read_sums(bento).items():
        try:
            files.append(_trusted(bento, name, sha256))
        except FileNotFoundError:
            raise _damaged(bento, [f"missing: {name}"]) from None
    return files


def _trusted(bento: Path, name: str, sha256: str) -> FileEntry:
    status = (bento / name).stat()
    return FileEntry(name, bool(status.st_mode & 0o100), status.st_size, sha256)


def verify(bento: Path, *, later: str | None = None) -> str:
    """Hash every file of a Bento, compare with ``SHA256SUMS``, and return the digest.

    Args:
        bento: its folder.
        later: a folder of it whose files are not hashed now: whoever reads one of them compares it then.

    Raises:
        IntegrityError: names each file that is missing, added or changed. A link is no file, whatever it leads to.
    """
    strange = dict(strange_below(bento))
    if SUMS_NAME in strange:
        raise _damaged(bento, [f"changed: {SUMS_NAME} ({strange[SUMS_NAME]})"])
    recorded = read_sums(bento)
    there = [each for each in walk_files(bento) if each[0] not in (SUMS_NAME, *strange)]
    trusted = {name for name, _ in there if later and name.startswith(f"{later}/") and name in recorded}
    files = describe_files(each for each in there if each[0] not in trusted)
    found = {file.path: file for file in (*files, *(_trusted(bento, name, recorded[name]) for name in trusted))}
    problems = [f"missing: {name}" for name in recorded.keys() - found.keys() - strange.keys()]
    problems += [f"added: {name}" for name in found.keys() - recorded.keys()]
    problems += [f"changed: {name}" for name, sha in recorded.items() if name in found and found[name].sha256 != sha]
    problems += [f"{'changed' if name in recorded else 'added'}: {name} ({kind})" for name, kind in strange.items()]
    if problems:
        raise _damaged(bento, sorted(problems))
    return digest_of(found.values())


def _damaged(bento: Path, problems: Iterable[str]) -> IntegrityError:
    return IntegrityError(f"{bento} is not the Bento it was:", problems=problems)


def read_sums(bento: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of a Bento, as ``SHA256SUMS`` says.

    Raises:
        IntegrityError: there is none, or it is damaged.
    """
    try:
        text = (bento / SUMS_NAME).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise IntegrityError(f"{bento} has no {SUMS_NAME}: it is not a whole Bento") from None
    except UnicodeDecodeError:
        raise IntegrityError(f"{bento / SUMS_NAME} is damaged: it is not text") from None
    found = {}
    for line in text.splitlines():
        sha256, separator, name = line.partition("  ")
        if not separator or len(sha256) != 64:
            raise IntegrityError(f"{bento / SUMS_NAME} is damaged: '{line}'")
        found[name] = sha256
    return found
