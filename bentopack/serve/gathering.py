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
_CALLS = 2  # times the last call, for the same


class LastCall(NamedTuple):
    """A call that has ended, in seconds of ``time.monotonic()``.

    ``answered`` counts its requests; ``full`` says that it had no room for all that waited.
    """

    began: float = 0.0
    ended: float = 0.0
    answered: int = 0
    full: bool = False

    @property
    def took(self) -> float:
        """How long it was."""
        return self.ended - self.began

    def patience(self, lane: Lane) -> float:
        """How many seconds to wait for the next request, at most; nothing or less where calling at once is best.

        Each that is waited for is spared about a call's time, and each that waits loses what the wait takes.
        """
        waiting, newest = lane.waiting, lane.waiting_until
        missing = self._expected(lane) - waiting
        if missing <= 0 or newest is None:
            return 0.0
        worth = max(newest, self.ended) + self.took * _WORTH * missing / waiting
        return min(worth, self.ended + min(_LONGEST, self.took * _CALLS)) - monotonic()

    def _expected(self, lane: Lane) -> int:
        """How many requests there will be when those just answered are back; 0 where nothing says that they come."""
        if self.full or self.answered < _FEW:
            return 0
        left, newest = lane.waiting_before(self.ended)
        alone = left * _FEW <= self.answered  # hardly any client but those that were answered
        early = left >= _FEW and newest < (self.began + self.ended) / 2  # back right after the call before
        return min(self.answered + left, lane.api.options.max_batch_size) if alone or early else 0
