"""As the first process of a container: reaps the processes that nobody waits for.

What a service starts and leaves behind becomes a child of the first process. Where nobody takes its exit code, it stays
in the table of processes for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_PERIOD = 5.0


def begin() -> asyncio.Task[None] | None:
    """Reap from now on where this is a container's first process; whoever calls keeps the task."""
    return asyncio.create_task(reap()) if os.getpid() == 1 else None


async def reap(period: float = _PERIOD) -> None:
    """Take the exit codes of children that have ended and that no one else has taken within ``period`` seconds.

    Whoever starts a process by asyncio takes its exit code at once, so that those are never met here.
    """
    seen: set[int] = set()
    while True:
        await asyncio.sleep(period)
        ended = set(_ended_children())
        for orphan in ended & seen:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(orphan, os.WNOHANG)
        seen = ended


def _ended_children() -> Iterator[int]:
    for listed in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):
            yield from (int(child) for child in listed.read_text().split() if _has_ended(child))


def _has_ended(child: str) -> bool:
    try:
        # The name in parentheses may hold anything, parentheses too.
        return Path("/proc", child, "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False
