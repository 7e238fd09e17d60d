"""Looks for the next request without sleeping, where it is likely to come at once: after a lone client's last one.

Who sleeps is woken late, and finds the processor's caches taken by others. A client that asks again as soon as it has
its answer waits for that longer than for all that is done about its request.
"""

from __future__ import annotations

import asyncio
import os
import time

SOON = 0.0005
"""Seconds between an answer and the next request that let expect another as soon; so long it is looked for."""


def give_way() -> None:
    """Let another process have the processor, if one waits for it."""
    os.sched_yield()


class Awake:
    """Keeps the loop that runs from sleeping."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._asked = self._until = 0.0
        self._is_turning = False

    def asked(self) -> None:
        """The only client has asked: its answer will come soon, and so may what it asks next."""
        before, self._asked = self._asked, time.monotonic()
        if self._asked - before < 2 * SOON:  # the answer took some of it
            self._until = self._asked + SOON
            if not self._is_turning:
                self._is_turning = True
                self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        """A loop that has something to call looks whether something has come, and does not wait."""
        if time.monotonic() < self._until:
            give_way()
            self._loop.call_soon(self._turn)
        else:
            self._is_turning = False
