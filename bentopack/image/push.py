"""Pushes an image with the command that built it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from bentopack._report import Reporter
from bentopack.errors import RegistryError
from bentopack.image.builder import Builder
from bentopack.image.running import run
from bentopack.oci.reference import parse_reference
from bentopack.oci.trust import Trust

_LINES = 10


def push_image(
    builder: Builder, tag: str, *, trust: Trust, environ: Mapping[str, str], reporter: Reporter
) -> str | None:
    """Push an image to the registry of its name, and return the digest that it has there, where the builder tells.

    Args:
        builder: has the image.
        tag: of the image.
        trust: how its registry is spoken to; it counts where the builder can be told.
        environ: of the command.
        reporter: is told.

    Raises:
        RegistryError: the registry cannot be reached, or refuses this user.
    """
    with tempfile.TemporaryDirectory(prefix="bentopack-push-") as scratch:
        written = Path(scratch, "digest")
        told = ["--digestfile", str(written)] if builder.digest_of_push else []
        told += _trust(trust, tag, Path(scratch)) if builder.takes_trust else []
        code, log = run([builder.command, "push", *told, tag], {**environ, **builder.environment}, reporter)
        if code:
            said = "\n  ".join([line for line in log if line][-_LINES:])
            raise RegistryError(f"{tag} could not be pushed\n  {said}", hint=_HINT)
        if builder.digest_of_push:
            return written.read_text().strip()
    return builder.inspect(tag).digest


def _trust(trust: Trust, tag: str, scratch: Path) -> list[str]:
    """The same trust as podman and buildah are told it; they take a folder of certificates, beside the system's."""
    told = ["--tls-verify=false"] if trust.scheme(parse_reference(tag).registry) == "http" else []
    if trust.ca_bundle:
        folder = scratch / "certificates"
        folder.mkdir()
        shutil.copyfile(trust.ca_bundle, folder / "ca.crt")
        told += ["--cert-dir", str(folder)]
    return told


_HINT = "log in where it is refused (`docker login`, `podman login`); the image itself was built"
