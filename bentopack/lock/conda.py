"""Conda packages: solved here, and written as the list that micromamba installs without solving anything."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from bentopack._report import Reporter
from bentopack.errors import LockError
from bentopack.lock.resolver import Target

if TYPE_CHECKING:
    from rattler import GenericVirtualPackage

CONDA = "conda"
"""The input by which a lock remembers what was wanted of conda."""

_SUBDIRS = {"linux/amd64": "linux-64", "linux/arm64": "linux-aarch64"}
# Conda's packages see a machine by virtual packages; a build sees none of the machine that will serve, so they are
# said. The C library is the one that wheels are locked for; https://docs.conda.io/projects/conda/en/stable/ (Virtual
# packages).
_GLIBC = "2.28"
_LINUX = "4.18"  # of the first distribution that had that C library: Red Hat Enterprise Linux 8


@dataclass(frozen=True)
class CondaRequest:
    """What is wanted of conda: ``channels`` in the order of their priority, ``packages`` as match specs."""

    channels: tuple[str, ...]
    packages: tuple[str, ...]

    def inputs(self) -> dict[str, list[str]]:
        """What a solution depends on, as a lock remembers it."""
        return {"channels": list(self.channels), "packages": list(self.packages)}


class LockedCondaPackage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One file of a channel, exactly. ``sha256`` is in hex."""

    name: str
    version: str
    build: str
    url: str
    sha256: str
    license: str | None = None


def solve(
    request: CondaRequest, target: Target, cuda: str | None, reporter: Reporter
) -> tuple[LockedCondaPackage, ...]:
    """Solve a request for a platform, by the library that pixi solves with.

    Args:
        request: what is wanted; the image's Python is wanted besides.
        target: for which Python and platform.
        cuda: the driver's CUDA, where the image is for a GPU.
        reporter: is told that it takes its time.

    Returns:
        The packages in the order in which they are to be installed.

    Raises:
        LockError: with the solver's own explanation; or what solves is not installed.
    """
    import asyncio  # a twentieth of a second, for those who have conda packages alone

    try:
        import rattler
    except ImportError:
        raise LockError(
            "conda: what solves conda's packages is not installed", hint='install it: pip install "bentopack[conda]"'
        ) from None
    if target.platform not in _SUBDIRS:
        raise LockError(f"conda: there are no packages for {target.platform}", hint=f"it has {', '.join(_SUBDIRS)}")
    reporter.step("solving the conda packages")
    subdir: Any = _SUBDIRS[target.platform]
    try:
        records: list[Any] = asyncio.run(
            rattler.solve(
                list(request.channels),
                [*request.packages, f"python {target.python}.*"],
                platforms=[subdir, "noarch"],
                virtual_packages=list(_machine(subdir, cuda)),
            )
        )
    except Exception as error:  # of several kinds, which have no root of their own
        raise LockError(f"conda: {_told(error)}", hint="look at conda.channels and conda.dependencies") from None
    by_name = {record.name.normalized: record for record in records}
    # The sorted ones are copies that no longer know their addresses.
    ordered = rattler.RepoDataRecord.sort_topologically(records)
    return tuple(_locked(by_name[record.name.normalized]) for record in ordered)


def _machine(subdir: str, cuda: str | None) -> Iterable[GenericVirtualPackage]:
    from rattler import BuildString, GenericVirtualPackage, PackageName, Version

    versions = {"__unix": "0", "__linux": _LINUX, "__glibc": _GLIBC}
    versions |= {"__cuda": cuda} if cuda else {}
    for name, version in versions.items():
        yield GenericVirtualPackage(PackageName(name), Version(version), BuildString("0"))
    architecture = "x86_64" if subdir == "linux-64" else "aarch64"
    yield GenericVirtualPackage(PackageName("__archspec"), Version("1"), BuildString(architecture))


def _locked(record: Any) -> LockedCondaPackage:
    if not record.sha256:
        raise LockError(f"conda: {record.url} has no SHA-256 in its channel", hint="take it from another channel")
    found = LockedCondaPackage(
        name=record.name.normalized,
        version=str(record.version),
        build=str(record.build),
        url=str(record.url),
        sha256=record.sha256.hex(),
        license=_one_line(record.license),
    )
    require_sound_conda(found, "conda")
    return found


def require_sound_conda(package: LockedCondaPackage, place: str) -> None:
    """Check every part of a package, as nothing in it may begin another line or lead to this machine.

    Raises:
        LockError: a part is not of its form; names the package.
    """
    words = (package.name, package.version, package.build)
    if not all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.!+*-]*", word) for word in words):
        wrong = "the name, version or build"
    elif not re.fullmatch(r"https?://[!-~]+", package.url) or re.search(r"[\"'\\#@]", package.url):
        wrong = f"the address {package.url!r}"
    elif not re.fullmatch("[0-9a-f]{64}", package.sha256):
        wrong = "the hash"
    else:
        return
    raise LockError(f"{place}: {wrong} of the conda package {package.name!r} is not valid")


def explicit_list(packages: Sequence[LockedCondaPackage], request: CondaRequest | None = None) -> str:
    """Write packages as an explicit list: addresses and hashes, in the order in which they are to be installed.

    Source of the form: https://docs.conda.io/projects/conda/en/stable/user-guide/tasks/manage-environments.html
    ("Building identical conda environments"); micromamba reads a hash of 64 digits as SHA-256.
    """
    asked = [f"# asked for: {each}" for each in (request.packages if request else ())]
    return "\n".join([*asked, "@EXPLICIT", *(f"{each.url}#{each.sha256}" for each in packages)]) + "\n"


def _told(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text[0].lower() + text[1:]


def _one_line(text: str | None) -> str | None:
    line = " ".join((text or "").split())
    return line if line and line.isprintable() and len(line) <= 500 else None
