"""Reads what registries have under a name: manifests of images and of other content, and lists of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bentopack.errors import NotFound, RegistryError
from bentopack.oci.content import INDEX, MANIFEST, ContentError, Descriptor, digest_of
from bentopack.oci.reference import Reference

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

_MANIFEST_LIMIT = 4 << 20  # what registries take


def manifest_in(answer: BaseHTTPResponse, reference: Reference) -> tuple[bytes, str]:
    content: bytes = answer.data
    if len(content) > _MANIFEST_LIMIT:
        raise ContentError(f"the manifest of {reference} is too large")
    promised = reference.digest or answer.headers.get("Docker-Content-Digest") or digest_of(content)
    if digest_of(content) != promised:
        raise ContentError(f"{reference.registry} sends other bytes than those of {promised}")
    return content, answer.headers.get("Content-Type", "").partition(";")[0]


def listed(index: bytes, reference: Reference) -> list[Descriptor]:
    """Read what an index lists.

    Raises:
        ContentError: it is none.
    """
    return [Descriptor.from_json(each) for each in parsed(index, reference).get("manifests", ())]


def artifact_of(
    manifest: bytes, artifact_type: str, reference: Reference
) -> tuple[Mapping[str, str], list[Descriptor]]:
    """Read the annotations and the layers of content that is no image.

    Raises:
        NotFound: it is something else.
        ContentError: it is damaged.
    """
    told = parsed(manifest, reference)
    if told.get("artifactType") != artifact_type:
        raise NotFound(f"{reference} is no {artifact_type}: it is {told.get('artifactType') or 'an image'}")
    return told.get("annotations") or {}, [Descriptor.from_json(each) for each in told.get("layers", ())]


def of_platform(content: bytes, platform: str, reference: Reference) -> Descriptor:
    system, _, rest = platform.partition("/")
    architecture, _, variant = rest.partition("/")
    for each in listed(content, reference):
        told = each.platform or {}
        if (told.get("os"), told.get("architecture")) == (system, architecture) and (
            not variant or told.get("variant") == variant
        ):
            return each
    raise RegistryError(f"{reference} has no image for {platform}")


def parsed(content: bytes, reference: Reference) -> dict[str, Any]:
    try:
        told = json.loads(content)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise ContentError(f"the manifest of {reference} is none")
    return told


def guessed(content: bytes, reference: Reference) -> str:
    """OCI's manifests need not say what they are."""
    return INDEX if "manifests" in parsed(content, reference) else MANIFEST
