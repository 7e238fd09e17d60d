"""The licences of the packages that were locked, read once, when they are locked."""

from __future__ import annotations

import contextlib
import hashlib
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from packaging.metadata import parse_email

from bentopack._fs import write_atomic
from bentopack._home import home
from bentopack._report import Reporter
from bentopack.lock.pip_report import Told, ask_pip
from bentopack.lock.resolver import LocalWheel, LockedPackage, Request, Resolver, Target

_LONGEST = 100  # of a text
_LONGEST_EXPRESSION = 500  # a part of an expression would say something else


class LicenceResolver:
    """A resolver that also names the licences of what another one resolves to.

    Args:
        reporter: is warned instead of the resolution's; the same only once, whatever is resolved for.
    """

    def __init__(self, resolver: Resolver, reporter: Reporter | None = None) -> None:
        self.resolver = resolver
        self._reporter = reporter
        self._warned: set[str] = set()

    def resolve(self, request: Request, target: Target, reporter: Reporter) -> tuple[LockedPackage, ...]:
        packages = self.resolver.resolve(request, target, reporter)
        return with_licences(packages, request, target, _Once(self._reporter or reporter, self._warned))


class _Once:
    """A reporter that passes each warning on once."""

    def __init__(self, reporter: Reporter, warned: set[str]) -> None:
        self.step = reporter.step
        self.output = reporter.output
        self._reporter = reporter
        self._warned = warned

    def warn(self, message: str) -> None:
        if message not in self._warned:
            self._warned.add(message)
            self._reporter.warn(message)


def with_licences(
    packages: Sequence[LockedPackage], request: Request, target: Target, reporter: Reporter
) -> tuple[LockedPackage, ...]:
    """Return the packages with their licences, where those can be had; it is no error where they cannot.

    What was asked once is kept below ``$BENTOPACK_HOME/cache``. Whoever is asked also tells what cannot be installed as
    it is locked, and that is warned of.
    """
    cache = home() / "cache" / "licences.json"
    asked_before = _read(cache)
    known = asked_before | _of_wheels(packages, request)
    unknown = [package for package in packages if _is_asked(package) and _key(package) not in known]
    told = Told()
    if unknown:
        reporter.step(f"reading the licences of {len(unknown)} packages")
        told = ask_pip(unknown, request, target)
        found = {_key(package): licence_of(metadata) for package, metadata in told.metadata.items()}
        known |= found
        if found:
            _write(cache, asked_before | found)
    for problem in _problems(packages, known, told, request, target):
        reporter.warn(problem)
    return tuple(
        msgspec.structs.replace(package, license=known.get(_key(package)) or package.license) for package in packages
    )


def _problems(
    packages: Sequence[LockedPackage], known: Mapping[str, str | None], told: Told, request: Request, target: Target
) -> Iterator[str]:
    for package in packages:
        if package in told.unbuilt:
            yield (
                f"{package.name} {package.version} has no wheel for Python {target.python} on {target.platform}: it is "
                "built from source wherever it is installed, which may need a compiler there (docker.system_packages)"
            )
        elif request.lockfile and (sha256 := told.foreign.get(package)):
            yield (
                f"{package.name} {package.version}: the wheel that the index has ({sha256}) is not among the hashes of "
                f"{request.lockfile.name}; it cannot be installed from there"
            )
    explained = told.unbuilt | told.foreign.keys()
    missing = {each.name for each in packages if not each.license and _key(each) not in known and each not in explained}
    if missing:
        yield f"the licences of {', '.join(sorted(missing))} are not in the lock: they could not be asked for"


def _of_wheels(packages: Sequence[LockedPackage], request: Request) -> dict[str, str | None]:
    """What the project's own wheels say, and those that were built here: no index knows these."""
    wheels = {(f"sha256:{wheel.sha256}",): wheel for wheel in (*request.wheelhouse, *request.wheels)}
    return {_key(each): _licence_in(wheels[each.hashes]) for each in packages if each.hashes in wheels}


def _licence_in(wheel: LocalWheel) -> str | None:
    try:
        with zipfile.ZipFile(wheel.path) as files:
            name = next(name for name in files.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
            stated, _ = parse_email(files.read(name))
    except (OSError, zipfile.BadZipFile, StopIteration, ValueError):
        return None
    return licence_of({**stated, "classifier": stated.get("classifiers")})


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


def _key(package: LockedPackage) -> str:
    return f"{package.name}=={package.version} {hashlib.sha256(' '.join(package.hashes).encode()).hexdigest()}"


def _read(cache: Path) -> dict[str, str | None]:
    try:
        return msgspec.json.decode(cache.read_bytes(), type=dict[str, str | None])
    except (OSError, msgspec.MsgspecError):
        return {}


def _write(cache: Path, known: Mapping[str, str | None]) -> None:
    with contextlib.suppress(OSError):  # a cache that cannot be written costs time, and nothing else
        cache.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(cache, msgspec.json.encode(known, order="sorted"))
