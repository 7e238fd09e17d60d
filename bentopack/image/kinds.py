"""What a tag of a registry names: an image, a Bento or a model; one is not put in the place of another."""

from __future__ import annotations

import json
from collections.abc import Iterable

from bentopack.errors import RegistryError, UsageError
from bentopack.oci.content import CONFIG
from bentopack.oci.reference import Reference
from bentopack.oci.registry import Registries

IMAGE = "application/vnd.oci.image"
BENTO_ARTIFACT = "application/vnd.bentopack.bento.v1"
MODEL_ARTIFACT = "application/vnd.bentopack.model.v1"
TOLD = {IMAGE: "an image", BENTO_ARTIFACT: "a Bento", MODEL_ARTIFACT: "a model"}
"""What each is called."""
_CONFIGS = (CONFIG, "application/vnd.docker.container.image.v1+json")


def require_kind(registries: Registries, references: Iterable[Reference], kind: str) -> None:
    """Refuse to push where a tag names something of another kind, which would be gone without a word.

    Args:
        registries: of this command.
        references: where a push goes.
        kind: what is pushed.

    Raises:
        UsageError: there is something else.
        RegistryError, ContentError: a registry cannot be asked.
    """
    for reference in references:
        there = None if reference.digest else _there(registries, reference)
        if there not in (None, kind):
            raise UsageError(
                f"{reference} is {TOLD.get(str(there), there)}, and {TOLD[kind]} would take its place",
                hint="another --tag leaves both",
            )


def _there(registries: Registries, reference: Reference) -> str | None:
    try:
        found = registries.find_manifest(reference)
    except RegistryError as error:
        # Some say so of a repository that is made by its first push; whether that is allowed is told by the push.
        if error.status in (401, 403):
            return None
        raise
    return _kind(found[0]) if found else None


def _kind(manifest: bytes) -> str:
    try:
        told = json.loads(manifest)
        if artifact := told.get("artifactType"):
            return str(artifact)
        config = told["config"]["mediaType"] if "config" in told else None
    except (ValueError, TypeError, KeyError, AttributeError):
        return "something else"
    return IMAGE if config is None or config in _CONFIGS else str(config)
