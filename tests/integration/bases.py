"""Bases of images that are made and not run."""

from __future__ import annotations

from collections.abc import Mapping

from bentopack._fs import EPOCH
from bentopack.oci.blobs import Blobs
from bentopack.oci.content import canonical
from bentopack.oci.image import Image, Part, make_image
from bentopack.oci.layers import pack
from bentopack.oci.tar import Entry


def idle_base(blobs: Blobs, platform: str, settings: Mapping[str, object] | None = None) -> Image:
    """A base that nobody runs: all that is asked of it is where its Python lies, and what it says of itself."""
    layer = pack(blobs, [Entry("usr/bin/python3.11", 0o755, source=b"#!/bin/sh\n")], time=EPOCH)
    part = Part(layer, lambda: iter([blobs.read(layer.descriptor.digest)]))
    nothing = Image((), canonical({"rootfs": {"type": "layers", "diff_ids": []}}), b"")
    return make_image(
        nothing,
        [part],
        settings or {},
        platform=platform,
        history=["base"],
        created="1980-01-01T00:00:00Z",
        annotations={},
    )
