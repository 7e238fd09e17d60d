"""Images and other content in a registry: looked up, fetched and sent, each blob once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from threading import Semaphore
from urllib.parse import urlencode

from bentopack.errors import RegistryError
from bentopack.oci import download
from bentopack.oci.blobs import Blobs
from bentopack.oci.content import CONFIG, INDEX, INDEXES, MANIFESTS, ContentError, Descriptor, describe, digest_of
from bentopack.oci.image import Image, Index, Part, Stream, pair_layers
from bentopack.oci.manifests import LIMIT, layers_of, listed, manifest_in, media_type_of, next_page, of_platform, parsed
from bentopack.oci.parallel import at_once
from bentopack.oci.reference import Reference
from bentopack.oci.trust import Trust
from bentopack.oci.upload import Ahead, Upload
from bentopack.oci.wire import Answer, Wire, joined

_AT_ONCE = 4
_TRIES = 5
_EDITS = 6  # of what others write too
_PAGES = 1000


@dataclass(frozen=True)
class Sent:
    """What a push came to: blobs and bytes that were sent, mounted from a repository beside, or there already."""

    sent: int = 0
    bytes: int = 0
    mounted: int = 0
    there: int = 0

    def __add__(self, other: Sent) -> Sent:
        return Sent(
            self.sent + other.sent,
            self.bytes + other.bytes,
            self.mounted + other.mounted,
            self.there + other.there,
        )


@dataclass(frozen=True)
class Content:
    """A blob to send: what it is, where its bytes come from, and the repository that has it already, if one does."""

    descriptor: Descriptor
    stream: Stream
    origin: str | None = None

    @classmethod
    def of(cls, media_type: str, content: bytes) -> Content:
        """A small one, which is held."""
        return cls(describe(media_type, content), lambda: iter([content]))


@dataclass
class Registries:
    """All registries of one command: each is logged in to once."""

    environ: Mapping[str, str]
    trust: Trust = field(default_factory=Trust)
    tries: int = _TRIES
    """How often a request is sent where none gets through."""
    _wires: dict[str, Wire] = field(default_factory=dict)
    _ahead: dict[tuple[str, str], Ahead] = field(default_factory=dict)
    _unmountable: set[tuple[str, str]] = field(default_factory=set)
    """Repositories between which a registry mounts nothing for us."""
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

    def _ask_for_manifest(self, reference: Reference, *, expected: tuple[int, ...], method: str = "GET") -> Answer:
        return self.wire(reference.registry).ask(
            method,
            f"/v2/{reference.repository}/manifests/{reference.wanted}",
            _scope(reference.repository, "pull"),
            expected=expected,
            headers={"Accept": ", ".join((*INDEXES, *MANIFESTS))},
            limit=LIMIT,
        )

    def referrers(self, reference: Reference, digest: str) -> list[Descriptor] | None:
        """Ask a registry what belongs to a digest; None where it keeps no such list.

        Those that keep none answer in many ways: that they know no such address, that the digest is no tag, with a
        page for people, or with one elsewhere.
        Source: https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#listing-referrers.

        Raises:
            RegistryError: it cannot be reached.
        """
        page, found = f"/v2/{reference.repository}/referrers/{digest}", list[Descriptor]()
        for _ in range(_PAGES):
            try:
                answer = self.wire(reference.registry).ask(
                    "GET", page, _scope(reference.repository, "pull"), expected=(200,), limit=LIMIT, follow=False
                )
                found += listed(answer.body, reference)
            except RegistryError as error:
                if error.status is None:
                    raise
                return None
            except ContentError:
                return None
            following = next_page(answer.headers.get("Link", ""))
            if not following:
                break
            page = joined(answer.url, following)
        return found

    def pieces(self, reference: Reference, descriptor: Descriptor) -> Iterator[bytes]:
        """Fetch a blob; whoever takes it to its end knows that it is the one.

        Raises:
            RegistryError, ContentError: it breaks off, or is another one.
        """
        return download.proved(self.wire(reference.registry), reference.repository, descriptor)

    def image(self, reference: Reference, platform: str, blobs: Blobs) -> Image:
        """Fetch an image's manifest and configuration; its layers are fetched when somebody reads them.

        Raises:
            RegistryError, ContentError: see :meth:`manifest`; it has none for the platform.
        """
        content, media_type = self._manifest_once(reference, blobs)
        while media_type in INDEXES:
            chosen = of_platform(content, platform, reference)
            content, media_type = self._manifest_once(reference.at(chosen.digest), blobs)
        config, layers = Descriptor.from_json(parsed(content, reference).get("config")), layers_of(content, reference)
        if not blobs.has(config):
            blobs.fetch(config, self._pieces(reference, config))
        written = blobs.read(config.digest)
        parts = tuple(
            Part(layer, self._layer_stream(reference, layer.descriptor, blobs), _place(reference))
            for layer in pair_layers(written, layers, str(reference))
        )
        return Image(parts, written, content)

    def push(self, image: Image, reference: Reference, *, told: Callable[[str], None] = lambda _: None) -> Sent:
        """Send an image: its blobs, several at once, then its manifest.

        Raises:
            RegistryError: the registry refuses, or cannot be reached.
        """
        contents = [Content(part.descriptor, part.stream, part.origin) for part in image.parts]
        contents.append(Content.of(CONFIG, image.config))
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
            total += self.push(image, reference.at(image.descriptor.digest), told=told)
        self.put_manifest(reference, index.content, INDEX)
        return total

    def send(
        self, contents: Iterable[Content], reference: Reference, *, told: Callable[[str], None] = lambda _: None
    ) -> Sent:
        """Make sure that a repository has some blobs, several at once; each is sent once.

        Raises:
            RegistryError: the registry refuses, or cannot be reached.
        """
        once = {each.descriptor.digest: each for each in contents}
        works = [partial(self._send, reference, each, told) for each in once.values()]
        return sum(at_once(works, _AT_ONCE), Sent())

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

    def edit_manifest(self, reference: Reference, edited: Callable[[bytes | None], tuple[bytes, str] | None]) -> None:
        """Change what lies under a tag, until what others write there at the same time has the change too.

        Args:
            reference: of the tag.
            edited: gives what is to be there, and its media type, of what is there; None where that needs no change.

        Raises:
            RegistryError: the registry refuses, or cannot be reached; or others undo it again and again.
        """
        for _ in range(_EDITS):
            found = self.find_manifest(reference)
            changed = edited(found[0] if found else None)
            if changed is None:
                return
            self.put_manifest(reference, *changed)
        raise RegistryError(
            f"{reference} is written by others at the same time, and does not keep what is added",
            hint="try again once they are done",
        )

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
        upload = partial(Upload, self.wire(reference.registry), reference.repository, size, stream)
        ahead = Ahead(upload, self._turns)

        def named(digest: str) -> None:
            self._ahead[str(reference), digest] = ahead

        return named

    def _send(self, reference: Reference, content: Content, told: Callable[[str], None]) -> Sent:
        """Make sure that a repository has a blob."""
        descriptor, repository, wire = content.descriptor, reference.repository, self.wire(reference.registry)
        ahead = self._ahead.pop((str(reference), descriptor.digest), None)
        path, scope = f"/v2/{repository}/blobs/{descriptor.digest}", _scope(repository, "pull,push")
        if wire.ask("HEAD", path, scope, expected=(200, 404)).status == 200:
            if ahead:
                ahead.give_up()
            return Sent(there=1)
        told(f"sending {descriptor.digest[7:19]} ({descriptor.size / 1e6:.1f} MB)")
        if ahead and ahead.finish(descriptor.digest):
            return Sent(1, descriptor.size)
        begun = None
        if beside := _beside(content.origin, reference):
            begun = self._mount(wire, repository, beside, descriptor.digest)
            if begun and begun.status == 201:
                return Sent(mounted=1)
        location = begun.location if begun and "Location" in begun.headers else None
        upload = Upload(wire, repository, descriptor.size, content.stream, location=location)
        upload.send(descriptor.digest)
        return Sent(1, descriptor.size)

    def _mount(self, wire: Wire, repository: str, beside: str, digest: str) -> Answer | None:
        """Ask for a blob of another repository: it is there then (201), or may be sent (202); None where that fails.

        Whoever asks has to have rights for both. Registries refuse it in many ways; one is asked no more then.
        """
        places = (f"{wire.registry}/{repository}", beside)
        if places in self._unmountable:
            return None
        scope = f"{_scope(repository, 'pull,push')} {_scope(beside, 'pull')}"
        query = urlencode({"mount": digest, "from": beside})
        try:
            uploads = f"/v2/{repository}/blobs/uploads/?{query}"
            return wire.ask("POST", uploads, scope, expected=(201, 202), once=True)
        except RegistryError as error:
            if error.status != 404:  # of this blob alone, perhaps
                self._unmountable.add(places)
            return None

    def _manifest_once(self, reference: Reference, blobs: Blobs) -> tuple[bytes, str]:
        """What a digest names never changes, so it is asked for once."""
        if not reference.digest:
            return self.manifest(reference)
        path = blobs.path(reference.digest)
        content = path.read_bytes() if path.exists() else b""
        if digest_of(content) != reference.digest:  # not here, or damaged
            content = self.manifest(reference)[0]
            path.unlink(missing_ok=True)
            blobs.put(content)
        return content, media_type_of(content, reference)

    def _layer_stream(self, reference: Reference, layer: Descriptor, blobs: Blobs) -> Stream:
        def stream() -> Iterator[bytes]:
            if not blobs.has(layer):
                blobs.fetch(layer, self._pieces(reference, layer))
            yield from blobs.stream(layer.digest)

        return stream

    def _pieces(self, reference: Reference, descriptor: Descriptor) -> Iterator[bytes]:
        """Fetch a blob for who compares its digest."""
        return download.pieces(self.wire(reference.registry), reference.repository, descriptor)


def _scope(repository: str, actions: str) -> str:
    return f"repository:{repository}:{actions}"


def _place(reference: Reference) -> str:
    return f"{reference.registry}/{reference.repository}"


def _beside(origin: str | None, reference: Reference) -> str | None:
    """The repository of the same registry that has a blob already."""
    registry, _, repository = (origin or "").partition("/")
    return repository if registry == reference.registry and repository != reference.repository else None
