"""When requests were sent, which are numbered in order: one entry for all of a tenth of a second."""

from __future__ import annotations

import time
from collections import deque

_GRAIN = 0.1  # seconds by which a request may be taken for older than it is


class Sent:
    """The moments at which requests were sent, in seconds of ``time.monotonic()``."""

    def __init__(self) -> None:
        self._moments: deque[tuple[float, int]] = deque()
        """Each with the last number of its time."""

    def note(self, last: int) -> float:
        """Remember that requests up to this number are sent now, and return the moment."""
        now = time.monotonic()
        if self._moments and now - self._moments[-1][0] < _GRAIN:
            self._moments[-1] = (self._moments[-1][0], last)
        else:
            self._moments.append((now, last))
        return now

    def before(self, moment: float) -> int | None:
        """Return the last number that was sent before then, once; None where there is no new one."""
        last = None
        while self._moments and self._moments[0][0] < moment:
            last = self._moments.popleft()[1]
        return last
