"""A front end's connection to one worker: requests go out many at once, and each gets exactly one answer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from math import ceil
from typing import cast

import msgspec

from bentopack.serve.asking import LATE, Receiver, SubmitLarge, give_all
from bentopack.serve.errors import error_body
from bentopack.serve.frames import (
    FrameReader,
    Kind,
    Media,
    Replies,
    Requests,
    pack_drop,
    pack_requests,
    pack_sign,
)
from bentopack.serve.hello import ApiKey, ApiRoute, Hello
from bentopack.serve.sent import Sent
from bentopack.serve.shared import Slab

_log = logging.getLogger("bentopack.serve")
_PING = 1.0
_FROZEN = 2.0
_TREND = 0.1
_PRUDENCE = 0.8  # of the time that a request may wait: calls also take longer than expected
_MOST = 100_000  # requests at one worker
_SHORT = 0.0005  # seconds of a worker's time that are next to none
_LONGEST_STRIDE = 256
_IDS = 0xFFFFFFFF

_LOST = (503, error_body("the worker that had the request has crashed; it is being restarted"))


class Link(asyncio.Protocol):
    """One connection to one worker, from its HELLO on.

    Each receiver gets exactly one answer.
    """

    def __init__(
        self,
        number: int,
        greeted: Callable[[Link, Hello], None],
        lost: Callable[[Link], None],
        freed: Callable[[Slab], None],
    ) -> None:
        self.number = number
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when another connection is to take its place: it was lost, or its worker retires."""
        self.pending: dict[int, Receiver] = {}
        """Who waits for an answer, by the request's id, in the order of arrival."""
        self.owed = 0
        """Requests that were given up, and of which the worker has not shown since that it is done with them."""
        self._pid = 0
        self._dead = False
        self._loop = asyncio.get_running_loop()
        self._greeted = greeted
        self._lost = lost
        self._freed = freed
        self._reader = FrameReader()
        self.stride = 1
        """How many requests that arrive together take the worker next to no time."""
        self._dropped: list[int] = []
        self._slabs: dict[int, Slab] = {}
        """Where the bodies of requests lie, by the request's id."""
        self._unread: list[Slab] = []
        """Slabs of requests that ended before their answer: the worker may still read them, until it answers a PING."""
        self._doubtful: list[Slab] = []
        """Those of them that ended after the last PING was sent."""
        self._shares = False
        """Whether the worker reads slabs."""
        self.numbers: dict[ApiKey, int] = {}
        """The number of each API of this worker."""
        self._apis: tuple[ApiRoute, ...] = ()
        self._took = 0.0
        self._took_each = 0.0
        self._limits: list[int] = []
        self._asked = time.monotonic()
        self._ticked = self._asked
        self._pinged: float | None = None
        self._leaving = False
        self._sent = Sent()
        self._next = random.getrandbits(32)  # so that a number in the log is hardly ever another link's too

    def room(self, api: int) -> int:
        """How many requests that come now would be called before it is too late, as long as calls take by now."""
        return self._limits[api] - len(self.pending)

    def submit(self, api: int, media: int, bodies: Sequence[bytes], receivers: Sequence[Receiver]) -> None:
        """Send requests that have come together; each answer goes to its receiver."""
        last = self._next + len(bodies)
        ids: Sequence[int] = range(self._next + 1, last + 1)
        if last > _IDS:
            ids = [each & _IDS for each in ids]
        frame = pack_requests(Requests(api, media, self._sent.note(last & _IDS), ids, bodies))
        self._next = last & _IDS
        self.pending.update(zip(ids, receivers, strict=True))
        for identity, receiver in zip(ids, receivers, strict=True):
            receiver.link = self
            receiver.identity = identity
        if not self._transport.is_closing():
            self._send(frame)

    @property
    def submit_large(self) -> SubmitLarge | None:
        """Sends a request whose body lies in a slab, which is the link's from then on; None where it reads none."""
        return self._submit_large if self._shares else None

    def _submit_large(self, api: int, media: int, slab: Slab, length: int, receiver: Receiver) -> None:
        identity = self._next = (self._next + 1) & _IDS
        self.pending[identity] = receiver
        receiver.link = self
        receiver.identity = identity
        self._slabs[identity] = slab
        large = Requests(api, media, self._sent.note(identity), (identity,), (slab.place(length),))
        self._transport.write(pack_requests(large, Kind.LARGE))

    def drop(self, identity: int) -> None:
        """Nobody waits for this request any more."""
        if self.pending.pop(identity, None) is not None:
            self._give_up([identity])

    def expire(self, before: float) -> None:
        """Answer 504 to requests that were sent ``before`` then, and tell the worker that nobody waits for them."""
        last = self._sent.before(before)
        if last is None:
            return
        late = []
        for identity in self.pending:
            if (last - identity) & _IDS > _IDS >> 1:
                break  # a later one
            late.append(identity)
        if late:
            self._give_up(late)
            self._fail(late, *LATE)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._descriptor = transport.get_extra_info("socket").fileno()

    def data_received(self, data: bytes) -> None:
        for kind, payload in self._reader.feed(data):
            self.owed = 0
            if kind == Kind.REPLIES:
                status, media, took, ids, bodies = cast(Replies, payload)
                if took:
                    self._took += (took - self._took) * _TREND
                    self._took_each += (took / len(ids) - self._took_each) * _TREND
                self._answer(status, media, ids, bodies)
                if self._leaving:
                    self.leave()
            elif kind == Kind.PING:
                self._pinged = None
                self._free(self._unread)
                self._unread = []
            elif kind == Kind.RETIRE:
                self._end()
            elif kind == Kind.HELLO:
                hello = msgspec.json.decode(cast(bytes, payload), type=Hello)
                self._pid = hello.pid
                self._shares = hello.shares
                self._apis = hello.apis
                self.numbers = hello.numbers()
                self._limits = [_MOST] * len(hello.apis)
                self._greeted(self, hello)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost(self)
        self._end()
        self._fail(list(self.pending), *_LOST)
        self._free([*self._unread, *self._doubtful])  # who could read them has gone
        self._unread, self._doubtful = [], []

    def tick(self, now: float, patience: float, front_ends: int = 1) -> None:
        """Look after the worker: how long its calls take, and whether it lives.

        Args:
            patience: seconds that one call may take.
            front_ends: how many send requests to this worker.
        """
        self._limits = [_limit(api, self._took, front_ends) for api in self._apis]
        self.stride = max(1, min(_LONGEST_STRIDE, int(_SHORT / self._took_each))) if self._took_each else 1
        if self._leaving:
            self.leave()
        if now - self._ticked > _FROZEN and self._pinged is not None:
            self._pinged = now  # this process stood still, and the answer may lie unread
        self._ticked = now
        # The kernel closes a dead process's connection, but for a copy in a process that the worker's code has made.
        if self._pid and not _lives(self._pid):
            if self._dead:
                self._transport.abort()
            self._dead = True  # a turn later, when what it had sent has been read
        elif self._pinged is None:
            if self._pid and now - self._asked > _PING and not self._transport.is_closing():
                self._pinged = self._asked = now
                self._tell_dropped()  # the worker reads what it does not know to be dropped
                self._unread, self._doubtful = self._unread + self._doubtful, []
                self._transport.write(pack_sign(Kind.PING))
        elif now - self._pinged > patience:
            _log.error("worker process %d has been in one call for %.0f s and is ended", self._pid, now - self._pinged)
            self._pinged = now
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self._pid, signal.SIGKILL)

    def leave(self) -> None:
        """Close the connection as soon as all that was sent has been answered."""
        self._leaving = True
        # The worker still reads what lies in slabs that are in doubt; its answer to a PING tells that it has.
        if not self.pending and not self._unread and not self._doubtful:
            self._transport.close()

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def _send(self, frame: bytes) -> None:
        """Send at once: uvloop's transports first read whatever else has arrived by then."""
        if not self._transport.get_write_buffer_size():
            try:
                sent = os.write(self._descriptor, frame)
            except OSError:  # it is full, or gone: the transport's to handle
                sent = 0
            frame = frame[sent:]
        if frame:
            self._transport.write(frame)

    def _give_up(self, ids: list[int]) -> None:
        """Tell the worker, at the end of this turn of the loop, that nobody waits for these."""
        self.owed += len(ids)
        if self._slabs:
            self._doubtful += [self._slabs.pop(each) for each in ids if each in self._slabs]
        if not self._dropped:
            self._loop.call_soon(self._tell_dropped)
        self._dropped += ids

    def _tell_dropped(self) -> None:
        dropped, self._dropped = self._dropped, []
        if dropped and not self._transport.is_closing():
            self._transport.write(pack_drop(dropped))

    def _free(self, slabs: list[Slab]) -> None:
        for slab in slabs:
            self._freed(slab)

    def _answer(self, status: int, media: int, ids: Sequence[int], bodies: Sequence[bytes]) -> None:
        if self._slabs:
            self._free([self._slabs.pop(each) for each in ids if each in self._slabs])
        pop = self.pending.pop
        give_all([pop(each, None) for each in ids], status, media, bodies)

    def _fail(self, ids: list[int], status: int, body: bytes) -> None:
        self._answer(status, Media.JSON, ids, [body] * len(ids))

    def _end(self) -> None:
        if not self.gone.done():
            self.gone.set_result(None)


def _limit(api: ApiRoute, took: float, front_ends: int) -> int:
    """How many requests may wait at a worker whose calls take so many seconds, for each of its front ends."""
    if api.at_once is None or took <= 0:
        return _MOST
    return min(_MOST, ceil(api.at_once * (1 + _PRUDENCE * api.max_latency / took / front_ends)))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is there, as another user
        return True
    return True
