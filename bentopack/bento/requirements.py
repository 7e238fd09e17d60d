"""The Python environment of a Bento: what the bentofile asks for, locked, as the files of ``env/python``."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bentopack._report import Reporter
from bentopack.bento.project import Project
from bentopack.bento.runtime import REQUIRES
from bentopack.errors import LockError
from bentopack.lock.lockfile import LOCK_NAME, Lock, LockedModel, write_lock
from bentopack.lock.make import LockInputs, fresh_lock, locked_python, packages_of
from bentopack.lock.pip_file import merge, read_requirements, with_places
from bentopack.lock.requirements import hashed_requirements, input_text, inputs_of
from bentopack.lock.resolver import Indexes, LockedPackage, Request, Resolver, Target, host_target
from bentopack.lock.wheels import bundled, local_wheel, wheels_in
from bentopack.spec.manifest import ModelInfo


@dataclass(frozen=True)
class Environment:
    """A locked environment. ``files`` are written into the Bento, ``wheels`` copied, both by their path there."""

    python: str
    platform: str
    variants: tuple[str, ...]
    packages: int
    files: Mapping[str, bytes]
    wheels: Mapping[str, Path]
    lock: Lock
    lock_path: Path

    def requirements(self, variant: str) -> str:
        """Path in the Bento of a variant's hashed requirements."""
        return f"env/python/{variant}/requirements.lock"

    def commit(self) -> None:
        """Write the lock beside the bentofile, where it changed.

        Raises:
            LockError: the project's folder cannot be written.
        """
        try:
            write_lock(self.lock_path, self.lock)
        except OSError as error:
            raise LockError(
                f"the Bento is stored, but {self.lock_path} cannot be written: {error.strerror}",
                hint="build where the project can be written, and commit the lock",
            ) from None


def lock_environment(
    project: Project,
    models: tuple[ModelInfo, ...],
    runtime: Path,
    platform: str,
    resolver: Resolver,
    reporter: Reporter,
) -> Environment:
    """Lock a project's requirements, or use the lock it has.

    Raises:
        LockError: they cannot be resolved, or the lock is damaged.
    """
    lock_path = project.path / LOCK_NAME
    request = _request(project, runtime)
    # Where the bentofile names no Python, the lock's stays; the first lock takes that of the one who makes it.
    python = project.spec.python_version or locked_python(lock_path) or host_target().python
    target = Target(python, platform)
    variants = ("cpu", "gpu") if project.spec.docker.cuda_version else ("cpu",)
    parts = inputs_of(request, target, ", ".join(REQUIRES)) | {"variants": list(variants)}
    wanted = LockInputs(request, target, variants, parts)
    locked_models = [LockedModel(tag=m.tag, digest=m.digest, spellings=m.spellings) for m in models]
    lock = fresh_lock(lock_path, wanted, locked_models, resolver, reporter)
    packages = {variant: packages_of(lock, variant, platform) for variant in variants}
    _compare_models(project, packages["cpu"], reporter)
    return Environment(
        python=python,
        platform=platform,
        variants=variants,
        packages=len(packages["cpu"]),
        files=dict(_files(request, packages)),
        wheels={
            f"env/python/{variant}/wheels/{wheel.path.name}": wheel.path
            for variant in variants
            for wheel in bundled(packages[variant], request)
        },
        lock=lock,
        lock_path=lock_path,
    )


def _request(project: Project, runtime: Path) -> Request:
    python = project.spec.python
    files = read_requirements(project.path / python.requirements_txt, project.path) if python.requirements_txt else ()
    own = Indexes(
        index_url=python.index_url,
        extra_index_url=tuple(python.extra_index_url),
        trusted_host=tuple(python.trusted_host),
        no_index=bool(python.no_index),
        pip_args=tuple(shlex.split(python.pip_args or "")),
    )
    indexes = merge(with_places(own, tuple(python.find_links), project.path, "python.find_links"), files)
    return Request(
        lines=tuple(python.packages),
        files=files,
        wheels=tuple(local_wheel(project.path / each) for each in python.wheels),
        runtime=runtime,
        indexes=indexes,
        wheelhouse=wheels_in(indexes.folders),
    )


def _files(request: Request, packages: Mapping[str, tuple[LockedPackage, ...]]) -> list[tuple[str, bytes]]:
    asked = input_text(request).encode()
    found = []
    for variant, locked in packages.items():
        folder = f"env/python/{variant}"
        hashed = hashed_requirements(locked, request.indexes, wheels=bool(bundled(locked, request)))
        found += [(f"{folder}/requirements.in", asked), (f"{folder}/requirements.lock", hashed.encode())]
    return found


def _compare_models(project: Project, packages: tuple[LockedPackage, ...], reporter: Reporter) -> None:
    """Warn where a model was saved by a package that the Bento lacks, or has in another version."""
    locked = {package.name: package.version for package in packages}
    for model in project.models:
        for name, saved in model.stored.description.packages.items():
            if name not in locked:
                reporter.warn(f"model '{model.stored.tag}' needs {name} {saved}; add it to python.packages")
            elif locked[name] != saved:
                reporter.warn(f"model '{model.stored.tag}' was saved with {name} {saved}, the Bento has {locked[name]}")
