"""The main loop of a worker that has ``async def`` methods: these run on it, ordinary ones on a thread beside it."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any, cast

from bentopack.serve import forks, tallies
from bentopack.serve.async_lane import AsyncLane
from bentopack.serve.budget import Budget
from bentopack.serve.frames import Kind, pack_sign
from bentopack.serve.hello import Hello
from bentopack.serve.inbox import Inbox
from bentopack.serve.lanes import Lane
from bentopack.serve.model_thread import ModelThread
from bentopack.serve.outbox import Outbox

# From 3.13 on a server removes its socket's file when it is closed, which a successor still serves.
_KEEPING: dict[str, Any] = {"cleanup_socket": False} if sys.version_info >= (3, 13) else {}


class AsyncWorker:
    """Serves lanes to the front ends that connect, until it is told to stop."""

    def __init__(self, lanes: list[Lane], instance: Any, hello: Hello, thread: ModelThread, budget: Budget) -> None:
        self.lanes = lanes
        self.budget = budget
        self.hello = hello
        self.connections: set[Connection] = set()
        self.retiring = False
        self.thread = thread
        thread.serve([lane for lane in lanes if not lane.api.is_async], instance)
        self.runners: list[ModelThread | AsyncLane] = [
            AsyncLane(lane, instance) if lane.api.is_async else thread for lane in lanes
        ]

    async def run(self, listener: socket.socket, ready: Callable[[], None]) -> None:
        """Serve; after SIGTERM until every front end has left, and every accepted request has been answered.

        A signal to a whole process group or service unit reaches workers too; front ends then still need them. SIGUSR1
        asks them to leave, since another process serves the socket.
        """
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        loop.add_signal_handler(signal.SIGUSR1, self._retire, stop)
        # Nothing else holds the server, and one that nobody holds is closed by the next collection.
        self._server = await loop.create_unix_server(lambda: Connection(self), sock=listener, **_KEEPING)
        telling = asyncio.create_task(_tell())
        ready()
        await stop.wait()
        while self.connections or not all(runner.idle for runner in self.runners):
            await asyncio.sleep(0.01)
        telling.cancel()
        tallies.tell_last()

    def took(self) -> float:
        """What the longest call took that has ended since this was asked last, in seconds; 0 where there was none."""
        took = max(lane.took for lane in self.lanes)
        for lane in self.lanes:
            lane.took = 0.0
        return took

    def _retire(self, stop: asyncio.Event) -> None:
        self.retiring = True
        self._server.close()
        for connection in self.connections:
            connection.send(pack_sign(Kind.RETIRE))
        stop.set()


async def _tell() -> None:
    while True:
        await asyncio.sleep(tallies.TELLING)
        tallies.tell()


class Connection(asyncio.Protocol):
    """One front end. Replies may come from the model's thread; they leave together, once a turn of the loop."""

    def __init__(self, worker: AsyncWorker) -> None:
        self._worker = worker
        self._loop = asyncio.get_running_loop()
        self._outbox = Outbox(self._put)
        self._scheduled = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._worker.connections.add(self)
        connection = transport.get_extra_info("socket")
        self._descriptor: int = connection.fileno()
        worker = self._worker
        self._inbox = Inbox(
            connection,
            self._outbox,
            worker.lanes,
            worker.budget,
            queued=lambda number: worker.runners[number].notify(),
            pinged=lambda: worker.thread.errand(self._pong),
        )
        forks.guard(self._descriptor)
        self._transport.write(self._worker.hello.frame(shares=self._inbox.memory.is_there))
        if self._worker.retiring:  # it was accepted before, and begins now
            self.send(pack_sign(Kind.RETIRE))

    def data_received(self, data: bytes) -> None:
        self._inbox.feed(data)

    def connection_lost(self, exc: Exception | None) -> None:
        forks.forget(self._descriptor)
        self._worker.connections.discard(self)
        self._inbox.close()
        self._outbox.close()

    def send(self, data: bytes) -> None:
        """Send bytes, on the loop."""
        if not self._transport.is_closing():
            self._transport.write(data)

    def _pong(self) -> None:
        """On the model's thread, between two calls: a loop that turns says nothing of a call that hangs."""
        self._loop.call_soon_threadsafe(self.send, pack_sign(Kind.PING))

    def _put(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon_threadsafe(self._flush)

    def _flush(self) -> None:
        self._scheduled = False  # before emptying the box: what is put in from here on schedules its own turn
        if frames := self._outbox.take(self._worker.took()):
            self.send(frames)
