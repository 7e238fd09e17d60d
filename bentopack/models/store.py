"""Saving, finding and reading models below ``$BENTOPACK_HOME/models``."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from bentopack._fs import EPOCH, FileEntry, describe_files, normalise, walk_files, write_atomic
from bentopack._home import model_home
from bentopack._store import Store, Stored
from bentopack._yaml import decode
from bentopack.errors import BentopackError, IntegrityError
from bentopack.models.artifact import framework, framework_of, installed_versions
from bentopack.tag import InvalidTag, Tag, is_name

DESCRIPTION_NAME = "model.yaml"


class ModelDescription(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What ``model.yaml`` says beside the artifact."""

    format: int
    name: str
    framework: str
    packages: dict[str, str] = {}
    """The versions that saved it, of the distributions that loading it needs."""
    labels: dict[str, str] = {}
    metadata: dict[str, Any] = {}


@dataclass(frozen=True)
class StoredModel:
    """A model in a folder, of the store or of a Bento. ``created`` is known to the store alone."""

    tag: Tag
    path: Path
    description: ModelDescription
    created: datetime | None = None

    def load(self) -> Any:
        """Return the object that was saved."""
        return framework(self.description.framework).load(self.path)


def model_store() -> Store:
    """The store of this user's models."""
    return Store(model_home(), "model")


def save_model(
    name: str,
    obj: Any,
    *,
    labels: Mapping[str, str] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> StoredModel:
    """Save a trained object and make it the newest of its name.

    Args:
        name: such as ``iris``; lower-case letters, digits, ``.``, ``_`` and ``-``.
        obj: a scikit-learn estimator, or anything that pickle can write.
        labels: short texts to find it by.
        metadata: anything that YAML can hold, such as scores.

    Raises:
        InvalidTag: the name is not valid.
        BentopackError: the object cannot be saved so that another process can load it, or the store cannot be written.
    """
    if not is_name(name):
        raise InvalidTag.of(name)
    if isinstance(obj, os.PathLike):
        raise BentopackError(f"{os.fspath(obj)!r} is a path, and no model", hint="load what lies there, and save that")
    kind = framework_of(obj)
    description = ModelDescription(
        format=1,
        name=name,
        framework=kind,
        packages=installed_versions(framework(kind).PACKAGES),
        labels={str(key): str(value) for key, value in (labels or {}).items()},
        metadata=dict(metadata or {}),
    )
    store = model_store()
    with store.scratch() as scratch:
        folder = scratch / "model"
        folder.mkdir()
        framework(kind).save(obj, folder)
        (folder / DESCRIPTION_NAME).write_bytes(_to_yaml(description))
        return _put(store, name, folder)


def put_model(name: str, folder: Path) -> StoredModel:
    """Store a model's folder that came from elsewhere, which has to be on the store's file system.

    A damaged copy that is stored already is replaced.

    Raises:
        IntegrityError: it holds no model, or one of another name.
        StorageError: the store cannot be written.
    """
    found = _description(folder)
    if found.name != name:
        raise IntegrityError(f"expected the model {name}, found {found.name}")
    return _put(model_store(), name, folder)


def _put(store: Store, name: str, folder: Path) -> StoredModel:
    normalise(folder)
    files = describe_files(walk_files(folder))
    stored = store.put(tag := Tag(name, version_of(digest_of(files))), folder)
    if folder.is_dir() and describe_files(walk_files(stored.path)) != files:
        # One was there already, and is not what its version says: no bytes but these may have that.
        store.delete(tag)
        stored = store.put(tag, folder)
    if _recorded(stored.path) != files:
        write_atomic(_record(stored.path), msgspec.json.encode(files))
    return _read(stored)


def get(tag: str | Tag) -> StoredModel:
    """Return a model of the store.

    Raises:
        NotFound: it is not there; the hint names near ones.
    """
    return _read(model_store().get(tag))


def list_models(name: str | None = None) -> list[StoredModel]:
    """Return the models of the store, the newest first."""
    return [_read(stored) for stored in model_store().list(name)]


def delete(tag: str | Tag) -> Tag:
    """Remove a model from the store and return its full tag. Bentos that were built with it keep it."""
    return model_store().delete(tag)


def read_model(folder: Path) -> StoredModel:
    """Read a model's folder ``<name>/<version>`` of a store or a Bento.

    Raises:
        IntegrityError: the folder holds no model.
    """
    return StoredModel(Tag(folder.parent.name, folder.name), folder, _description(folder))


def _description(folder: Path) -> ModelDescription:
    try:
        return decode((folder / DESCRIPTION_NAME).read_bytes(), ModelDescription)
    except (OSError, msgspec.MsgspecError) as error:
        raise IntegrityError(f"{folder} does not hold a model: {error}", hint="save the model again") from None


def files_of(folder: Path) -> list[FileEntry]:
    """The files of a stored model with their hashes, sorted by path.

    They are hashed once, when the model is saved: a file that still has the size and the time that it was given then
    is taken as unchanged. ``bentopack verify`` takes nothing on trust.
    """
    recorded = _recorded(folder)
    names = [name for name, _ in walk_files(folder)]
    if names == [file.path for file in recorded] and all(
        _untouched(folder / file.path, file.size) for file in recorded
    ):
        return recorded
    return describe_files(walk_files(folder))


def _recorded(folder: Path) -> list[FileEntry]:
    try:
        return msgspec.json.decode(_record(folder).read_bytes(), type=list[FileEntry])
    except (FileNotFoundError, msgspec.MsgspecError):
        return []


def _record(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.files")


def _untouched(path: Path, size: int) -> bool:
    try:
        status = path.stat()
    except FileNotFoundError:
        return False
    return (status.st_size, status.st_mtime) == (size, EPOCH)


def digest_of(files: Iterable[FileEntry]) -> str:
    """Return ``sha256:<hex>`` over the lines ``sha256  path`` of a model's files, in the order of their paths."""
    total = hashlib.sha256()
    for file in files:
        total.update(f"{file.sha256}  {file.path}\n".encode())
    return f"sha256:{total.hexdigest()}"


def version_of(digest: str) -> str:
    """Return the version that a digest gives."""
    return digest.removeprefix("sha256:")[:16]


def _read(stored: Stored) -> StoredModel:
    model = read_model(stored.path)
    return StoredModel(model.tag, model.path, model.description, stored.created)


def _to_yaml(description: ModelDescription) -> bytes:
    import yaml

    return yaml.safe_dump(msgspec.to_builtins(description), sort_keys=False, allow_unicode=True).encode()
