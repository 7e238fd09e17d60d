"""What belongs to an image, in registries that keep lists of it and in others."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bentopack.errors import RegistryError
from bentopack.oci.content import INDEX, MANIFEST, ContentError, Descriptor, digest_of
from bentopack.oci.reference import parse_reference
from bentopack.oci.referrers import Attachment, attach, read_attachment, referrers
from bentopack.oci.registry import Registries

from .scripted import Handler, Scripted, one_layer, registries, scripted

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


def page(status: int, headers: dict[str, str], body: bytes = b"") -> Callable[[Handler], bool]:
    """A registry that answers a question for referrers in its own way."""

    def answers(handler: Handler) -> bool:
        if "/referrers/" in handler.path:
            handler.answer(status, body, headers)
        elif handler.path == "/elsewhere":
            handler.answer(200, b"<html>", {})
        return "/referrers/" in handler.path or handler.path == "/elsewhere"

    return answers


@pytest.mark.parametrize(
    "answers",
    [
        page(400, {}),
        page(403, {}),
        page(405, {}),
        page(501, {}),
        page(200, {"Content-Type": "text/html"}, b"<html>Welcome!</html>"),
        page(200, {}, b'{"errors": []}'),
        page(303, {"Location": "/elsewhere"}),
    ],
)
def test_who_keeps_no_lists_says_so_in_many_ways(
    scripted: Scripted, registries: Registries, answers: Callable[[Handler], bool]
) -> None:
    """Whichever it is, the list under a tag is used."""
    scripted.first = answers
    image, reference = one_layer(), parse_reference(f"{scripted.address}/team/x:1")
    attach(registries, reference, image.descriptor, [NOTES])
    assert len(referrers(registries, reference, image.descriptor.digest)) == 1
    assert scripted.methods("/elsewhere") == []


def list_of(scripted: Scripted, subject: Descriptor) -> dict[str, Any]:
    """The list that lies under a tag."""
    return dict(json.loads(scripted.manifests[subject.digest.replace(":", "-")][1]))


def another(name: str) -> dict[str, Any]:
    """What another tool attached, with more in its entry than we know of."""
    told = {"urls": [f"https://{name}.example"], "data": "e30=", "x": 1}
    return {**Descriptor(MANIFEST, digest_of(name.encode()), 7).to_json(), **told}


def test_what_others_attached_stays_as_it_is(scripted: Scripted, registries: Registries) -> None:
    """Their entries to the letter, and what the list says of itself."""
    image, reference = one_layer(), parse_reference(f"{scripted.address}/team/x:1")
    before = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [another("a")], "annotations": {"by": "them"}}
    scripted.manifests[image.descriptor.digest.replace(":", "-")] = (INDEX, json.dumps(before).encode())
    attach(registries, reference, image.descriptor, [NOTES])
    after = list_of(scripted, image.descriptor)
    assert {**after, "manifests": after["manifests"][:1]} == before
    assert len(after["manifests"]) == 2


def test_who_attaches_at_the_same_time_loses_nothing(scripted: Scripted, registries: Registries) -> None:
    """Where another's list took our place, ours is added to it."""
    image, reference = one_layer(), parse_reference(f"{scripted.address}/team/x:1")
    tag, others = image.descriptor.digest.replace(":", "-"), ["a", "b"]
    theirs: list[dict[str, Any]] = []

    def overwrites(handler: Handler) -> bool:
        """Another, who read the list before we wrote it, writes it after us."""
        if handler.command == "GET" and handler.path.endswith(tag) and tag in scripted.manifests and others:
            theirs.append(another(others.pop()))
            scripted.manifests[tag] = (INDEX, json.dumps({"schemaVersion": 2, "manifests": theirs}).encode())
        return False

    scripted.first = overwrites
    attach(registries, reference, image.descriptor, [NOTES])
    assert len(list_of(scripted, image.descriptor)["manifests"]) == 3


def test_who_never_keeps_it_is_told(scripted: Scripted, registries: Registries) -> None:
    """After a few times."""
    image, reference = one_layer(), parse_reference(f"{scripted.address}/team/x:1")
    tag = image.descriptor.digest.replace(":", "-")

    def forgets(handler: Handler) -> bool:
        scripted.manifests.pop(tag, None)
        return False

    scripted.first = forgets
    with pytest.raises(RegistryError, match="written by others at the same time"):
        attach(registries, reference, image.descriptor, [NOTES])


def test_a_list_of_several_pages(scripted: Scripted, registries: Registries) -> None:
    """All of them are read."""

    def pages(handler: Handler) -> bool:
        path, _, query = handler.path.partition("?")
        if "/referrers/" not in path:
            return False
        name, following = ("b", {}) if query else ("a", {"Link": f'<{path}?after=a>; rel="next"'})
        handler.answer(200, json.dumps({"mediaType": INDEX, "manifests": [another(name)]}).encode(), following)
        return True

    scripted.first = pages
    reference = parse_reference(f"{scripted.address}/team/x:1")
    found = referrers(registries, reference, digest_of(b"image"))
    assert [each.digest for each in found] == [digest_of(b"a"), digest_of(b"b")]
