"""What the locked packages of a variant need of CUDA, and why: read from their names and versions alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote, urlsplit

from packaging.specifiers import SpecifierSet
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from bentopack.image.gpu_table import GPU_PACKAGES, GpuPackage, Needs
from bentopack.image.table import ARCHITECTURES, DRIVERS

Packages = Mapping[str, str]
"""The version of each package, by its normalised name; its address where it comes from one."""

Libraries = Literal["none", "runtime", "cudnn", "devel"]
"""What of CUDA the base has to have, each with all of the one before."""

_LIBRARIES: Mapping[Needs, Libraries] = {"runtime": "runtime", "cudnn": "cudnn", "devel": "devel"}
_LEVELS: tuple[Libraries, ...] = ("none", "runtime", "cudnn", "devel")
# Where NVIDIA's packages put their libraries: those of CUDA 11 and 12 each into a folder, those of CUDA 13 into one.
_NVIDIA_PACKAGE = re.compile(r"nvidia-([a-z0-9-]+?)(?:-cu(\d\d))?")
_SEVERAL = ("11", "12")
# Whose first two numbers are CUDA's own: https://pypi.org/project/nvidia-cuda-runtime-cu12/. The plain names are of
# CUDA 13 and later.
_CUDA_RUNTIME = re.compile(r"nvidia-cuda-runtime(?:-cu\d\d)?")
_MINOR = re.compile(r"(\d+)\.(\d+)")
_CUDA_BUILD = re.compile(r"\+cu(\d\d)(\d+)$")
_CPU_BUILD = re.compile(r"\+cpu$")


@dataclass(frozen=True)
class Need:
    """One package that uses a GPU: its version, and the row of the table that tells what it needs."""

    row: GpuPackage
    version: str
    brought: bool
    """Whether other packages bring what it needs."""

    @property
    def name(self) -> str:
        """Its name and version."""
        return f"{self.row.name} {self.version}"

    @property
    def libraries(self) -> Libraries:
        """What the base has to have for it."""
        return "none" if self.brought else _LIBRARIES.get(self.row.needs, "none")


@dataclass(frozen=True)
class GpuNeeds:
    """What all of a variant's packages need together."""

    found: tuple[Need, ...]
    brought: str | None
    """The CUDA that packages bring (``12.6``), if any do."""
    libraries_brought: tuple[str, ...] = ()
    """The folders of ``site-packages`` that hold it."""

    @property
    def libraries(self) -> Libraries:
        """What the base has to have."""
        return _LEVELS[max((_LEVELS.index(need.libraries) for need in self.found), default=0)]

    @property
    def demanding(self) -> tuple[Need, ...]:
        """Those that need libraries of the base."""
        return tuple(need for need in self.found if need.libraries != "none")

    @property
    def compiled(self) -> tuple[Need, ...]:
        """Those whose CUDA code is compiled while they are installed."""
        return tuple(need for need in self.found if need.row.compiles)

    @property
    def use_gpu(self) -> bool:
        """Whether anything here is known to use a GPU."""
        return self.brought is not None or any(need.row.needs != "nothing" for need in self.found)

    @property
    def folders(self) -> tuple[str, ...]:
        """Where in ``site-packages`` the libraries lie that some package opens by name alone."""
        return self.libraries_brought if any(need.brought and need.row.opens for need in self.found) else ()

    def reasons(self) -> Iterator[str]:
        """Say what each package needs, in sentences without a full stop."""
        for need in self.found:
            if need.brought:
                told = "; LD_LIBRARY_PATH says where" if need.row.opens else ""
                yield f"{need.name}: what it needs of CUDA is brought by {' and '.join(need.row.unless)}{told}"
            else:
                yield f"{need.name} {need.row.about}"
        if self.brought:
            yield f"the packages bring CUDA {self.brought}: the host needs driver {driver_of(self.brought)} or newer"
            torch = next((need for need in self.found if need.row.name == "torch"), None)
            for name, cuda, release in ARCHITECTURES if torch else ():
                if torch and (_is_of(f"<{release}", torch.version) or number_of(self.brought) < number_of(cuda)):
                    yield f"{torch.name} for CUDA {self.brought} does not know {name}: CUDA {cuda}, torch {release} do"


def read_needs(packages: Packages) -> GpuNeeds:
    """Find what some locked packages need of CUDA."""
    packages = {name: _version_in(address) for name, address in packages.items()}
    found = [need for row in GPU_PACKAGES if (need := _need(row, packages)) is not None]
    return GpuNeeds(tuple(found), _brought(packages), tuple(sorted(set(_folders(packages)))))


def driver_of(cuda: str) -> str:
    """The oldest driver for a CUDA such as ``12.6``; for a major version that is not known, that of the newest."""
    return DRIVERS.get(cuda.partition(".")[0], list(DRIVERS.values())[-1])


def _version_in(text: str) -> str:
    """A version as it is, and that of the wheel that an address leads to."""
    name = unquote(urlsplit(text).path.rpartition("/")[2]) if "://" in text else ""
    try:
        return str(parse_wheel_filename(name)[1]) if name else text
    except InvalidWheelFilename:
        return text


def number_of(version: str) -> tuple[int, ...]:
    """A version of CUDA such as ``12.6``, to be compared."""
    return tuple(map(int, version.split(".")))


def _need(row: GpuPackage, packages: Packages) -> Need | None:
    version = packages.get(row.name)
    if version is None or not _is_of(row.versions, version) or _CPU_BUILD.search(version):
        return None
    return Need(row, version, bool(row.unless) and all(name in packages for name in row.unless))


def _is_of(versions: str, version: str) -> bool:
    try:
        return SpecifierSet(versions).contains(Version(version), prereleases=True)
    except InvalidVersion:  # an address
        return not versions


def _folders(packages: Packages) -> Iterator[str]:
    for name in packages:
        if match := _NVIDIA_PACKAGE.fullmatch(name):
            library, cuda = match[1].replace("-", "_"), match[2]
            if cuda in _SEVERAL or library in ("cudnn", "nccl"):
                yield f"nvidia/{library}/lib"
            elif cuda is None and library in ("cublas", "cuda_runtime"):
                yield "nvidia/cu13/lib"


def _brought(packages: Packages) -> str | None:
    """The CUDA that packages bring: that of its runtime's own package, else the one that a build says it is for."""
    libraries = [version for name, version in packages.items() if _CUDA_RUNTIME.fullmatch(name)]
    found = [(int(match[1]), int(match[2])) for each in libraries if (match := _MINOR.match(each))]
    builds = [(int(match[1]), int(match[2])) for each in packages.values() if (match := _CUDA_BUILD.search(each))]
    # Where there are two, the newer one says which driver is needed.
    newest = max(found or builds, default=None)
    return f"{newest[0]}.{newest[1]}" if newest else None
