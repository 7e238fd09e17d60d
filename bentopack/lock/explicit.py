"""An index for some packages alone, as uv is told of it: they come from nowhere else, and nothing else comes of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from bentopack.errors import LockError
from bentopack.lock.credentials import expanded
from bentopack.lock.resolver import ExplicitIndex

PROJECT = "bentopack-explicit"
"""How uv calls what it is told here, in what it says."""


class NoExplicitIndex(LockError):
    """The resolver cannot keep an index to some packages."""


def write_explicit(explicit: ExplicitIndex, folder: Path, environ: Mapping[str, str]) -> tuple[Path, dict[str, str]]:
    """Write a project of its own that requires the packages, and return its file and what uv's environment needs.

    uv keeps an index to packages only where a project says so, and fills in no ``${VARIABLES}`` there. A password
    goes by the environment, never into the file.
    """
    parts = urlsplit(expanded(explicit.address, environ))
    address = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    lines = [
        "[project]",
        f"name = {_text(PROJECT)}",
        'version = "0"',
        f"dependencies = [{', '.join(map(_text, explicit.requirements))}]",
        "[[tool.uv.index]]",
        f"name = {_text(PROJECT)}",
        f"url = {_text(address)}",
        "explicit = true",
        "[tool.uv.sources]",
        *(f"{name} = {{ index = {_text(PROJECT)} }}" for name in explicit.names),
    ]
    project = folder / "explicit" / "pyproject.toml"
    project.parent.mkdir()
    project.write_text("\n".join([*lines, ""]), encoding="utf-8")
    who = {"USERNAME": parts.username, "PASSWORD": parts.password}
    variable = f"UV_INDEX_{PROJECT.upper().replace('-', '_')}"
    return project, {f"{variable}_{key}": unquote(value) for key, value in who.items() if value}


def _text(value: str) -> str:
    """A text as TOML writes it, which is how JSON does."""
    return json.dumps(value)
