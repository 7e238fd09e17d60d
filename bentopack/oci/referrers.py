"""What belongs to an image and lies beside it in its registry: a bill of materials, its provenance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from bentopack.oci.content import (
    EMPTY,
    INDEX,
    MANIFEST,
    NOTHING,
    ContentError,
    Descriptor,
    artifact_manifest,
    canonical,
    describe,
    image_index,
)
from bentopack.oci.manifests import layers_of, listed, media_type_of, parsed
from bentopack.oci.reference import Reference
from bentopack.oci.registry import Content, Registries

_LARGEST = 64 << 20  # bytes


@dataclass(frozen=True)
class Attachment:
    """A document about an image: its media type, which says what it is too, its bytes, and what is told of it."""

    media_type: str
    content: bytes
    annotations: dict[str, str] = field(default_factory=dict)


def attach(
    registries: Registries, reference: Reference, subject: Descriptor, attachments: Sequence[Attachment]
) -> list[Descriptor]:
    """Push documents that belong to what a repository has already, and return what they are there.

    A registry that keeps no lists of what belongs together gets one under a tag, as
    https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#referrers-tag-schema has it.

    Args:
        registries: of this command.
        reference: of the subject; its repository counts.
        subject: what they belong to.
        attachments: the documents.

    Raises:
        RegistryError: the registry refuses, or cannot be reached.
    """
    made = [_made(each, subject) for each in attachments]
    listed_itself = registries.referrers(reference, subject.digest)
    known = _listed(registries, reference, subject.digest) if listed_itself is None else listed_itself
    there = {each.digest for each in known}
    new = [each for each in made if each.descriptor.digest not in there]
    if new:
        contents = [Content.of(each.layer.media_type, each.content) for each in new]
        registries.send([*contents, Content.of(EMPTY, NOTHING)], reference)
        kept = [registries.put_manifest(reference.at(each.descriptor.digest), each.manifest, MANIFEST) for each in new]
        if not all(kept):
            place = _list_of(reference, subject.digest)
            registries.edit_manifest(place, partial(_with, place, [each.descriptor for each in new]))
    return [each.descriptor for each in made]


@dataclass(frozen=True)
class _Made:
    """An attachment as it is pushed."""

    content: bytes
    layer: Descriptor
    manifest: bytes
    descriptor: Descriptor


def _made(attachment: Attachment, subject: Descriptor) -> _Made:
    layer, told = describe(attachment.media_type, attachment.content), attachment.annotations
    manifest = artifact_manifest(attachment.media_type, [layer], told, subject=subject)
    found = replace(describe(MANIFEST, manifest), annotations=told, artifact_type=attachment.media_type)
    return _Made(attachment.content, layer, manifest, found)


def referrers(registries: Registries, reference: Reference, digest: str) -> list[Descriptor]:
    """Return what belongs to a digest, by whichever list there is.

    Raises:
        RegistryError, ContentError: the registry cannot be asked, or answers something else.
    """
    found = registries.referrers(reference, digest)
    return _listed(registries, reference, digest) if found is None else found


def read_attachment(registries: Registries, reference: Reference, found: Descriptor) -> bytes:
    """Fetch a document that belongs to something in a repository.

    Raises:
        RegistryError, ContentError: it cannot be had, is another one, or is too large for a document.
    """
    exact = reference.at(found.digest)
    layers = layers_of(registries.manifest(exact)[0], exact)
    if len(layers) != 1 or layers[0].size > _LARGEST:
        raise ContentError(f"{reference}: what is attached as {found.artifact_type} is no document")
    return b"".join(registries.pieces(reference, layers[0]))


def _with(place: Reference, new: Sequence[Descriptor], before: bytes | None) -> tuple[bytes, str] | None:
    """A list with more in it; what others wrote there stays as it is, also what is not known here."""
    if before is None:
        return image_index(new), INDEX
    there = {each.digest for each in listed(before, place)}
    missing = [each.to_json() for each in new if each.digest not in there]
    if not missing:
        return None
    told = parsed(before, place)
    return canonical({**told, "manifests": [*told["manifests"], *missing]}), media_type_of(before, place)


def _listed(registries: Registries, reference: Reference, digest: str) -> list[Descriptor]:
    found = registries.find_manifest(_list_of(reference, digest))
    return listed(found[0], reference) if found else []


def _list_of(reference: Reference, digest: str) -> Reference:
    return reference.under(digest.replace(":", "-"))
