"""A service in processes of its own, as a user runs it, for tests to call, signal and kill."""

from __future__ import annotations

import re
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import msgspec

from bentopack.serve.config import ServeConfig
from bentopack.spec.manifest import ServiceInfo

START = """
import sys, msgspec
from bentopack.errors import BentopackError
from bentopack.serve import logs
from bentopack.serve.config import ServeConfig
from bentopack.serve.supervisor import serve
logs.configure("supervisor")
try:
    serve(msgspec.json.decode(sys.argv[1], type=ServeConfig), on_ready=lambda line: print(line, flush=True))
except BentopackError as error:
    sys.exit(f"error: {error}")
"""
"""The program of a supervisor whose settings are its argument."""


class Running:
    """One running service. ``lines`` is all that it has printed so far."""

    def __init__(
        self, config: ServeConfig, *, stderr: int = subprocess.STDOUT, trust: ssl.SSLContext | None = None
    ) -> None:
        self.lines: list[str] = []
        self._source = f'"source":{msgspec.json.encode(config.source).decode()}'
        self.process = subprocess.Popen(
            [sys.executable, "-c", START, msgspec.json.encode(config).decode()],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.trust = trust
        self.client = httpx.Client(timeout=20, verify=trust or True)

    def __enter__(self) -> Running:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.client.close()
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(20)
        finally:
            for pid in self.pids():
                subprocess.run(["kill", "-9", str(pid)], check=False)
            self.process.wait()
            self._reader.join(5)
            if self.process.stdout:
                self.process.stdout.close()

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def wait_ready(self, timeout: float = 30) -> Running:
        """Wait for the line with the URL, and take the client's base URL from it."""
        wait_for(lambda: "Serving" in self.output or self.process.poll() is not None, timeout, lambda: self.output)
        found = re.search(r"Serving \S+ on (https?://\S+)", self.output)
        assert found, self.output
        self.client.base_url = httpx.URL(found[1])
        wait_for(lambda: self.client.get("/readyz").status_code == 200, timeout, lambda: self.output)
        return self

    def wait_output(self, words: str, timeout: float = 5) -> None:
        """Wait until something has been printed."""
        wait_for(lambda: words in self.output, timeout, lambda: self.output)

    def json(self, path: str, body: Any) -> httpx.Response:
        """POST a JSON body."""
        return self.client.post(path, json=body)

    def wait_under_way(self, count: int) -> None:
        """Wait until so many requests are being answered, as the metrics tell ten times a second."""
        line = f"bentopack_requests_in_flight {count}.0"
        wait_for(lambda: line in self.client.get("/metrics").text, 10)

    def pids(self, module: str = "") -> list[int]:
        """The living processes of this service, or those that run one module of the runtime."""
        listing = subprocess.run(["ps", "-ww", "-eo", "pid=,stat=,args="], capture_output=True, text=True, check=True)
        rows = [line.split(None, 2) for line in listing.stdout.splitlines()]
        # Every process of the service has its configuration among its arguments, forked ones too.
        return [
            int(pid)
            for pid, state, arguments in (row for row in rows if len(row) == 3)
            if self._source in arguments and not state.startswith("Z") and module in arguments
        ]

    def signal(self, pid: int, number: signal.Signals) -> None:
        """Send a signal to one process of the service."""
        subprocess.run(["kill", f"-{int(number)}", str(pid)], check=True)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))


def config_of(folder: Path, source: str, *, kind: str = "service", **settings: Any) -> ServeConfig:
    """Write a module ``svc`` into a folder, and configure serving ``svc:Service`` (or ``svc:app``) on a free port."""
    (folder / "svc.py").write_text(source)
    target = "svc:Service" if kind == "service" else "svc:app"
    workers = settings.pop("declared_workers", 1)
    settings.setdefault("port", 0)
    service = ServiceInfo(target=target, kind=kind, name="svc", workers=workers)  # type: ignore[arg-type]
    return ServeConfig(service=service, source=str(folder), **settings)


def wait_for(condition: Callable[[], bool], timeout: float, told: Callable[[], str] = lambda: "") -> None:
    """Wait until a condition holds, or fail with what was told."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"not within {timeout} s\n{told()}"
        time.sleep(0.02)
