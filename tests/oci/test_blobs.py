"""Content on this machine."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from bentopack.oci.blobs import Blobs, Layer
from bentopack.oci.content import LAYER, LAYER_GZIP, ContentError, Descriptor, digest_of


def test_only_what_it_should_be_is_kept(tmp_path: Path) -> None:
    """Bytes of another digest, too many or too few leave nothing behind."""
    blobs, content = Blobs(tmp_path), b"content"
    good = Descriptor(LAYER, digest_of(content), len(content))
    for wrong in (b"contend", b"content and more", b"cont"):
        with pytest.raises(ContentError, match="what arrived is not"):
            blobs.fetch(good, [wrong])
    assert not blobs.has(good)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    blobs.fetch(good, [b"con", b"tent"])
    assert blobs.read(good.digest) == content


def test_a_layer_is_known_while_it_is_there(tmp_path: Path) -> None:
    """A key whose blob was removed stands for nothing; a plain layer has none."""
    blobs = Blobs(tmp_path)
    packed = Layer(Descriptor(LAYER_GZIP, blobs.put(b"x"), 1), digest_of(b"y"))
    plain = Layer(Descriptor(LAYER, digest_of(b"z"), 1), digest_of(b"z"))
    blobs.note_layer("a", packed)
    blobs.note_layer("b", plain)
    assert (blobs.layer("a"), blobs.layer("b"), blobs.layer("c")) == (packed, plain, None)
    blobs.path(packed.descriptor.digest).unlink()
    assert blobs.layer("a") is None
    blobs.note("a", {"layer": {}})
    assert blobs.layer("a") is None


@pytest.mark.parametrize("value", [None, {}, {"mediaType": "x", "digest": "sha256:../../etc", "size": 1}, [1]])
def test_what_is_no_descriptor(value: object) -> None:
    """A digest that could lead elsewhere is none."""
    with pytest.raises(ContentError, match="expected a descriptor"):
        Descriptor.from_json(value)


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    """Once it is a day old: what is younger may be another one's work."""
    blobs = Blobs(tmp_path)
    for name, hours in (("old", 25), ("young", 23)):
        left = tmp_path / f"sha256/.writing-{name}"
        left.write_bytes(b"half")
        os.utime(left, (time.time() - hours * 3600,) * 2)
    blobs.add([b"x"])
    assert [path.name for path in (tmp_path / "sha256").glob(".writing-*")] == [".writing-young"]


def test_a_descriptor_keeps_what_it_says() -> None:
    """A layer that may not be handed on is found by its addresses alone."""
    told = {"mediaType": LAYER, "digest": digest_of(b""), "size": 0, "urls": ["https://example.org/layer"]}
    assert Descriptor.from_json(told).to_json() == told
