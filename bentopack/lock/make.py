"""Uses the lock while its inputs hold, and makes it anew where they do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import Version

from bentopack._report import Reporter
from bentopack.errors import LockError, did_you_mean
from bentopack.lock.aside import aside
from bentopack.lock.changes import changed_inputs, changed_models, told_change
from bentopack.lock.conda import CONDA, CondaRequest, LockedCondaPackage, solve
from bentopack.lock.lockfile import (
    FORMAT,
    Lock,
    LockedBase,
    LockedEnvironment,
    LockedModel,
    read_lock,
    sealed,
)
from bentopack.lock.pins import changed_pins, pins_in
from bentopack.lock.renewal import Renewal
from bentopack.lock.requirements import BUILT, torch_inputs
from bentopack.lock.resolver import LockedPackage, Request, Resolver, Target, TorchIndex
from bentopack.lock.torch_index import of_family

Environments = dict[str, dict[str, LockedEnvironment]]
Pin = Callable[[str], LockedBase]
"""Asks for the digest of an image by its name; says why where there is none."""
ChooseBase = Callable[[Sequence[LockedPackage]], str]
"""Names the base image that fits some packages."""


@dataclass(frozen=True)
class LockInputs:
    """What a lock is made from: the request, what it is for, and its parts by name."""

    request: Request
    target: Target
    bases: Mapping[str, str | ChooseBase]
    """The base image of each variant, by its name, or what chooses it where it follows from the packages."""
    models: Sequence[LockedModel]
    runtime: str
    """The runtime's version."""
    compressor: str
    """Of images' layers, by name."""
    parts: dict[str, Any]
    torch: Mapping[str, TorchIndex] = field(default_factory=dict)
    """Where PyTorch's packages come from, for each variant for which that is not the indexes like any other's."""

    conda: CondaRequest | None = None
    cuda: str | None = None
    """That of the gpu variant."""

    def base(self, variant: str, packages: Sequence[LockedPackage]) -> str:
        """Name the base image of a variant that has these packages."""
        chosen = self.bases[variant]
        return chosen if isinstance(chosen, str) else chosen(packages)


def fresh_lock(
    path: Path, wanted: LockInputs, renewal: Renewal, *, resolver: Resolver, pin: Pin, reporter: Reporter
) -> Lock:
    """Return a lock that holds: the one at ``path`` if its inputs are still these, else a new one.

    Models are read from their store each time, so a new model changes the lock without a resolution. Nothing is
    written here: the caller writes the lock once the Bento that it belongs to is whole.

    Raises:
        LockError: the lock is damaged, the requirements cannot be resolved, or it is stale and must not change.
    """
    old = read_lock(path)
    changed = stale(old, wanted)
    if renewal.refuse and changed:
        raise LockError(
            f"{path} is not up to date:\n" + "\n".join(f"  {each}" for each in changed),
            hint=how_to_renew(wanted.target.platform),
        )
    if old is not None:
        _require_locked(old, wanted.request, renewal.packages)
    held = old is not None and not _changed(old, wanted) and not (renewal.upgrade or renewal.packages)
    if not held or changed:
        reporter.step("locking" + (f" ({'; '.join(changed)})" if old and changed else ""))
    variants = _environments(old, wanted, renewal, held=held, resolver=resolver, pin=pin, reporter=reporter)
    return sealed(
        Lock(
            format=FORMAT,
            python=wanted.target.python,
            runtime=wanted.runtime,
            compressor=wanted.compressor,
            inputs=_inputs(wanted, variants),
            models=tuple(wanted.models),
            variants=variants,
        )
    )


def stale(old: Lock | None, wanted: LockInputs) -> list[str]:
    """Say what a lock does not hold for: nothing where it is fresh."""
    if old is None:
        return ["there is no lock yet"]
    now, changed = _inputs(wanted, old.variants), _changed(old, wanted)
    return [
        *(told_change(name, old.inputs.get(name), now.get(name)) for name in changed if name != BUILT),
        *changed_pins(pins_in(old), dict(wanted.request.built)),
        *_lacking(old, wanted, packages_hold=not changed),
        *changed_models(old.models, wanted.models),
        *([f"the runtime is {wanted.runtime}, locked was {old.runtime}"] if old.runtime != wanted.runtime else []),
        *_other_compressor(old, wanted),
    ]


def _other_compressor(old: Lock, wanted: LockInputs) -> Iterator[str]:
    if old.compressor != wanted.compressor:
        yield f"layers are compressed with {wanted.compressor}, locked was {old.compressor or 'no compressor'}"


def how_to_renew(platform: str) -> str:
    """Say what to do about a lock that does not hold for a platform."""
    option = "" if platform == "linux/amd64" else f" --platform {platform}"
    return f"run `bentopack lock{option}`, look at what it changed, and commit it"


def _changed(old: Lock, wanted: LockInputs) -> list[str]:
    return changed_inputs(old.inputs, _inputs(wanted, old.variants))


def _inputs(wanted: LockInputs, variants: Environments) -> dict[str, Any]:
    """What packages are made from. Where PyTorch's come from is part of it only where there are some."""
    packages = [each for platforms in variants.values() for locked in platforms.values() for each in locked.packages]
    return wanted.parts | (torch_inputs(wanted.torch) if of_family(packages) else {})


