"""A package index on this machine: real pages and wheels over HTTP."""

from __future__ import annotations

import base64
import functools
import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.lock.wheel import write_wheel


class IndexFolder:
    """A folder of indexes, each below a path of its own. ``asked`` are the paths that were asked for."""

    def __init__(self, root: Path, url: str) -> None:
        self.root = root
        self.url = url
        self.asked: list[str] = []
        self.password: str | None = None
        """Where there is one, nobody gets anything without it; the user is ``me``."""

    def add(self, place: str, name: str, version: str, *requires: str, licence: str | None = None) -> None:
        """Put a wheel into the index at a path."""
        folder = self.root / place / name
        folder.mkdir(parents=True, exist_ok=True)
        metadata = "".join(f"Requires-Dist: {each}\n" for each in requires)
        metadata += f"License-Expression: {licence}\n" if licence else ""
        write_wheel(folder / f"{name}-{version}-py3-none-any.whl", name, version, metadata)
        links = [
            f'<a href="{path.name}#sha256={hashlib.sha256(path.read_bytes()).hexdigest()}">{path.name}</a>'
            for path in sorted(folder.glob("*.whl"))
        ]
        (folder / "index.html").write_text("\n".join(links))


@contextmanager
def serving(root: Path) -> Iterator[IndexFolder]:
    """Serve a folder's indexes as long as the context lasts."""
    root.mkdir(parents=True, exist_ok=True)

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            index.asked.append(self.path)
            expected = f"Basic {base64.b64encode(f'me:{index.password}'.encode()).decode()}"
            if index.password and self.headers.get("Authorization") != expected:
                self.send_response(HTTPStatus.UNAUTHORIZED)
                self.send_header("WWW-Authenticate", "Basic")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            super().do_GET()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(root)))
    index = IndexFolder(root, f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield index
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
