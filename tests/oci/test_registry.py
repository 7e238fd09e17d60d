"""The registry client, against a registry that does what a test tells it: what real ones seldom do."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bentopack.errors import RegistryError
from bentopack.oci import upload as upload_module
from bentopack.oci import wire as wire_module
from bentopack.oci.blobs import Blobs, Layer
from bentopack.oci.content import (
    CONFIG,
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
from bentopack.oci.image import Image, Part
from bentopack.oci.reference import parse_reference
from bentopack.oci.registry import Registries
from bentopack.oci.wire import Trust

CONTENT = b"0123456789" * 1000


@dataclass
class Scripted:
    """A registry in memory, and what goes wrong with it."""

    address: str = ""
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    elsewhere: dict[str, bytes] = field(default_factory=dict)
    """Blobs of the repository beside."""
    uploads: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    """Method, path and what was said of who asks."""
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    """Given in turn, before anything is done."""
    slow: list[float] = field(default_factory=list)
    """Seconds that pass before the next answers."""
    login: str = ""
    """``basic`` or ``bearer``: who must say who they are, as me with the password ``secret``."""
    referrers: dict[str, list[dict[str, Any]]] | None = None
    """What belongs to a digest, in a registry that keeps such lists."""
    cut_after: int = 0
    """Bytes of a chunk that are taken before the connection breaks, once."""
    other_bytes: bool = False


class Handler(BaseHTTPRequestHandler):
    """Speaks the distribution API, as far as the client does."""

    protocol_version = "HTTP/1.1"
    server: Any

    def _do(self) -> None:
        it: Scripted = self.server.scripted
        said = self.headers.get("Authorization", "")
        it.asked.append((self.command, self.path, said))
        if it.slow:
            time.sleep(it.slow.pop(0))
        if it.answers:
            status, headers = it.answers.pop(0)
            self._drain()
            return self._answer(status, b"", headers)
        path, _, query = self.path.partition("?")
        if path == "/token":
            return self._token(said)
        if it.login and not self._allowed(it, said):
            return None
        return self._registry(it, path, query)

    do_DELETE = do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = _do

    def _allowed(self, it: Scripted, said: str) -> bool:
        basic = f"Basic {base64.b64encode(b'me:secret').decode()}"
        if said == (basic if it.login == "basic" else "Bearer t0ken"):
            return True
        self._drain()
        realm = f'Bearer realm="http://{it.address}/token",service="here"'
        self._answer(401, b"", {"WWW-Authenticate": 'Basic realm="x"' if it.login == "basic" else realm})
        return False

    def _token(self, said: str) -> None:
        good = said == f"Basic {base64.b64encode(b'me:secret').decode()}"
        self._answer(200 if good else 401, b'{"token": "t0ken"}', {})

    def _registry(self, it: Scripted, path: str, query: str) -> None:
        kind, _, name = path.partition("/v2/team/")[2].partition("/")[2].partition("/")
        reads = self.command in ("GET", "HEAD")
        if reads and kind == "manifests" and name in it.manifests:
            media_type, content = it.manifests[name]
            self._answer(200, content + (b" " if it.other_bytes else b""), {"Content-Type": media_type})
        elif reads and kind == "blobs" and name in it.blobs:
            self._blob(it, it.blobs[name])
        elif self.command == "POST":
            self._begin(it, query)
        elif "uploads" in path:
            self._upload(it, path, query)
        elif self.command == "PUT" and kind == "manifests":
            it.manifests[name] = (self.headers["Content-Type"], self.rfile.read(int(self.headers["Content-Length"])))
            self._answer(201, b"", self._listed(it, it.manifests[name][1]))
        elif kind == "referrers" and it.referrers is not None:
            self._answer(200, canonical({"manifests": it.referrers.get(name, [])}), {})
        else:
            self._answer(404, b'{"errors": [{"message": "not known here"}]}', {})

    def _listed(self, it: Scripted, manifest: bytes) -> dict[str, str]:
        told = json.loads(manifest)
        if it.referrers is None or "subject" not in told:
            return {}
        found = {**describe(MANIFEST, manifest).to_json(), "artifactType": told["artifactType"]}
        it.referrers.setdefault(told["subject"]["digest"], []).append(found)
        return {"OCI-Subject": told["subject"]["digest"]}

    def _begin(self, it: Scripted, query: str) -> None:
        wanted = query.partition("mount=")[2].partition("&")[0].replace("%3A", ":")
        if wanted in it.elsewhere:
            it.blobs[wanted] = it.elsewhere[wanted]
            return self._answer(201, b"", {})
        upload = str(len(it.asked))
        it.uploads[upload] = b""
        return self._answer(202, b"", {"Location": f"/v2/team/x/blobs/uploads/{upload}"})

    def _blob(self, it: Scripted, content: bytes) -> None:
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        content = content[start:]
        if it.other_bytes:
            content = b"z" * len(content)
        if it.cut_after and self.command == "GET":
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: it.cut_after])
            it.cut_after = 0
            self.close_connection = True
            return
        self._answer(206 if start else 200, content, {})

    def _upload(self, it: Scripted, path: str, query: str) -> None:
        upload = path.rpartition("/")[2]
        if self.command == "GET":
            return self._answer(204, b"", {"Location": path, "Range": f"0-{max(len(it.uploads[upload]) - 1, 0)}"})
        length = int(self.headers.get("Content-Length", 0))
        if it.cut_after and length > it.cut_after:
            it.uploads[upload] += self.rfile.read(it.cut_after)
            it.cut_after = 0
            self.close_connection = True
            return None
        it.uploads[upload] += self.rfile.read(length)
        if self.command == "DELETE":
            del it.uploads[upload]
            return self._answer(204, b"", {})
        if self.command == "PATCH":
            return self._answer(202, b"", {"Location": path})
        digest = query.partition("digest=")[2].replace("%3A", ":")
        if digest_of(it.uploads[upload]) != digest:
            return self._answer(400, b'{"errors": [{"message": "digest invalid"}]}', {})
        it.blobs[digest] = it.uploads.pop(upload)
        return self._answer(201, b"", {})

    def _drain(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)) if status != 204 else "0")
        self.end_headers()
        if self.command != "HEAD" and status != 204:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    """Such a registry on loopback; nobody waits long for it."""
    monkeypatch.setattr(wire_module, "_WAIT", 0.01)
    monkeypatch.setattr(upload_module, "_CHUNK", 4000)
    it = Scripted()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.scripted = it  # type: ignore[attr-defined]
    it.address = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield it
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def registries(tmp_path: Path) -> Registries:
    """A client that is logged in wherever it has to be."""
    (tmp_path / "docker").mkdir()
    return Registries({"DOCKER_CONFIG": str(tmp_path / "docker"), "HOME": str(tmp_path)})


def log_in(tmp_path: Path, address: str) -> None:
    auth = base64.b64encode(b"me:secret").decode()
    (tmp_path / "docker/config.json").write_text(json.dumps({"auths": {address: {"auth": auth}}}))


def one_layer(content: bytes = CONTENT, origin: str | None = None) -> Image:
    """An image of one plain layer."""
    layer = Descriptor(LAYER, digest_of(content), len(content))
    config = canonical({"rootfs": {"type": "layers", "diff_ids": [layer.digest]}})
    part = Part(Layer(layer, layer.digest), lambda: iter([content[:5000], content[5000:]]), origin)
    return Image((part,), config, image_manifest(describe(CONFIG, config), [layer], {}))


def test_a_push_and_a_pull(scripted: Scripted, registries: Registries, tmp_path: Path) -> None:
    """In chunks; what is there already is not sent again; what comes back is what went in."""
    image, reference = one_layer(), parse_reference(f"{scripted.address}/team/x:1")
    sent = registries.push(image, reference)
    assert (sent.sent, sent.bytes) == (2, len(CONTENT) + len(image.config))
    assert len([each for each in scripted.asked if each[0] == "PATCH"]) == 4
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


@pytest.mark.parametrize("login", ["basic", "bearer"])
def test_who_we_are(scripted: Scripted, registries: Registries, tmp_path: Path, login: str) -> None:
    """By a name and password, or by a token that they are exchanged for; asked for once a scope."""
    scripted.login = login
    log_in(tmp_path, scripted.address)
    registries.push(one_layer(), parse_reference(f"{scripted.address}/team/x:1"))
    tokens = [path for _, path, _ in scripted.asked if path.startswith("/token")]
    assert len(tokens) <= 4  # threads that began together
    if login == "bearer":
        assert "scope=repository%3Ateam%2Fx%3Apull%2Cpush" in tokens[0]


def test_whoever_is_not_logged_in_is_told(scripted: Scripted, registries: Registries) -> None:
    """And how to log in."""
    scripted.login = "basic"
    with pytest.raises(RegistryError, match="answers 401") as caught:
        registries.push(one_layer(), parse_reference(f"{scripted.address}/team/x:1"))
    assert "docker login" in str(caught.value.hint)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_registry_that_is_busy_is_asked_again(scripted: Scripted, registries: Registries, status: int) -> None:
    """A few times, and as late as it says."""
    scripted.answers = [(status, {"Retry-After": "0"})] * 3
    registries.push(one_layer(), parse_reference(f"{scripted.address}/team/x:1"))
    scripted.answers = [(status, {})] * 1000
    with pytest.raises(RegistryError, match=f"it answers {status}"):
        registries.push(one_layer(), parse_reference(f"{scripted.address}/team/y:1"))


def test_a_slow_registry_is_asked_again(
    scripted: Scripted, registries: Registries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for an answer for ever; the next try may find it in time."""
    monkeypatch.setattr(wire_module, "_READ_SECONDS", 0.3)
    image, reference = one_layer(), parse_reference(f"{scripted.address}/team/x:1")
    scripted.manifests["1"] = (image.descriptor.media_type, image.manifest)
    scripted.slow = [1.0, 1.0]
    assert registries.manifest(reference)[0] == image.manifest
    scripted.slow = [1.0] * 5
    with pytest.raises(RegistryError, match=r"cannot be used: .*timed out"):
        registries.manifest(reference)


