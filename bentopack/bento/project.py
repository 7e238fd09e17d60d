"""A project as it lies on disk: its spec, its service, its files and the models it needs, all read and checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bentopack.errors import NotFound, Problem, SpecError
from bentopack.models.store import StoredModel, digest_of, get
from bentopack.spec.bentofile import Model, Spec
from bentopack.spec.document import NOWHERE, Places
from bentopack.spec.files import CollectedFiles, collect_files
from bentopack.spec.load import load_spec
from bentopack.spec.manifest import ModelInfo, ServiceInfo
from bentopack.spec.syntax import DeclaredModel, read_service


@dataclass(frozen=True)
class ProjectModel:
    """A model that a project needs, found in the store."""

    requested: str
    alias: str | None
    stored: StoredModel

    def info(self) -> ModelInfo:
        """Describe it for the manifest; hashes the artifact."""
        return ModelInfo(
            requested=self.requested,
            name=self.stored.tag.name,
            version=self.stored.tag.version,
            digest=f"sha256:{digest_of(self.stored.path)}",
            framework=self.stored.description.framework,
            alias=self.alias,
        )


@dataclass(frozen=True)
class Project:
    """What serving and building a project start from."""

    path: Path
    file: Path
    spec: Spec
    service: ServiceInfo
    models: tuple[ProjectModel, ...]
    warnings: tuple[Problem, ...]
    places: Places = field(default=NOWHERE, repr=False)
    """Where each value of the spec stands, for problems that show only later."""


def read_target(path: Path, target: str) -> Project:
    """Read a service by its import string in a folder that needs no bentofile; for development.

    Raises:
        SpecError, NotFound: as :func:`read_project`.
    """
    read = read_service(path, target)
    models = tuple(_find_models((), read.models))
    return Project(path, path, Spec(service=target), read.service, models, read.warnings)


def read_project(path: Path) -> Project:
    """Read the project in a folder, without its files' content and without running any of its code.

    Raises:
        SpecError: every problem of the bentofile and of the service it names.
        NotFound: a model is not in the store; names all that are missing.
    """
    loaded = load_spec(path)
    read = read_service(loaded.project, loaded.spec.service, loaded.places)
    return Project(
        path=loaded.project,
        file=loaded.file,
        spec=loaded.spec,
        service=read.service,
        models=tuple(_find_models(loaded.spec.models, read.models)),
        warnings=(*loaded.warnings, *read.warnings),
        places=loaded.places,
    )


def source_files(project: Project, *, strict: bool) -> CollectedFiles:
    """Collect the files that include and exclude keep.

    Raises:
        SpecError: a pattern matches nothing, a link leaves the project; with ``strict``, a file looks like a secret.
    """
    collected = collect_files(project.path, project.spec, project.places)
    if strict and collected.warnings:
        raise SpecError(
            collected.warnings, hint="exclude them in the bentofile or in .bentoignore, or build without --strict"
        )
    return collected


def _find_models(listed: tuple[Model, ...], declared: tuple[DeclaredModel, ...]) -> Iterator[ProjectModel]:
    wanted: dict[str, str | None] = {model.tag: None for model in declared}
    wanted.update({model.tag: model.alias for model in listed})
    missing: list[NotFound] = []
    for tag, alias in sorted(wanted.items()):
        try:
            yield ProjectModel(tag, alias, get(tag))
        except NotFound as error:
            missing.append(error)
    if missing:
        raise NotFound(
            "\n".join(error.message for error in missing),
            hint="\n".join(dict.fromkeys(error.hint or "" for error in missing))
            + "\nsave it with bentopack.save_model(), or correct the tag",
        )
