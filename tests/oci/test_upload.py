"""Blobs on their way into a registry, whatever its habits and the network are."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from bentopack.errors import RegistryError
from bentopack.oci import upload as upload_module
from bentopack.oci import wire as wire_module
from bentopack.oci.blobs import Layer
from bentopack.oci.content import (
    LAYER,
    Descriptor,
    describe,
    digest_of,
)
from bentopack.oci.image import Image, Part
from bentopack.oci.reference import parse_reference
from bentopack.oci.registry import Content, Registries, Sent

from .scripted import CONTENT, Handler, Scripted, log_in, one_layer, registries, scripted

__all__ = ["registries", "scripted"]  # fixtures


@pytest.mark.parametrize("cut", [1, 2500])
def test_a_push_that_is_cut_goes_on(scripted: Scripted, registries: Registries, cut: int) -> None:
    """From what arrived."""
    scripted.cut_after = cut
    image = one_layer()
    registries.push(image, parse_reference(f"{scripted.address}/team/x:1"))
    assert scripted.blobs[image.parts[0].descriptor.digest] == CONTENT


def test_a_blob_is_sent_while_its_digest_is_computed(scripted: Scripted, registries: Registries) -> None:
    """The push names what has been sent, and sends nothing twice; a cut does no harm."""
    image, reference = one_layer(), parse_reference(f"{scripted.address}/team/x:1")
    [part] = image.parts
    scripted.cut_after = 2500
    registries.begin(reference, len(CONTENT), part.stream)(part.descriptor.digest)
    sent = registries.push(image, reference)
    assert scripted.blobs[part.descriptor.digest] == CONTENT
    assert (sent.sent, sent.bytes) == (2, len(CONTENT) + len(image.config))
    assert [method for method, path, _ in scripted.asked if "uploads" in path].count("POST") == 2
    assert not scripted.uploads


def test_what_the_registry_has_is_not_sent_to_its_end(scripted: Scripted, registries: Registries) -> None:
    """An upload that turns out to be needless is given up, and so is what arrived of it."""
    image, reference = one_layer(), parse_reference(f"{scripted.address}/team/x:1")
    [part] = image.parts
    scripted.blobs[part.descriptor.digest] = CONTENT
    more = threading.Event()

    def slow() -> Iterator[bytes]:
        yield CONTENT[:5000]
        more.wait(10)
        yield CONTENT[5000:]

    registries.begin(reference, len(CONTENT), slow)(part.descriptor.digest)
    threading.Timer(0.2, more.set).start()
    sent = registries.push(image, reference)
    assert (sent.there, sent.sent) == (1, 1)
    assert [method for method, *_ in scripted.asked].count("DELETE") == 1


def test_a_few_are_sent_ahead_at_once(scripted: Scripted, registries: Registries) -> None:
    """A model of many layers waits for its turns, and all of them arrive."""
    reference, more = parse_reference(f"{scripted.address}/team/x:1"), threading.Event()
    begun: list[bytes] = []

    def stream_of(content: bytes) -> Iterator[bytes]:
        begun.append(content)
        more.wait(10)
        yield content

    contents = [bytes([number]) * 1000 for number in range(7)]
    parts = [
        Part(Layer(describe(LAYER, content), digest_of(content)), partial(stream_of, content)) for content in contents
    ]
    for part in parts:
        registries.begin(reference, 1000, part.stream)(part.descriptor.digest)
    while len(begun) < 4:
        time.sleep(0.01)
    time.sleep(0.2)
    assert len(begun) == 4
    more.set()
    image = one_layer()
    registries.push(Image(tuple(parts), image.config, image.manifest), reference)
    assert sorted(begun) == contents
    assert all(scripted.blobs[part.descriptor.digest] == content for part, content in zip(parts, contents, strict=True))


def test_where_it_could_not_be_sent_ahead_it_is_sent_again(scripted: Scripted, registries: Registries) -> None:
    """What goes wrong before the digest is known is told by nobody: the push tries by itself."""
    image, reference = one_layer(), parse_reference(f"{scripted.address}/team/x:1")
    [part] = image.parts
    scripted.answers = [(403, {})]
    registries.begin(reference, len(CONTENT), part.stream)(part.descriptor.digest)
    while scripted.answers:
        time.sleep(0.01)
    registries.push(image, reference)
    assert scripted.blobs[part.descriptor.digest] == CONTENT


def push(registries: Registries, address: str, content: bytes = CONTENT, *, ahead: bool = False) -> Sent:
    """Push an image of one layer, perhaps begun before its digest is known."""
    image, reference = one_layer(content), parse_reference(f"{address}/team/x:1")
    [part] = image.parts
    if ahead:
        registries.begin(reference, len(content), part.stream)(part.descriptor.digest)
    return registries.push(image, reference)


def upload_of(handler: Handler) -> str:
    """The upload that a request is about, or nothing."""
    path = handler.path.partition("?")[0]
    return path.rpartition("/")[2] if "/uploads/" in path else ""


@pytest.mark.parametrize("ahead", [False, True])
def test_a_registry_that_forgets_later_chunks(scripted: Scripted, registries: Registries, ahead: bool) -> None:
    """ECR answers a chunk with 201 and keeps the first alone: it gets blobs in one piece."""

    def like_ecr(handler: Handler) -> bool:
        if handler.command == "GET" and upload_of(handler):
            handler.answer(405, b"", {})
            return True
        if handler.command != "PATCH":
            return False
        content = handler.rfile.read(int(handler.headers["Content-Length"]))
        if handler.headers.get("Content-Range", "0-").startswith("0-"):
            scripted.uploads[upload_of(handler)] += content
        status = 201 if "Content-Range" in handler.headers else 202
        handler.answer(status, b"", {"Location": handler.path})
        return True

    scripted.first = like_ecr
    push(registries, scripted.address, ahead=ahead)
    assert scripted.blobs[digest_of(CONTENT)] == CONTENT


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize("cut", [0, 2500])
def test_a_registry_that_takes_no_large_chunks(
    scripted: Scripted, registries: Registries, ahead: bool, cut: int
) -> None:
    """GHCR answers 416 to a chunk of more than 4 MiB: blobs come in one piece, and after a break all of them anew."""

    def like_ghcr(handler: Handler) -> bool:
        if handler.command != "PATCH" or "Content-Range" not in handler.headers:
            return False
        handler.drain()
        handler.answer(416, b"", {})
        return True

    scripted.first, scripted.cut_after = like_ghcr, cut
    push(registries, scripted.address, ahead=ahead)
    assert scripted.blobs[digest_of(CONTENT)] == CONTENT


def test_a_blob_is_sent_in_one_request(scripted: Scripted, registries: Registries) -> None:
    """Asked for, begun, sent: three requests for each blob, and one for the manifest."""
    push(registries, scripted.address)
    assert sorted(scripted.methods()) == ["HEAD", "HEAD", "POST", "POST", "PUT", "PUT", "PUT"]


def test_what_a_registry_kept_is_believed(scripted: Scripted, registries: Registries) -> None:
    """One that says that it has less than it was sent gets the rest."""

    def keeps_half(handler: Handler) -> bool:
        if handler.command != "PATCH" or "Content-Range" in handler.headers:
            return False
        content = handler.rfile.read(int(handler.headers["Content-Length"]))
        scripted.uploads[upload_of(handler)] += content[:5000]
        handler.answer(202, b"", {"Range": "0-4999"})
        return True

    scripted.first = keeps_half
    push(registries, scripted.address, ahead=True)
    assert scripted.blobs[digest_of(CONTENT)] == CONTENT
    assert scripted.methods("uploads").count("POST") == 2  # one for each blob: nothing was begun anew


@pytest.mark.parametrize("expires", [False, True])
def test_a_bad_line_ends_no_upload_that_advances(scripted: Scripted, registries: Registries, expires: bool) -> None:
    """However often it breaks off, and whatever expires meanwhile."""
    refused: set[str] = set()

    def expired(handler: Handler) -> bool:
        upload = upload_of(handler) if handler.command in ("PUT", "PATCH") else ""
        if not upload or upload in refused:
            refused.discard(upload)
            return False
        refused.add(upload)
        handler.drain()
        handler.answer(401, b"", {"WWW-Authenticate": f'Bearer realm="http://{scripted.address}/token"'})
        return True

    log_in(Path(registries.environ["HOME"]), scripted.address)
    scripted.first = expired if expires else None
    scripted.cut_after, scripted.cuts = 900, 9
    push(registries, scripted.address)
    assert scripted.blobs[digest_of(CONTENT)] == CONTENT


def test_a_line_that_brings_nothing_ends_an_upload(scripted: Scripted, registries: Registries) -> None:
    """After a few tries."""
    scripted.cut_after, scripted.cuts = 1, 1000
    with pytest.raises(RegistryError, match="cannot be used"):
        push(registries, scripted.address)
    assert scripted.methods("digest=sha256").count("PUT") < 20


@pytest.mark.parametrize("status", [404, 405, 500])
def test_who_does_not_say_what_arrived_gets_it_anew(scripted: Scripted, registries: Registries, status: int) -> None:
    """There are registries without the status of an upload, and such as lose one."""

    def silent(handler: Handler) -> bool:
        if handler.command == "GET":
            handler.answer(status, b"", {})
        return handler.command == "GET"

    scripted.first, scripted.cut_after = silent, 2500
    push(registries, scripted.address)
    assert scripted.blobs[digest_of(CONTENT)] == CONTENT


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize("status", [None, 404, 500])
def test_a_slow_commit_is_no_failure(
    scripted: Scripted, registries: Registries, monkeypatch: pytest.MonkeyPatch, status: int | None, ahead: bool
) -> None:
    """A blob that is there is there, whatever was answered, or was not in time; it is not sent a second time."""
    monkeypatch.setattr(upload_module, "_COMMIT_SECONDS", 0.05 if status is None else 5)

    def slow(handler: Handler) -> bool:
        upload = upload_of(handler)
        if handler.command != "PUT" or not upload:
            return False
        scripted.uploads[upload] += handler.rfile.read(int(handler.headers["Content-Length"]))
        content = scripted.uploads.pop(upload)
        scripted.blobs[digest_of(content)] = content
        if status:
            handler.answer(status, b"", {})
        else:
            time.sleep(0.15)
        return True

    scripted.first = slow
    push(registries, scripted.address, ahead=ahead)
    assert scripted.methods("digest=sha256").count("PUT") == 2


def test_an_upload_that_is_lost_is_sent_once_more(scripted: Scripted, registries: Registries) -> None:
    """Where that is lost too, it is told."""
    lost = [1]

    def forgetful(handler: Handler) -> bool:
        if handler.command != "PUT" or not upload_of(handler) or not lost:
            return False
        lost.pop()
        scripted.uploads.pop(upload_of(handler))
        return False  # it answers by itself that it knows no such upload

    scripted.first = forgetful
    push(registries, scripted.address)
    assert scripted.blobs[digest_of(CONTENT)] == CONTENT
    lost += [1] * 4
    with pytest.raises(RegistryError, match="blob upload unknown"):
        push(registries, scripted.address, CONTENT + b"more")


def test_an_upload_waits_as_long_as_it_is_told(
    scripted: Scripted, registries: Registries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No longer, where the registry knows how long it will be busy."""
    monkeypatch.setattr(wire_module, "_WAIT", 5)
    busy = [1, 1]

    def answers(handler: Handler) -> bool:
        if handler.command != "PUT" or not upload_of(handler) or not busy:
            return False
        busy.pop()
        handler.drain()
        handler.answer(429, b"", {"Retry-After": "0"})
        return True

    scripted.first, begun = answers, time.monotonic()
    push(registries, scripted.address)
    assert time.monotonic() - begun < 4


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize("relative", [False, True])
def test_an_upload_that_is_led_elsewhere(
    scripted: Scripted, registries: Registries, ahead: bool, relative: bool
) -> None:
    """All of it arrives there, from its beginning; what an answer's Location is relative to is who gave it."""

    def leads(handler: Handler) -> bool:
        if relative and handler.command == "POST":
            scripted.uploads["7" + str(len(scripted.asked))] = b""
            handler.answer(202, b"", {"Location": "7" + str(len(scripted.asked))})
            return True
        if handler.command in ("PUT", "PATCH") and "/uploads/" in handler.path and "/moved/" not in handler.path:
            handler.drain()
            handler.answer(307, b"", {"Location": "/moved" + handler.path})
            return True
        return False

    scripted.first = leads
    push(registries, scripted.address, ahead=ahead)
    assert scripted.blobs[digest_of(CONTENT)] == CONTENT


