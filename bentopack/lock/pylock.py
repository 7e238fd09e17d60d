"""Reads ``pylock.toml`` (PEP 751), the lockfile that all tools share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from packaging.pylock import (
    Package,
    PackageArchive,
    PackageSdist,
    PackageWheel,
    Pylock,
    PylockUnsupportedVersionError,
    PylockValidationError,
)

from bentopack.errors import LockError
from bentopack.lock.credentials import without_credentials
from bentopack.lock.markers import selected, selected_environment, takes_python
from bentopack.lock.resolver import LockedPackage, Target
from bentopack.lock.wheels import has_build


@dataclass(frozen=True)
class Unhashed:
    """A package of a lockfile that cannot be locked, and what it is instead of files with hashes."""

    name: str
    what: str


@dataclass(frozen=True)
class Unbuilt:
    """A package of a lockfile of which no file is for the target, and the files' names."""

    name: str
    version: str
    files: tuple[str, ...]


Entry = LockedPackage | Unhashed | Unbuilt


def read_pylock(data: Mapping[str, Any], name: str, target: Target) -> Iterator[Entry]:
    """Yield what a lockfile holds for the target, in its order.

    Raises:
        LockError: it is none, of a newer kind, or not for the target.
    """
    try:
        lock = Pylock.from_dict(data)
    except (PylockValidationError, PylockUnsupportedVersionError) as error:
        raise LockError(f"{name} cannot be read: {error}", hint="write it anew with the tool that made it") from None
    if not takes_python(lock.requires_python, target):
        raise not_for(name, target, f"it is for Python {lock.requires_python}")
    if not selected_environment(lock.environments or (), target):
        raise not_for(name, target, "it is for " + " or ".join(map(str, lock.environments or ())))
    for package in lock.packages:
        belongs, marker = selected(package.marker, target, lock.default_groups or ())
        if not belongs:
            continue
        if not takes_python(package.requires_python, target):
            raise not_for(name, target, f"its '{package.name}' is for Python {package.requires_python}")
        yield _entry(package, marker, target)


def not_for(name: str, target: Target, why: str) -> LockError:
    """Make the error of a lockfile that does not cover the target."""
    return LockError(
        f"{name} cannot be used for Python {target.python} on {target.platform}: {why}",
        hint="lock it for this target with its own tool, or change python.version or --platform",
    )


def _entry(package: Package, marker: str | None, target: Target) -> Entry:
    if package.vcs:
        return Unhashed(package.name, f"comes from {package.vcs.type}")
    if package.directory:
        return Unhashed(package.name, f"is the folder '{package.directory.path}'")
    if package.archive:
        return _archived(package.name, package.archive, marker)
    return _released(package, marker, target)


def _released(package: Package, marker: str | None, target: Target) -> Entry:
    files: list[PackageWheel | PackageSdist] = [*(package.wheels or ())]
    files += [package.sdist] if package.sdist else []
    if any(file.path and not file.url for file in files):
        return Unhashed(package.name, "is a file of this machine")
    hashes = sorted(f"sha256:{file.hashes['sha256']}" for file in files if "sha256" in file.hashes)
    if package.version is None or not hashes:
        return Unhashed(package.name, "has no version" if hashes else "has no SHA-256")
    names = tuple(file.filename for file in files)
    if not has_build(names, target):
        return Unbuilt(package.name, str(package.version), names)
    return LockedPackage(
        name=package.name,
        version=str(package.version),
        hashes=tuple(hashes),
        marker=marker,
        index=without_credentials(package.index) if package.index else None,
    )


def _archived(name: str, archive: PackageArchive, marker: str | None) -> Entry:
    digest = archive.hashes.get("sha256")
    if not archive.url or not digest or archive.subdirectory:
        return Unhashed(name, "is an archive of this machine, or a part of one, or has no SHA-256")
    url = without_credentials(archive.url)
    return LockedPackage(name=name, version="", hashes=(f"sha256:{digest}",), marker=marker, url=url)
