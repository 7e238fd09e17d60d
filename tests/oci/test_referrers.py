"""What belongs to an image, in registries that keep lists of it and in others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bentopack.oci.content import INDEX, ContentError
from bentopack.oci.reference import parse_reference
from bentopack.oci.referrers import Attachment, attach, read_attachment, referrers
from bentopack.oci.registry import Registries

from .scripted import Scripted, one_layer, registries, scripted

__all__ = ["registries", "scripted"]  # fixtures
NOTES = Attachment("text/plain", b"first", {"by": "us"})


@pytest.mark.parametrize("keeps_lists", [True, False])
def test_documents_are_found_again(scripted: Scripted, registries: Registries, keeps_lists: bool) -> None:
    """By the registry's own list, or by one under a tag; once each, however often they are attached."""
    scripted.referrers = {} if keeps_lists else None
    image, reference = one_layer(), parse_reference(f"{scripted.address}/team/x:1")
    registries.push(image, reference)
    attach(registries, reference, image.descriptor, [NOTES])
    attach(registries, reference, image.descriptor, [NOTES, replace(NOTES, content=b"second")])
    found = referrers(registries, reference, image.descriptor.digest)
    assert [read_attachment(registries, reference, each) for each in found] == [b"first", b"second"]
    assert {each.artifact_type for each in found} == {"text/plain"}
    assert any(media_type == INDEX for media_type, _ in scripted.manifests.values()) != keeps_lists


def test_what_is_there_already_is_not_sent(scripted: Scripted, registries: Registries) -> None:
    """A second push of the same image asks once, and sends nothing."""
    scripted.referrers = {}
    image, reference = one_layer(), parse_reference(f"{scripted.address}/team/x:1")
    attach(registries, reference, image.descriptor, [NOTES])
    scripted.asked.clear()
    attach(registries, reference, image.descriptor, [NOTES])
    assert [method for method, *_ in scripted.asked] == ["GET"]


def test_what_is_no_document_is_not_read(
    scripted: Scripted, registries: Registries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What may be of any size is not held in memory."""
    image, reference = one_layer(), parse_reference(f"{scripted.address}/team/x:1")
    registries.push(image, reference)
    scripted.manifests[image.descriptor.digest] = (image.descriptor.media_type, image.manifest)
    monkeypatch.setattr("bentopack.oci.referrers._LARGEST", 100)
    with pytest.raises(ContentError, match="is no document"):
        read_attachment(registries, reference, image.descriptor)
