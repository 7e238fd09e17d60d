"""Finds the engine's command line: building is the one thing that its API does not do with BuildKit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bentopack._say import say
from bentopack.errors import EngineError
from bentopack.image.commands import commands_named

# From this version on the client's BuildKit lives in the buildx plugin, which may not be installed.
_NEEDS_BUILDX = 23
_FIRST_BUILDKIT = 18


@dataclass(frozen=True)
class Client:
    """A ``docker`` command, and whether it can drive BuildKit."""

    command: str
    version: str
    buildkit: bool
    buildx: bool = False
    """Whether it has that plugin, which knows more options."""


def find_client(search_path: str) -> Client:
    """Choose the first ``docker`` on ``search_path`` that can drive BuildKit, else the first that runs.

    Raises:
        EngineError: there is none.
    """
    found = list(_clients(search_path))
    if not found:
        raise EngineError(
            "the engine answers, but there is no docker command to build with",
            hint="install it (Debian, Ubuntu: docker.io or docker-cli)",
        )
    return next((client for client in found if client.buildkit), found[0])


def _clients(search_path: str) -> Iterator[Client]:
    for command in commands_named("docker", search_path):
        version = _version(command)
        if version is not None:
            buildx = bool(say(command, "buildx", "version"))
            yield Client(str(command), version, buildx or _has_buildkit(version), buildx)


def _version(command: Path) -> str | None:
    """The client's version, or None where it does not run (or is podman under docker's name)."""
    match = re.match(r"Docker version ([0-9][^,\s]*)", say(command, "--version"))
    return match[1] if match else None


def _has_buildkit(version: str) -> bool:
    """Whether BuildKit is built into a client of this version."""
    return _FIRST_BUILDKIT <= int(version.partition(".")[0]) < _NEEDS_BUILDX
