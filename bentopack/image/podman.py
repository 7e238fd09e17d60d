"""Podman and buildah: builders without an engine, asked by their command line."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bentopack._say import say
from bentopack.errors import EngineError, NotFound
from bentopack.image.commands import commands_named
from bentopack.image.engine import ImageFacts


@dataclass(frozen=True)
class Podman:
    """A ``podman`` or ``buildah`` command."""

    kind: str
    command: str
    version: str

    def inspect(self, reference: str) -> ImageFacts:
        """Look an image up by tag or id.

        Raises:
            NotFound: there is no such image.
        """
        if self.kind == "buildah":
            return self._inspect_by_buildah(reference)
        found = _json(self.command, "image", "inspect", reference)
        if not found:
            raise NotFound(f"podman has no image {reference}")
        image = found[0]
        return ImageFacts(
            id=_with_algorithm(image["Id"]),
            digest=image.get("Digest"),
            tags=tuple(image.get("RepoTags") or ()),
            size=image["Size"],
        )

    def _inspect_by_buildah(self, reference: str) -> ImageFacts:
        image = _json(self.command, "inspect", "--type", "image", reference)
        if not image:
            raise NotFound(f"buildah has no image {reference}")
        return ImageFacts(
            id=_with_algorithm(image["FromImageID"]),
            digest=image.get("FromImageDigest"),
            tags=tuple(filter(None, [image.get("FromImage")])),
            size=None,
        )


def find_podman(search_path: str, kinds: Sequence[str]) -> Podman:
    """Find the first of these commands that runs.

    Raises:
        EngineError: there is none.
    """
    for kind in kinds:
        for command in commands_named(kind, search_path):
            match = re.match(rf"{kind} version (\S+)", say(command, "--version"))
            if match:
                return Podman(kind, str(command), match[1])
    raise EngineError(f"there is no {' or '.join(kinds)} on PATH", hint=f"install it (Debian, Ubuntu: {kinds[0]})")


def _with_algorithm(image: str) -> str:
    return image if ":" in image else f"sha256:{image}"


def _json(command: str, *arguments: str) -> Any:
    """What a command prints as JSON, or None where it fails."""
    said = say(command, *arguments)
    return json.loads(said) if said else None
