"""All workers of a service, as one front end sees them: connected to again and again, the least loaded first."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from math import inf

from bentopack.serve.hello import ApiKey, Hello
from bentopack.serve.link import Link
from bentopack.serve.shared import Slabs

_RETRY = 0.05  # seconds
_SWEEP = 0.1


class Having:
    """The ready workers that have one API."""

    def __init__(self, key: ApiKey) -> None:
        self._key = key
        self._links: list[tuple[Link, int]] = []
        self._last: tuple[Link, int] | None = None
        self._more = 0
        """How many requests may still follow the last one."""

    def refill(self, ready: Iterable[Link]) -> None:
        """Take those of the ready workers that have it."""
        self._links = [(link, link.numbers[self._key]) for link in ready if self._key in link.numbers]
        self._last = None

    def least_loaded(self) -> tuple[Link, int] | None:
        """Return the worker with the fewest requests and the API's number there, or None where there is none.

        Requests that arrive together stay together as long as a worker has done with them in next to no time: waking
        another would cost more.
        """
        last = self._last
        if last is not None and self._more and last[0].outgoing:
            self._more -= 1
            return last
        found, fewest = None, inf
        for each in self._links:
            link = each[0]
            waiting = len(link.pending) + link.owed  # one that hangs has few, since all of them time out
            if waiting < fewest:
                found, fewest = each, waiting
        if found is not None:
            self._last, self._more = found, found[0].stride - 1
        return found


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
        self._having: dict[ApiKey, Having] = {}
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

    def having(self, key: ApiKey) -> Having:
        """Return the ready workers that have an API, now and later."""
        found = self._having.get(key)
        if found is None:
            found = self._having[key] = Having(key)
            found.refill(self._ready)
        return found

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
        replaced = [old for old in self._leaving & set(self._ready) if old.number == link.number]
        self._set_ready([each for each in self._ready if each not in replaced] + [link])
        self.greeted.set()
        for old in replaced:
            old.leave()

    def _lost(self, link: Link) -> None:
        self._leaving.discard(link)
        self._set_ready([each for each in self._ready if each is not link])

    def _set_ready(self, ready: list[Link]) -> None:
        self._ready = ready
        for each in self._having.values():
            each.refill(ready)

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
