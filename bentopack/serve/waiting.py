"""What waits in a lane: the requests of frames as they came, taken from the front as many as a call has room for."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from itertools import compress
from typing import Any, Protocol

import msgspec

from bentopack.serve.frames import Requests


class Sender(Protocol):
    """Where requests came from and their answers go."""

    def put(self, identity: int, status: int, media: int, body: bytes) -> None:
        """Answer one request."""

    def put_all(self, ids: Sequence[int], status: int, media: int, bodies: Sequence[bytes]) -> None:
        """Answer several."""

    def forgets(self, ids: Sequence[int]) -> Collection[int]:
        """Say which of these need not be called, since nobody waits for them any more; asked once."""


class Several(msgspec.Struct, gc=False):
    """Requests that came together from one front end, as columns."""

    sender: Sender
    media: int
    arrived: float
    ids: Sequence[int]
    bodies: Sequence[Any]
    read: Sequence[tuple[Any, ...]] | None = None
    """Their arguments, where they have been read and no call was given them."""

    def part(self, start: int, end: int | None = None) -> Several:
        """Those from ``start`` to ``end``."""
        if start == 0 and end is not None and end >= len(self.ids):
            return self
        read = self.read and self.read[start:end]
        return Several(self.sender, self.media, self.arrived, self.ids[start:end], self.bodies[start:end], read)

    def wanted(self) -> Several:
        """Those that somebody waits for."""
        if not (forgotten := self.sender.forgets(self.ids)):
            return self
        keep = [each not in forgotten for each in self.ids]
        ids, bodies = list(compress(self.ids, keep)), list(compress(self.bodies, keep))
        read = self.read and list(compress(self.read, keep))
        return Several(self.sender, self.media, self.arrived, ids, bodies, read)


class Waiting:
    """A queue of requests, of which a call takes ``most``. One thread may put while another takes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._queue: deque[Several] = deque()
        # Each written by one thread alone.
        self._came = self._went = 0

    def __len__(self) -> int:
        return self._came - self._went

    def put(self, requests: Requests, sender: Sender) -> None:
        """Add the requests of a frame."""
        _, media, arrived, ids, bodies = requests
        self._came += len(ids)
        for start in range(0, len(ids), self._most):
            end = start + self._most
            self._queue.append(Several(sender, media, arrived, ids[start:end], bodies[start:end]))

    @property
    def oldest(self) -> float | None:
        """When the first one arrived, or None when there is none."""
        try:
            return self._queue[0].arrived
        except IndexError:
            return None

    @property
    def youngest(self) -> float | None:
        """When the last one arrived, or None when there is none."""
        try:
            return self._queue[-1].arrived
        except IndexError:
            return None

    def before(self, moment: float) -> tuple[int, float]:
        """Count those that arrived before a moment, and say when the last of these did."""
        arrived = [(len(each.ids), each.arrived) for each in self._queue if each.arrived < moment]
        return sum(count for count, _ in arrived), arrived[-1][1] if arrived else 0.0

    def take(self, most: int) -> Several | None:
        """Remove the first ones, at most so many, that somebody waits for; None when there are none."""
        while self._queue:
            first = self._queue.popleft()
            if len(first.ids) > most:
                self._queue.appendleft(first.part(most))
                first = first.part(0, most)
            self._went += len(first.ids)
            first = first.wanted()
            if first.ids:
                return first
        return None

    def put_back(self, several: list[Several]) -> None:
        """Add requests that were taken, before all others."""
        self._went -= sum(len(each.ids) for each in several)
        self._queue.extendleft(reversed(several))