def _require_locked(lock: Lock, request: Request, names: tuple[str, ...]) -> None:
    environments = [each for platforms in lock.variants.values() for each in platforms.values()]
    known = {package.name for each in environments for package in each.packages}
    known |= {wheel.name for wheel in request.wheels}
    unknown = [name for name in names if canonicalize_name(name) not in known]
    if unknown:
        raise LockError(
            f"no package '{unknown[0]}' is locked{did_you_mean(unknown[0], known)}",
            hint="--upgrade-package takes its name",
        )


def _lacking(old: Lock, wanted: LockInputs, *, packages_hold: bool) -> Iterator[str]:
    for variant, chosen in wanted.bases.items():
        environment = old.variants.get(variant, {}).get(wanted.target.platform)
        if environment is None:
            yield f"{variant} on {wanted.target.platform} is not locked"
        elif packages_hold or isinstance(chosen, str):  # of packages that change follows nothing
            image = wanted.base(variant, environment.packages)
            if environment.base.image != image:
                yield f"the base image of {variant} is {image}, locked was {environment.base.image}"


def _environments(
    old: Lock | None,
    wanted: LockInputs,
    renewal: Renewal,
    *,
    held: bool,
    resolver: Resolver,
    pin: Pin,
    reporter: Reporter,
) -> Environments:
    """Every variant on the platforms that were locked and on the one that is wanted; kept where they hold."""
    before: Environments = old.variants if old else {}
    platforms = sorted({wanted.target.platform, *(name for found in before.values() for name in found)})
    places = [(variant, platform) for variant in wanted.bases for platform in platforms]
    pins = _Pins(pin)
    for variant, platform in places:  # a registry and an index are waited for together
        chosen, kept = wanted.bases[variant], before.get(variant, {}).get(platform)
        if isinstance(chosen, str) and not _holds_base(kept, chosen, renewal):
            pins.ask(chosen)
    resolutions = _Resolutions(resolver, reporter)
    environments: Environments = {}
    for variant, platform in places:
        kept = before.get(variant, {}).get(platform)
        if kept and held:
            packages = kept.packages
        else:
            # A platform or variant that is new has the versions of those that were there, where it can.
            others = (found for name in (variant, *before) for found in before.get(name, {}).values())
            request = _preferring(wanted.request, kept or next(others, None), renewal)
            request = replace(request, torch=wanted.torch.get(variant))
            packages = resolutions.of(request, Target(wanted.target.python, platform))
        conda = _conda(old, kept, wanted, Target(wanted.target.python, platform), variant, renewal, reporter)
        image = wanted.base(variant, packages)
        base = kept.base if kept and _holds_base(kept, image, renewal) else pins.of(image)
        environments.setdefault(variant, {})[platform] = LockedEnvironment(base=base, packages=packages, conda=conda)
    return environments


def _conda(
    old: Lock | None,
    kept: LockedEnvironment | None,
    wanted: LockInputs,
    target: Target,
    variant: str,
    renewal: Renewal,
    reporter: Reporter,
) -> tuple[LockedCondaPackage, ...]:
    """What is locked of conda's packages; kept while what they follow from is as it was."""
    if wanted.conda is None:
        return ()
    same = old is not None and all(old.inputs.get(name) == wanted.parts[name] for name in (CONDA, "python"))
    if kept and kept.conda and same and not renewal.upgrade:
        return kept.conda
    return solve(wanted.conda, target, wanted.cuda if variant == "gpu" else None, reporter)


def _holds_base(kept: LockedEnvironment | None, image: str, renewal: Renewal) -> bool:
    """Whether the base that is locked need not be asked for again."""
    if kept is None or renewal.upgrade or kept.base.image != image:
        return False
    return kept.base.digest is not None or not renewal.pin


class _Pins:
    """Asks for every image's digest once."""

    def __init__(self, pin: Pin) -> None:
        self._pin = pin
        self._asked: dict[str, Future[LockedBase]] = {}

    def ask(self, image: str) -> Future[LockedBase]:
        """Ask, and do not wait."""
        if image not in self._asked:
            self._asked[image] = aside(self._pin, image)
        return self._asked[image]

    def of(self, image: str) -> LockedBase:
        """Return what is known of an image, once it is."""
        return self.ask(image).result()


class _Resolutions:
    """Resolves every request once."""

    def __init__(self, resolver: Resolver, reporter: Reporter) -> None:
        self._resolver = resolver
        self._reporter = reporter
        self._found: dict[tuple[Request, Target], tuple[LockedPackage, ...]] = {}
        self._without_torch: dict[tuple[Request, Target], tuple[LockedPackage, ...]] = {}

    def of(self, request: Request, target: Target) -> tuple[LockedPackage, ...]:
        """Return what a request resolves to; where no package is PyTorch's, it is all one where those come from."""
        anywhere = replace(request, torch=None)
        found = self._found.get((request, target)) or self._without_torch.get((anywhere, target))
        if found is None:
            found = self._found[request, target] = self._resolver.resolve(request, target, self._reporter)
            if not of_family(found):
                self._without_torch[anywhere, target] = found
        return found


def _preferring(request: Request, kept: LockedEnvironment | None, renewal: Renewal) -> Request:
    """A request that stays with the locked versions where its inputs allow."""
    if kept is None or renewal.upgrade:
        return request
    preferred = tuple(f"{package.name}=={_release(package)}" for package in kept.packages if package.version)
    return replace(request, preferred=preferred, upgrade=renewal.packages)


def _release(package: LockedPackage) -> str:
    """The version that other indexes have too: that of torch 2.6.0+cpu, of an index of its own, is 2.6.0."""
    return Version(package.version).public if package.index else package.version
