"""Signatures where cosign looks for them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bentopack.oci.content import MANIFEST, digest_of
from bentopack.oci.reference import parse_reference
from bentopack.oci.registry import Registries
from bentopack.oci.signature import PrivateKeyFile, PublicKeyFile, SigningError, load_private_key, load_public_key
from bentopack.oci.signed import push_signature, require_signature

from .keys import generate_key_pair
from .scripted import Handler, Scripted, registries, scripted

__all__ = ["registries", "scripted"]  # fixtures
DIGEST = digest_of(b"an image")
PLACE = f"{DIGEST.replace(':', '-')}.sig"


def pair(folder: Path, name: str) -> tuple[PrivateKeyFile, PublicKeyFile]:
    """New keys in files."""
    private, public = folder / f"{name}.key", folder / f"{name}.pub"
    for path, content in zip((private, public), generate_key_pair(None), strict=True):
        path.write_bytes(content)
    return load_private_key(private, None), load_public_key(public)


def test_signatures_are_found_again(scripted: Scripted, registries: Registries, tmp_path: Path) -> None:
    """Each one's own, once, however often it is pushed; and no other's."""
    reference = parse_reference(f"{scripted.address}/team/x:1")
    (ours, our_half), (theirs, their_half), (_, another) = (pair(tmp_path, each) for each in ("a", "b", "c"))
    for key in (ours, theirs, ours):
        push_signature(registries, reference, DIGEST, key)
    for half in (our_half, their_half):
        require_signature(registries, reference, DIGEST, half)
    with pytest.raises(SigningError, match="none of its 2 signatures"):
        require_signature(registries, reference, DIGEST, another)


def test_who_signs_at_the_same_time_loses_nothing(scripted: Scripted, registries: Registries, tmp_path: Path) -> None:
    """Another's manifest in our place gets our signature too, and keeps all that it says."""
    reference = parse_reference(f"{scripted.address}/team/x:1")
    (ours, our_half), (theirs, their_half) = (pair(tmp_path, each) for each in ("a", "b"))
    push_signature(registries, reference, DIGEST, theirs)
    told = json.loads(scripted.manifests.pop(PLACE)[1])
    told["layers"][0]["urls"] = ["https://log.example"]
    told["annotations"] = {"by": "them"}
    late = [json.dumps(told).encode()]

    def overwrites(handler: Handler) -> bool:
        if handler.command == "GET" and handler.path.endswith(PLACE) and PLACE in scripted.manifests and late:
            scripted.manifests[PLACE] = (MANIFEST, late.pop())
        return False

    scripted.first = overwrites
    push_signature(registries, reference, DIGEST, ours)
    for half in (our_half, their_half):
        require_signature(registries, reference, DIGEST, half)
    after = json.loads(scripted.manifests[PLACE][1])
    assert (after["layers"][0], after["annotations"]) == (told["layers"][0], {"by": "them"})
