"""Pushes an image with the command that built it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from bentopack._report import Reporter
from bentopack.errors import RegistryError
from bentopack.image.builder import Builder
from bentopack.image.running import run

_LINES = 10


def push_image(builder: Builder, tag: str, *, environ: Mapping[str, str], reporter: Reporter) -> str | None:
    """Push an image to the registry of its name, and return the digest that it has there, where the builder tells.

    Raises:
        RegistryError: the registry cannot be reached, or refuses this user.
    """
    with tempfile.TemporaryDirectory(prefix="bentopack-push-") as scratch:
        written = Path(scratch, "digest")
        told = ["--digestfile", str(written)] if builder.digest_of_push else []
        code, log = run([builder.command, "push", *told, tag], {**environ, **builder.environment}, reporter)
        if code:
            said = "\n  ".join([line for line in log if line][-_LINES:])
            raise RegistryError(f"{tag} could not be pushed\n  {said}", hint=_HINT)
        if builder.digest_of_push:
            return written.read_text().strip()
    return builder.inspect(tag).digest


_HINT = "log in where it is refused (`docker login`, `podman login`); the image itself was built"
