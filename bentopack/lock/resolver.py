"""What a resolver is given and what it gives back; each resolver is one file beside this one."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec

from bentopack._report import Reporter
from bentopack.spec.buildable import Source

_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_SYSTEMS = {"linux": "linux", "darwin": "macOS", "win32": "Windows"}


@dataclass(frozen=True)
class Target:
    """What is resolved for: the image's Python (``3.11``) and platform (``linux/amd64``), never the host's."""

    python: str
    platform: str


def host_target() -> Target:
    """The Python and platform that this process runs on."""
    machine = platform.machine().lower()
    system = _SYSTEMS.get(sys.platform, sys.platform)
    return Target(f"{sys.version_info.major}.{sys.version_info.minor}", f"{system}/{_MACHINES.get(machine, machine)}")


@dataclass(frozen=True)
class Indexes:
    """Where packages come from, as the project says; what the environment adds (pip.conf, netrc) stays outside."""

    index_url: str | None = None
    extra_index_url: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    """Addresses of pages with links."""
    folders: tuple[Path, ...] = ()
    """Folders of wheels on this machine. A Bento carries what it takes from them, since no other machine has them."""
    trusted_host: tuple[str, ...] = ()
    no_index: bool = False
    pip_args: tuple[str, ...] = ()


@dataclass(frozen=True)
class RequirementsFile:
    """A requirements file as pip would read it, taken apart. ``name`` is its POSIX path in the project."""

    name: str
    constraint: bool
    """Whether it only limits versions (``-c``)."""
    lines: tuple[str, ...]
    """All that it says: lines without comments, continued ones joined."""
    requirements: tuple[str, ...]
    options: tuple[str, ...]
    """What else it tells the resolver, such as ``--pre``."""
    indexes: Indexes
    sources: tuple[Source, ...] = ()
    """Those of its lines that name source code."""


@dataclass(frozen=True)
class Lockfile:
    """A lockfile of another tool: ``name`` is its POSIX path in the project, ``digest`` the SHA-256 of its text."""

    name: str
    path: Path
    digest: str


@dataclass(frozen=True)
class TorchIndex:
    """Where PyTorch's builds are: below the address, one index for each CUDA and one for none."""

    address: str
    cuda: str | None = None
    """As the variant's image has it (``12.4``), or None for the one without."""


@dataclass(frozen=True)
class ExplicitIndex:
    """An index for some packages alone: they come from nowhere else, and nothing else comes from there."""

    address: str
    requirements: tuple[str, ...]
    """The packages, by name, with the markers they stand at."""

    @property
    def names(self) -> list[str]:
        """The packages' names, in order."""
        return sorted({requirement.partition(" ")[0] for requirement in self.requirements})


@dataclass(frozen=True)
class LocalWheel:
    """A wheel on this machine. ``name`` is normalised (PEP 503)."""

    name: str
    version: str
    path: Path
    sha256: str


class BuiltPin(msgspec.Struct, frozen=True, kw_only=True):
    """A wheel that was built here, and of what; so a lock remembers which commit a branch was."""

    name: str
    source: str
    """The commit, or the digest of the folder's files."""
    tools: tuple[str, ...]
    """The build backend and all that was installed beside it, as ``name==version``: other ones, other bytes."""
    wheel: str
    sha256: str


@dataclass(frozen=True)
class Request:
    """One resolution: requirement lines, requirements files, wheels of the project, the runtime."""

    lines: tuple[str, ...]
    files: tuple[RequirementsFile, ...]
    wheels: tuple[LocalWheel, ...]
    """Installed, whatever else is asked for."""
    runtime: Path
    """The runtime's wheel: resolved along, so that its dependencies are locked with the user's."""
    indexes: Indexes = field(default_factory=Indexes)
    """Those of the bentofile and of the files."""
    wheelhouse: tuple[LocalWheel, ...] = ()
    """What lies in ``indexes.folders``: taken where it is asked for."""
    built: tuple[tuple[str, BuiltPin], ...] = ()
    """What of ``wheels`` was built here, by the requirement."""
    lockfile: Lockfile | None = None
    """What is taken as it is, instead of being resolved (``lock/existing.py``)."""
    torch: TorchIndex | None = None
    """Where PyTorch's packages come from; None where they come from the indexes like any other."""
    explicit: ExplicitIndex | None = None
    preferred: tuple[str, ...] = ()
    """``name==version`` of what was locked before: kept where the rest allows."""
    upgrade: tuple[str, ...] = ()
    """Names of packages that are not to be kept."""


class LockedPackage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One package, exactly. ``hashes`` are ``sha256:<hex>`` of every file that may be installed."""

    name: str
    version: str
    hashes: tuple[str, ...]
    marker: str | None = None
    url: str | None = None
    """Only where the user named a URL instead of a version."""
    index: str | None = None
    """The index it comes from, where that is not the project's or PyPI, and the resolver tells."""
    license: str | None = None
    """An SPDX expression, or what its metadata says on one line; absent where that could not be had."""


class Resolver(Protocol):
    """Turns a request into packages, every one of them hashed, in the order of their names."""

    def resolve(self, request: Request, target: Target, reporter: Reporter) -> tuple[LockedPackage, ...]:
        """Resolve.

        Raises:
            LockError: with the resolver's own explanation, or because it cannot resolve for this target.
        """
