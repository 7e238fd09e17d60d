"""Images and other content in a registry: looked up, fetched and sent, each blob once."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Semaphore
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from bentopack.errors import RegistryError
from bentopack.oci.blobs import Blobs, Layer
from bentopack.oci.content import INDEX, INDEXES, MANIFESTS, ContentError, Descriptor, digest_of
from bentopack.oci.image import Image, Index, Part, Stream, read_config
from bentopack.oci.manifests import guessed, listed, manifest_in, of_platform, parsed
from bentopack.oci.reference import Reference
from bentopack.oci.upload import Ahead, Upload
from bentopack.oci.wire import Trust, Wire

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

_PIECE = 1 << 20
_AT_ONCE = 4
_TRIES = 5


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
    _ahead: dict[tuple[str, str], Ahead] = field(default_factory=dict)
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
        return manifest_in(self._ask_for_manifest(reference, expected=(200,)), reference)

    def find_manifest(self, reference: Reference) -> tuple[bytes, str] | None:
        """The same, or None where the registry has nothing of that name."""
        answer = self._ask_for_manifest(reference, expected=(200, 404))
        return None if answer.status == 404 else manifest_in(answer, reference)

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
            chosen = of_platform(content, platform, reference)
            exact = Reference(reference.registry, reference.repository, None, chosen.digest)
            content, media_type = self._manifest_once(exact, blobs)
        told = parsed(content, reference)
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
        ahead = Ahead(lambda stopping: self._upload(reference, size, stopping), stream, self._turns)

        def named(digest: str) -> None:
            self._ahead[str(reference), digest] = ahead

        return named

    def _upload(self, reference: Reference, size: int, stream: Stream) -> Upload:
        wire, uploads = self.wire(reference.registry), f"/v2/{reference.repository}/blobs/uploads/"
        scope = _scope(reference.repository, "pull,push")
        begun = wire.ask("POST", uploads, scope, expected=(202,))
        return Upload(wire, scope, size, stream, uploads=uploads, location=begun.headers["Location"])

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
        upload = Upload(wire, scope, descriptor.size, content.stream, uploads=uploads, location=location)
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
        return content, str(parsed(content, reference).get("mediaType") or guessed(content, reference))

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


def _scope(repository: str, actions: str) -> str:
    return f"repository:{repository}:{actions}"


def _place(reference: Reference) -> str:
    return f"{reference.registry}/{reference.repository}"


def _beside(origin: str | None, reference: Reference) -> str | None:
    """The repository of the same registry that has a blob already."""
    registry, _, repository = (origin or "").partition("/")
    return repository if registry == reference.registry and repository != reference.repository else None
