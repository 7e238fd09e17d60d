"""All workers of a service, as one front end sees them: connected to again and again, the least loaded first."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from math import inf

from bentopack.serve.hello import ApiKey, Hello
from bentopack.serve.link import Link
from bentopack.serve.shared import Slabs

_RETRY = 0.05  # seconds
_SWEEP = 0.1


class Pool:
    """All workers of a service, as one front end sees them.

    Args:
        socket_of: gives the path of a worker's Unix socket by the worker's number.
        workers: how many there are; None where the first worker tells.
        timeout: seconds until a request is answered 504; None where the service tells.
        watchdog: seconds that a worker may be in one call; twice the timeout where it is None.
        front_ends: how many there are of these.
        on_hello: called whenever a worker has introduced itself.
    """

    def __init__(
        self,
        socket_of: Callable[[int], str],
        *,
        workers: int | None,
        timeout: float | None,
        watchdog: float | None,
        front_ends: int,
        on_hello: Callable[[Hello], None],
    ) -> None:
        self._socket_of = socket_of
        self._workers = workers
        self._timeout = timeout
        self._watchdog = watchdog
        self._front_ends = front_ends
        self._on_hello = on_hello
        self.greeted = asyncio.Event()
        """Set once a worker has introduced itself."""
        self.slabs = Slabs()
        self._links: list[Link | None] = []
        self._ready: list[Link] = []
        self._leaving: set[Link] = set()
        """Connections to workers that retire: they take requests until their successors are there."""
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to connect."""
        self._tasks.append(asyncio.create_task(self._sweep()))
        self._grow(self._workers or 1)

    def close(self) -> None:
        """Close every connection and stop connecting."""
        for task in self._tasks:
            task.cancel()
        for link in {*filter(None, self._links), *self._leaving}:
            link.close()

    def best(self, key: ApiKey) -> Link | None:
        """Return the ready worker with the fewest requests that has an API, or None where there is none.

        One that hangs has few, since all of them time out: those count until it answers again.
        """
        best, fewest = None, inf
        for link in self._ready:
            if key in link.numbers and (waiting := len(link.pending) + link.owed) < fewest:
                best, fewest = link, waiting
        return best

    def not_ready(self) -> list[int]:
        """Return the numbers of the workers that have not loaded."""
        ready = {link.number for link in self._ready}
        return [number for number in range(len(self._links)) if number not in ready]

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
        self._ready.append(link)
        self.greeted.set()
        for old in self._leaving & set(self._ready):
            if old.number == link.number:
                self._ready.remove(old)
                old.leave()

    def _lost(self, link: Link) -> None:
        self._leaving.discard(link)
        if link in self._ready:
            self._ready.remove(link)

    async def _keep(self, number: int) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                _, link = await loop.create_unix_connection(
                    lambda: Link(number, self._hello, self._lost, self.slabs.give_back), self._socket_of(number)
                )
            except OSError:
                await asyncio.sleep(_RETRY)
                continue
            self._links[number] = link
            await link.gone
            self._links[number] = None
            if link in self._ready:
                self._leaving.add(link)
            else:
                await asyncio.sleep(_RETRY)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP)
            now = time.monotonic()
            timeout = self._timeout or 60.0
            for link in {*filter(None, self._links), *self._leaving}:
                link.expire(now - timeout)
                link.tick(now, self._watchdog or 2 * timeout, self._front_ends)
