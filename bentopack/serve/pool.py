"""All workers of a service, as one front end sees them: connected to again and again, the least loaded first."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from math import inf

from bentopack.serve.asking import WorkerLink
from bentopack.serve.hello import ApiKey, Hello
from bentopack.serve.link import Link
from bentopack.serve.shared import Slabs

_RETRY = 0.05  # seconds
_SWEEP = 0.1


class Having:
    """The ready workers that have one API."""

    def __init__(self, key: ApiKey) -> None:
        self._key = key
        self._links: list[tuple[WorkerLink, int]] = []

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._links)

    def refill(self, ready: Iterable[WorkerLink]) -> None:
        """Take those of the ready workers that have it."""
        self._links = [(link, link.numbers[self._key]) for link in ready if self._key in link.numbers]

    def share(self, count: int) -> list[tuple[WorkerLink, int, int]]:
        """Share out requests that have come together, the least loaded first.

        They stay together as long as a worker has done with them in next to no time: waking another would cost more.

        Returns:
            The workers, the API's number at each, and how many each takes: fewer than ``count`` in all where more could
            not be called in time.
        """
        if not self._links:
            return []
        # One that hangs has few that wait, since all of them time out.
        loads: list[float] = [len(link.pending) + link.owed for link, _ in self._links]
        link, number = self._links[loads.index(min(loads))]
        if count <= link.stride and count <= link.room(number):
            return [(link, number, count)]
        given = [0] * len(loads)
        while count:
            least = loads.index(min(loads))
            if loads[least] == inf:
                break
            link, number = self._links[least]
            some = min(count, link.stride, link.room(number) - given[least])
            if some <= 0:
                loads[least] = inf
                continue
            count -= some
            loads[least] += some
            given[least] += some
        return [(*each, some) for each, some in zip(self._links, given, strict=True) if some]


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
