"""Proof: that a Bento is, byte for byte, the one that its tag names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bentopack._store import Stored
from bentopack.bento.digest import verify, version_of
from bentopack.bento.store import renewal
from bentopack.errors import IntegrityError
from bentopack.spec.manifest import read_manifest
from bentopack.tag import Tag, is_name, is_version


@dataclass(frozen=True)
class ProvenBento:
    """A Bento directory whose every file was hashed and compared."""

    tag: Tag
    path: Path
    digest: str


def prove(folder: Path, *, later: str | None = None) -> ProvenBento:
    """Hash every file of a Bento directory and compare; those below ``later`` are left to who reads them.

    Raises:
        IntegrityError: names each file that is missing, added or changed; or it is no Bento.
    """
    digest = verify(folder, later=later)
    manifest = read_manifest(folder)
    version = manifest.version or version_of(digest)
    if not is_name(manifest.name) or not is_version(version):
        raise IntegrityError(f"{folder} is a Bento whose tag is not valid: '{manifest.name}:{version}'")
    return ProvenBento(Tag(manifest.name, version), folder, digest)


def prove_stored(stored: Stored, *, later: str | None = None) -> ProvenBento:
    """Prove a Bento of the store, its tag included: the version that a digest gave has to be that digest's.

    Raises:
        IntegrityError: see :func:`prove`; or another Bento lies under the tag. The hint says how to renew it.
    """
    hint = renewal(stored.tag, shown=True)
    try:
        proven = prove(stored.path, later=later)
    except IntegrityError as error:
        error.hint = error.hint or hint
        raise
    if proven.tag != stored.tag:
        raise IntegrityError(f"{stored.path} holds the Bento '{proven.tag}', not '{stored.tag}'", hint=hint)
    return proven
