"""Images in registries: pushed, pulled, and what is refused."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from bentopack.errors import RegistryError
from bentopack.oci.blobs import Blobs
from bentopack.oci.content import (
    CONFIG,
    INDEX,
    LAYER,
    MANIFEST,
    ContentError,
    Descriptor,
    canonical,
    describe,
    digest_of,
    image_index,
    image_manifest,
)
from bentopack.oci.parallel import at_once
from bentopack.oci.reference import parse_reference
from bentopack.oci.registry import Registries

from .scripted import CONTENT, Handler, Scripted, one_layer, registries, scripted

__all__ = ["registries", "scripted"]  # fixtures


def test_a_push_and_a_pull(scripted: Scripted, registries: Registries, tmp_path: Path) -> None:
    """Each blob in one request; what is there already is not sent again; what comes back is what went in."""
    image, reference = one_layer(), parse_reference(f"{scripted.address}/team/x:1")
    sent = registries.push(image, reference)
    assert (sent.sent, sent.bytes) == (2, len(CONTENT) + len(image.config))
    assert [method for method, *_ in scripted.asked].count("PUT") == 3
    again = registries.push(image, reference)
    assert (again.sent, again.there) == (0, 2)
    pulled = registries.image(reference, "linux/amd64", Blobs(tmp_path / "blobs"))
    assert (pulled.manifest, pulled.config) == (image.manifest, image.config)
    assert b"".join(pulled.parts[0].stream()) == CONTENT


def test_what_a_digest_names_is_asked_for_once(scripted: Scripted, registries: Registries, tmp_path: Path) -> None:
    """A pinned base needs no network the second time, its layers included."""
    image, blobs = one_layer(), Blobs(tmp_path / "blobs")
    registries.push(image, parse_reference(f"{scripted.address}/team/x:1"))
    scripted.manifests[image.descriptor.digest] = (MANIFEST, image.manifest)
    pinned = parse_reference(f"{scripted.address}/team/x@{image.descriptor.digest}")
    list(registries.image(pinned, "linux/amd64", blobs).parts[0].stream())
    scripted.asked.clear()
    list(registries.image(pinned, "linux/amd64", blobs).parts[0].stream())
    assert scripted.asked == []
    blobs.path(image.descriptor.digest).write_text('{"config": {}}')  # a disk that lost it
    assert registries.image(pinned, "linux/amd64", blobs).manifest == image.manifest


def test_an_index_has_an_image_for_each_platform(scripted: Scripted, registries: Registries, tmp_path: Path) -> None:
    """The one that is wanted, by system, architecture and variant; none is an error."""
    image = one_layer()
    registries.push(image, parse_reference(f"{scripted.address}/team/x:1"))
    scripted.manifests[image.descriptor.digest] = (MANIFEST, image.manifest)
    arm = Descriptor(
        MANIFEST, image.descriptor.digest, len(image.manifest), {}, {"os": "linux", "architecture": "arm64"}
    )
    index = image_index([arm])
    scripted.manifests["many"] = ("application/vnd.oci.image.index.v1+json", index)
    many = parse_reference(f"{scripted.address}/team/x:many")
    blobs = Blobs(tmp_path / "blobs")
    assert registries.image(many, "linux/arm64", blobs).manifest == image.manifest
    with pytest.raises(RegistryError, match="has no image for linux/amd64"):
        registries.image(many, "linux/amd64", blobs)


def test_a_pull_that_is_cut_goes_on(scripted: Scripted, registries: Registries, tmp_path: Path) -> None:
    """From what arrived."""
    image = one_layer()
    registries.push(image, parse_reference(f"{scripted.address}/team/x:1"))
    pulled = registries.image(parse_reference(f"{scripted.address}/team/x:1"), "linux/amd64", Blobs(tmp_path))
    scripted.cut_after = 1234
    assert b"".join(pulled.parts[0].stream()) == CONTENT


def test_other_bytes_are_refused(scripted: Scripted, registries: Registries, tmp_path: Path) -> None:
    """A layer, a configuration or a pinned manifest that is not of its digest is nothing to build on."""
    image = one_layer()
    registries.push(image, parse_reference(f"{scripted.address}/team/x:1"))
    blobs = Blobs(tmp_path)
    pulled = registries.image(parse_reference(f"{scripted.address}/team/x:1"), "linux/amd64", blobs)
    scripted.other_bytes = True
    with pytest.raises(ContentError, match="what arrived is not"):
        list(pulled.parts[0].stream())
    scripted.manifests[image.descriptor.digest] = (MANIFEST, image.manifest)
    with pytest.raises(ContentError, match="sends other bytes"):
        registries.manifest(parse_reference(f"{scripted.address}/team/x@{image.descriptor.digest}"))


def test_an_index_that_is_sent_as_json(scripted: Scripted, registries: Registries, tmp_path: Path) -> None:
    """What a manifest says of itself counts: some that keep files send no better type."""
    image = one_layer()
    registries.push(image, parse_reference(f"{scripted.address}/team/x:1"))
    platform = {"os": "linux", "architecture": "amd64"}
    scripted.manifests[image.descriptor.digest] = ("application/json", image.manifest)
    listed = image_index([replace(image.descriptor, platform=platform)])
    scripted.manifests["many"] = ("application/json", listed)
    many = parse_reference(f"{scripted.address}/team/x:many")
    assert registries.manifest(many) == (listed, INDEX)
    assert registries.image(many, "linux/amd64", Blobs(tmp_path / "b")).manifest == image.manifest


@pytest.mark.parametrize("manifest", [b"<html>", b"[]", b'{"layers": 1}', b'{"config": {}, "layers": []}'])
def test_what_is_no_manifest(scripted: Scripted, registries: Registries, tmp_path: Path, manifest: bytes) -> None:
    """It is told as such."""
    scripted.manifests["1"] = (MANIFEST, manifest)
    with pytest.raises(ContentError):
        registries.image(parse_reference(f"{scripted.address}/team/x:1"), "linux/amd64", Blobs(tmp_path / "b"))


def test_an_image_whose_configuration_is_of_another(scripted: Scripted, registries: Registries, tmp_path: Path) -> None:
    """As many layers as it tells of, or it is no image."""
    config = canonical({"rootfs": {"type": "layers", "diff_ids": []}})
    scripted.blobs[digest_of(config)] = config
    manifest = image_manifest(describe(CONFIG, config), [describe(LAYER, CONTENT)], {})
    scripted.manifests["1"] = (MANIFEST, manifest)
    with pytest.raises(ContentError, match="has 1 layers, and its configuration tells of 0"):
        registries.image(parse_reference(f"{scripted.address}/team/x:1"), "linux/amd64", Blobs(tmp_path / "b"))


def test_a_bad_line_ends_no_pull_that_advances(scripted: Scripted, registries: Registries) -> None:
    """However often it breaks off."""
    scripted.blobs[digest_of(CONTENT)] = CONTENT
    scripted.cut_after, scripted.cuts = 900, 9
    reference = parse_reference(f"{scripted.address}/team/x:1")
    assert b"".join(registries.pieces(reference, describe(LAYER, CONTENT))) == CONTENT


def test_a_pull_that_is_not_wanted_any_more_ends(scripted: Scripted, registries: Registries) -> None:
    """Where one layer cannot be had, nobody waits for the others."""
    large = describe(LAYER, CONTENT)

    def trickles(handler: Handler) -> bool:
        if large.digest not in handler.path:
            return False
        handler.send_response(200)
        handler.send_header("Content-Length", str(large.size))
        handler.end_headers()
        for start in range(0, large.size, 100):
            time.sleep(0.05)
            handler.wfile.write(CONTENT[start : start + 100])
        return True

    scripted.first, begun = trickles, time.monotonic()
    reference = parse_reference(f"{scripted.address}/team/x:1")

    def fetch(descriptor: Descriptor) -> None:
        for _ in registries.pieces(reference, descriptor):
            pass

    with pytest.raises(RegistryError, match="answers 404"):
        at_once([partial(fetch, large), partial(fetch, describe(LAYER, b"none"))], 2)
    assert time.monotonic() - begun < 3
