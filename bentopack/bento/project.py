"""A project as it lies on disk: its spec, its service, its files and the models it needs, all read and checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from bentopack._fs import is_scratch
from bentopack._home import home
from bentopack.errors import NotFound, Problem, SpecError
from bentopack.models.store import StoredModel, get
from bentopack.spec.bentofile import Model, Spec
from bentopack.spec.document import NOWHERE, Places
from bentopack.spec.files import CollectedFiles, collect_files
from bentopack.spec.load import load_spec
from bentopack.spec.manifest import ServiceInfo
from bentopack.spec.syntax import DeclaredModel, read_service
from bentopack.tag import Tag


@dataclass(frozen=True)
class ProjectModel:
    """A model that a project needs, found in the store, with every tag and alias that the project calls it by."""

    spellings: tuple[str, ...]
    stored: StoredModel


@dataclass(frozen=True)
class Project:
    """What serving and building a project start from."""

    path: Path
    file: Path
    spec: Spec
    service: ServiceInfo
    module: str
    """The file that the service stands in, as a POSIX path in the project."""
    models: tuple[ProjectModel, ...]
    warnings: tuple[Problem, ...]
    places: Places = field(default=NOWHERE, repr=False)
    """Where each value of the spec stands, for problems that show only later."""


def read_target(path: Path, target: str) -> Project:
    """Read a service by its import string in a folder that needs no bentofile; for development.

    Raises:
        SpecError, NotFound: as :func:`read_project`.
    """
    read = read_service(path, target, Places(target))
    models = tuple(_find_models((), read.models))
    return Project(path, path, Spec(service=target), read.service, read.file, models, read.warnings)


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
        module=read.file,
        models=tuple(_find_models(loaded.spec.models, read.models)),
        warnings=(*loaded.warnings, *read.warnings),
        places=loaded.places,
    )


def source_files(project: Project, *, strict: bool) -> CollectedFiles:
    """Collect the files that include and exclude keep.

    Raises:
        SpecError: a pattern matches nothing, the service is left out, a link leaves the project; with ``strict``, a
            file looks like a secret.
    """
    collected = collect_files(project.path, project.spec, project.places)
    if strict and collected.warnings:
        raise SpecError(
            collected.warnings, hint="exclude them in the bentofile or in .bentoignore, or build without --strict"
        )
    # The store may lie in the project (a cache of CI), and a killed process may have left a temporary file.
    store = home().resolve()
    files = tuple(
        (name, path)
        for name, path in collected.files
        if not path.resolve().is_relative_to(store) and not is_scratch(path.name)
    )
    if project.module not in {name for name, _ in files}:
        key = "include" if project.spec.include else "exclude"
        message = f"{key}: {project.module}, which holds the service, would not be in the Bento"
        raise SpecError(project.places.problem((key,), message))
    return replace(collected, files=files)


def _find_models(listed: tuple[Model, ...], declared: tuple[DeclaredModel, ...]) -> Iterator[ProjectModel]:
    """Find each model once, however many names the project has for it."""
    aliases = {model.alias: model.tag for model in listed if model.alias}
    wanted = {model.tag for model in listed} | {model.tag for model in declared if model.tag not in aliases}
    found: dict[Tag, StoredModel] = {}
    spellings: dict[Tag, set[str]] = {}
    missing: list[NotFound] = []
    for spelled in sorted(wanted):
        try:
            stored = get(spelled)
        except NotFound as error:
            missing.append(error)
            continue
        found[stored.tag] = stored
        named = {spelled, *(alias for alias, tag in aliases.items() if tag == spelled)}
        spellings[stored.tag] = spellings.get(stored.tag, set()) | named
    if missing:
        raise NotFound(
            "\n".join(error.message for error in missing),
            hint="\n".join(dict.fromkeys(error.hint or "" for error in missing))
            + "\nsave it with bentopack.save_model(), or correct the tag",
        )
    for tag in sorted(found):
        yield ProjectModel(tuple(sorted(spellings[tag])), found[tag])
