"""The Python environment of a Bento: what the bentofile asks for, locked, as the files of ``env/python``."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import bentopack
from bentopack._fs import alone_in
from bentopack._home import home
from bentopack._report import Reporter
from bentopack.bento.images import Images, image_info
from bentopack.bento.project import Project
from bentopack.bento.runtime import REQUIRES
from bentopack.errors import LockError, SpecError, StorageError
from bentopack.lock import LOCK_NAME
from bentopack.lock.built import Workshop
from bentopack.lock.conda import CONDA, CondaRequest, explicit_list
from bentopack.lock.existing import describe_lockfile
from bentopack.lock.lockfile import Lock, LockedEnvironment, LockedModel, read_lock, write_lock
from bentopack.lock.make import LockInputs, fresh_lock
from bentopack.lock.pins import pins_in
from bentopack.lock.pip_file import merge, read_requirements, with_places
from bentopack.lock.renewal import Renewal
from bentopack.lock.requirements import hashed_requirements, input_text, inputs_of
from bentopack.lock.resolver import Indexes, LockedPackage, Request, Resolver, Target, TorchIndex, host_target
from bentopack.lock.torch_index import torch_address
from bentopack.lock.wheels import bundled, local_wheel, require_one_of_each, wheels_in
from bentopack.oci.compress import GZIP
from bentopack.spec.buildable import read_source
from bentopack.spec.conda import CondaEnvironment, read_conda
from bentopack.spec.manifest import ModelInfo, conda_list
from bentopack.spec.requirement import has_password

_CUDA_LIBRARY = re.compile(r"nvidia-[a-z0-9-]+-cu([0-9]{2})")


@dataclass(frozen=True)
class Environment:
    """A project's locked environment on one platform."""

    target: Target
    request: Request
    lock: Lock
    lock_path: Path

    @property
    def variants(self) -> dict[str, LockedEnvironment]:
        """Each variant's base and packages."""
        return {name: platforms[self.target.platform] for name, platforms in self.lock.variants.items()}

    def packages(self) -> dict[str, tuple[LockedPackage, ...]]:
        """What is locked for each variant."""
        return {name: locked.packages for name, locked in self.variants.items()}

    def requirements(self, variant: str) -> str:
        """Path in the Bento of a variant's hashed requirements."""
        return f"env/python/{variant}/requirements.lock"

    def files(self) -> dict[str, bytes]:
        """The files of ``env/python`` that bentopack writes, by their path in the Bento."""
        asked = input_text(self.request).encode()
        found = {}
        for variant, hashed in self.hashed_requirements().items():
            found[f"env/python/{variant}/requirements.in"] = asked
            found[self.requirements(variant)] = hashed.encode()
        for variant, locked in self.variants.items():
            if locked.conda:
                found[conda_list(variant)] = explicit_list(locked.conda).encode()
        return found

    def hashed_requirements(self) -> dict[str, str]:
        """The text of ``requirements.lock`` for each variant."""
        request = self.request
        return {
            variant: hashed_requirements(
                locked.packages, request.indexes, wheels=bool(bundled(locked.packages, request))
            )
            for variant, locked in self.variants.items()
        }

    def wheels(self) -> dict[str, Path]:
        """The wheels that the Bento carries, by their path in it."""
        return {
            f"env/python/{variant}/wheels/{wheel.path.name}": wheel.path
            for variant, locked in self.variants.items()
            for wheel in bundled(locked.packages, self.request)
        }

    def commit(self) -> None:
        """Write the lock beside the bentofile, where it changed.

        Raises:
            StorageError: the project's folder cannot be written.
        """
        try:
            write_lock(self.lock_path, self.lock)
        except OSError as error:
            raise StorageError(
                f"{self.lock_path} cannot be written: {error.strerror}",
                hint="build where the project can be written, and commit the lock",
            ) from None


def wanted_lock(
    project: Project,
    models: Sequence[ModelInfo],
    runtime: Path,
    platform: str,
    images: Images,
    renewal: Renewal,
    reporter: Reporter,
) -> LockInputs:
    """Gather what the project's lock has to hold for; nothing is resolved.

    The network is asked only for source code of which no wheel was built yet.

    Raises:
        LockError: the requirements cannot be read or built, or the lock is damaged.
    """
    # Where the bentofile names no Python, the lock's stays; the first lock takes that of the one who makes it.
    old = read_lock(project.path / LOCK_NAME)
    conda = read_conda(project.spec.conda, project.path)
    python = _python(project, conda) or (old.python if old else None) or host_target().python
    target = Target(python, platform)
    pins = pins_in(old) if old and not renewal.upgrade else {}
    workshop = Workshop(project.path, target, home() / "cache" / "wheels", pins, renewal.packages, reporter)
    request = _request(project, runtime, workshop, conda.pip if conda else ())
    asked = CondaRequest(conda.channels, conda.packages) if conda else None
    cuda = project.spec.docker.cuda_version
    variants = ("cpu", "gpu") if cuda else ("cpu",)
    address = torch_address(project.spec.python.torch_index, request)
    builds = {"cpu": None, "gpu": images.cuda(cuda) if cuda else None}
    image = image_info(project)
    conda_inputs = {CONDA: asked.inputs()} if asked else {}
    return LockInputs(
        request=request,
        target=target,
        bases={variant: images.base(image, variant, python) for variant in variants},
        models=[LockedModel(tag=m.tag, digest=m.digest, spellings=m.spellings) for m in models],
        runtime=bentopack.__version__,
        compressor=GZIP.compressor,
        parts=inputs_of(request, target, ", ".join(REQUIRES)) | {"variants": list(variants)} | conda_inputs,
        torch={variant: TorchIndex(address, builds[variant]) for variant in variants} if address else {},
        conda=asked,
        cuda=builds["gpu"],
    )


