"""Whether a package can be written into a requirements file: nothing in it may begin an option or another line."""

from __future__ import annotations

import re

from packaging.markers import InvalidMarker, Marker
from packaging.version import InvalidVersion, Version

from bentopack.errors import LockError
from bentopack.lock.resolver import LockedPackage


def require_sound(package: LockedPackage, place: str) -> None:
    """Check every part of a package.

    Args:
        place: where it was read.

    Raises:
        LockError: a part is not of its form; names the package.
    """
    addresses = [address for address in (package.url, package.index) if address is not None]
    if not all(re.fullmatch(r"https?://((?![\"'\\])[!-~])+", address) for address in addresses):
        wrong = f"the address {addresses[-1]!r}"
    elif not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", package.name):
        wrong = "the name"
    elif not _is_version(package.version) and not (package.url and not package.version):
        wrong = f"the version {package.version!r}"
    elif package.marker is not None and not _is_marker(package.marker):
        wrong = f"the marker {package.marker!r}"
    elif not package.hashes or not all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in package.hashes):
        wrong = "a hash"
    elif package.license is not None and not (package.license.isprintable() and 0 < len(package.license) <= 500):
        wrong = "the license"
    else:
        return
    raise LockError(f"{place}: {wrong} of the package {package.name!r} is not valid")


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return not re.search(r"\s", text)


def _is_marker(text: str) -> bool:
    try:
        Marker(text)
    except InvalidMarker:
        return False
    # pip looks for options and comments before it looks for quotes.
    return text.isprintable() and not re.search(r"\s[-#]|\\", text)
