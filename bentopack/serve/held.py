"""How many bytes of bodies a front end may hold at once, so that a rush of large ones ends in 503 and not in its death.

Bodies that wait or are under way are counted one by one, and so are those that arrive the long way. Those that arrive
the short way are looked at once a second.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from bentopack.serve.errors import ApiError, error_body

MESSAGE = "busy: the bodies of other requests fill the memory that there is for them"
FULL = error_body(MESSAGE)
_MOST = 1 << 30
_SHARE = 4  # of the memory: workers and their models need the rest
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


class Holder(Protocol):
    """A front end: what it holds, and the most that it may."""

    held: int
    max_held: int


class Arriving(Protocol):
    """A connection of the short way."""

    def arriving(self) -> tuple[float, int] | None:
        """When the body began that arrives now, and how many bytes of it are there; None where there is none."""

    def give_up(self, status: int, body: bytes) -> None:
        """Answer the request whose body arrives, and close."""


class Coming:
    """The body of a request of the long way, counted while it arrives, in a ``with``."""

    def __init__(self, holder: Holder) -> None:
        self._holder = holder
        self._size = 0

    def __enter__(self) -> Coming:
        return self

    def __exit__(self, *error: object) -> None:
        self._holder.held -= self._size

    def take(self, count: int) -> None:
        """Count a part.

        Raises:
            ApiError: 503, there is no room for it.
        """
        self._size += count
        self._holder.held += count
        if self._size < self._holder.held > self._holder.max_held:
            raise ApiError(503, MESSAGE)


def relieve(holder: Holder, connections: Iterable[Arriving]) -> None:
    """Give up bodies that arrive the short way, the latest first, while there are too many bytes; never a lone one."""
    found = [(arriving, each) for each in connections if (arriving := each.arriving()) is not None]
    found.sort(key=lambda pair: pair[0])
    over = holder.held + sum(count for (_, count), _ in found) - holder.max_held
    while over > 0 and len(found) > (0 if holder.held else 1):
        (_, count), connection = found.pop()
        connection.give_up(503, FULL)
        over -= count


def default_of(front_ends: int) -> int:
    """The most for one of so many front ends, by the memory of this container or machine."""
    return max(1, min(_MOST, _memory() // _SHARE // front_ends))


def _memory() -> int:
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")] if hasattr(os, "sysconf") else [_MOST * _SHARE]
    for path in _LIMITS:
        with suppress(OSError, ValueError):  # "max" where there is none
            found.append(int(path.read_text()))
    return min(found)
