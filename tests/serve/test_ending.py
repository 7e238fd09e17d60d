"""SIGTERM, and the clients that are about to ask: on connections that they keep, or have just made."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.serve.conftest import Start
from tests.serve.front_end import front_end
from tests.serve.running import Running, wait_for
from tests.serve.test_lifecycle import SLOW

APP = """
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})
"""
REQUEST = b"POST /pid HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}"


def connect(running: Running) -> socket.socket:
    return socket.create_connection(("127.0.0.1", running.client.base_url.port or 0), 20)


def is_refused(running: Running) -> bool:
    with contextlib.suppress(ConnectionRefusedError), connect(running):
        return False
    return True


@pytest.mark.parametrize(("kind", "source"), [("service", SLOW), ("app", APP)], ids=["service", "app"])
def test_a_kept_connection_is_answered_once_more(start: Start, kind: str, source: str) -> None:
    """Who asks on an idle connection while the service ends is answered, and told that the connection closes."""
    running = start(source, kind=kind)
    running.client.close()
    kept = [HTTPConnection("127.0.0.1", running.client.base_url.port) for _ in range(4)]
    for each in kept:
        each.request("POST", "/pid", b"{}")
        assert each.getresponse().read() is not None
    running.process.terminate()
    wait_for(lambda: is_refused(running), 10)
    for each in kept:
        each.request("POST", "/pid", b"{}")
        answer = each.getresponse()
        assert (answer.status, answer.getheader("connection")) == (200, "close")
        answer.read()
    assert running.process.wait(10) == 0
    assert "Traceback" not in running.output


def test_an_answer_says_once_that_its_connection_closes(start: Start) -> None:
    """What was under way when the service was told to end is answered, and has one header for that."""
    running = start(SLOW)
    with connect(running) as asked:
        asked.sendall(b'POST /wait HTTP/1.1\r\nHost: h\r\nContent-Length: 16\r\n\r\n{"seconds": 1.5}')
        running.wait_under_way(1)
        running.process.terminate()
        answer = b"".join(iter(lambda: asked.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.count(b"connection: close") == 1


def test_an_idle_connection_does_not_hold_the_end_up(start: Start) -> None:
    """A client that has nothing more to ask is not waited for until the grace is over."""
    running = start(SLOW, grace=60)
    with connect(running), connect(running) as asked:
        asked.sendall(REQUEST)
        assert asked.recv(100)
        running.process.terminate()
        assert running.process.wait(20) == 0


def test_who_has_connected_is_answered(start: Start) -> None:
    """Connections that nobody has accepted yet when SIGTERM comes are answered, not reset, however many they are."""
    running = start(SLOW)
    (front_end,) = running.pids("serve.frontend")
    running.signal(front_end, signal.SIGSTOP)
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(connect(running)) for _ in range(300)]
        for each in waiting:
            each.sendall(REQUEST)
        running.process.terminate()
        wait_for(lambda: is_pending(front_end, signal.SIGTERM), 10)
        running.signal(front_end, signal.SIGCONT)
        answers = [each.recv(100)[:12] for each in waiting]
    assert set(answers) == {b"HTTP/1.1 200"}
    assert running.process.wait(20) == 0
    assert "Traceback" not in running.output


def is_pending(pid: int, number: signal.Signals) -> bool:
    """Whether a stopped process has a signal to come."""
    line = next(each for each in Path(f"/proc/{pid}/status").read_text().splitlines() if each.startswith("ShdPnd"))
    return bool(int(line.split()[1], 16) >> (number - 1) & 1)


def test_a_front_end_that_comes_back_knows_its_workers() -> None:
    """It accepts connections when a worker has introduced itself, which one in a call does late, or after a second."""

    async def go(seconds: float) -> list[str]:
        app, told = front_end(), []
        orders: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        orders.put_nowait({"type": "lifespan.startup"})

        async def send(message: Any) -> None:
            told.append(message["type"])

        app.pool.greeted.clear()
        life = asyncio.ensure_future(app({"type": "lifespan"}, orders.get, send))
        await asyncio.sleep(0.05)
        told.append("greeted")
        asyncio.get_running_loop().call_later(seconds, app.pool.greeted.set)
        while len(told) < 2:
            await asyncio.sleep(0.01)
        orders.put_nowait({"type": "lifespan.shutdown"})
        await life
        return told

    for seconds in (0, 3600):
        assert asyncio.run(go(seconds))[:2] == ["greeted", "lifespan.startup.complete"]
