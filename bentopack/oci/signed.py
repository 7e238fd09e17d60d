"""Signatures in a registry, where cosign puts and looks for them: under a tag that is made of the image's digest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from bentopack.oci.content import CONFIG, MANIFEST, ContentError, Descriptor, canonical, describe, image_manifest
from bentopack.oci.reference import Reference
from bentopack.oci.registry import Content, Registries
from bentopack.oci.signature import (
    SIGNATURE_ANNOTATION,
    SIMPLE_SIGNING,
    PrivateKeyFile,
    PublicKeyFile,
    SignedPayload,
    SigningError,
    sign,
    signature_tag,
    verify,
)

_LARGEST = 1 << 20  # bytes
_HUB, _HUB_IN_SIGNATURES = "registry-1.docker.io", "index.docker.io"


def push_signature(registries: Registries, reference: Reference, digest: str, key: PrivateKeyFile) -> None:
    """Sign what a repository has under a digest; signatures that are there already stay.

    Raises:
        UnusableKey: the key cannot be used.
        RegistryError: the registry refuses, or cannot be reached.
    """
    registry = _HUB_IN_SIGNATURES if reference.registry == _HUB else reference.registry
    signed = sign(f"{registry}/{reference.repository}", digest, key)
    told = {SIGNATURE_ANNOTATION: signed.signature}
    layer = replace(describe(SIMPLE_SIGNING, signed.payload), annotations=told)
    before = _layers(registries, reference, digest)
    if layer in before:
        return
    layers = [*before, layer]
    config = canonical(
        {
            "architecture": "",
            "config": {},
            "os": "",
            "rootfs": {"type": "layers", "diff_ids": [each.digest for each in layers]},
        }
    )
    payload = Content(layer, partial(_whole, signed.payload))
    registries.send([payload, Content(describe(CONFIG, config), partial(_whole, config))], reference)
    manifest = image_manifest(describe(CONFIG, config), layers, {})
    registries.put_manifest(_place(reference, digest), manifest, MANIFEST)


def require_signature(registries: Registries, reference: Reference, digest: str, key: PublicKeyFile) -> None:
    """Require that what has a digest was signed with the other half of a key.

    Raises:
        SigningError: it was not.
        RegistryError, ContentError: the registry cannot be asked, or sends something else.
    """
    layers = _layers(registries, reference, digest)
    for each in layers:
        if each.size > _LARGEST:
            continue
        payload = b"".join(registries.pieces(reference, each))
        try:
            verify(SignedPayload(payload, each.annotations.get(SIGNATURE_ANNOTATION, "")), digest, key)
        except SigningError:
            continue
        return
    found = f"none of its {len(layers)} signatures is of {key.path}" if layers else "it has no signature"
    raise SigningError(f"{reference} is not signed: {found}", hint=f"looked for at {_place(reference, digest)}")


def _layers(registries: Registries, reference: Reference, digest: str) -> list[Descriptor]:
    found = registries.find_manifest(_place(reference, digest))
    if found is None:
        return []
    try:
        layers = [Descriptor.from_json(each) for each in json.loads(found[0]).get("layers", ())]
    except (ValueError, AttributeError, TypeError):
        raise ContentError(f"{_place(reference, digest)} holds no signatures") from None
    return [each for each in layers if each.media_type == SIMPLE_SIGNING]


def _place(reference: Reference, digest: str) -> Reference:
    return Reference(reference.registry, reference.repository, signature_tag(digest), None)


def _whole(content: bytes) -> Iterator[bytes]:
    return iter([content])
