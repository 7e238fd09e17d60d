"""Requirements that name source code, in git or in a folder of the project, of which a wheel is built."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit, urlunsplit

from packaging.markers import InvalidMarker, Marker
from packaging.utils import canonicalize_name

_NAMED = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]*)\s*(?P<extras>\[[^]]*\])?\s*@\s*(?P<rest>((git|hg|svn|bzr)\+|file:|\.).*)"
)
_EXTRAS = re.compile(r"\[(?P<extras>[\w.,\s-]*)\]$")
_SCHEMES = {"git+https", "git+http", "git+ssh", "git+git", "git+file"}


@dataclass(frozen=True)
class Source:
    """Where source code is: ``url`` with ``rev`` and ``subdirectory``, or the ``folder`` as it was written."""

    line: str
    name: str | None = None
    extras: tuple[str, ...] = ()
    marker: str | None = None
    url: str | None = None
    rev: str | None = None
    subdirectory: str = ""
    folder: str | None = None


class BadSource(ValueError):
    """A requirement that names source code which cannot be built; the argument says why."""


def read_source(text: str) -> Source | None:
    """Read a requirement as one that names source code, or return None where it names none.

    Raises:
        BadSource: what it names cannot be built.
    """
    bare, _, marker = (part.strip() for part in re.sub(r"\s+;\s*", "\0", text, count=1).partition("\0"))
    bare = re.sub(r"^(-e|--editable)(\s*=\s*|\s+|(?=\.))", "", bare)
    name, extras = None, ""
    if match := _NAMED.fullmatch(bare):
        name, extras, bare = match["name"], (match["extras"] or "").strip("[]"), match["rest"]
    if re.match(r"(hg|svn|bzr)\+", bare):
        raise BadSource("of version control systems only git is known; build a wheel and name it under python.wheels")
    if bare.startswith("git+"):
        source = _git(text, bare)
    elif re.match(r"\.{1,2}(/|\[|$)|file:", bare, re.IGNORECASE):
        source = _folder(text, bare)
    else:
        return None
    return Source(
        line=text,
        name=canonicalize_name(name) if name else source.name,
        extras=_split(extras) or source.extras,
        marker=_marker(marker),
        url=source.url,
        rev=source.rev,
        subdirectory=source.subdirectory,
        folder=source.folder,
    )


def _git(text: str, bare: str) -> Source:
    try:
        parts = urlsplit(bare)
    except ValueError:
        raise BadSource(f"'{bare}' is not an address") from None
    if parts.scheme not in _SCHEMES or not parts.path or "${" in bare:
        raise BadSource(
            "expected an address such as git+https://host/project@v1; git asks its own helpers for passwords"
        )
    path, _, rev = parts.path.rpartition("@") if "@" in parts.path else (parts.path, "", "")
    fragment = parse_qs(parts.fragment)
    egg = fragment.get("egg", [""])[0]
    subdirectory = fragment.get("subdirectory", [""])[0].strip("/")
    if ".." in subdirectory.split("/") or rev.startswith("-"):
        raise BadSource(f"'{bare}' leads elsewhere")
    extras = _EXTRAS.search(egg)
    egg = _EXTRAS.sub("", egg)
    return Source(
        line=text,
        name=canonicalize_name(egg) if egg else None,
        extras=_split(extras["extras"]) if extras else (),
        url=urlunsplit((parts.scheme.removeprefix("git+"), parts.netloc, path, parts.query, "")),
        rev=rev or None,
        subdirectory=subdirectory,
    )


def _folder(text: str, bare: str) -> Source:
    path = unquote(re.sub(r"^file:(//(localhost)?(?=/))?", "", bare, flags=re.IGNORECASE))
    extras = _EXTRAS.search(path)
    path = _EXTRAS.sub("", path)
    if path.endswith((".whl", ".gz", ".zip", ".bz2")):
        raise BadSource(f"'{path}' is a file; name a wheel under python.wheels")
    return Source(line=text, folder=path, extras=_split(extras["extras"]) if extras else ())


def _split(extras: str) -> tuple[str, ...]:
    return tuple(sorted(canonicalize_name(each.strip()) for each in extras.split(",") if each.strip()))


def _marker(text: str) -> str | None:
    try:
        return str(Marker(text)) if text else None
    except InvalidMarker:
        raise BadSource(f"'{text}' is not a marker") from None
