"""A front end's side of the workers: connections that come back by themselves, and replies by their request."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable
from typing import cast

import msgspec

from bentopack.serve.errors import error_body
from bentopack.serve.frames import FrameReader, Kind, Media, Reply, Request, pack_drop, pack_requests
from bentopack.serve.hello import Hello

_log = logging.getLogger("bentopack.serve")
_RETRY = 0.05
_SWEEP = 0.1

_LOST = (503, Media.JSON, error_body("the worker that had the request has crashed; it is being restarted"))
_LATE = (504, Media.JSON, error_body("the answer took too long"))


class Link(asyncio.Protocol):
    """One connection to one worker, from its HELLO on.

    Requests are gathered during a turn of the loop and written together; each future gets exactly one reply.
    """

    def __init__(self, greeted: Callable[[Link, Hello], None]) -> None:
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ready = False
        self._pid = 0
        self._dead = False
        self._loop = asyncio.get_running_loop()
        self._greeted = greeted
        self._reader = FrameReader()
        self._outgoing: list[Request] = []
        self._pending: dict[int, tuple[float, asyncio.Future[Reply]]] = {}
        self._next = 0

    @property
    def load(self) -> int:
        """How many requests wait for an answer."""
        return len(self._pending)

    def submit(self, api: int, media: int, body: bytes, arrived: float) -> asyncio.Future[Reply]:
        """Send a request and return the future of its reply."""
        identity = self._next = (self._next + 1) & 0xFFFFFFFF
        future: asyncio.Future[Reply] = self._loop.create_future()
        self._pending[identity] = (arrived, future)
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(Request(identity, api, media, arrived, body))
        return future

    def expire(self, before: float) -> None:
        """Answer 504 to requests that arrived ``before`` then, and tell the worker that nobody waits for them."""
        late = []
        for identity, (arrived, _) in self._pending.items():
            if arrived >= before:
                break  # in order of arrival
            late.append(identity)
        for identity in late:
            self._settle(Reply(identity, *_LATE))
        if late and not self._transport.is_closing():
            self._transport.write(pack_drop(late))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        for kind, payload in self._reader.feed(data):
            if kind == Kind.REPLIES:
                for reply in cast("list[Reply]", payload):
                    self._settle(reply)
            elif kind == Kind.HELLO:
                hello = msgspec.json.decode(cast(bytes, payload), type=Hello)
                self._pid = hello.pid
                self._greeted(self, hello)
                self.ready = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.ready = False
        for identity in list(self._pending):
            self._settle(Reply(identity, *_LOST))
        if not self.closed.done():
            self.closed.set_result(None)

    def check(self) -> None:
        """Close the connection if the worker has died.

        The kernel does so, but for a copy of the connection in a process that the worker's code has made.
        """
        if self._pid and not _lives(self._pid):
            if self._dead:
                self._transport.abort()
            self._dead = True  # a turn later, when what it had sent has been read

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def _settle(self, reply: Reply) -> None:
        _, future = self._pending.pop(reply.id, (0.0, None))
        if future is not None and not future.done():
            future.set_result(reply)

    def _flush(self) -> None:
        requests, self._outgoing = self._outgoing, []
        if not self._transport.is_closing():
            self._transport.write(pack_requests(requests))


class Pool:
    """All workers of a service, as one front end sees them.

    Args:
        socket_of: gives the path of a worker's Unix socket by the worker's number.
        workers: how many there are; None where the first worker tells.
        timeout: seconds until a request is answered 504; None where the service tells.
        on_hello: called whenever a worker has introduced itself.
    """

    def __init__(
        self,
        socket_of: Callable[[int], str],
        *,
        workers: int | None,
        timeout: float | None,
        on_hello: Callable[[Hello], None],
    ) -> None:
        self._socket_of = socket_of
        self._workers = workers
        self._timeout = timeout
        self._on_hello = on_hello
        self._links: list[Link | None] = []
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to connect."""
        self._tasks.append(asyncio.create_task(self._sweep()))
        self._grow(self._workers or 1)

    def close(self) -> None:
        """Close every connection and stop connecting."""
        for task in self._tasks:
            task.cancel()
        for link in self._links:
            if link is not None:
                link.close()

    def best(self) -> Link | None:
        """Return the ready worker with the fewest requests, or None when none is ready."""
        ready = [link for link in self._links if link is not None and link.ready]
        return min(ready, key=lambda link: link.load) if ready else None

    def not_ready(self) -> list[int]:
        """Return the numbers of the workers that have not loaded."""
        return [number for number, link in enumerate(self._links) if link is None or not link.ready]

    def _grow(self, workers: int) -> None:
        for number in range(len(self._links), workers):
            self._links.append(None)
            self._tasks.append(asyncio.create_task(self._keep(number)))

    def _hello(self, link: Link, hello: Hello) -> None:
        if self._workers is None:
            self._grow(hello.workers)
        if self._timeout is None:
            self._timeout = hello.timeout
        self._on_hello(hello)

    async def _keep(self, number: int) -> None:
        loop = asyncio.get_running_loop()
        while True:
            with contextlib.suppress(OSError):
                _, link = await loop.create_unix_connection(lambda: Link(self._hello), self._socket_of(number))
                self._links[number] = link
                await link.closed
                self._links[number] = None
            await asyncio.sleep(_RETRY)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP)
            before = time.monotonic() - (self._timeout or 60.0)
            for link in self._links:
                if link is not None:
                    link.expire(before)
                    link.check()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is there, as another user
        return True
    return True
