"""``bentofile.lock``: what was resolved, and from which inputs; made to be committed."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import msgspec

from bentopack._fs import write_atomic
from bentopack._yaml import decode
from bentopack.errors import LockError
from bentopack.lock.conda import LockedCondaPackage, require_sound_conda
from bentopack.lock.resolver import LockedPackage
from bentopack.lock.sound import require_sound

FORMAT = 1
_HEADER = "# Made by bentopack; commit it. `bentopack lock` renews it.\n"


class LockedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model as it was when the lock was made. ``spellings`` are the tags and aliases that the project uses."""

    tag: str
    digest: str
    spellings: tuple[str, ...]


class LockedBase(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A base image: its name, and its digest or why there is none."""

    image: str
    digest: str | None = None
    """``sha256:<hex>`` of what its registry has under the name."""
    unpinned: str | None = None


class LockedEnvironment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The base and the packages of one variant on one platform."""

    base: LockedBase
    packages: tuple[LockedPackage, ...]
    conda: tuple[LockedCondaPackage, ...] = ()
    """In the order in which they are to be installed; pip's packages lie above them."""


class Lock(msgspec.Struct, frozen=True, kw_only=True):
    """The whole lock. ``variants`` maps a variant to its platforms (``cpu`` → ``linux/amd64`` → packages)."""

    format: int
    python: str
    runtime: str
    """The version of bentopack whose runtime the Bento carries."""
    compressor: str = ""
    """What images' layers are compressed with where no engine makes them: their digests follow from it."""
    inputs: dict[str, Any]
    """What it was resolved from, each part by name, so that a stale lock can say which of them changed."""
    models: tuple[LockedModel, ...]
    variants: dict[str, dict[str, LockedEnvironment]]
    checksum: str = ""
    """SHA-256 (hex) over all the rest."""


def sealed(lock: Lock) -> Lock:
    """Return a lock with the checksum of what it holds."""
    return msgspec.structs.replace(lock, checksum=_checksum(lock))


def read_lock(path: Path) -> Lock | None:
    """Read a lock, or None where there is none.

    Raises:
        LockError: it is damaged, was edited by hand, or is of a newer format than this release reads.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    if re.search(rb"^(<<<<<<<|>>>>>>>) ", content, re.MULTILINE):
        raise LockError(
            f"{path} holds the marks of a merge conflict",
            hint=f"take one side (`git checkout --ours {path.name}`, or --theirs), then run: bentopack lock",
        )
    again = how_to_repair(path.name)
    if not content.strip():
        raise LockError(f"{path} is empty", hint=again)
    try:
        document = decode(content, object)
        _require_format(document, path)
        lock = msgspec.convert(document, Lock)
    except msgspec.MsgspecError as error:
        raise LockError(f"{path} cannot be read as a lock: {error}", hint=again) from None
    if not re.fullmatch("[0-9a-f]{64}", lock.checksum):  # the last line
        raise LockError(f"{path} is not whole: it does not end with its checksum", hint=again)
    if lock.checksum != _checksum(lock):
        raise LockError(f"{path} was changed by hand: its checksum does not fit its content", hint=again)
    # Whoever can edit the file can also compute a checksum.
    if not re.fullmatch(r"[0-9]+\.[0-9]+", lock.python):
        raise LockError(f"{path}: {lock.python!r} is not a Python version", hint=again)
    for platforms in lock.variants.values():
        for environment in platforms.values():
            if environment.base.digest and not re.fullmatch(r"sha256:[0-9a-f]{64}", environment.base.digest):
                raise LockError(f"{path}: the digest of the base {environment.base.image!r} is not valid", hint=again)
            for package in environment.packages:
                require_sound(package, str(path))
            for each in environment.conda:
                require_sound_conda(each, str(path))
    return lock


def how_to_repair(name: str) -> str:
    """Say what to do with a lock that cannot be used."""
    return (
        f"take it back from version control (`git checkout {name}`); where it never was there, delete it, and "
        "`bentopack lock` makes one anew, of the newest versions"
    )


def _require_format(document: object, path: Path) -> None:
    found = document.get("format") if isinstance(document, dict) else None
    if isinstance(found, int) and found > FORMAT:
        raise LockError(f"{path} has format {found}; this bentopack reads up to {FORMAT}", hint="upgrade bentopack")
    if isinstance(found, int) and found < 1:
        raise LockError(f"{path} has format {found}, and there is none such", hint=how_to_repair(path.name))


def write_lock(path: Path, lock: Lock) -> None:
    """Write a lock, in its one order; the file is touched only when its content differs."""
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text = yaml.dump(msgspec.to_builtins(lock), Dumper=dumper, sort_keys=False, allow_unicode=True, width=120)
    content = (_HEADER + text).encode()
    if not path.exists() or path.read_bytes() != content:
        write_atomic(path, content)


def _checksum(lock: Lock) -> str:
    content = msgspec.to_builtins(msgspec.structs.replace(lock, checksum=""))
    if not lock.compressor:  # a lock of before there was one
        del content["compressor"]
    return hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()
