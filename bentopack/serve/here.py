"""A model in the process that speaks HTTP: the worker's end of a link, without a wire."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from itertools import takewhile
from typing import Any, Protocol

from bentopack.serve.asking import LATE, Receiver, give_all
from bentopack.serve.async_lane import AsyncLane
from bentopack.serve.budget import Budget
from bentopack.serve.frames import Media, Requests
from bentopack.serve.gathering import LastCall
from bentopack.serve.hello import ApiKey, Hello
from bentopack.serve.lanes import Lane, oldest
from bentopack.serve.model_thread import ModelThread
from bentopack.serve.pool import Having, Pool
from bentopack.serve.runner import call
from bentopack.serve.sent import Sent
from bentopack.serve.shared import Slabs

_SWEEP = 0.1
_TIMEOUT = 60.0
_MANY = 32
"""Requests of a call after which to wait: what arrives during one is seen after it, as if it had come back."""


class Runner(Protocol):
    """Calls the methods of lanes."""

    def notify(self) -> None:
        """Something was put in a lane."""


class Here:
    """To a front end a link to a worker, and to a lane the place for its answers. Made on the loop.

    Args:
        runner: calls the ordinary methods; ``async def`` ones are called on the loop.
    """

    number = 0
    stride = sys.maxsize
    owed = 0
    submit_large = None

    def __init__(self, lanes: list[Lane], instance: Any, runner: Runner, hello: Hello, budget: Budget) -> None:
        self.numbers: dict[ApiKey, int] = hello.numbers()
        self.pending: dict[int, Receiver] = {}
        self._forgotten: set[int] = set()
        """Requests that nobody waits for any more, and of which the lane does not know."""
        self._sent = Sent()
        self._next = 0
        self._lanes = lanes
        self._budget = budget
        self._runners = [AsyncLane(lane, instance) if lane.api.is_async else runner for lane in lanes]

    def room(self, api: int) -> int:
        """How many requests are taken: any number, and they may wait in vain."""
        return sys.maxsize

    def submit(self, api: int, media: int, bodies: Sequence[bytes], receivers: Sequence[Receiver]) -> None:
        """Queue requests that have come together."""
        ids = range(self._next, self._next + len(bodies))
        self._next = ids.stop
        now = self._sent.note(ids.stop - 1)
        pending = self.pending
        for identity, receiver in zip(ids, receivers, strict=True):
            receiver.link = self
            receiver.identity = identity
            pending[identity] = receiver
        self._lanes[api].put(Requests(api, media, now, ids, bodies), self)
        self._runners[api].notify()
        self._budget.take(len(ids))

    def drop(self, identity: int) -> None:
        """Nobody waits for this request any more."""
        if self.pending.pop(identity, None) is not None:
            self._forgotten.add(identity)

    def forgets(self, ids: Sequence[int]) -> Collection[int]:
        """Say which of these need not be called."""
        found = self._forgotten.intersection(ids) if self._forgotten else ()
        self._forgotten.difference_update(found)
        return found

    def put(self, identity: int, status: int, media: int, body: bytes) -> None:
        """Take an answer."""
        self.put_all((identity,), status, media, (body,))

    def put_all(self, ids: Sequence[int], status: int, media: int, bodies: Sequence[bytes]) -> None:
        """Take answers that share a status and a type of body, on the loop."""
        self._forgotten.difference_update(ids)
        pop = self.pending.pop
        give_all([pop(each, None) for each in ids], status, media, bodies)

    def expire(self, before: float) -> None:
        """Answer 504 to requests that came ``before`` then."""
        last = self._sent.before(before)
        if last is None:
            return
        late = list(takewhile(last.__ge__, self.pending))
        status, body = LATE
        self.put_all(late, status, Media.JSON, [body] * len(late))
        self._forgotten.update(late)


class BesideThread(Here):
    """The same, with the ordinary methods on a thread: no call keeps the loop from answering something else."""

    def __init__(self, lanes: list[Lane], instance: Any, thread: ModelThread, hello: Hello) -> None:
        super().__init__(lanes, instance, thread, hello, Budget(None, lambda: None))
        self._loop = asyncio.get_running_loop()
        self._answers: deque[tuple[Sequence[int], int, int, Sequence[bytes]]] = deque()
        thread.serve([lane for lane in lanes if not lane.api.is_async], instance)

    def put_all(self, ids: Sequence[int], status: int, media: int, bodies: Sequence[bytes]) -> None:
        """Take answers, on whichever thread."""
        self._answers.append((ids, status, media, bodies))
        with contextlib.suppress(RuntimeError):  # the loop has ended before a call that took longer than the grace
            self._loop.call_soon_threadsafe(self._answer)

    def _answer(self) -> None:
        while self._answers:
            super().put_all(*self._answers.popleft())


class OnLoop:
    """Calls methods on the loop, between two turns: nothing else is done meanwhile, and nothing handed over."""

    def __init__(self, lanes: list[Lane], instance: Any) -> None:
        self._lanes = [lane for lane in lanes if not lane.api.is_async]
        self._instance = instance
        self._loop = asyncio.get_running_loop()
        self._next: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._last = LastCall()

    def notify(self) -> None:
        """Look at the lanes when all that arrives in this turn is in them."""
        if self._next is None:
            self._next = self._loop.call_soon(self._look)

    def _look(self) -> None:
        """Call what waits, unless more is about to come."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        lane = oldest(self._lanes)
        if lane is None:
            return
        if self._last.answered >= _MANY and (seconds := self._last.patience(lane)) > 0:
            self._timer = self._loop.call_later(seconds, self._look)
            return
        try:
            self._last = call(lane, self._instance)
        finally:
            if oldest(self._lanes) is not None:
                self.notify()  # what has arrived meanwhile is read first


class HerePool(Pool):
    """A pool whose one worker is this process.

    Args:
        here: makes this process's end, on the loop.
        hello: what a worker would tell of the service.
        timeout: seconds until a request is answered 504; None where the service tells.
        on_hello: called when the loop runs.
    """

    def __init__(
        self, here: Callable[[], Here], hello: Hello, timeout: float | None, on_hello: Callable[[Hello], None]
    ) -> None:
        self.slabs = Slabs()
        self.greeted = asyncio.Event()
        self._make = here
        self._greeting = hello
        self._seconds: float = timeout or hello.timeout or _TIMEOUT
        self._on_hello = on_hello
        self._here: Here | None = None

    def having(self, key: ApiKey) -> Having:
        """Return this process as the only worker."""
        found = Having(key)
        if self._here is not None:
            found.refill([self._here])
        return found

    def start(self) -> None:
        """Begin to serve, on the loop that runs."""
        self._here = self._make()
        self._on_hello(self._greeting)
        self.greeted.set()
        self._sweeping = asyncio.create_task(self._sweep())

    def close(self) -> None:
        """Stop looking after requests."""
        self._sweeping.cancel()

    def not_ready(self) -> list[int]:
        """Return nothing once the service is there: it has loaded before."""
        return [] if self._here is not None else [0]

    async def _sweep(self) -> None:
        while self._here is not None:
            await asyncio.sleep(_SWEEP)
            self._here.expire(time.monotonic() - self._seconds)
