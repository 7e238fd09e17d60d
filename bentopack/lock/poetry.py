"""Reads ``poetry.lock``: the packages of the main group."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from packaging.markers import InvalidMarker, Marker
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from bentopack.errors import LockError
from bentopack.lock.credentials import without_credentials
from bentopack.lock.markers import selected, takes_python
from bentopack.lock.pylock import Entry, Unbuilt, Unhashed, not_for
from bentopack.lock.resolver import LockedPackage, Target
from bentopack.lock.wheels import has_build

_MAIN = "main"
_AGAIN = "run `poetry lock` with Poetry 2.1 or newer, which keeps the versions, and build again"


def read_poetry(data: Mapping[str, Any], name: str, target: Target) -> Iterator[Entry]:
    """Yield what a lockfile holds for the target, in its order. What only extras need is left out.

    Raises:
        LockError: it is none, does not tell groups apart, or is not for the target.
    """
    metadata = data.get("metadata")
    version = metadata.get("lock-version") if isinstance(metadata, dict) else None
    # Before 2.1 a lockfile does not say which group a package belongs to, nor under which marker.
    if not re.fullmatch(r"2\.[1-9]\d*", str(version)) or not isinstance(metadata, dict):
        raise LockError(f"{name}: the format {version or 'without a version'} cannot be read", hint=_AGAIN)
    pythons = str(metadata.get("python-versions", "*"))
    if not any(takes_python(each, target) for each in _specifiers(pythons, name)):
        raise not_for(name, target, f"it is for Python {pythons}")
    try:
        for package in data.get("package", ()):
            if _MAIN in package["groups"] and not package.get("optional"):
                belongs, marker = selected(_marker(package), target)
                if belongs:
                    yield _entry(package, marker, target)
    except (AttributeError, KeyError, TypeError, InvalidMarker) as error:
        raise LockError(f"{name} cannot be read as a lockfile of Poetry: {error!r}", hint=_AGAIN) from None


def _marker(package: Mapping[str, Any]) -> Marker | None:
    written = package.get("markers")
    # One marker for all groups, or one for each.
    text = written.get(_MAIN) if isinstance(written, dict) else written
    return Marker(text) if text else None


def _entry(package: Mapping[str, Any], marker: str | None, target: Target) -> Entry:
    name, source = canonicalize_name(package["name"]), package.get("source", {})
    kind, address = source.get("type", "legacy"), source.get("url")
    hashes = sorted(file["hash"] for file in package["files"] if file["hash"].startswith("sha256:"))
    if kind == "git":
        return Unhashed(name, "comes from git")
    if kind in {"directory", "file"}:
        return Unhashed(name, f"is the {'folder' if kind == 'directory' else kind} '{address}'")
    if kind not in {"legacy", "url"} or not hashes or source.get("subdirectory"):
        return Unhashed(name, "has no SHA-256" if not hashes else f"has a source that is not known, {kind}")
    names = tuple(str(file["file"]) for file in package["files"])
    if not has_build(names, target):
        return Unbuilt(name, str(package["version"]), names)
    url = without_credentials(address) if address else None
    return LockedPackage(
        name=name,
        version="" if kind == "url" else package["version"],
        hashes=tuple(dict.fromkeys(hashes)),
        marker=marker,
        url=url if kind == "url" else None,
        index=url if kind == "legacy" else None,
    )


def _specifiers(text: str, name: str) -> Iterator[SpecifierSet]:
    """Yield the alternatives of Poetry's own way to write which Pythons it is for."""
    for alternative in text.split("||"):
        parts = re.findall(r"(\^|~(?!=)|[<>=!~]=?)?\s*([\w.*]+)", alternative)
        try:
            yield SpecifierSet(",".join(_specifier(operator, version) for operator, version in parts))
        except InvalidSpecifier:
            raise LockError(f"{name}: python-versions {text!r} cannot be read", hint=_AGAIN) from None


def _specifier(operator: str, version: str) -> str:
    major, _, rest = version.partition(".")
    minor = rest.partition(".")[0]
    if version == "*":
        return ""
    if operator == "^":
        return f">={version},<{int(major) + 1}"
    if operator == "~":
        return f">={version}," + (f"<{major}.{int(minor) + 1}" if minor else f"<{int(major) + 1}")
    return f"{operator or '=='}{version}"
