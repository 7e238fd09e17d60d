"""Wheels on this machine, which a Bento carries because no index has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from zipfile import is_zipfile

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from bentopack._fs import sha256_file
from bentopack.errors import LockError
from bentopack.lock.resolver import LocalWheel, LockedPackage, Request, Target

_GLIBC = 36  # 2.36, that of Debian 12, which the default base is


def local_wheel(path: Path) -> LocalWheel:
    """Describe a wheel by its file name.

    Raises:
        LockError: the name is not that of a wheel, or there is none under it.
    """
    try:
        name, version, _, _ = parse_wheel_filename(path.name)
    except InvalidWheelFilename as error:
        raise LockError(f"python.wheels: {path} is not a wheel: {error}") from None
    if not is_zipfile(path):
        raise LockError(f"{path} is not a wheel, only named like one", hint=f"build {name} {version} again")
    return LocalWheel(name, str(version), path, sha256_file(path))


def require_one_of_each(wheels: Sequence[LocalWheel]) -> None:
    """Refuse two wheels of one package: a Bento installs each that it is given.

    Raises:
        LockError: names both.
    """
    known: dict[str, LocalWheel] = {}
    for wheel in wheels:
        if (other := known.setdefault(wheel.name, wheel)) != wheel:
            raise LockError(
                f"'{wheel.name}' is there twice: as {other.path.name} and as {wheel.path.name}",
                hint="keep one; of wheels for several platforms name the folder under python.find_links instead, and "
                "the package under python.packages",
            )


def wheels_in(folders: Sequence[Path]) -> tuple[LocalWheel, ...]:
    """Describe the wheels in folders, by file name; of two with the same one the first folder's.

    Source archives are left out: what is built of them has no hash that stays the same.

    Raises:
        LockError: a folder holds none.
    """
    found: dict[str, LocalWheel] = {}
    for folder in folders:
        paths = sorted(path for path in folder.glob("*.whl") if path.is_file() and _is_wheel(path))
        if not paths:
            raise LockError(f"find_links: there is no wheel in {folder}", hint="build wheels of what is in it")
        for path in paths:
            if path.name not in found:
                found[path.name] = local_wheel(path)
    return tuple(found[name] for name in sorted(found))


def fitting(package: LockedPackage, wheelhouse: Sequence[LocalWheel], target: Target) -> LocalWheel | None:
    """Return the wheel of a package that pip would install in the image, or None."""
    ranks = {tag: rank for rank, tag in enumerate(_tags(target, platform_tags(target)))}
    best: tuple[int, LocalWheel] | None = None
    for wheel in wheelhouse:
        if package.url or wheel.name != package.name or Version(wheel.version) != Version(package.version):
            continue
        tags = parse_wheel_filename(wheel.path.name)[3]
        rank = min((ranks[tag] for tag in tags if tag in ranks), default=None)
        if rank is not None and (best is None or rank < best[0]):
            best = rank, wheel
    return best[1] if best else None


def fits(wheel: LocalWheel, target: Target) -> bool:
    """Tell whether pip would install a wheel in the image."""
    return not parse_wheel_filename(wheel.path.name)[3].isdisjoint(_tags(target, platform_tags(target)))


def require_fit(wheels: Iterable[LocalWheel], target: Target) -> None:
    """Refuse wheels that the image could not install: uv would take them as they are.

    Raises:
        LockError: names the wheel and what it is for.
    """
    for wheel in wheels:
        if not has_build([wheel.path.name], target):
            raise no_build(f"the wheel {wheel.path.name}", [wheel.path.name], target)


def has_build(names: Sequence[str], target: Target) -> bool:
    """Tell whether of files with these names one is for the target; what is no wheel the image may build."""
    taken = set(_tags(target, _every_libc(target)))
    return any(not _is_wheel(Path(name)) or not taken.isdisjoint(parse_wheel_filename(name)[3]) for name in names)


def no_build(what: str, names: Sequence[str], target: Target) -> LockError:
    """Make the error of what has wheels for other targets alone."""
    tags = sorted({str(tag) for name in names for tag in parse_wheel_filename(name)[3]})
    return LockError(
        f"{what} has no build for Python {target.python} on {target.platform}; there is {', '.join(tags)}",
        hint="take a release that has one, or list a wheel for this target under python.wheels; python.version and "
        "--platform say what the image is",
    )


def bundled(packages: Sequence[LockedPackage], request: Request) -> tuple[LocalWheel, ...]:
    """Return the wheels that a Bento with these packages carries: the project's, and those locked by one hash."""
    exact = {package.hashes for package in packages}
    taken = [wheel for wheel in request.wheelhouse if (f"sha256:{wheel.sha256}",) in exact]
    return tuple({wheel.path.name: wheel for wheel in (*taken, *request.wheels)}.values())


def platform_tags(target: Target) -> list[str]:
    """The platforms whose wheels an image takes, the best first."""
    return _platforms(target, ("manylinux_2_", _GLIBC, 5))


def _every_libc(target: Target) -> list[str]:
    """The platforms of whatever base the user may bring: what is named by the user is refused only for certain."""
    return _platforms(target, ("manylinux_2_", 99, 5), ("musllinux_1_", 9, 0))


def _platforms(target: Target, *libcs: tuple[str, int, int]) -> list[str]:
    machine = {"amd64": "x86_64", "arm64": "aarch64"}[target.platform.partition("/")[2]]
    platforms = [
        f"{libc}{minor}_{machine}" for libc, newest, oldest in libcs for minor in range(newest, oldest - 1, -1)
    ]
    return [*platforms, *(f"{old}_{machine}" for old in ("manylinux2014", "manylinux2010", "manylinux1", "linux"))]


def _is_wheel(path: Path) -> bool:
    try:
        parse_wheel_filename(path.name)
    except InvalidWheelFilename:
        return False
    return True


def _tags(target: Target, platforms: Sequence[str]) -> Iterator[Tag]:
    """The tags of wheels that an image's Python takes, the best first."""
    major, minor = (int(part) for part in target.python.split("."))
    yield from cpython_tags((major, minor), platforms=platforms)
    yield from compatible_tags((major, minor), f"cp{major}{minor}", platforms)
