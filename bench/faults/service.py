"""The service under test, in processes of its own: started, listed, measured, signalled, and always ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from bentopack.serve.config import ServeConfig
from bentopack.spec.manifest import ServiceInfo
from tests.serve.running import START

ECHO = """
import os, time
import bentopack

@bentopack.service
class Service:
    @bentopack.api(batchable=True, one_row=True, max_batch_size=64)
    def echo(self, x: list[int]) -> list[int]:
        time.sleep(0.002)
        return x
"""


@dataclass(frozen=True)
class Process:
    """A process of the service. ``role`` is ``supervisor``, or what it is called in the log, such as ``worker 0``."""

    pid: int
    role: str


@dataclass(frozen=True)
class Sample:
    """What one process holds at a moment: memory in bytes (``pss``: its share of what is shared)."""

    pss: int
    rss: int
    descriptors: int
    threads: int


class Service:
    """One running service; ``folder`` holds its source, its temporary files and what it prints."""

    def __init__(self, source: str, *, environ: dict[str, str] | None = None, **settings: Any) -> None:
        self._held = tempfile.TemporaryDirectory(prefix="bentopack-faults-", ignore_cleanup_errors=True)
        self.folder = Path(self._held.name)
        self.temporary = self.folder / "tmp"
        self.temporary.mkdir()
        self.write(source)
        info = ServiceInfo(target="svc:Service", kind="service", name="svc", workers=1)
        settings = {"access_log": False, "port": 0, **settings}
        self.config = ServeConfig(service=info, source=str(self.folder), **settings)
        # Of code that was written twice within a second Python would take the bytecode of the first for the second.
        fresh = {"PYTHONDONTWRITEBYTECODE": "1"}
        self._environ = {**os.environ, **fresh, "TMPDIR": str(self.temporary), **(environ or {})}
        self._log = self.folder / "log"
        self._mark = f'"source":"{self.folder}"'.encode()

    def write(self, source: str) -> None:
        """Put another version of the service in its place."""
        (self.folder / "svc.py").write_text(source)

    async def __aenter__(self) -> Service:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(TimeoutError):
                await until(lambda: self.process.poll() is not None, 15)
        for each in self.processes():
            kill(each.pid)
        self.process.wait()
        self._held.cleanup()

    async def start(self, *, ready: bool = True) -> None:
        """Start it; with ``ready`` until ``/readyz`` says so."""
        began = len(self.output)
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", START, msgspec.json.encode(self.config).decode()],
                stdout=log,
                stderr=log,
                env=self._environ,
                start_new_session=True,
            )
        if not ready:
            return
        await until(lambda: "Serving" in self.output[began:] or self.process.poll() is not None, 60)
        found = re.search(r"Serving \S+ on http://\S+:(\d+)", self.output[began:])
        if found is None:
            raise RuntimeError(f"the service does not start\n{self.output[-3000:]}")
        self.port = int(found[1])
        await until(lambda: self.readiness()[0] == 200, 30)

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def tracebacks(self) -> int:
        """How many the runtime has printed: each is a fault that nobody foresaw."""
        return self.output.count("Traceback")

    def readiness(self) -> tuple[int, str]:
        """The status of ``/readyz`` and what it says; 0 where nobody answers."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
                connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
                told = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        except OSError:
            return 0, ""
        return (int(told[9:12]), told.partition("\r\n\r\n")[2]) if told else (0, "")

    def processes(self, role: str = "") -> list[Process]:
        """Those that live, forked ones too: each has the configuration among its arguments."""
        found = []
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            with contextlib.suppress(OSError):
                arguments = (folder / "cmdline").read_bytes()
                if self._mark in arguments and (folder / "stat").read_text().rpartition(") ")[2][0] not in "ZX":
                    named = re.search(rb'"role":"([^"]+)"', arguments)
                    found.append(Process(int(folder.name), named[1].decode() if named else "supervisor"))
        return sorted((each for each in found if role in each.role), key=lambda each: each.role)

    def sample(self) -> dict[str, Sample]:
        """What each process holds, by role."""
        found = {}
        for each in self.processes():
            with contextlib.suppress(OSError, IndexError):
                found[each.role] = sample(each.pid)
        return found

    def owners(self) -> dict[int, str]:
        """Which front end has which connection, by the client's port."""
        place = f":{self.port:04X}"
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        ports = {row[9]: int(row[2].rpartition(":")[2], 16) for row in rows if row[1].endswith(place)}
        owners = {}
        for each in self.processes("front end"):
            with contextlib.suppress(OSError):
                for link in Path(f"/proc/{each.pid}/fd").iterdir():
                    with contextlib.suppress(OSError):
                        inode = os.readlink(link).removeprefix("socket:[").rstrip("]")  # noqa: PTH115 - not a path
                        if inode in ports:
                            owners[ports[inode]] = each.role
        return owners


def sample(pid: int) -> Sample:
    status = Path(f"/proc/{pid}/status").read_text()
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return Sample(
        pss=_number("Pss", rollup) << 10,
        rss=_number("Rss", rollup) << 10,
        descriptors=len(list(Path(f"/proc/{pid}/fd").iterdir())),
        threads=_number("Threads", status),
    )


def _number(name: str, text: str) -> int:
    return int(text.partition(f"{name}:")[2].split()[0])


def kill(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Signal one process by its id."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


async def until(condition: Callable[[], bool], seconds: float, pause: float = 0.02) -> float:
    """Wait until a condition holds, and return how long that took.

    Raises:
        TimeoutError: it does not within so many seconds.
    """
    began = time.monotonic()
    while not await asyncio.to_thread(condition):  # it reads /proc, and the load client is on this loop
        if time.monotonic() - began > seconds:
            raise TimeoutError
        await asyncio.sleep(pause)
    return time.monotonic() - began
