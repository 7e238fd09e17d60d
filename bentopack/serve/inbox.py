"""What a front end sends to a worker: requests go into their lanes, the rest is noted."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import cast

from bentopack.serve.budget import Budget
from bentopack.serve.frames import FrameReader, Kind, Requests
from bentopack.serve.lanes import Lane
from bentopack.serve.outbox import Outbox
from bentopack.serve.shared import SharedMemory


class Inbox:
    """Reads one connection.

    Args:
        lends: whether methods may read large bodies where they lie.
        queued: called with the number of a lane into which requests went.
        pinged: called when the front end asks whether the worker lives.
    """

    def __init__(
        self,
        connection: socket.socket,
        outbox: Outbox,
        lanes: Sequence[Lane],
        budget: Budget,
        *,
        lends: bool = False,
        queued: Callable[[int], None],
        pinged: Callable[[], None],
    ) -> None:
        self.memory = SharedMemory(connection, lends=lends)
        self._reader = FrameReader()
        self._outbox = outbox
        self._lanes = lanes
        self._budget = budget
        self._queued = queued
        self._pinged = pinged

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        for kind, payload in self._reader.feed(data):
            if kind is Kind.REQUESTS:
                self._queue(cast(Requests, payload))
            elif kind is Kind.LARGE:
                self._queue(self.memory.fetch(cast(Requests, payload), self._outbox))
            elif kind is Kind.DROP:
                self._outbox.drop(cast("Sequence[int]", payload))
            elif kind is Kind.PING:
                self._pinged()

    def close(self) -> None:
        """The front end has gone."""
        self.memory.close()

    def _queue(self, requests: Requests) -> None:
        self._lanes[requests.api].put(requests, self._outbox)
        self._queued(requests.api)
        self._budget.take(len(requests.ids))
