"""How many requests a worker takes before it asks to be replaced, for models whose memory grows."""

from __future__ import annotations

import random
from collections.abc import Callable

_JITTER = 0.1  # so that workers which began together do not all load anew together


class Budget:
    """Counts requests down, and calls ``spent`` each time that they are gone. ``most`` is None for no end."""

    def __init__(self, most: int | None, spent: Callable[[], None]) -> None:
        self._most = most and most + random.randint(0, int(most * _JITTER))  # noqa: S311 - no secret
        self._left = self._most
        self._spent = spent

    def take(self, count: int) -> None:
        """Note that requests have come."""
        if self._left is None:
            return
        self._left -= count
        if self._left <= 0:
            self._left = self._most  # where no successor can be started, it is asked for again
            self._spent()
