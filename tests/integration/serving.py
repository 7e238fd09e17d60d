"""A service that runs on this machine for the length of a test, and questions to any."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.command import COMMAND

_READY_SECONDS = 120.0


@dataclass(frozen=True)
class Call:
    """One question: what is sent where."""

    path: str
    body: bytes
    media_type: str = "application/json"


@dataclass(frozen=True)
class Answer:
    """What came back, as far as two runs of one service have to agree."""

    status: int
    media_type: str
    body: bytes


def ask(url: str, calls: Sequence[Call]) -> list[Answer]:
    """Send each call and return the answers in order."""
    with httpx.Client(base_url=url, timeout=30) as client:
        return [
            Answer(answer.status_code, answer.headers.get("content-type", ""), answer.content)
            for call in calls
            for answer in [client.post(call.path, content=call.body, headers={"content-type": call.media_type})]
        ]


@contextmanager
def running(*arguments: str, cwd: Path) -> Iterator[str]:
    """``bentopack run`` with the arguments, on a port of its own; gives its URL, ends by Ctrl-C, must exit with 0."""
    port = free_port()
    process = subprocess.Popen([*COMMAND, "run", *arguments, "--port", str(port)], cwd=cwd)
    try:
        wait_ready(port, process)
        yield f"http://127.0.0.1:{port}"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


def wait_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until ``/readyz`` answers 200."""
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, "the service ended before it was ready"
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"not ready after {_READY_SECONDS} s")


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
