"""Reads what registries have under a name: manifests of images and of other content, and lists of them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from bentopack.errors import NotFound, RegistryError
from bentopack.oci.content import INDEX, INDEXES, MANIFEST, MANIFESTS, ContentError, Descriptor, digest_of
from bentopack.oci.reference import Reference
from bentopack.oci.wire import Answer

LIMIT = 4 << 20
"""Bytes of a manifest: what registries take."""


def manifest_in(answer: Answer, reference: Reference) -> tuple[bytes, str]:
    """Take a manifest out of an answer, and return it with its media type.

    Raises:
        ContentError: it is none, or not of its digest.
    """
    content = answer.body
    promised = reference.digest or answer.headers.get("Docker-Content-Digest") or digest_of(content)
    if digest_of(content) != promised:
        raise ContentError(f"{reference.registry} sends other bytes than those of {promised}")
    return content, media_type_of(content, reference, answer.headers.get("Content-Type", ""))


def media_type_of(content: bytes, reference: Reference, told: str = "") -> str:
    """What a manifest is: what it says itself, since those who sent it may know no better than that it is JSON.

    Raises:
        ContentError: it is none.
    """
    manifest = parsed(content, reference)
    told = told.partition(";")[0].strip()
    guessed = INDEX if "manifests" in manifest else MANIFEST  # OCI's need not say it
    return str(manifest.get("mediaType") or (told if told in (*INDEXES, *MANIFESTS) else guessed))


def listed(index: bytes, reference: Reference) -> list[Descriptor]:
    """Read what an index lists.

    Raises:
        ContentError: it is none.
    """
    told = parsed(index, reference)
    if "manifests" not in told:
        raise ContentError(f"what {reference} names should be a list of manifests, and is none")
    return _descriptors(told["manifests"], reference)


def layers_of(manifest: bytes, reference: Reference) -> list[Descriptor]:
    """Read what a manifest's layers are.

    Raises:
        ContentError: it is damaged.
    """
    return _descriptors(parsed(manifest, reference).get("layers"), reference)


def next_page(link: str) -> str | None:
    """Where a list goes on, by its header (RFC 8288); None at its end."""
    match = re.search(r'<([^>]*)>[^<]*;\s*rel="?next"?', link)
    return match[1] if match else None


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
    annotations = told.get("annotations")
    return annotations if isinstance(annotations, dict) else {}, layers_of(manifest, reference)


def of_platform(index: bytes, platform: str, reference: Reference) -> Descriptor:
    """Choose the image of a platform, such as ``linux/arm64``.

    Raises:
        RegistryError: there is none.
        ContentError: it is no index.
    """
    system, _, rest = platform.partition("/")
    architecture, _, variant = rest.partition("/")
    for each in listed(index, reference):
        told = each.platform if isinstance(each.platform, dict) else {}
        if (told.get("os"), told.get("architecture")) == (system, architecture) and (
            not variant or told.get("variant") == variant
        ):
            return each
    raise RegistryError(f"{reference} has no image for {platform}")


def parsed(content: bytes, reference: Reference) -> dict[str, Any]:
    """Read a manifest as JSON.

    Raises:
        ContentError: it is none.
    """
    try:
        told = json.loads(content)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise ContentError(f"the manifest of {reference} is none")
    return told


def _descriptors(told: Any, reference: Reference) -> list[Descriptor]:
    if told is None:
        return []
    if not isinstance(told, list):
        raise ContentError(f"the manifest of {reference} is damaged")
    return [Descriptor.from_json(each) for each in told]
