"""How long a worker waits for a batch to grow before it calls the model: not at all, unless clients come in step.

Clients that each wait for their answer ask again as soon as they have it, so that most of them come back right after a
call. A call made of the first few would let all others wait for it, and the next one would be half a batch again. Where
requests come by themselves they spread over the call, and waiting for more would only delay those that are there.
"""

from __future__ import annotations

from time import monotonic
from typing import NamedTuple

from bentopack.serve.lanes import Lane

_FEW = 8
"""Requests whose moments tell nothing; by chance alone it is rare, too, that so many times fewer wait than usual."""
_WORTH = 0.5
"""Of what a wait saves, as much may be spent. At 1 a chance growth of batches would keep itself up for ever."""
_LONGEST = 0.01  # seconds, for clients to come back
_CALLS = 2  # times what a call costs alone, for the same
_SHORTEST = 0.0005  # seconds: loops count in whole milliseconds
_PATIENT = 0.5  # of the time that a request may wait


class LastCall(NamedTuple):
    """A call that has ended, in seconds of ``time.monotonic()``.

    ``lane`` is whose method was called; ``answered`` counts the requests; ``full`` says that there was no room for all
    that waited; ``fixed`` is the part of its time that a call has whatever is in it.
    """

    lane: Lane | None = None
    began: float = 0.0
    ended: float = 0.0
    answered: int = 0
    full: bool = False
    fixed: float = 0.0

    @property
    def took(self) -> float:
        """How long it was."""
        return self.ended - self.began

    def patience(self, lane: Lane) -> float:
        """How many seconds to wait for the next request, at most; 0 where calling at once is best.

        Each that is waited for is spared a call, and each that waits loses what the wait takes.
        """
        if self.full or self.answered < _FEW or lane is not self.lane:
            return 0.0  # nothing says that they come back
        waiting, oldest, newest = lane.waiting, lane.waiting_since, lane.waiting_until
        if oldest is None or newest is None:
            return 0.0
        missing = self._expected(lane) - waiting
        if missing <= 0:
            return 0.0
        seconds = -monotonic() + min(
            max(newest, self.ended) + self.fixed * _WORTH * missing / waiting,
            self.ended + min(_LONGEST, self.fixed * _CALLS),
            oldest + lane.api.options.max_latency_ms / 1000 * _PATIENT,
        )
        return seconds if seconds >= _SHORTEST else 0.0

    def _expected(self, lane: Lane) -> int:
        """How many requests there will be when those just answered are back; 0 where nothing says that they come."""
        left, newest = lane.waiting_before(self.ended)
        alone = left * _FEW <= self.answered  # hardly any client but those that were answered
        early = left >= _FEW and newest < (self.began + self.ended) / 2  # back right after the call before
        return min(self.answered + left, lane.at_once) if alone or early else 0
