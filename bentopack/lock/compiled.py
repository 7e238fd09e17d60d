"""What pip-compile and uv share: a requirements file goes in, one with exact versions and hashes comes out."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
from packaging.utils import canonicalize_name

from bentopack._fs import link_or_copy
from bentopack.errors import LockError
from bentopack.lock.credentials import without_credentials
from bentopack.lock.machine import authorised
from bentopack.lock.requirements import index_lines
from bentopack.lock.resolver import LockedPackage, Request, Target
from bentopack.lock.sound import require_sound
from bentopack.lock.wheels import fitting

RUNTIME_NAME = "bentopack"
OUTPUT_NAME = "requirements.txt"


def write_inputs(request: Request, folder: Path) -> Path:
    """Write all that the resolver gets into a folder and return the file that names it."""
    house = folder / "wheelhouse"
    house.mkdir()
    for wheel in request.wheelhouse:
        link_or_copy(wheel.path.resolve(), house / wheel.path.name)
    # Addresses stand in the file, not on the command line: there pip fills in ${VARIABLES}, and no list of the
    # machine's processes shows them.
    lines = list(index_lines(authorised(request.indexes, os.environ)))
    lines += [f"--find-links {house.as_uri()}"] if request.wheelhouse else []
    lines += [option for file in request.files for option in file.options]
    lines += [f"{RUNTIME_NAME} @ {request.runtime.resolve().as_uri()}"]
    lines += [f"{wheel.name} @ {wheel.path.resolve().as_uri()}" for wheel in request.wheels]
    lines += request.lines
    lines += [line for file in request.files if not file.constraint for line in file.requirements]
    limits = [line for file in request.files if file.constraint for line in file.requirements]
    lines += [f"-c {write_requirements(folder / 'constraints.txt', limits).name}"] if limits else []
    if request.preferred:
        # What both resolvers find in the place of their output they keep, where the rest allows.
        write_requirements(folder / OUTPUT_NAME, list(request.preferred))
    return write_requirements(folder / "requirements.in", lines)


def write_requirements(path: Path, lines: Iterable[str]) -> Path:
    """Write a requirements file and return its path."""
    # The first line is for a pip that would else read by the machine's locale.
    path.write_text("\n".join(["# -*- coding: utf-8 -*-", *lines, ""]), encoding="utf-8")
    return path


def parse(text: str) -> Iterator[LockedPackage]:
    """Read what a resolver wrote: ``name==version ; marker --hash=… --hash=…``, lines continued by a backslash.

    Raises:
        LockError: a line is something else; to pass over it would be to lose a package.
    """
    for line in text.replace("\\\n", " ").splitlines():
        requirement, *hashes = re.split(r"\s+--hash=", line.strip())
        if not requirement or requirement.startswith("#"):
            continue
        named, _, marker = (part.strip() for part in requirement.partition(" ; "))
        match = re.fullmatch(r"(?P<name>[\w.-]+)(==(?P<version>\S+)|\s*@\s*(?P<url>\S+))", named)
        if match is None or named.startswith("-"):
            raise LockError(f"the resolver answered with a line that is no package: {without_credentials(line)!r}")
        url = match["url"]
        yield LockedPackage(
            name=canonicalize_name(match["name"]),
            version=match["version"] or "",
            hashes=tuple(sorted(each.strip() for each in hashes)),
            marker=marker or None,
            url=without_credentials(url) if url else None,
        )


def locked(packages: Iterable[LockedPackage], request: Request, target: Target) -> Iterator[LockedPackage]:
    """Give what was resolved in the order of its names, without the runtime, and every package hashed.

    A wheel of this machine is locked by its version and its one hash, not by where it lay.

    Raises:
        LockError: something has no hash, or is not what can be written into a requirements file.
    """
    own = {wheel.name: wheel for wheel in request.wheels}
    named = _named_hashes(request)
    for package in sorted(packages, key=lambda package: package.name):
        if package.name == RUNTIME_NAME:
            continue
        wheel = own.get(package.name) or fitting(package, request.wheelhouse, target)
        if wheel:
            hashes = (f"sha256:{wheel.sha256}",)
            found = LockedPackage(name=wheel.name, version=wheel.version, hashes=hashes, marker=package.marker)
        elif package.hashes:
            found = _only_named(package, named.get(package.name, set()))
        else:
            raise LockError(
                f"'{package.name}' cannot be locked: {package.url or 'it'} has no hash that stays the same",
                hint="build a wheel of it and list the wheel under python.wheels",
            )
        require_sound(found, "the resolver")
        yield found


def _named_hashes(request: Request) -> dict[str, set[str]]:
    """The ``--hash`` values that requirements files give, by package: they narrow what may be installed."""
    found: dict[str, set[str]] = {}
    for line in (line for file in request.files for line in file.requirements):
        name = re.match(r"[A-Za-z0-9][\w.-]*", line)
        hashes = re.findall(r"--hash[=\s]\s*(\w+:[0-9a-f]+)", line)
        if name and hashes:
            found.setdefault(canonicalize_name(name[0]), set()).update(hashes)
    return found


def _only_named(package: LockedPackage, named: set[str]) -> LockedPackage:
    if not named:
        return package
    kept = tuple(each for each in package.hashes if each in named)
    if not kept:
        raise LockError(
            f"{package.name} {package.version} has none of the hashes that the requirements file gives for it",
            hint="correct its --hash values (sha256), or leave them out: every package is locked with its hashes",
        )
    return msgspec.structs.replace(package, hashes=kept)