def lock_environment(
    project: Project,
    wanted: LockInputs,
    renewal: Renewal,
    *,
    resolver: Resolver,
    images: Images,
    reporter: Reporter,
) -> Environment:
    """Lock a project's requirements, or use the lock it has.

    Raises:
        LockError: they cannot be resolved, the lock is damaged, or it is stale and must not change.
    """
    lock_path = project.path / LOCK_NAME
    # One after another, builds at once find each other's answers in the caches, and ask no index ten times at once.
    with alone_in(project.path, waiting=lambda: reporter.step("waiting for another build of this project to lock")):
        lock = fresh_lock(lock_path, wanted, renewal, resolver=resolver, pin=images.pin, reporter=reporter)
    environment = Environment(wanted.target, wanted.request, lock, lock_path)
    _compare_models(project, environment.variants["cpu"].packages, reporter)
    _compare_variants(environment.packages(), reporter)
    _compare_cuda(project.spec.docker.cuda_version, environment.packages().get("gpu", ()), reporter)
    return environment


def _python(project: Project, conda: CondaEnvironment | None) -> str | None:
    """The image's Python, where the project says it."""
    told, in_conda = project.spec.python_version, conda.python if conda else None
    if told and in_conda and told != in_conda:
        raise SpecError(
            project.places.problem(("conda",), f"conda: asks for python {in_conda}, and python.version is {told}")
        )
    return told or in_conda


def _request(project: Project, runtime: Path, workshop: Workshop, more: tuple[str, ...]) -> Request:
    """What pip's packages are resolved from; ``more`` are those that conda's environment has of pip."""
    python = project.spec.python
    lines = (*python.packages, *more)
    files = read_requirements(project.path / python.requirements_txt, project.path) if python.requirements_txt else ()
    own = Indexes(
        index_url=python.index_url,
        extra_index_url=tuple(python.extra_index_url),
        trusted_host=tuple(python.trusted_host),
        no_index=bool(python.no_index),
        pip_args=tuple(shlex.split(python.pip_args or "")),
    )
    indexes = merge(with_places(own, tuple(python.find_links), project.path, "python.find_links"), files)
    sources = [source for line in lines if (source := read_source(line))]
    built = workshop.build([*sources, *(source for file in files for source in file.sources)])
    wheels = (*(local_wheel(project.path / each) for each in python.wheels), *built.wheels)
    require_one_of_each(wheels)
    asked = [line for line in lines if not read_source(line)]
    return Request(
        lines=(*asked, *built.lines),
        files=files,
        wheels=wheels,
        built=built.pins,
        lockfile=describe_lockfile(project.path / python.lockfile, python.lockfile) if python.lockfile else None,
        runtime=runtime,
        indexes=indexes,
        wheelhouse=wheels_in(indexes.folders),
    )


def refuse_passwords(request: Request, packed: Collection[str]) -> None:
    """Refuse a file of requirements that would carry a password into the Bento.

    Args:
        packed: the paths of the project's files that go along.

    Raises:
        LockError: names the file; never the password.
    """
    texts = {file.name: "\n".join(file.lines) for file in request.files}
    if request.lockfile:
        texts[request.lockfile.name] = request.lockfile.path.read_text("utf-8", "replace")
    for name, text in texts.items():
        if name in packed and has_password(text):
            raise LockError(
                f"{name}: a password in an address would end up in the Bento",
                hint="give it through netrc, a keyring or ${VARIABLE}, or exclude the file in the bentofile",
            )


def _compare_models(project: Project, packages: tuple[LockedPackage, ...], reporter: Reporter) -> None:
    """Warn where a model was saved by a package that the Bento lacks, or has in another version."""
    locked = {package.name: package.version for package in packages}
    for model in project.models:
        for name, saved in model.stored.description.packages.items():
            if name not in locked:
                reporter.warn(f"model '{model.stored.tag}' needs {name} {saved}; add it to python.packages")
            elif _public(locked[name]) != _public(saved):
                reporter.warn(f"model '{model.stored.tag}' was saved with {name} {saved}, the Bento has {locked[name]}")


def _compare_variants(packages: Mapping[str, Sequence[LockedPackage]], reporter: Reporter) -> None:
    """Warn where indexes of their own gave the variants different releases of a package: the models are the same."""
    found: dict[str, dict[str, str]] = {}
    for variant, locked in packages.items():
        for package in locked:
            if package.index:
                found.setdefault(package.name, {})[variant] = _public(package.version)
    for name, versions in found.items():
        if len(set(versions.values())) > 1:
            told = " and ".join(f"{version} for {variant}" for variant, version in versions.items())
            reporter.warn(f"{name} is {told}; name a version that both indexes have in python.packages")


def _compare_cuda(cuda: str | None, packages: Sequence[LockedPackage], reporter: Reporter) -> None:
    """Warn where torch brings libraries of another major version of CUDA than the image: they need another driver."""
    wanted = (cuda or "").partition(".")[0]
    brought = {package.name: match[1] for package in packages if (match := _CUDA_LIBRARY.fullmatch(package.name))}
    other = sorted(name for name, major in brought.items() if major != wanted)
    torch = next((package for package in packages if package.name == "torch"), None)
    if wanted.isdigit() and torch and other:
        reporter.warn(
            f"torch {torch.version} for gpu brings CUDA {', '.join(sorted({brought[name] for name in other}))} "
            f"({other[0]}{', …' if other[1:] else ''}), docker.cuda_version is {cuda}: let python.torch_index choose "
            "the build (leave out `false`, or name a mirror), or change docker.cuda_version"
        )


def _public(version: str) -> str:
    """A version without its build: a model of torch 2.6.0+cu124 is one of torch 2.6.0+cpu too."""
    return version.partition("+")[0]
