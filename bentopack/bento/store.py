"""The store of Bentos below ``$BENTOPACK_HOME``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from bentopack._fs import walk_files
from bentopack._home import bento_home
from bentopack._report import Reporter
from bentopack._store import Store, Stored
from bentopack.bento.digest import read_digest, version_of
from bentopack.errors import BentopackError, IntegrityError
from bentopack.spec.manifest import Manifest, read_manifest
from bentopack.tag import Tag


@dataclass(frozen=True)
class StoredBento:
    """A Bento of the store, as it is shown. ``size`` is in bytes, models included."""

    stored: Stored
    digest: str
    size: int
    manifest: Manifest

    def facts(self) -> dict[str, Any]:
        """What a script wants to know of it, as JSON can hold it."""
        return {
            "tag": str(self.stored.tag),
            "digest": self.digest,
            "created": self.stored.created.isoformat(),
            "size": self.size,
            "path": str(self.stored.path),
        }


@dataclass(frozen=True)
class BuiltBento:
    """A Bento that a build put into the store; ``digest`` is ``sha256:<hex>``."""

    tag: Tag
    path: Path
    digest: str
    reused: bool
    """Whether the store held this very Bento already."""
    read: tuple[Path, ...] = ()
    """Files and folders that the bentofile names: requirements, wheels, folders of wheels, a script."""
    models: tuple[Path, ...] = ()
    """Folders of its models in their store."""

    @cached_property
    def manifest(self) -> Manifest:
        """What the Bento says of itself."""
        return read_manifest(self.path)


def bento_store() -> Store:
    """The store of this user's Bentos."""
    return Store(bento_home(), "Bento")


def get_bento(tag: Tag | str) -> StoredBento:
    """Return one Bento of the store.

    Raises:
        NotFound: it is not there; the hint names near ones.
    """
    return _describe(bento_store().get(tag))


def list_bentos(name: str | None = None, *, reporter: Reporter) -> list[StoredBento]:
    """Return the Bentos of the store, the newest first; one that is damaged is warned of and left out."""
    found = []
    for stored in bento_store().list(name):
        try:
            found.append(_describe(stored))
        except (BentopackError, FileNotFoundError) as error:
            reporter.warn(f"{stored.tag} cannot be read: {error}")
    return found


def renewal(tag: Tag, *, shown: bool) -> str:
    """Say how a damaged Bento of the store is made whole, and how to see what is wrong unless that is shown already."""
    way = f"bentopack delete {tag}, then build or import it again"
    return f"run: {way}" if shown else f"`bentopack verify {tag}` shows how; run: {way}"


def require_digest(stored: Stored, digest: str) -> None:
    """Make sure that a tag holds the Bento that was meant, and not another that had it first.

    Raises:
        IntegrityError: the tag, given by the user, was taken by other bytes; or what is stored under it is damaged.
    """
    try:
        held = read_digest(stored.path)
    except IntegrityError:
        held = None
    if held != digest:
        # A version that the digest gave can be no other Bento's.
        if held is None or stored.tag.version == version_of(digest):
            raise IntegrityError(f"the stored Bento '{stored.tag}' is damaged", hint=renewal(stored.tag, shown=False))
        raise IntegrityError(
            f"the Bento '{stored.tag}' is stored already, with other content",
            hint=f"give another version, leave the version to the digest, or run: bentopack delete {stored.tag}",
        )


def _describe(stored: Stored) -> StoredBento:
    return StoredBento(
        stored=stored,
        digest=read_digest(stored.path),
        size=sum(path.stat().st_size for _, path in walk_files(stored.path)),
        manifest=read_manifest(stored.path),
    )
