"""A registry that does what a test tells it: what real ones seldom do, or only some of them."""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

import pytest

from bentopack.oci import wire as wire_module
from bentopack.oci.blobs import Layer
from bentopack.oci.content import CONFIG, LAYER, MANIFEST, Descriptor, canonical, describe, digest_of, image_manifest
from bentopack.oci.image import Image, Part
from bentopack.oci.registry import Registries

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
    """``basic`` or ``bearer``: who must say who they are, as me with the password ``secret``.

    With ``scoped`` a token has the scopes that were asked for, and a mount wants those of both repositories.
    """
    referrers: dict[str, list[dict[str, Any]]] | None = None
    """What belongs to a digest, in a registry that keeps such lists."""
    cut_after: int = 0
    """Bytes of an upload that are taken before the connection breaks, once."""
    cuts: int = 1
    """How often it does."""
    other_bytes: bool = False
    first: Callable[[Handler], bool] | None = None
    """Answers before the registry does, and says whether it did."""

    def methods(self, among: str = "/") -> list[str]:
        """How it was asked, for paths with something in them."""
        return [method for method, path, _ in self.asked if among in path]


class Handler(BaseHTTPRequestHandler):
    """Speaks the distribution API, as far as the client does."""

    protocol_version = "HTTP/1.1"
    server: Any

    def _do(self) -> None:
        it: Scripted = self.server.scripted
        said = self.headers.get("Authorization", "")
        it.asked.append((self.command, self.path, said))
        if it.first and it.first(self):
            return None
        if it.slow:
            time.sleep(it.slow.pop(0))
        if it.answers:
            status, headers = it.answers.pop(0)
            self.drain()
            return self.answer(status, b"", headers)
        path, _, query = self.path.partition("?")
        if path == "/token":
            return self._token(it, said, query)
        if it.login and not self._allowed(it, said):
            return None
        return self._registry(it, path, query)

    do_DELETE = do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = _do

    def _allowed(self, it: Scripted, said: str) -> bool:
        basic = f"Basic {base64.b64encode(b'me:secret').decode()}"
        wanted = set(self._wanted()) if it.login == "scoped" else set()
        if it.login == "scoped" and said.startswith("Bearer "):
            if wanted <= set(base64.b64decode(said.removeprefix("Bearer ")).decode().split()):
                return True
        elif said == (basic if it.login == "basic" else "Bearer t0ken"):
            return True
        self.drain()
        scope = f',scope="{" ".join(sorted(wanted))}"' if wanted else ""
        realm = f'Bearer realm="http://{it.address}/token",service="here"{scope}'
        self.answer(401, b"", {"WWW-Authenticate": 'Basic realm="x"' if it.login == "basic" else realm})
        return False

    def _wanted(self) -> Iterator[str]:
        path, _, query = self.path.partition("?")
        repository = "/".join(path.split("/")[2:4])
        yield f"repository:{repository}:pull{'' if self.command in ('GET', 'HEAD') else ',push'}"
        if beside := parse_qs(query).get("from"):
            yield f"repository:{beside[0]}:pull"

    def _token(self, it: Scripted, said: str, query: str) -> None:
        good = said == f"Basic {base64.b64encode(b'me:secret').decode()}"
        scopes = parse_qs(query).get("scope", [])
        given = set(scopes) | {each.replace(",push", "") for each in scopes}
        token = base64.b64encode(" ".join(given).encode()).decode() if it.login == "scoped" else "t0ken"
        self.answer(200 if good else 401, json.dumps({"token": token}).encode(), {})

    def _registry(self, it: Scripted, path: str, query: str) -> None:
        kind, _, name = path.partition("/v2/team/")[2].partition("/")[2].partition("/")
        reads = self.command in ("GET", "HEAD")
        if reads and kind == "manifests" and name in it.manifests:
            media_type, content = it.manifests[name]
            self.answer(200, content + (b" " if it.other_bytes else b""), {"Content-Type": media_type})
        elif reads and kind == "blobs" and name in it.blobs:
            self._blob(it, it.blobs[name])
        elif self.command == "POST":
            self._begin(it, query)
        elif "uploads" in path:
            self._upload(it, path, query)
        elif self.command == "PUT" and kind == "manifests":
            it.manifests[name] = (self.headers["Content-Type"], self.rfile.read(int(self.headers["Content-Length"])))
            self.answer(201, b"", self._listed(it, it.manifests[name][1]))
        elif kind == "referrers" and it.referrers is not None:
            self.answer(200, canonical({"manifests": it.referrers.get(name, [])}), {})
        else:
            self.answer(404, b'{"errors": [{"message": "not known here"}]}', {})

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
            return self.answer(201, b"", {})
        upload = str(len(it.asked))
        it.uploads[upload] = b""
        return self.answer(202, b"", {"Location": f"/v2/team/x/blobs/uploads/{upload}"})

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
            it.cuts -= 1
            it.cut_after = it.cut_after if it.cuts else 0
            self.close_connection = True
            return
        self.answer(206 if start else 200, content, {})

    def _upload(self, it: Scripted, path: str, query: str) -> None:
        upload = path.rpartition("/")[2]
        if upload not in it.uploads:
            self.drain()
            return self.answer(404, b'{"errors": [{"message": "blob upload unknown"}]}', {})
        if self.command == "GET":
            return self.answer(204, b"", {"Location": path, "Range": f"0-{max(len(it.uploads[upload]) - 1, 0)}"})
        length = int(self.headers.get("Content-Length", 0))
        if it.cut_after and length > it.cut_after:
            it.uploads[upload] += self.rfile.read(it.cut_after)
            it.cuts -= 1
            it.cut_after = it.cut_after if it.cuts else 0
            self.close_connection = True
            return None
        it.uploads[upload] += self.rfile.read(length)
        if self.command == "DELETE":
            del it.uploads[upload]
            return self.answer(204, b"", {})
        if self.command == "PATCH":
            return self.answer(202, b"", {"Location": path, "Range": f"0-{len(it.uploads[upload]) - 1}"})
        return self._commit(it, upload, unquote(query.partition("digest=")[2]))

    def _commit(self, it: Scripted, upload: str, digest: str) -> None:
        content = it.uploads.pop(upload)
        if digest_of(content) != digest:
            return self.answer(400, b'{"errors": [{"message": "digest invalid"}]}', {})
        it.blobs[digest] = content
        return self.answer(201, b"", {})

    def drain(self) -> None:
        """Take what is sent, and keep nothing of it."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        """Answer with what is given."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)) if status != 204 else "0")
        self.end_headers()
        if self.command != "HEAD" and status != 204:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


