"""What a process that the service forks (multiprocessing, a data loader) must not keep of its worker.

A copy of a connection in a forked process holds it open after the worker has died, so that a front end would wait for
an answer that cannot come.
"""

from __future__ import annotations

import contextlib
import os

from bentopack.serve import lifeline

_ours: set[int] = set()
_tie: tuple[int, int] | None = None


def guard(*descriptors: int) -> None:
    """Close these in every process that is forked from here on, and end it when this process ends."""
    global _tie  # noqa: PLW0603 - a process has one
    _ours.update(descriptors)
    if _tie is None:
        _tie = os.pipe()
        os.register_at_fork(after_in_child=_forked)


def forget(descriptor: int) -> None:
    """Say that a guarded descriptor is about to be closed: its number may then be another's."""
    _ours.discard(descriptor)


def _forked() -> None:
    global _tie  # noqa: PLW0603
    assert _tie is not None  # noqa: S101 - guard() has made it
    reading, writing = _tie
    for descriptor in (*_ours, writing):
        with contextlib.suppress(OSError):
            os.close(descriptor)
    _ours.clear()
    lifeline.die_with(reading)
    # A process that this one forks in turn ends with the worker as well, which holds the one writing end.
    _tie = (reading, -1)
