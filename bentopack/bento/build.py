"""``build``: from a project to a Bento in the store. Never imports the project's code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bentopack._fs import sha256_file
from bentopack._report import Reporter
from bentopack.bento.assemble import Contents, assemble
from bentopack.bento.digest import version_of
from bentopack.bento.images import SETUP_SCRIPT, TEMPLATE, Images
from bentopack.bento.manifest import manifest_of
from bentopack.bento.models import HashedModel, hash_model
from bentopack.bento.options import BuildOptions
from bentopack.bento.project import Project, source_files
from bentopack.bento.readme import readme
from bentopack.bento.requirements import Environment, lock_environment, refuse_passwords, wanted_lock
from bentopack.bento.runtime import runtime_name, write_runtime
from bentopack.bento.sbom import sbom_files
from bentopack.bento.store import BuiltBento, bento_store, require_digest
from bentopack.errors import LockError, SpecError
from bentopack.lock import LOCK_NAME
from bentopack.lock.lockfile import LockedEnvironment, read_lock
from bentopack.lock.make import LockInputs, stale
from bentopack.lock.resolver import Resolver
from bentopack.spec.buildable import read_source
from bentopack.spec.manifest import Manifest
from bentopack.tag import InvalidTag, Tag, is_version

HOW_TO_PIN = "run `bentopack lock` where its registry can be reached, or add --allow-unpinned"


@dataclass(frozen=True)
class Tools:
    """What a build works with; the command line chooses them, and tests name their own."""

    resolver: Resolver
    images: Images
    reporter: Reporter


def build_bento(project: Project, options: BuildOptions, tools: Tools) -> BuiltBento:
    """Build a project's Bento and store it; the lock beside the bentofile is renewed where its inputs changed.

    Raises:
        SpecError, LockError: see their rooms. Nothing is stored or written then.
    """
    if options.version is not None and not is_version(options.version):
        raise InvalidTag.of(f"{project.service.name}:{options.version}")
    sources = source_files(project, strict=options.strict)
    for problem in (*project.warnings, *sources.warnings):
        tools.reporter.warn(str(problem))
    with _locking(project, options, tools) as (scratch, runtime, models, wanted):
        refuse_passwords(wanted.request, {name for name, _ in sources.files})
        environment = _locked(project, wanted, options, tools)
        tools.reporter.step("assembling the Bento")
        infos = tuple(model.info for model in models)
        manifest = manifest_of(project, infos, environment, f"env/runtime/{runtime_name()}", options.version)
        folder = scratch / "bento"
        folder.mkdir()
        copied = {manifest.runtime: runtime, **environment.wheels()}
        copied |= _docker_files(project)
        template = _template(project, copied[TEMPLATE]) if TEMPLATE in copied else None
        dockerfiles = tools.images.dockerfiles(manifest, environment.hashed_requirements(), template)
        written = {**environment.files(), **dockerfiles, "README.md": readme(manifest)}
        written |= sbom_files(manifest, environment.variants, sha256_file(runtime))
        digest = assemble(Contents(manifest, sources.files, models, copied, written), folder)
        built = _store(manifest, digest, folder)
    environment.commit()
    return replace(built, read=_read(project, environment), models=tuple(model.stored.path for model in models))


def _docker_files(project: Project) -> dict[str, Path]:
    """The project's own files that make the image, by their path in the Bento."""
    docker = project.spec.docker
    named = {SETUP_SCRIPT: docker.setup_script, TEMPLATE: docker.dockerfile_template}
    return {place: project.path / name for place, name in named.items() if name}


def _template(project: Project, path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        place = ("docker", "dockerfile_template")
        raise SpecError(project.places.problem(place, "docker.dockerfile_template: not UTF-8 text")) from None


def lock_project(project: Project, options: BuildOptions, tools: Tools) -> Environment:
    """Lock a project as a build would, write the lock, and build nothing.

    Raises:
        LockError: see :func:`build_bento`.
    """
    with _locking(project, options, tools) as (_, _, _, wanted):
        environment = _locked(project, wanted, options, tools)
    environment.commit()
    return environment


@dataclass(frozen=True)
class LockCheck:
    """What a project's lock does not hold for, and which of its bases have no digest: where neither, it is enough."""

    stale: tuple[str, ...]
    unpinned: tuple[str, ...]


def check_lock(project: Project, platform: str, tools: Tools) -> LockCheck:
    """Say why a build would refuse the project's lock under ``--locked``; nothing is resolved.

    Raises:
        LockError: it is damaged.
    """
    with _locking(project, BuildOptions(platform), tools) as (_, _, _, wanted):
        lock = read_lock(project.path / LOCK_NAME)
        held = {name: found[platform] for name, found in (lock.variants if lock else {}).items() if platform in found}
        return LockCheck(tuple(stale(lock, wanted)), tuple(_unpinned(held)))


@contextmanager
def _locking(
    project: Project, options: BuildOptions, tools: Tools
) -> Iterator[tuple[Path, Path, tuple[HashedModel, ...], LockInputs]]:
    """Give a scratch folder in the store, the runtime's wheel in it, the models, and what the lock has to hold for."""
    with bento_store().scratch(or_elsewhere=True) as scratch:
        runtime = write_runtime(scratch)
        models = tuple(hash_model(model) for model in project.models)
        infos = [model.info for model in models]
        wanted = wanted_lock(project, infos, runtime, options.platform, tools.images, options.renewal, tools.reporter)
        yield scratch, runtime, models, wanted


def _locked(project: Project, wanted: LockInputs, options: BuildOptions, tools: Tools) -> Environment:
    environment = lock_environment(
        project,
        wanted,
        options.renewal,
        resolver=tools.resolver,
        images=tools.images,
        reporter=tools.reporter,
    )
    for problem in _unpinned(environment.variants):
        if options.renewal.refuse and not options.allow_unpinned:
            raise LockError(problem, hint=HOW_TO_PIN)
        tools.reporter.warn(problem)
    return environment


def _unpinned(variants: Mapping[str, LockedEnvironment]) -> Iterator[str]:
    for variant, locked in variants.items():
        if locked.base.digest is None:
            yield f"the base image {locked.base.image} of {variant} has no digest: {locked.base.unpinned}"


def _read(project: Project, environment: Environment) -> tuple[Path, ...]:
    python, files = project.spec.python, environment.request.files
    sources = [read_source(line) for line in python.packages] + [each for file in files for each in file.sources]
    folders = [source.folder for source in sources if source]
    named = [
        *python.wheels,
        *(file.name for file in files),
        python.lockfile,
        project.spec.conda.environment_yml,
        *folders,
    ]
    paths = [*(project.path / name for name in named if name), *_docker_files(project).values()]
    return (*(path.resolve() for path in paths), *environment.request.indexes.folders)


def _store(manifest: Manifest, digest: str, folder: Path) -> BuiltBento:
    store = bento_store()
    tag = Tag(manifest.name, manifest.version or version_of(digest))
    reused = (store.root / tag.name / tag.version).is_dir()
    stored = store.put(tag, folder)
    require_digest(stored, digest)
    return BuiltBento(tag, stored.path, digest, reused)
