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
from typing import Any


@dataclass
class LocalChannel:
    """A channel in a folder, and its address."""

    folder: Path
    url: str

    def add(self, name: str, version: str, *depends: str, subdir: str = "linux-64", license: str = "MIT") -> None:
        """Have a package; its file is never read, so there is none."""
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
        self._list("packages.conda", f"{name}-{version}-h0_0.conda", record)

    def publish(self, file: str, content: bytes, index: dict[str, Any]) -> None:
        """Have a package with its file, in conda's older form; ``index`` is what the file says of itself."""
        (self.folder / index["subdir"] / file).write_bytes(content)
        sums = {"md5": hashlib.md5(content, usedforsecurity=False), "sha256": hashlib.sha256(content)}
        told = {name: digest.hexdigest() for name, digest in sums.items()}
        self._list("packages", file, {**index, **told, "size": len(content)})

    def _list(self, kind: str, file: str, record: dict[str, Any]) -> None:
        path = self.folder / record["subdir"] / "repodata.json"
        repodata = json.loads(path.read_text())
        repodata[kind][file] = record
        before = path.stat().st_mtime
        path.write_text(json.dumps(repodata))
        os.utime(path, (before + 2, before + 2))  # HTTP tells times by the second


class _Handler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


@contextmanager
def local_channel(folder: Path, host: str = "127.0.0.1") -> Iterator[LocalChannel]:
    """Serve an empty channel, by an address of this machine."""
    for subdir in ("linux-64", "linux-aarch64", "noarch"):
        (folder / subdir).mkdir(parents=True)
        empty = {"info": {"subdir": subdir}, "packages": {}, "packages.conda": {}, "repodata_version": 1}
        (folder / subdir / "repodata.json").write_text(json.dumps(empty))
    server = ThreadingHTTPServer((host, 0), partial(_Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield LocalChannel(folder, f"http://{host}:{server.server_address[1]}")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
