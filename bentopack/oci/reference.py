"""Names of images: a registry, a repository, a tag or a digest."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bentopack.errors import UsageError

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

    def __str__(self) -> str:
        name = f"{self.registry}/{self.repository}"
        name += f":{self.tag}" if self.tag else ""
        return f"{name}@{self.digest}" if self.digest else name


def parse_reference(text: str) -> Reference:
    """Read a name as Docker does: without a host it is one of Docker Hub's (``python:3.11`` is ``library/python``).

    Raises:
        UsageError: its digest is none.
    """
    name, at, digest = text.partition("@")
    if at and not re.fullmatch("sha256:[0-9a-f]{64}", digest):
        raise UsageError(f"{text!r}: expected sha256: and 64 digits (0-9, a-f) after '@'")
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        registry, path = first, rest
    else:
        registry, path = "docker.io", name
    repository, colon, tag = path.rpartition(":")
    if not colon or "/" in tag:
        repository, tag = path, ""
    if registry in ("docker.io", "index.docker.io"):
        registry = _HUB
        repository = repository if "/" in repository else f"library/{repository}"
    return Reference(registry, repository, tag or (None if digest else "latest"), digest or None)


def in_repository(text: str, tag: str) -> Reference:
    """The name of something in a repository that is given without a tag.

    Raises:
        UsageError: it is no repository, or has a tag already.
    """
    found = parse_reference(text)
    if not re.fullmatch(r"[a-z0-9]+([._/-]+[a-z0-9]+)*", found.repository) or text.endswith("/"):
        raise UsageError(f"expected a repository such as registry.example/team/iris, found {text!r}")
    if found.digest or ":" in text.rpartition("/")[2]:
        raise UsageError(f"{text!r}: give the repository alone; its tag there is the version, or that of --tag")
    return Reference(found.registry, found.repository, tag, None)
