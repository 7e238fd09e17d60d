"""A conda channel of the test's own: the two lists of packages that a solver reads, on loopback."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class LocalChannel:
    """A channel in a folder, and its address."""

    folder: Path
    url: str

    def add(self, name: str, version: str, *depends: str, subdir: str = "linux-64", license: str = "MIT") -> None:
        """Have a package; its file is never read, so there is none."""
        path = self.folder / subdir / "repodata.json"
        repodata = json.loads(path.read_text())
        record = {
            "name": name,
            "version": version,
            "build": "h0_0",
            "build_number": 0,
            "depends": list(depends),
            "subdir": subdir,
            "license": license,
            "md5": hashlib.md5(name.encode(), usedforsecurity=False).hexdigest(),
            "sha256": hashlib.sha256(f"{name} {version}".encode()).hexdigest(),
            "size": 1,
        }
        repodata["packages.conda"][f"{name}-{version}-h0_0.conda"] = record
        before = path.stat().st_mtime
        path.write_text(json.dumps(repodata))
        os.utime(path, (before + 2, before + 2))  # HTTP tells times by the second


class _Handler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


@contextmanager
def local_channel(folder: Path) -> Iterator[LocalChannel]:
    """Serve an empty channel."""
    for subdir in ("linux-64", "linux-aarch64", "noarch"):
        (folder / subdir).mkdir(parents=True)
        empty = {"info": {"subdir": subdir}, "packages": {}, "packages.conda": {}, "repodata_version": 1}
        (folder / subdir / "repodata.json").write_text(json.dumps(empty))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield LocalChannel(folder, f"http://127.0.0.1:{server.server_address[1]}")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
