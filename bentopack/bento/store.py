"""The store of Bentos below ``$BENTOPACK_HOME``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bentopack._fs import walk_files
from bentopack._home import home
from bentopack._store import Store, Stored
from bentopack.bento.digest import read_digest
from bentopack.errors import IntegrityError
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


def bento_store(root: Path | None = None) -> Store:
    """The store of Bentos below ``root``, by default this user's."""
    return Store((root or home()) / "bentos", "Bento")


def get_bento(tag: Tag | str) -> StoredBento:
    """Return one Bento of the store.

    Raises:
        NotFound: it is not there; the hint names near ones.
    """
    return _describe(bento_store().get(tag))


def list_bentos(name: str | None = None) -> list[StoredBento]:
    """Return the Bentos of the store, the newest first."""
    return [_describe(stored) for stored in bento_store().list(name)]


def same_bento_stored(store: Store, tag: Tag, digest: str) -> bool:
    """Whether the store already holds this very Bento under this tag.

    Raises:
        IntegrityError: the tag, given by the user, is taken by other bytes.
    """
    folder = store.root / tag.name / tag.version
    if not folder.is_dir():
        return False
    if read_digest(folder) == digest:
        return True
    raise IntegrityError(
        f"the Bento '{tag}' is stored already, with other content",
        hint=f"give another version, leave the version to the digest, or run: bentopack delete {tag}",
    )


def _describe(stored: Stored) -> StoredBento:
    return StoredBento(
        stored=stored,
        digest=read_digest(stored.path),
        size=sum(path.stat().st_size for _, path in walk_files(stored.path)),
        manifest=read_manifest(stored.path),
    )
