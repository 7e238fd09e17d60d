"""Images and other content in a registry: looked up, fetched and sent, each blob once."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event, Semaphore, Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from bentopack.errors import NotFound, RegistryError
from bentopack.oci.blobs import Blobs, Layer
from bentopack.oci.content import INDEX, INDEXES, MANIFEST, MANIFESTS, ContentError, Descriptor, digest_of
from bentopack.oci.image import Image, Index, Part, Stream, read_config
from bentopack.oci.reference import Reference
from bentopack.oci.wire import Trust, Wire

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

_CHUNK = 64 << 20  # bytes in one request of an upload: what is lost at most where a connection breaks
_PIECE = 1 << 20
_AT_ONCE = 4
_TRIES = 5
_MANIFEST_LIMIT = 4 << 20  # what registries take


@dataclass
class Sent:
    """What a push came to: blobs and bytes that were sent, mounted from a repository beside, or there already."""

    sent: int = 0
    bytes: int = 0
    mounted: int = 0
    there: int = 0


@dataclass(frozen=True)
class Content:
    """A blob to send: what it is, where its bytes come from, and the repository that has it already, if one does."""

    descriptor: Descriptor
    stream: Stream
    origin: str | None = None


@dataclass
class Registries:
    """All registries of one command: each is logged in to once."""

    environ: Mapping[str, str]
    trust: Trust = field(default_factory=Trust)
    tries: int = _TRIES
    """How often a request is sent where none gets through."""
    _wires: dict[str, Wire] = field(default_factory=dict)
    _ahead: dict[tuple[str, str], _Ahead] = field(default_factory=dict)
    _turns: Semaphore = field(default_factory=lambda: Semaphore(_AT_ONCE))

    def wire(self, registry: str) -> Wire:
        """The way to one of them."""
        return self._wires.setdefault(registry, Wire(registry, self.environ, self.trust, self.tries))

    def manifest(self, reference: Reference) -> tuple[bytes, str]:
        """Fetch what a registry has under a name, and return it with its media type.

        Raises:
            RegistryError: it has none, or cannot be asked.
            ContentError: what it sends is not of the digest that was asked for.
        """
        return _manifest_in(self._ask_for_manifest(reference, expected=(200,)), reference)

    def find_manifest(self, reference: Reference) -> tuple[bytes, str] | None:
        """The same, or None where the registry has nothing of that name."""
        answer = self._ask_for_manifest(reference, expected=(200, 404))
        return None if answer.status == 404 else _manifest_in(answer, reference)

    def digest(self, reference: Reference) -> str:
        """Ask for the digest that a name has now; nothing is fetched.

        Raises:
            RegistryError, ContentError: see :meth:`manifest`.
        """
        answer = self._ask_for_manifest(reference, expected=(200,), method="HEAD")
        told = answer.headers.get("Docker-Content-Digest", "")
        return told if re.fullmatch("sha256:[0-9a-f]{64}", told) else digest_of(self.manifest(reference)[0])

    def _ask_for_manifest(
        self, reference: Reference, *, expected: tuple[int, ...], method: str = "GET"
    ) -> BaseHTTPResponse:
        return self.wire(reference.registry).ask(
            method,
            f"/v2/{reference.repository}/manifests/{reference.wanted}",
            _scope(reference.repository, "pull"),
            expected=expected,
            headers={"Accept": ", ".join((*INDEXES, *MANIFESTS))},
        )

    def referrers(self, reference: Reference, digest: str) -> list[Descriptor] | None:
        """Ask a registry what belongs to a digest; None where it keeps no such list.

        Source: https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#listing-referrers.

        Raises:
            RegistryError, ContentError: see :meth:`manifest`.
        """
        answer = self.wire(reference.registry).ask(
            "GET",
            f"/v2/{reference.repository}/referrers/{digest}",
            _scope(reference.repository, "pull"),
            expected=(200, 404),
        )
        return None if answer.status == 404 else listed(answer.data, reference)

    def pieces(self, reference: Reference, descriptor: Descriptor) -> Iterator[bytes]:
        """Fetch a blob; whoever takes it to its end knows that it is the one.

        Raises:
            RegistryError, ContentError: it breaks off, or is another one.
        """
        found = hashlib.sha256()
        for piece in self._pieces(reference, descriptor):
            found.update(piece)
            yield piece
        if f"sha256:{found.hexdigest()}" != descriptor.digest:
            raise ContentError(f"{reference.registry} sends other bytes than those of {descriptor.digest}")

    def image(self, reference: Reference, platform: str, blobs: Blobs) -> Image:
        """Fetch an image's manifest and configuration; its layers are fetched when somebody reads them.

        Raises:
            RegistryError, ContentError: see :meth:`manifest`; it has none for the platform.
        """
        content, media_type = self._manifest_once(reference, blobs)
        while media_type in INDEXES:
            chosen = _of_platform(content, platform, reference)
            exact = Reference(reference.registry, reference.repository, None, chosen.digest)
            content, media_type = self._manifest_once(exact, blobs)
        told = _parsed(content, reference)
        config = Descriptor.from_json(told.get("config"))
        if not blobs.has(config):
            blobs.fetch(config, self._pieces(reference, config))
        written = blobs.read(config.digest)
        layers = [Descriptor.from_json(each) for each in told.get("layers", ())]
        diff_ids = read_config(written)["rootfs"]["diff_ids"]
        parts = tuple(
            Part(Layer(layer, str(diff_id)), self._layer_stream(reference, layer, blobs), _place(reference))
            for layer, diff_id in zip(layers, diff_ids, strict=True)
        )
        return Image(parts, written, content)

    def push(self, image: Image, reference: Reference, *, told: Callable[[str], None] = lambda _: None) -> Sent:
        """Send an image: its blobs, several at once, then its manifest.

        Raises:
            RegistryError: the registry refuses, or cannot be reached.
        """
        config = image.config_descriptor
        contents = [Content(part.descriptor, part.stream, part.origin) for part in image.parts]
        contents.append(Content(config, lambda: iter([image.config])))
        sent = self.send(contents, reference, told=told)
        self.put_manifest(reference, image.manifest, image.descriptor.media_type)
        return sent

    def push_index(self, index: Index, reference: Reference, *, told: Callable[[str], None] = lambda _: None) -> Sent:
        """Send the images of several platforms, each by its digest, and then the name of them all.

        Raises:
            RegistryError: the registry refuses, or cannot be reached.
        """
        total = Sent()
        for image in index.images:
            exact = Reference(reference.registry, reference.repository, None, image.descriptor.digest)
            sent = self.push(image, exact, told=told)
            total.sent, total.bytes = total.sent + sent.sent, total.bytes + sent.bytes
            total.mounted, total.there = total.mounted + sent.mounted, total.there + sent.there
        self.put_manifest(reference, index.content, INDEX)
        return total

    def send(
        self, contents: Iterable[Content], reference: Reference, *, told: Callable[[str], None] = lambda _: None
    ) -> Sent:
        """Make sure that a repository has some blobs, several at once; each is sent once.

        Raises:
            RegistryError: the registry refuses, or cannot be reached.
        """
        wire, sent = self.wire(reference.registry), Sent()
        once = {each.descriptor.digest: each for each in contents}
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            works = [pool.submit(self._send, wire, reference, each, sent, told) for each in once.values()]
            try:
                for work in works:
                    work.result()
            except BaseException:
                for work in works:
                    work.cancel()
                raise
        return sent

    def put_manifest(self, reference: Reference, manifest: bytes, media_type: str) -> bool:
        """Put a manifest under its name, and return whether the registry itself knows to what it belongs.

        Raises:
            RegistryError: the registry refuses, or cannot be reached.
        """
        answer = self.wire(reference.registry).ask(
            "PUT",
            f"/v2/{reference.repository}/manifests/{reference.wanted}",
            _scope(reference.repository, "pull,push"),
            expected=(201, 202),
            headers={"Content-Type": media_type},
            body=lambda: manifest,
        )
        return "OCI-Subject" in answer.headers

    def begin(self, reference: Reference, size: int, stream: Stream) -> Callable[[str], None]:
        """Begin to send a blob whose digest is still being computed; a push of it goes on from there.

        To send it takes longer than to hash it. Where the registry turns out to have it, the upload is given up.

        Args:
            reference: where the image goes.
            size: of the blob, in bytes.
            stream: gives its bytes.

        Returns:
            What is to be called with the digest, once that is known.
        """
        ahead = _Ahead(lambda stopping: self._upload(reference, size, stopping), stream, self._turns)

        def named(digest: str) -> None:
            self._ahead[str(reference), digest] = ahead

        return named

    def _upload(self, reference: Reference, size: int, stream: Stream) -> _Upload:
        wire, uploads = self.wire(reference.registry), f"/v2/{reference.repository}/blobs/uploads/"
        scope = _scope(reference.repository, "pull,push")
        begun = wire.ask("POST", uploads, scope, expected=(202,))
        return _Upload(wire, scope, size, stream, uploads=uploads, location=begun.headers["Location"])

    def _send(
        self,
        wire: Wire,
        reference: Reference,
        content: Content,
        sent: Sent,
        told: Callable[[str], None],
    ) -> None:
        """Make sure that a repository has a blob."""
        descriptor, repository = content.descriptor, reference.repository
        scope = _scope(repository, "pull,push")
        found = wire.ask("HEAD", f"/v2/{repository}/blobs/{descriptor.digest}", scope, expected=(200, 404))
        ahead = self._ahead.pop((str(reference), descriptor.digest), None)
        if found.status == 200:
            if ahead:
                ahead.give_up()
            sent.there += 1
            return
        told(f"sending {descriptor.digest[7:19]} ({descriptor.size / 1e6:.1f} MB)")
        if ahead and ahead.finish(descriptor.digest):
            sent.sent += 1
            sent.bytes += descriptor.size
            return
        beside = _beside(content.origin, reference)
        uploads = f"/v2/{repository}/blobs/uploads/"
        query = f"?{urlencode({'mount': descriptor.digest, 'from': beside})}" if beside else ""
        begun = wire.ask("POST", uploads + query, scope, expected=(201, 202))
        if begun.status == 201:
            sent.mounted += 1
            return
        location = begun.headers["Location"]
        upload = _Upload(wire, scope, descriptor.size, content.stream, uploads=uploads, location=location)
        upload.run()
        upload.finish(descriptor.digest)
        sent.sent += 1
        sent.bytes += descriptor.size

    def _manifest_once(self, reference: Reference, blobs: Blobs) -> tuple[bytes, str]:
        """What a digest names never changes, so it is asked for once."""
        if not reference.digest:
            return self.manifest(reference)
        if not blobs.path(reference.digest).exists():
            blobs.put(self.manifest(reference)[0])
        content = blobs.read(reference.digest)
        return content, str(_parsed(content, reference).get("mediaType") or _guessed(content, reference))

    def _layer_stream(self, reference: Reference, layer: Descriptor, blobs: Blobs) -> Stream:
        def stream() -> Iterator[bytes]:
            if not blobs.has(layer):
                blobs.fetch(layer, self._pieces(reference, layer))
            yield from blobs.stream(layer.digest)

        return stream

    def _pieces(self, reference: Reference, descriptor: Descriptor) -> Iterator[bytes]:
        """Fetch a blob; where the connection breaks, go on from there."""
        wire, repository = self.wire(reference.registry), reference.repository
        path, scope = f"/v2/{repository}/blobs/{descriptor.digest}", _scope(repository, "pull")
        arrived, tries = 0, 0
        while arrived < descriptor.size:
            headers = {"Range": f"bytes={arrived}-"} if arrived else {}
            answer = wire.ask("GET", path, scope, expected=(200, 206), headers=headers, stream=True)
            skip = arrived if answer.status == 200 else 0  # it sends all of it again
            try:
                for piece in answer.stream(_PIECE):
                    kept = piece[skip:]
                    skip -= len(piece) - len(kept)
                    arrived += len(kept)
                    yield kept
            except Exception as error:
                tries += 1
                if tries == _TRIES:
                    raise RegistryError(f"{reference.registry} broke off {tries} times: {error}") from None
                time.sleep(tries)
            else:
                if arrived < descriptor.size:
                    raise ContentError(f"{reference.registry} sends too little of {descriptor.digest}")
            finally:
                answer.release_conn()


class _Stopped(Exception):
    """Nobody wants any more what is being sent."""


class _Ahead:
    """A blob that is sent by a thread of its own while its digest is being computed, once it has its turn."""

    def __init__(self, begin: Callable[[Stream], _Upload], stream: Stream, turns: Semaphore) -> None:
        self._begin = begin
        self._stream = stream
        self._turns = turns
        self._stop = Event()
        self._upload: _Upload | None = None
        self._failed: Exception | None = None
        self._thread = Thread(target=self._run, daemon=True)  # an error elsewhere does not wait for it
        self._thread.start()

    def _run(self) -> None:
        try:
            with self._turns:
                self._upload = self._begin(self._until_stopped)
                self._upload.run()
        except Exception as error:  # whoever pushes sends it again, and is told then
            self._failed = error

    def _until_stopped(self) -> Iterator[bytes | memoryview]:
        for piece in self._stream():
            if self._stop.is_set():
                raise _Stopped
            yield piece

    def finish(self, digest: str) -> bool:
        """Wait until all of it is sent, and name it; False where it did not arrive.

        Raises:
            RegistryError: the registry found other bytes than it was told.
        """
        self._thread.join()
        if self._failed or self._upload is None:
            return False
        self._upload.finish(digest)
        return True

    def give_up(self) -> None:
        """Stop sending, and let the registry forget what arrived."""
        self._stop.set()
        self._thread.join()
        if self._upload:
            self._upload.cancel()


class _Upload:
    """One blob on its way, in chunks: after a break it goes on from what the registry has."""

    def __init__(self, wire: Wire, scope: str, size: int, stream: Stream, *, uploads: str, location: str) -> None:
        self._wire = wire
        self._uploads = uploads
        self._scope = scope
        self._size = size
        self._stream = stream
        self._location = location
        self._pieces = _Cut(stream(), 0)

    def run(self) -> None:
        """Send it all.

        Raises:
            RegistryError: it breaks off again and again.
        """
        arrived, tries = 0, 0
        while arrived < self._size:
            try:
                arrived = self._chunk(arrived)
            except RegistryError:
                tries += 1
                if tries == _TRIES:
                    raise
                time.sleep(tries / 2)
                arrived = self._arrived()
                self._pieces = _Cut(self._stream(), arrived)

    def finish(self, digest: str) -> None:
        """Say what it was that was sent.

        Raises:
            RegistryError: the registry found other bytes.
        """
        joined = "&" if urlsplit(self._location).query else "?"
        self._wire.ask(
            "PUT",
            f"{self._location}{joined}digest={quote(digest, safe='')}",
            self._scope,
            expected=(201,),
            headers={"Content-Type": "application/octet-stream"},
            body=lambda: b"",
        )

    def cancel(self) -> None:
        """Let the registry forget it; one that does not know how forgets it some day."""
        with suppress(RegistryError):
            self._wire.ask("DELETE", self._location, self._scope, expected=(204,), once=True)

    def _chunk(self, start: int) -> int:
        end = min(start + _CHUNK, self._size)
        answer = self._wire.ask(
            "PATCH",
            self._location,
            self._scope,
            expected=(202,),
            headers={
                "Content-Type": "application/octet-stream",
                "Content-Length": str(end - start),
                "Content-Range": f"{start}-{end - 1}",
            },
            body=lambda: self._pieces.take(end - start),
            once=True,
        )
        self._location = answer.headers.get("Location", self._location)
        return end

    def _arrived(self) -> int:
        """How much of it the registry has."""
        answer = self._wire.ask("GET", self._location, self._scope, expected=(204,))
        self._location = answer.headers.get("Location", self._location)
        match = re.fullmatch(r"(?:bytes=)?0-(\d+)", answer.headers.get("Range", ""))
        if match and int(match[1]):
            return int(match[1]) + 1
        # "0-0" is said of one byte and of none: an upload from the beginning is neither.
        begun = self._wire.ask("POST", self._uploads, self._scope, expected=(202,))
        self._location = begun.headers["Location"]
        return 0


class _Cut:
    """A stream, taken from in lengths, from some place on."""

    def __init__(self, pieces: Iterator[bytes | memoryview], start: int) -> None:
        self._pieces = pieces
        self._held = memoryview(b"")
        for _ in self.take(start):
            pass

    def take(self, size: int) -> Iterator[memoryview]:
        """Yield the next ``size`` bytes."""
        while size:
            if not self._held:
                self._held = memoryview(next(self._pieces))
            piece, self._held = self._held[:size], self._held[size:]
            size -= len(piece)
            yield piece


def _manifest_in(answer: BaseHTTPResponse, reference: Reference) -> tuple[bytes, str]:
    content: bytes = answer.data
    if len(content) > _MANIFEST_LIMIT:
        raise ContentError(f"the manifest of {reference} is too large")
    promised = reference.digest or answer.headers.get("Docker-Content-Digest") or digest_of(content)
    if digest_of(content) != promised:
        raise ContentError(f"{reference.registry} sends other bytes than those of {promised}")
    return content, answer.headers.get("Content-Type", "").partition(";")[0]


def listed(index: bytes, reference: Reference) -> list[Descriptor]:
    """Read what an index lists.

    Raises:
        ContentError: it is none.
    """
    return [Descriptor.from_json(each) for each in _parsed(index, reference).get("manifests", ())]


def artifact_of(
    manifest: bytes, artifact_type: str, reference: Reference
) -> tuple[Mapping[str, str], list[Descriptor]]:
    """Read the annotations and the layers of content that is no image.

    Raises:
        NotFound: it is something else.
        ContentError: it is damaged.
    """
    told = _parsed(manifest, reference)
    if told.get("artifactType") != artifact_type:
        raise NotFound(f"{reference} is no {artifact_type}: it is {told.get('artifactType') or 'an image'}")
    return told.get("annotations") or {}, [Descriptor.from_json(each) for each in told.get("layers", ())]


def _of_platform(content: bytes, platform: str, reference: Reference) -> Descriptor:
    system, _, rest = platform.partition("/")
    architecture, _, variant = rest.partition("/")
    for each in listed(content, reference):
        told = each.platform or {}
        if (told.get("os"), told.get("architecture")) == (system, architecture) and (
            not variant or told.get("variant") == variant
        ):
            return each
    raise RegistryError(f"{reference} has no image for {platform}")


def _parsed(content: bytes, reference: Reference) -> dict[str, Any]:
    try:
        told = json.loads(content)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise ContentError(f"the manifest of {reference} is none")
    return told


def _guessed(content: bytes, reference: Reference) -> str:
    """OCI's manifests need not say what they are."""
    return INDEX if "manifests" in _parsed(content, reference) else MANIFEST


def _scope(repository: str, actions: str) -> str:
    return f"repository:{repository}:{actions}"


def _place(reference: Reference) -> str:
    return f"{reference.registry}/{reference.repository}"


def _beside(origin: str | None, reference: Reference) -> str | None:
    """The repository of the same registry that has a blob already."""
    registry, _, repository = (origin or "").partition("/")
    return repository if registry == reference.registry and repository != reference.repository else None
