"""Asks pip for the licences of the packages that were locked, once, when they are locked."""

from __future__ import annotations

import contextlib
import math
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from packaging.utils import canonicalize_name

from bentopack._fs import write_atomic
from bentopack._home import home
from bentopack._report import Reporter
from bentopack.lock.machine import as_pip_reads, authorised
from bentopack.lock.requirements import index_lines
from bentopack.lock.resolver import LockedPackage, Request, Resolver, Target
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
_LONGEST = 100  # of a text
_LONGEST_EXPRESSION = 500  # a part of an expression would say something else
_ATTEMPTS = 3
_PROCESSES = min(4, os.cpu_count() or 1)  # half of the time pip computes, half it waits for the index
_PATIENCE = 20  # seconds, for one of them: what an index without ranges would make it download has no bound


class LicenceResolver:
    """A resolver that also names the licences of what another one resolves to."""

    def __init__(self, resolver: Resolver) -> None:
        self.resolver = resolver

    def resolve(self, request: Request, target: Target, reporter: Reporter) -> tuple[LockedPackage, ...]:
        return with_licences(self.resolver.resolve(request, target, reporter), request, target, reporter)


def with_licences(
    packages: Sequence[LockedPackage], request: Request, target: Target, reporter: Reporter
) -> tuple[LockedPackage, ...]:
    """Return the packages with their licences, where those can be had; it is no error where they cannot.

    What was asked once is kept below ``$BENTOPACK_HOME/cache``.
    """
    cache = home() / "cache" / "licences.json"
    known = _read(cache)
    unknown = [package for package in packages if _is_asked(package) and _key(package) not in known]
    if unknown:
        reporter.step(f"reading the licences of {len(unknown)} packages")
        batches = list(_batches(unknown))
        with ThreadPoolExecutor(_PROCESSES) as pool:
            answers = pool.map(lambda batch: _ask(batch, request, target), batches)
        found = {key: licence for answer in answers for key, licence in answer.items()}
        known |= found
        if found:
            _write(cache, known)
    missing = sorted({package.name for package in packages if _key(package) not in known and not package.license})
    if missing:
        reporter.warn(f"the licences of {', '.join(missing)} are not in the lock: there is no wheel that tells them")
    return tuple(
        msgspec.structs.replace(package, license=known.get(_key(package)) or package.license) for package in packages
    )


def licence_of(metadata: Mapping[str, Any]) -> str | None:
    """Return the licence that a package's core metadata (as JSON) names, on one line: an SPDX expression, or its words.

    Only an expression has the form of one, so a reader can tell: ``BSD``, which SPDX does not list, becomes
    ``LicenseRef-BSD``, and ``GPL OR Artistic`` becomes ``GPL or Artistic``.
    """
    for stated in (metadata.get("license_expression"), metadata.get("license")):
        if expression := _expression(stated):
            return expression
    classifiers = sorted(
        each.rpartition(" :: ")[2] for each in metadata.get("classifier") or () if each.startswith("License :: ")
    )
    text = ", ".join(each for each in classifiers if each != "OSI Approved") or str(metadata.get("license") or "")
    lines = ["".join(c for c in " ".join(line.split()) if c.isprintable()) for line in text.splitlines()]
    line = next(filter(None, lines), "")
    if not line or line.upper() in ("UNKNOWN", "NONE"):
        return None
    if " " not in line:
        return "LicenseRef-" + re.sub("[^A-Za-z0-9.-]", "-", line[: _LONGEST - 11])
    line = re.sub(" (AND|OR|WITH)(?= )", lambda word: word[0].lower(), line)
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def _expression(stated: object) -> str | None:
    # The library parses by recursion; what is too long to be kept need not be parsed.
    if not isinstance(stated, str) or len(stated) > _LONGEST_EXPRESSION:
        return None
    try:
        return canonicalize_license_expression(stated)
    except InvalidLicenseExpression:
        return None


def _is_asked(package: LockedPackage) -> bool:
    return bool(package.version) and not package.url and not package.license


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


def _ask(packages: Sequence[LockedPackage], request: Request, target: Target) -> dict[str, str | None]:
    """Ask pip for some packages, and again without those that it has no wheel of."""
    left = {package.name: package for package in packages}
    for _ in range(_ATTEMPTS):
        with tempfile.TemporaryDirectory(prefix="bentopack-licences-") as folder:
            report, said = _report(list(left.values()), request, target, Path(folder).resolve())
        if report is not None:
            return dict(_licences(report, left))
        lacking = {
            canonicalize_name(name) for name in re.findall(r"No matching distribution found for ([\w.-]+)", said)
        }
        if not lacking & left.keys():
            break
        left = {name: package for name, package in left.items() if name not in lacking}
    return {}


def _report(
    packages: Sequence[LockedPackage], request: Request, target: Target, folder: Path
) -> tuple[Any | None, str]:
    """Return pip's report, or None, and what it says."""
    requirements, report = folder / "requirements.txt", folder / "report.json"
    places = {wheel.path.resolve().parent for wheel in (*request.wheels, *request.wheelhouse)}
    index = {f"--index-url {package.index}" for package in packages if package.index}
    lines = [
        *(index or index_lines(authorised(request.indexes, os.environ))),
        *sorted(f"--find-links {each.as_uri()}" for each in places),
    ]
    # Without markers: pip would judge those by this machine.
    lines += [f"{package.name}=={package.version}" for package in packages]
    requirements.write_text("\n".join(["# -*- coding: utf-8 -*-", *lines, ""]), encoding="utf-8")
    command = [sys.executable, "-m", "pip", "install", *_OPTIONS, "--python-version", target.python]
    command += [f"--platform={tag}" for tag in platform_tags(target)]
    command += ["--target", str(folder / "none"), "--report", str(report), "-r", str(requirements)]
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
        return (None if done.returncode else msgspec.json.decode(report.read_bytes())), done.stderr
    except (OSError, subprocess.TimeoutExpired, msgspec.MsgspecError):
        return None, ""


def _licences(report: Any, asked: Mapping[str, LockedPackage]) -> Iterator[tuple[str, str | None]]:
    for item in report["install"]:
        package = asked.get(canonicalize_name(item["metadata"]["name"]))
        sha256 = item["download_info"].get("archive_info", {}).get("hashes", {}).get("sha256")
        if package and f"sha256:{sha256}" in package.hashes:
            yield _key(package), licence_of(item["metadata"])


def _key(package: LockedPackage) -> str:
    return f"{package.name}=={package.version} {package.hashes[0]}"


def _read(cache: Path) -> dict[str, str | None]:
    try:
        return msgspec.json.decode(cache.read_bytes(), type=dict[str, str | None])
    except (OSError, msgspec.MsgspecError):
        return {}


def _write(cache: Path, known: Mapping[str, str | None]) -> None:
    with contextlib.suppress(OSError):  # a cache that cannot be written costs time, and nothing else
        cache.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(cache, msgspec.json.encode(known, order="sorted"))
