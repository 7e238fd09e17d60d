"""Uses the lock while its inputs hold, and makes it anew when they do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bentopack._report import Reporter
from bentopack.lock.lockfile import FORMAT, Lock, LockedEnvironment, LockedModel, changed_inputs, read_lock, sealed
from bentopack.lock.resolver import LockedPackage, Request, Resolver, Target


@dataclass(frozen=True)
class LockInputs:
    """What a lock is made from: the request, what it is for, and its parts by name."""

    request: Request
    target: Target
    variants: Sequence[str]
    parts: dict[str, Any]


def fresh_lock(
    path: Path,
    wanted: LockInputs,
    models: Sequence[LockedModel],
    resolver: Resolver,
    reporter: Reporter,
) -> Lock:
    """Return a lock that holds: the one at ``path`` if its inputs are still these, else a new one.

    Models are read from their store each time, so a new model changes the lock without a resolution. Nothing is
    written here: the caller writes the lock once the Bento that it belongs to is whole.

    Raises:
        LockError: the lock is damaged, or the requirements cannot be resolved.
    """
    old = read_lock(path)
    changed = _changes(old, wanted) if old else []
    if old and not changed:
        environments = old.variants
    else:
        reporter.step("resolving the requirements" + (f" ({', '.join(changed)} changed)" if changed else ""))
        packages = resolver.resolve(wanted.request, wanted.target, reporter)
        # Both variants resolve from the same indexes so far, to the same packages.
        environments = {
            variant: {wanted.target.platform: LockedEnvironment(packages=packages)} for variant in wanted.variants
        }
    return sealed(
        Lock(
            format=FORMAT,
            python=wanted.target.python,
            inputs=wanted.parts,
            models=tuple(models),
            variants=environments,
        )
    )


def locked_python(path: Path) -> str | None:
    """Return the Python version an existing lock is for, or None."""
    lock = read_lock(path)
    return lock.python if lock else None


def packages_of(lock: Lock, variant: str, platform: str) -> tuple[LockedPackage, ...]:
    """Return what is locked for one variant on one platform."""
    return lock.variants[variant][platform].packages


def _changes(old: Lock, wanted: LockInputs) -> list[str]:
    """Name what a lock does not hold for: inputs that differ, variants and platforms that it lacks."""
    platform = wanted.target.platform
    lacking = [f"{name} on {platform}" for name in wanted.variants if platform not in old.variants.get(name, {})]
    return [*changed_inputs(old.inputs, wanted.parts), *lacking]
