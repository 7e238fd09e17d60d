"""A project as it lies on disk: its spec, its service, its files and the models it needs, all read and checked."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from bentopack._fs import is_scratch
from bentopack._home import home
from bentopack.bento.needed_models import ProjectModel, find_models
from bentopack.errors import Problem, SpecError
from bentopack.spec.bentofile import Spec
from bentopack.spec.document import NOWHERE, Places
from bentopack.spec.files import CollectedFiles, collect_files
from bentopack.spec.load import load_spec
from bentopack.spec.manifest import ServiceInfo
from bentopack.spec.syntax import read_service


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
        models=find_models(loaded.spec.models, read.models),
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
