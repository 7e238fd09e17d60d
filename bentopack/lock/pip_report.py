"""Asks pip what it would install in the image of what is locked; nothing is installed, built or unpacked."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
from packaging.utils import InvalidSdistFilename, canonicalize_name, parse_sdist_filename
from packaging.version import Version

from bentopack.lock.compiled import write_requirements
from bentopack.lock.machine import as_pip_reads, authorised
from bentopack.lock.pip_log import mismatching, passed_over, read_log
from bentopack.lock.requirements import index_lines
from bentopack.lock.resolver import LockedPackage, Request, Target
from bentopack.lock.wheels import platform_tags

_OPTIONS = (
    "--dry-run",
    "--quiet",
    "--quiet",  # once is not enough to keep warnings of the user's own settings out
    "--disable-pip-version-check",
    "--no-input",
    "--retries=0",  # a lock waits for its packages, but not for this
    "--timeout=10",
    "--ignore-installed",
    "--no-deps",
    "--only-binary=:all:",  # to ask a source archive is to run its code
    # Wheels are not downloaded: pip reads what the index says of them (PEP 658), or a range of the file. It would
    # download them if it had to check hashes; the report names each file's, and those are compared instead.
    "--use-feature=fast-deps",
)
_ATTEMPTS = 3
_PROCESSES = min(4, os.cpu_count() or 1)  # half of the time pip computes, half it waits for the index
_PATIENCE = 20  # seconds, for one of them: what an index without ranges would make it download has no bound


@dataclass(frozen=True)
class Told:
    """What pip tells of some packages; of those that it cannot have it tells nothing."""

    metadata: dict[LockedPackage, Mapping[str, Any]] = field(default_factory=dict)
    """Core metadata as JSON, of what it would install."""
    unbuilt: set[LockedPackage] = field(default_factory=set)
    """There is a source archive, and no wheel that fits the target."""
    foreign: dict[LockedPackage, str] = field(default_factory=dict)
    """No wheel that fits is one that is locked: the hash (``sha256:<hex>``) of the one that pip would take."""


def ask_pip(packages: Sequence[LockedPackage], request: Request, target: Target) -> Told:
    """Ask pip for packages, several processes at once."""
    told = Told()
    with ThreadPoolExecutor(_PROCESSES) as pool:
        for each in pool.map(lambda batch: _ask(batch, request, target), list(_batches(packages))):
            told.metadata.update(each.metadata)
            told.unbuilt.update(each.unbuilt)
            told.foreign.update(each.foreign)
    return told


def _batches(packages: Sequence[LockedPackage]) -> Iterator[list[LockedPackage]]:
    """Split into lists that pip takes in one go: of one index, and each name once, though a lock may have two."""
    groups: dict[tuple[str, int], list[LockedPackage]] = {}
    seen: Counter[str] = Counter()
    for package in packages:
        groups.setdefault((package.index or "", seen[package.name]), []).append(package)
        seen[package.name] += 1
    for group in groups.values():
        size = max(5, math.ceil(len(group) / _PROCESSES))  # to start pip takes half a second
        yield from (group[at : at + size] for at in range(0, len(group), size))


def _ask(packages: Sequence[LockedPackage], request: Request, target: Target) -> Told:
    """Ask for some packages, and again without those that it has no wheel of."""
    told = Told()
    left = {package.name: package for package in packages}
    attempts = _ATTEMPTS
    while left and attempts:
        report, said, log = _report([_line(each) for each in left.values()], packages, request, target)
        if report is not None:
            _take(report, left, told)
            break
        names = {canonicalize_name(name) for name in re.findall(r"No matching distribution found for ([\w.-]+)", said)}
        lacking = [left.pop(name) for name in names & left.keys()]
        unbuilt = {package for package in lacking if _has_source(package, log)}
        told.unbuilt.update(unbuilt)
        # Where an index answers, what it lacks is soon known; one that does not is not asked for ever.
        attempts -= 0 if unbuilt else 1
        if not lacking:
            break
    # What a resolver hashed is in an index; a lockfile of another tool may say anything.
    foreign = _certain(told.foreign, request, target) if told.foreign and request.lockfile else {}
    return replace(told, foreign=foreign)


def _take(report: Any, asked: Mapping[str, LockedPackage], told: Told) -> None:
    for item in report["install"]:
        package = asked.get(canonicalize_name(item["metadata"]["name"]))
        sha256 = item["download_info"].get("archive_info", {}).get("hashes", {}).get("sha256")
        if package and f"sha256:{sha256}" in package.hashes:
            told.metadata[package] = item["metadata"]
        elif package and sha256:
            told.foreign[package] = f"sha256:{sha256}"


def _certain(other: Mapping[LockedPackage, str], request: Request, target: Target) -> dict[LockedPackage, str]:
    """Keep the packages of which pip finds no wheel that is locked: it may only have liked another one better."""
    hashed = [" ".join([_line(package), *(f"--hash={each}" for each in package.hashes)]) for package in other]
    _, _, log = _report(hashed, list(other), request, target)
    names = {canonicalize_name(name) for name in mismatching(log)}
    return {package: sha256 for package, sha256 in other.items() if package.name in names}


def _line(package: LockedPackage) -> str:
    return f"{package.name}=={package.version}"  # without its marker: pip would judge that by this machine


def _has_source(package: LockedPackage, log: Sequence[str]) -> bool:
    for name in passed_over(log):
        try:
            found, version = parse_sdist_filename(name)
        except InvalidSdistFilename:
            continue
        if found == package.name and version == Version(package.version):
            return True
    return False


def _report(
    requirements: Sequence[str], packages: Sequence[LockedPackage], request: Request, target: Target
) -> tuple[Any | None, str, list[str]]:
    """Return pip's report, or None; what it says; and its log."""
    with tempfile.TemporaryDirectory(prefix="bentopack-licences-") as place:
        folder = Path(place).resolve()
        asked, report, log = (folder / name for name in ("requirements.txt", "report.json", "log"))
        write_requirements(asked, [*_indexes(packages, request), *requirements])
        command = [sys.executable, "-m", "pip", "install", *_OPTIONS, "--python-version", target.python]
        command += [f"--platform={tag}" for tag in platform_tags(target)]
        command += ["--target", str(folder / "none"), "--report", str(report), "--log", str(log), "-r", str(asked)]
        found, said = None, ""
        try:
            done = subprocess.run(
                [*command, *request.indexes.pip_args],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                cwd=folder,
                env={**os.environ, **as_pip_reads(os.environ)},
                timeout=_PATIENCE,
                check=False,
            )
            found, said = (None if done.returncode else msgspec.json.decode(report.read_bytes())), done.stderr
        except (OSError, subprocess.TimeoutExpired, msgspec.MsgspecError):
            pass
        return found, said, read_log(log.read_text("utf-8", "replace")) if log.is_file() else []


def _indexes(packages: Sequence[LockedPackage], request: Request) -> list[str]:
    places = {wheel.path.resolve().parent for wheel in (*request.wheels, *request.wheelhouse)}
    index = {f"--index-url {package.index}" for package in packages if package.index}
    return [
        *(index or index_lines(authorised(request.indexes, os.environ))),
        *sorted(f"--find-links {each.as_uri()}" for each in places),
    ]