class Server(ThreadingHTTPServer):
    """Serves a scripted registry; whoever breaks off is no error."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, scripted: Scripted, context: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.scripted = scripted
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        scripted.address = f"127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nobody reads it."""


@contextmanager
def served(it: Scripted, context: ssl.SSLContext | None = None) -> Iterator[Scripted]:
    """Serve a registry on loopback until the block ends, with TLS where a certificate is given."""
    server = Server(it, context)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield it
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    """Such a registry on loopback; nobody waits long for it."""
    monkeypatch.setattr(wire_module, "_WAIT", 0.01)
    with served(Scripted()) as it:
        yield it


@pytest.fixture
def registries(tmp_path: Path) -> Registries:
    """A client that is logged in wherever it has to be."""
    (tmp_path / "docker").mkdir()
    return Registries({"DOCKER_CONFIG": str(tmp_path / "docker"), "HOME": str(tmp_path)})


def log_in(tmp_path: Path, address: str) -> None:
    """Log in to a registry, as me."""
    auth = base64.b64encode(b"me:secret").decode()
    (tmp_path / "docker/config.json").write_text(json.dumps({"auths": {address: {"auth": auth}}}))


def one_layer(content: bytes = CONTENT, origin: str | None = None) -> Image:
    """An image of one plain layer."""
    layer = Descriptor(LAYER, digest_of(content), len(content))
    config = canonical({"rootfs": {"type": "layers", "diff_ids": [layer.digest]}})
    part = Part(Layer(layer, layer.digest), lambda: iter([content[:5000], content[5000:]]), origin)
    return Image((part,), config, image_manifest(describe(CONFIG, config), [layer], {}))
