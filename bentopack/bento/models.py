"""A project's models, hashed once: for the manifest, for the lock, and for the Bento's own digest."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bentopack._fs import FileEntry
from bentopack.bento.needed_models import ProjectModel
from bentopack.errors import IntegrityError
from bentopack.models.store import StoredModel, digest_of, files_of, version_of
from bentopack.spec.manifest import ModelInfo


@dataclass(frozen=True)
class HashedModel:
    """A model with its manifest entry and the files it brings, by their paths in the Bento."""

    stored: StoredModel
    info: ModelInfo
    files: tuple[FileEntry, ...]


def hash_model(model: ProjectModel) -> HashedModel:
    """Read a model's files, and make sure that they are what was saved.

    Raises:
        IntegrityError: the stored artifact was changed since.
    """
    files = files_of(model.stored.path)
    digest = digest_of(files)
    tag = model.stored.tag
    if version_of(digest) != tag.version:
        raise IntegrityError(
            f"the model '{tag}' in {model.stored.path} is not what was saved: its digest is {digest}",
            hint=f"delete it and save it again: bentopack models delete {tag}",
        )
    info = ModelInfo(
        name=tag.name,
        version=tag.version,
        digest=digest,
        framework=model.stored.description.framework,
        spellings=model.spellings,
    )
    return HashedModel(model.stored, info, tuple(replace(file, path=f"{info.path}/{file.path}") for file in files))
