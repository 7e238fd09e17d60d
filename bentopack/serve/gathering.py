"""How long a worker waits for a batch to grow before it calls the model: not at all, unless clients come in step.

Clients that each wait for their answer ask again as soon as they have it, so that most of them come back right after a
call. A call made of the first few would let all others wait for it, and the next one would be half a batch again. Where
requests come by themselves they spread over the call, and waiting for more would only delay those that are there.
"""

from __future__ import annotations

from typing import NamedTuple

from bentopack.serve.lanes import Lane

_LONGEST = 0.01  # seconds, for clients to come back
_SHARE = 0.5  # of the last call's time
_ENOUGH = 0.95  # of the clients
_FEW = 4  # requests whose moments tell nothing
_MISSING = 4  # times as many have been answered as wait: by chance alone that is rare


class LastCall(NamedTuple):
    """A call that has ended, in seconds of ``time.monotonic()``, and how many requests it has answered."""

    began: float = 0.0
    ended: float = 0.0
    answered: int = 0

    @property
    def took(self) -> float:
        """How long it was."""
        return self.ended - self.began

    def until(self, lane: Lane) -> tuple[float, int]:
        """Until when to wait, at most, and how many requests have to be there to wait no longer."""
        waiting, most = lane.waiting, lane.api.options.max_batch_size
        if waiting >= most or not self._in_step(lane, waiting):
            return 0.0, 0
        return self.ended + min(_LONGEST, self.took * _SHARE), min(most, int((self.answered + waiting) * _ENOUGH))

    def _in_step(self, lane: Lane, waiting: int) -> bool:
        """Whether those that have just been answered are likely to ask again now."""
        few = waiting * _MISSING <= self.answered
        if not few and waiting < _FEW:
            return False
        oldest, newest = lane.waiting_since, lane.waiting_until
        if oldest is None or newest is None or oldest < self.began:  # what a full batch has left behind
            return False
        return few or newest < (self.began + self.ended) / 2