def test_a_registry_that_does_not_say_where_to_send(scripted: Scripted, registries: Registries) -> None:
    """It is told which one, and what is missing."""

    def silent(handler: Handler) -> bool:
        if handler.command == "POST":
            handler.answer(202, b"", {})
        return handler.command == "POST"

    scripted.first = silent
    with pytest.raises(RegistryError, match=f"{scripted.address} does not say where to go on"):
        push(registries, scripted.address)


def slowly() -> Iterator[bytes]:
    """A stream of four seconds."""
    for _ in range(80):
        time.sleep(0.05)
        yield b"x" * 1000


def two_blobs() -> list[Content]:
    """One that takes long, and one that is sent at once."""
    slow = Content(Descriptor(LAYER, f"sha256:{'1' * 64}", 80_000), slowly)
    return [slow, Content(describe(LAYER, b"quick"), partial(iter, [b"quick"]))]


@pytest.mark.parametrize("ahead", [False, True])
def test_an_error_does_not_wait_for_what_is_being_sent(scripted: Scripted, registries: Registries, ahead: bool) -> None:
    """What is refused is told at once, and the rest stops."""
    contents, reference = two_blobs(), parse_reference(f"{scripted.address}/team/x:1")

    def refuses(handler: Handler) -> bool:
        quick = handler.command == "HEAD" and handler.path.endswith(contents[1].descriptor.digest)
        if quick:
            handler.answer(403, b"", {})
        return quick

    scripted.first, begun = refuses, time.monotonic()
    if ahead:
        registries.begin(reference, 80_000, slowly)(contents[0].descriptor.digest)
    with pytest.raises(RegistryError, match="answers 403"):
        registries.send(contents, reference)
    assert time.monotonic() - begun < 2


def test_ctrl_c_does_not_wait_for_what_is_being_sent(scripted: Scripted, registries: Registries) -> None:
    """Whoever interrupts a push has the prompt back at once."""
    main, begun = threading.main_thread().ident, time.monotonic()
    assert main
    threading.Timer(0.2, signal.pthread_kill, (main, signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        registries.send(two_blobs(), parse_reference(f"{scripted.address}/team/x:1"))
    assert time.monotonic() - begun < 2
