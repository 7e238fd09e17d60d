"""A package index of the test's own: pages as PEP 503 has them, on loopback, with whatever is to go wrong."""

from __future__ import annotations

import base64
import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bentopack.bento.runtime import REQUIRES
from tests.lock.wheel import write_wheel


@dataclass
class LocalIndex:
    """What an index has, and how it answers. ``asked`` are the paths that were asked for and answered with 200."""

    port: int
    files: dict[str, bytes] = field(default_factory=dict)
    user: str = ""
    """``name:password`` that every request needs."""
    status: int = 200
    page: str = ""
    """Instead of every page of links."""
    other_bytes: bool = False
    """Files are not those whose hashes the pages tell."""
    silent: bool = False
    """Requests are taken and never answered."""
    prefix: str = ""
    """What stands before every path."""
    metadata: bool = True
    """Pages tell that there is metadata beside each wheel (PEP 658)."""
    asked: list[str] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """Its address."""
        return self.url_with("")

    def url_with(self, user: str) -> str:
        """Its address with ``user`` before the host."""
        return f"http://{user}{'@' if user else ''}127.0.0.1:{self.port}/simple"

    def add_wheel(self, folder: Path, name: str, version: str, tag: str = "py3-none-any", metadata: str = "") -> Path:
        """Have a wheel with nothing in it."""
        path = folder / f"{name.replace('-', '_')}-{version}-{tag}.whl"
        self.files[path.name] = write_wheel(path, name, version, metadata).read_bytes()
        return path

    def add_runtime(self, folder: Path) -> None:
        """Have the least of what a Bento's runtime requires, so that no other index is needed to lock."""
        for each in map(Requirement, REQUIRES):
            (lowest,) = (bound.version for bound in each.specifier if bound.operator == ">=")
            self.add_wheel(folder, each.name, lowest, metadata="License: MIT\n")

    def answer(self, path: str) -> bytes | None:
        """The body of a page or file, or None where there is none."""
        kind, _, name = path.removeprefix(self.prefix).strip("/").partition("/")
        if kind == "files":
            whole = self.files.get(name.removesuffix(".metadata"))
            if whole is None:
                return None
            body = _metadata(whole, name) if name.endswith(".metadata") else whole
            return body + b"\0" if self.other_bytes and not name.endswith(".metadata") else body
        links = [each for each in self.files if _project(each) == name]
        return self.page.encode() or "\n".join(map(self._link, links)).encode() or None

    def _link(self, name: str) -> str:
        content = self.files[name]
        beside = ""
        if self.metadata and name.endswith(".whl"):
            beside = f' data-core-metadata="sha256={hashlib.sha256(_metadata(content, name)).hexdigest()}"'
        return f'<a href="{self.prefix}/files/{name}#sha256={hashlib.sha256(content).hexdigest()}"{beside}>{name}</a>'


class _Server(ThreadingHTTPServer):
    index: LocalIndex


@contextmanager
def serving_index(**options: Any) -> Iterator[LocalIndex]:
    """Serve an index until the block ends."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        index = server.index = LocalIndex(server.server_address[1], **options)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield index
        finally:
            index.closing.set()
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    """One connection to an index."""

    server: _Server

    def do_GET(self) -> None:
        index = self.server.index
        if index.silent:
            index.closing.wait()
            return
        if index.user and self.headers["Authorization"] != f"Basic {base64.b64encode(index.user.encode()).decode()}":
            self._answer(401, b"who are you?")
            return
        body = index.answer(self.path.partition("?")[0].replace("/simple/", "/pages/", 1))
        status = index.status if index.status != 200 else 404 if body is None else 200
        if status == 200:
            index.asked.append(self.path)
        self._answer(status, (body or b"") if status == 200 else b"no")

    do_HEAD = do_GET

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="packages"')
        self.send_header("Content-Type", "text/html" if "/simple" in self.path else "application/octet-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


def _metadata(wheel: bytes, name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(wheel)) as opened:
        (path,) = (each for each in opened.namelist() if each.endswith("/METADATA"))
        return opened.read(path)


def _project(filename: str) -> str:
    return canonicalize_name(filename.partition("-")[0])
