"""What a command's TARGET means: a tag of the store, a Bento directory, a project, or ``module:Class``."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bentopack._home import bento_home
from bentopack._report import Reporter
from bentopack.cli.options import DEFAULT_PLATFORM, checked_platform
from bentopack.errors import NotFound
from bentopack.tag import LATEST, Tag, is_name

if TYPE_CHECKING:
    from bentopack._store import Stored
    from bentopack.bento.build import Tools
    from bentopack.bento.needed_models import ProjectModel
    from bentopack.bento.options import BuildOptions
    from bentopack.bento.project import Project
    from bentopack.bento.store import BuiltBento
    from bentopack.bento.verify import ProvenBento
    from bentopack.lock.resolver import Resolver
    from bentopack.serve.config import ServeConfig

# A bare word is a tag, unless a folder of that name holds one of these.
_MARKS = ("bento.yaml", "bentofile.yaml", "bentofile.yml", "pyproject.toml")


@dataclass(frozen=True)
class ResolvedBento:
    """A Bento directory on this machine; ``digest`` is ``sha256:<hex>``."""

    tag: Tag
    path: Path
    digest: str


@dataclass(frozen=True)
class ServePlan:
    """What to serve; ``bento`` is its directory where it is a Bento, which then has a locked environment."""

    config: ServeConfig
    bento: Path | None


def build_project(folder: Path, options: BuildOptions, reporter: Reporter) -> BuiltBento:
    """Build the project in a folder, with the parts that the command line chooses.

    Raises:
        BentopackError: whatever ``build_bento`` raises.
    """
    from bentopack.bento.origin import note_origin
    from bentopack.bento.unchanged import Remembering, look, recall, remember

    seen = look(folder, options)
    if again := recall(seen, reporter):
        note_origin(again.tag, again.digest, folder)
        return again
    from bentopack.bento.build import build_bento  # takes longer to import than all of the above to run

    remembering = Remembering(reporter)
    project, tools = open_project(folder, remembering, locking=reporter)
    built = build_bento(project, options, tools)
    remember(seen, built, remembering.warnings)
    note_origin(built.tag, built.digest, folder)
    return built


def open_project(folder: Path, reporter: Reporter, locking: Reporter | None = None) -> tuple[Project, Tools]:
    """Read the project in a folder, and choose what to build or lock it with.

    Args:
        locking: is warned of what is found when packages are locked; a build that is known again says that no more.

    Raises:
        SpecError, NotFound: see :func:`read_project`.
    """
    from bentopack.bento.build import Tools
    from bentopack.bento.project import read_project
    from bentopack.image.images import EngineImages

    reporter.step("reading the project")
    project = read_project(folder)
    return project, Tools(_resolver(project, locking), EngineImages(os.environ), reporter)


def _resolver(project: Project, locking: Reporter | None) -> Resolver:
    """uv, which locks for any platform; pip-tools where uv has no build, or where options for pip are given."""
    from importlib.util import find_spec

    from bentopack.lock.existing import LockfileResolver
    from bentopack.lock.licences import LicenceResolver
    from bentopack.lock.pip_tools import PipToolsResolver
    from bentopack.lock.torch_resolver import TorchResolver
    from bentopack.lock.uv import UvResolver

    pip = project.spec.python.pip_args or find_spec("uv") is None
    # A lockfile of the project's own comes first; licences are asked for whatever it comes from.
    resolver = LockfileResolver(TorchResolver(PipToolsResolver() if pip else UvResolver()))
    return LicenceResolver(resolver, locking)


def resolve_bento(
    target: str | None,
    *,
    reporter: Reporter,
    platform: str | None = None,
    proven: bool = False,
    later: str | None = None,
) -> ResolvedBento:
    """Find the Bento that a command works on, building the project where that is meant.

    Args:
        target: a tag, a Bento directory, a project's folder, or None for the project in this folder.
        platform: what a project that is built here is locked for.
        proven: hash every file and compare, unless it was written just now.
        later: a folder of the Bento that is left out of that, since who reads its files proves them then.

    Raises:
        NotFound: it is none of these.
        IntegrityError: it is damaged.
    """
    from bentopack.bento.options import BuildOptions
    from bentopack.bento.store import bento_store

    folder = _folder(target)
    if folder is None:
        return _as_stored(bento_store().get(str(target)), reporter, proven=proven, later=later)
    if _is_bento(folder):
        return _as_it_lies(folder, reporter, proven=proven, later=later)
    built = build_project(folder, BuildOptions(checked_platform(platform or DEFAULT_PLATFORM)), reporter)
    if built.reused:
        return _as_stored(bento_store().get(built.tag), reporter, proven=proven, later=later)
    return ResolvedBento(built.tag, built.path, built.digest)


def _as_stored(stored: Stored, reporter: Reporter, *, proven: bool, later: str | None) -> ResolvedBento:
    from bentopack.bento.digest import read_digest
    from bentopack.bento.verify import prove_stored

    if proven:
        reporter.step(f"hashing {stored.tag}")
    digest = prove_stored(stored, later=later).digest if proven else read_digest(stored.path)
    return ResolvedBento(stored.tag, stored.path, digest)


def _as_it_lies(folder: Path, reporter: Reporter, *, proven: bool, later: str | None) -> ResolvedBento:
    from bentopack.bento.digest import read_digest, version_of
    from bentopack.bento.verify import prove
    from bentopack.spec.manifest import read_manifest

    if proven:
        reporter.step(f"hashing {folder}")
        found = prove(folder, later=later)
        return ResolvedBento(found.tag, found.path, found.digest)
    manifest, digest = read_manifest(folder), read_digest(folder)
    return ResolvedBento(Tag(manifest.name, manifest.version or version_of(digest)), folder, digest)


def resolve_serve(target: str | None, *, reporter: Reporter) -> ServePlan:
    """Find what ``run`` serves.

    Args:
        target: as for :func:`resolve_bento`, or ``module:Class`` of a service in this folder.

    Raises:
        SpecError, NotFound: see :func:`read_project`.
    """
    from bentopack.serve.config import config_of_bento

    folder = _folder(target)
    if folder is None and target is not None and ":" in target and not _stored(target):
        return ServePlan(_config_of_service(Path.cwd(), target), None)
    if folder is not None and not _is_bento(folder):
        return ServePlan(_config_of_project(folder, reporter), None)
    bento = resolve_bento(target, reporter=reporter).path
    return ServePlan(config_of_bento(bento), bento)


def _config_of_service(folder: Path, target: str) -> ServeConfig:
    from bentopack.bento.needed_models import find_models
    from bentopack.serve.config import config_of
    from bentopack.spec.document import Places
    from bentopack.spec.syntax import read_service

    read = read_service(folder, target, Places(target))
    return config_of(read.service, folder, _folders(find_models((), read.models)), {})


def _config_of_project(folder: Path, reporter: Reporter) -> ServeConfig:
    from bentopack.bento.project import read_project
    from bentopack.serve.config import config_of

    project = read_project(folder)
    for problem in project.warnings:
        reporter.warn(str(problem))
    return config_of(project.service, project.path, _folders(project.models), project.spec.environment)


def _folders(models: Iterable[ProjectModel]) -> dict[str, str]:
    """Map each spelling of a model's tag to its folder in the store."""
    found: dict[str, str] = {}
    for model in models:
        found.update(dict.fromkeys((str(model.stored.tag), *model.spellings), str(model.stored.path)))
    return found