def test_what_is_refused_is_not_tried_again(scripted: Scripted, registries: Registries, tmp_path: Path) -> None:
    """With the registry's own words."""
    with pytest.raises(RegistryError, match="answers 404: not known here"):
        registries.image(parse_reference(f"{scripted.address}/team/none:1"), "linux/amd64", Blobs(tmp_path))
    assert len(scripted.asked) == 1


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


def test_a_layer_of_a_repository_beside_is_mounted(scripted: Scripted, registries: Registries) -> None:
    """It is never read."""
    content = b"of the base"
    scripted.elsewhere[digest_of(content)] = content

    def unread() -> Iterator[bytes]:
        raise AssertionError("a layer that can be mounted was read")

    image, beside = one_layer(content), f"{scripted.address}/team/base"
    part = Part(image.parts[0].layer, unread, beside)
    sent = registries.push(
        Image((part,), image.config, image.manifest), parse_reference(f"{scripted.address}/team/x:1")
    )
    assert (sent.mounted, sent.sent) == (1, 1)
    assert any("from=team%2Fbase" in path for _, path, _ in scripted.asked)


def test_a_redirect_elsewhere_learns_nothing_of_us(scripted: Scripted, registries: Registries, tmp_path: Path) -> None:
    """Storage behind a registry is asked without our password."""
    elsewhere = Scripted()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.scripted = elsewhere  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        image = one_layer()
        scripted.login = "basic"
        log_in(tmp_path, scripted.address)
        registries.push(image, parse_reference(f"{scripted.address}/team/x:1"))
        pulled = registries.image(parse_reference(f"{scripted.address}/team/x:1"), "linux/amd64", Blobs(tmp_path / "b"))
        elsewhere.blobs = dict(scripted.blobs)
        there = f"http://127.0.0.1:{server.server_address[1]}/v2/team/x/blobs/{image.parts[0].descriptor.digest}"
        scripted.answers = [(307, {"Location": there})]
        assert b"".join(pulled.parts[0].stream()) == CONTENT
        assert [said for _, _, said in elsewhere.asked] == [""]
    finally:
        server.shutdown()
        server.server_close()


def test_plain_http_is_for_this_machine() -> None:
    """Others are spoken to with TLS, unless they are named."""
    trust = Trust(insecure=("registry.internal:5000",))
    assert [trust.scheme(each) for each in ("127.0.0.1:5000", "localhost", "[::1]:5000")] == ["http"] * 3
    assert trust.scheme("registry.internal:5000") == "http"
    assert [trust.scheme(each) for each in ("ghcr.io", "127.0.0.1.example.org", "localhost.example.org")] == [
        "https"
    ] * 3


def test_a_registry_that_is_not_there(registries: Registries, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told with its name, after a few tries."""
    monkeypatch.setattr(wire_module, "_WAIT", 0.01)
    with pytest.raises(RegistryError, match=r"127\.0\.0\.1:9 cannot be used: Connection refused"):
        registries.image(parse_reference("127.0.0.1:9/x:1"), "linux/amd64", Blobs(tmp_path))
