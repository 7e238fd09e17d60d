"""Names of images: a registry, a repository, a tag or a digest."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bentopack.errors import UsageError
from bentopack.spec.patterns import IMAGE_DIGEST, IMAGE_REGISTRY, IMAGE_REPOSITORY, IMAGE_TAG

# Who asks this machine may write its address in brackets.
_REGISTRY = rf"{IMAGE_REGISTRY}|\[[0-9A-Fa-f:.]+\](?::[0-9]+)?"
_FORMS = {
    "registry": "is a host, perhaps with a port: registry.example:5000",
    "repository": "is of lower-case letters and digits, with '.', '_', '-' or '/' between them: team/iris",
    "tag": "is at most 128 letters, digits, '.', '_' and '-', and begins with none of the last two",
    "digest": "is sha256: and 64 digits of 0-9a-f",
}
_HUB = "registry-1.docker.io"


@dataclass(frozen=True)
class Reference:
    """Where an image is. ``registry`` is a host, perhaps with a port."""

    registry: str
    repository: str
    tag: str | None
    digest: str | None

    @property
    def wanted(self) -> str:
        """What a registry is asked for: the digest where there is one, since a tag may move."""
        return self.digest or self.tag or "latest"

    def at(self, digest: str) -> Reference:
        """Something in the same repository, by its digest."""
        return Reference(self.registry, self.repository, None, digest)

    def under(self, tag: str) -> Reference:
        """Something in the same repository, by its tag."""
        return Reference(self.registry, self.repository, tag, None)

    def __str__(self) -> str:
        name = f"{self.registry}/{self.repository}"
        name += f":{self.tag}" if self.tag else ""
        return f"{name}@{self.digest}" if self.digest else name


def parse_reference(text: str) -> Reference:
    """Read a name as Docker does: without a host it is one of Docker Hub's (``python:3.11`` is ``library/python``).

    Raises:
        UsageError: it is none; what is of another form could lead a request to any place of a registry.
    """
    name, at, digest = text.partition("@")
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        registry, path = first, rest
    else:
        registry, path = "docker.io", name
    repository, colon, tag = path.rpartition(":")
    if not colon or "/" in tag:
        repository, colon, tag = path, "", ""
    _require("registry", _REGISTRY, registry, text)
    _require("repository", IMAGE_REPOSITORY, repository, text)
    if colon:
        _require("tag", IMAGE_TAG, tag, text)
    if at:
        _require("digest", IMAGE_DIGEST, digest, text)
    if registry in ("docker.io", "index.docker.io"):
        registry = _HUB
        repository = repository if "/" in repository else f"library/{repository}"
    return Reference(registry, repository, tag or (None if digest else "latest"), digest or None)


def in_repository(text: str, tag: str) -> Reference:
    """The name of something in a repository that is given without a tag.

    Raises:
        UsageError: it is no repository, or has a tag already; or the tag is none.
    """
    found = parse_reference(text)
    _require("tag", IMAGE_TAG, tag, tag)
    if found.digest or ":" in text.rpartition("/")[2]:
        raise UsageError(f"{text!r}: give the repository alone; its tag there is the version, or that of --tag")
    return found.under(tag)


def _require(part: str, pattern: str, value: str, text: str) -> None:
    """Refuse a part of a name that is not of the form which the distribution specification gives it."""
    if not re.fullmatch(pattern, value):
        of = f" in {text!r}" if text != value else ""
        raise UsageError(f"{value!r} is not a valid {part}{of}", hint=f"a {part} {_FORMS[part]}")