def _folder(target: str | None) -> Path | None:
    """The folder that a target names, or None where it is a tag or an import string."""
    if target is None:
        return Path.cwd()
    path, meant = Path(target), "/" in target or target.startswith(".")
    if path.is_dir() and (meant or any((path / name).is_file() for name in _MARKS)):
        return path
    if meant:
        raise NotFound(f"'{target}' is neither a folder nor a tag")
    return None


def bento_folder(target: str) -> Path | None:
    """The Bento directory that a target names, or None where it is a tag."""
    path = Path(target)
    return path if path.is_dir() and ("/" in target or _is_bento(path)) else None


@contextlib.contextmanager
def unpacked_aside(archive: Path) -> Iterator[ProvenBento]:
    """Unpack and prove an archive in a temporary folder, for the block.

    Raises:
        NotFound, IntegrityError: see :func:`bentopack.bento.archive.unpacked`.
        StorageError: the temporary folder has no room for it.
    """
    import tempfile

    from bentopack._fs import scratch_dir, writing
    from bentopack.bento.archive import unpacked

    temporary = Path(tempfile.gettempdir())
    with writing(temporary, otherwise="set TMPDIR to"), unpacked(archive, scratch_dir(temporary)) as proven:
        yield proven


def _is_bento(folder: Path) -> bool:
    return (folder / "bento.yaml").is_file()


def _stored(target: str) -> bool:
    """Whether a text that looks both like a tag and like an import string is a tag of the store."""
    name, _, version = target.partition(":")
    if not is_name(name):
        return False
    if version == LATEST:
        return True
    if not (bento_home() / name).is_dir():
        return False
    from bentopack.bento.store import bento_store  # takes longer to import than all of the above

    return any(stored.tag.version == version for stored in bento_store().list(name))
