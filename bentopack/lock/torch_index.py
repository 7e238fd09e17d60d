"""Which of PyTorch's indexes the packages of a variant come from: for its CUDA, or for none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import unquote, urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from bentopack.errors import LockError
from bentopack.lock.markers import selected
from bentopack.lock.resolver import LockedPackage, Request, Target, TorchIndex
from bentopack.lock.torch_table import ADDRESS, FAMILY, RELEASES, TorchRelease

_PATCHES = 10  # no release of PyTorch had as many patch releases


def torch_address(setting: bool | str, request: Request) -> str | None:
    """Return where PyTorch's indexes are, or None where this project takes no package from them.

    Whoever says more than a version has decided already: by a build (``torch==2.6.0+cu121``), a file, a hash, an index
    of PyTorch's own, no index at all, or a lockfile.

    Args:
        setting: ``python.torch_index``: on, off, or the address of a mirror.
    """
    indexes = request.indexes
    if setting is False or request.lockfile or indexes.no_index or "--no-index" in indexes.pip_args:
        return None
    address = (ADDRESS if setting is True else setting).rstrip("/")
    wheels = {wheel.name for wheel in (*request.wheels, *request.wheelhouse)}
    if not wheels.isdisjoint(FAMILY) or any(map(_names_a_file, _lines(request))):
        return None
    return None if any(_below(place, each) for place in _places(request) for each in (address, ADDRESS)) else address


def of_family(packages: Sequence[LockedPackage]) -> list[LockedPackage]:
    """Return those of some packages that are PyTorch's."""
    return [package for package in packages if package.name in FAMILY]


def asked_directly(request: Request, target: Target) -> dict[str, str]:
    """The packages of the family that the project itself asks for in the image, as requirements, with their names."""
    asked = _of_family(request, target, constraints=False)
    return {f"{name} ; {marker}" if marker else name: name for name, _, marker in asked}


def suffix_of(torch: TorchIndex, request: Request, target: Target) -> str:
    """Return the part of an index's address that says what its builds are for: ``cpu``, ``cu126``.

    CUDA's minor versions are compatible with each other, and builds bring its libraries: where there is none for the
    very version, the nearest older one of the same major version fits, else the nearest newer one.

    Raises:
        LockError: there is no build for such a CUDA of any version that the project allows.
    """
    if torch.cuda is None:
        return "cpu"
    if not re.fullmatch(r"[0-9]+\.[0-9]+(\.[0-9]+)?", torch.cuda):
        raise LockError(
            f"docker.cuda_version is '{torch.cuda}', which does not tell for which CUDA torch has to be built",
            hint='name one such as "12.6", or set python.torch_index: false',
        )
    wanted = _number(torch.cuda)
    limits = _limits(request, target)
    releases = _allowed(limits)
    built = sorted({_number(cuda) for release in releases for cuda in release.cuda})
    fitting = [each for each in built if each[0] == wanted[0]]
    if not fitting:
        raise _no_build(wanted, limits, releases)
    older = [each for each in fitting if each <= wanted]
    major, minor = older[-1] if older else fitting[0]
    return f"cu{major}{minor}"


def _no_build(
    wanted: tuple[int, int], limits: Mapping[str, SpecifierSet], releases: Sequence[TorchRelease]
) -> LockError:
    asked = ", ".join(f"{name}{limit}" for name, limit in limits.items() if limit) or "torch"
    have = "; ".join(f"torch {release.torch} for CUDA {', '.join(release.cuda)}" for release in releases)
    return LockError(
        f"{asked} has no build for CUDA {wanted[0]}.{wanted[1]} (docker.cuda_version); there is {have}",
        hint="change docker.cuda_version or the version of torch, or set python.torch_index: false",
    )


def _allowed(limits: Mapping[str, SpecifierSet]) -> Sequence[TorchRelease]:
    """The releases of the table that the project allows; where it allows none of them, the one that is nearest."""
    allowed = [
        release
        for release in RELEASES
        if all(_takes(limits[name], version) for name, version in release.versions.items() if name in limits)
    ]
    if allowed:
        return allowed
    newest = RELEASES[-1].versions
    beyond = any(
        Version(each.version.removesuffix(".*")) > Version(newest[name])
        for name, limit in limits.items()
        for each in limit
    )
    return RELEASES[-1:] if beyond else RELEASES[:1]


def _takes(limit: SpecifierSet, version: str) -> bool:
    return any(limit.contains(f"{version}.{patch}", prereleases=True) for patch in range(_PATCHES))


def _limits(request: Request, target: Target) -> dict[str, SpecifierSet]:
    """What the project's own lines say of the versions of the family in the image, constraints among them."""
    limits: dict[str, SpecifierSet] = {}
    for name, requirement, _ in _of_family(request, target, constraints=True):
        limits[name] = limits.get(name, SpecifierSet()) & requirement.specifier
    return limits


def _of_family(request: Request, target: Target, *, constraints: bool) -> Iterator[tuple[str, Requirement, str | None]]:
    """The lines about the family that count in the image: name, requirement, and the marker that only it can judge."""
    for line in _lines(request, constraints=constraints):
        if (requirement := _requirement(line)) and (name := canonicalize_name(requirement.name)) in FAMILY:
            belongs, marker = selected(requirement.marker, target)
            if belongs:
                yield name, requirement, marker


def _number(version: str) -> tuple[int, int]:
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


def _lines(request: Request, *, constraints: bool = True) -> Iterator[str]:
    yield from request.lines
    for file in request.files:
        if constraints or not file.constraint:
            yield from file.requirements


def _requirement(line: str) -> Requirement | None:
    try:
        return Requirement(re.split(r"\s+--hash", line, maxsplit=1)[0])
    except InvalidRequirement:  # the bare address of a file
        return None


def _names_a_file(line: str) -> bool:
    """Whether a line names one build of a package of the family: by its local version, its address or its hash."""
    requirement = _requirement(line)
    if requirement is None:
        return _file_of(line) in FAMILY
    if canonicalize_name(requirement.name) not in FAMILY:
        return False
    return bool(requirement.url) or " --hash" in line or any("+" in each.version for each in requirement.specifier)


def _file_of(address: str) -> str:
    """The package of a file's address."""
    name = unquote(urlsplit(address).path.rpartition("/")[2])
    try:
        return parse_wheel_filename(name)[0]
    except InvalidWheelFilename:
        return canonicalize_name(name.partition("-")[0])


def _places(request: Request) -> Iterator[str]:
    """Wherever the project itself has packages come from."""
    indexes = request.indexes
    yield from filter(None, (indexes.index_url, *indexes.extra_index_url, *indexes.find_links))
    yield from (found for word in indexes.pip_args for found in re.findall(r"https?://\S+", word))


def _below(place: str, address: str) -> bool:
    inner, outer = (_bare(each) for each in (place, address))
    return inner == outer or inner.startswith(f"{outer}/")


def _bare(address: str) -> str:
    """An address by which two can be compared: without its scheme and who asks."""
    _, _, rest = address.partition("://")
    host, slash, path = rest.partition("/")
    return (host.rpartition("@")[2].lower() + slash + path).rstrip("/")
