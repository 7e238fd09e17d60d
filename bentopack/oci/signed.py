"""Signatures in a registry, where cosign puts and looks for them: under a tag that is made of the image's digest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bentopack.oci.content import CONFIG, MANIFEST, Descriptor, canonical, describe, image_manifest
from bentopack.oci.manifests import layers_of, media_type_of, parsed
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
    if layer in _layers(registries, reference, digest):
        return
    payload = Content(layer, lambda: iter([signed.payload]))

    def added(before: bytes | None) -> tuple[bytes, str] | None:
        """Another's signature may come at the same time: both stay, and all that their manifest says."""
        found = layers_of(before, place) if before else []
        if layer in found:
            return None
        config = Content.of(CONFIG, _config([*found, layer]))
        registries.send([payload, config], reference)
        if before is None:
            return image_manifest(config.descriptor, [layer], {}), MANIFEST
        told = parsed(before, place)
        layers = [*(told.get("layers") or ()), layer.to_json()]
        return canonical({**told, "config": config.descriptor.to_json(), "layers": layers}), media_type_of(
            before, place
        )

    place = _place(reference, digest)
    registries.edit_manifest(place, added)


def _config(layers: Sequence[Descriptor]) -> bytes:
    """What cosign puts there, since there are registries that want an image's."""
    rootfs = {"type": "layers", "diff_ids": [each.digest for each in layers]}
    return canonical({"architecture": "", "config": {}, "os": "", "rootfs": rootfs})


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
    layers = layers_of(found[0], _place(reference, digest))
    return [each for each in layers if each.media_type == SIMPLE_SIGNING]


def _place(reference: Reference, digest: str) -> Reference:
    return reference.under(signature_tag(digest))
