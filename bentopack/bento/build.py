"""``build``: from a project to a Bento in the store. Never imports the project's code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bentopack._fs import scratch_dir
from bentopack._report import Reporter
from bentopack.bento.assemble import Contents, assemble
from bentopack.bento.digest import version_of
from bentopack.bento.manifest import SETUP_SCRIPT, manifest_of
from bentopack.bento.models import HashedModel, hash_model
from bentopack.bento.project import Project, source_files
from bentopack.bento.readme import readme
from bentopack.bento.requirements import Environment, lock_environment
from bentopack.bento.runtime import runtime_name, write_runtime
from bentopack.bento.store import bento_store, require_digest
from bentopack.lock.resolver import Resolver
from bentopack.spec.manifest import Manifest
from bentopack.tag import InvalidTag, Tag, is_version

Render = Callable[[Manifest], Mapping[str, bytes]]
"""Gives the files of ``env/docker`` for a manifest; the image room does it, and the command line hands it in."""


@dataclass(frozen=True)
class BuiltBento:
    """A Bento in its store; ``digest`` is ``sha256:<hex>``."""

    tag: Tag
    path: Path
    digest: str
    manifest: Manifest
    reused: bool
    """Whether the store held this very Bento already."""


def build_bento(
    project: Project,
    *,
    render: Render,
    resolver: Resolver,
    reporter: Reporter,
    version: str | None = None,
    platform: str,
    strict: bool = False,
) -> BuiltBento:
    """Build a project's Bento and store it; the lock beside the bentofile is renewed where its inputs changed.

    Args:
        version: overrides the bentofile's; by default it is derived from the digest.
        platform: the image's platform, which the requirements are locked for.
        strict: files that look like secrets are errors.

    Raises:
        SpecError, LockError: see their rooms. Nothing is stored or written then.
    """
    if version is not None and not is_version(version):
        raise InvalidTag.of(f"{project.service.name}:{version}")
    for problem in project.warnings:
        reporter.warn(str(problem))
    sources = source_files(project, strict=strict)
    for problem in sources.warnings:
        reporter.warn(str(problem))
    store = bento_store()
    with scratch_dir(store.root) as scratch:
        runtime = write_runtime(scratch)
        hashed = tuple(hash_model(model) for model in project.models)
        models = tuple(model.info for model in hashed)
        environment = lock_environment(project, models, runtime, platform, resolver, reporter)
        reporter.step("assembling the Bento")
        manifest = manifest_of(project, models, environment, f"env/runtime/{runtime_name()}", version)
        folder = scratch / "bento"
        folder.mkdir()
        digest = assemble(_contents(project, sources.files, hashed, manifest, environment, runtime, render), folder)
        tag = Tag(manifest.name, manifest.version or version_of(digest))
        reused = (store.root / tag.name / tag.version).is_dir()
        stored = store.put(tag, folder)
        require_digest(stored, digest)
    environment.commit()
    return BuiltBento(tag, stored.path, digest, manifest, reused)


def _contents(
    project: Project,
    sources: tuple[tuple[str, Path], ...],
    models: tuple[HashedModel, ...],
    manifest: Manifest,
    environment: Environment,
    runtime: Path,
    render: Render,
) -> Contents:
    copied = {manifest.runtime: runtime, **environment.wheels}
    if project.spec.docker.setup_script:
        copied[SETUP_SCRIPT] = project.path / project.spec.docker.setup_script
    return Contents(
        manifest=manifest,
        sources=sources,
        models=models,
        copied=copied,
        written={**environment.files, **render(manifest), "README.md": readme(manifest)},
    )
