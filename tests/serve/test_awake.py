"""Who expects a request at once looks for it without sleeping, and no longer than that."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

import bentopack
from bentopack.serve import awake, sync_worker
from bentopack.serve.awake import SOON, Awake
from bentopack.serve.budget import Budget
from bentopack.serve.frames import Media, Requests, pack_requests
from bentopack.serve.lanes import Lane
from bentopack.serve.service import describe
from bentopack.serve.sync_worker import Connection, SyncWorker
from bentopack.serve.worker import hello_of


@bentopack.service
class Rows:
    @bentopack.api(batchable=True)
    def rows(self, values: list[int]) -> list[int]:
        return values


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When the processor was offered to others: each time that something was looked for without sleeping."""
    moments: list[float] = []
    for module in (awake, sync_worker):
        monkeypatch.setattr(module, "give_way", lambda: moments.append(time.monotonic()))
    return moments


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The time, as a loop that stays awake sees it."""
    found = SimpleNamespace(now=1.0)
    monkeypatch.setattr(awake, "time", SimpleNamespace(monotonic=lambda: found.now))
    return found


def test_loop_is_awake_while_a_lone_client_asks_and_sleeps_again(looked: list[float], clock: SimpleNamespace) -> None:
    async def turns() -> int:
        """How often something was looked for in five turns of the loop."""
        looked.clear()
        for _ in range(5):
            await asyncio.sleep(0)
        return len(looked)

    async def go() -> None:
        found = Awake()
        for _ in range(3):
            clock.now += 3 * SOON
            found.asked()
            assert await turns() == 0, "it is asked seldom"
        clock.now += SOON * 1.1
        for _ in range(10):
            found.asked()
        assert 4 <= await turns() <= 5, "once a turn, however often it was asked"
        clock.now += SOON * 1.1
        await turns()
        assert await turns() == 0, "it sleeps"
        found.asked()
        assert 4 <= await turns() <= 5, "and is awake again"

    asyncio.run(go())


@contextmanager
def _worker() -> Iterator[tuple[SyncWorker, socket.socket]]:
    """A worker that does not run, and the front end's end of its only connection."""
    service = describe(Rows, "m:Rows")
    front_end, accepted = socket.socketpair()
    with front_end, accepted, socket.socket(socket.AF_UNIX) as listener:
        hello = hello_of(service)
        worker = SyncWorker([Lane(api) for api in service.apis], Rows(), hello, listener, Budget(None, lambda: None))
        Connection(worker, accepted, hello)
        front_end.recv(1 << 16)  # the HELLO
        yield worker, front_end
        for connection in list(worker.connections):
            connection._close()


def _ask(front_end: socket.socket, count: int = 1) -> None:
    arrived = time.monotonic()
    front_end.sendall(pack_requests(Requests(0, Media.JSON, arrived, range(count), [b'{"values": [1]}'] * count)))


def _answer(worker: SyncWorker) -> None:
    worker._read(1)
    worker._call(worker.lanes[0])


def _is_awake(worker: SyncWorker) -> bool:
    return worker._awake_until > worker._last.ended


def test_worker_is_awake_after_lone_requests_that_came_soon(looked: list[float]) -> None:
    with _worker() as (worker, front_end):
        _ask(front_end)
        _answer(worker)
        assert not _is_awake(worker), "one request says nothing"
        for _ in range(20):  # the machine may be slow
            _ask(front_end)
            _answer(worker)
            if _is_awake(worker):
                break
        assert _is_awake(worker)
        _ask(front_end)
        worker._awake_until = time.monotonic() + 10
        worker._wait()
        assert len(looked) == 1
        assert worker.lanes[0].waiting == 1


def test_worker_sleeps_where_nothing_comes_soon(looked: list[float]) -> None:
    with _worker() as (worker, _):
        began = time.monotonic()
        worker._awake_until = began + 0.1
        worker._tell_at = began + 0.4
        worker._wait()
        assert time.monotonic() >= began + 0.4
        assert looked
        assert looked[-1] < began + 0.3, "it did not sleep"


@pytest.mark.parametrize(("count", "pause"), [(2, 0.0), (1, 4 * SOON)], ids=["several", "later"])
def test_worker_is_not_awake_otherwise(count: int, pause: float) -> None:
    with _worker() as (worker, front_end):
        for _ in range(3):
            time.sleep(pause)
            _ask(front_end, count)
            _answer(worker)
            assert not _is_awake(worker)
