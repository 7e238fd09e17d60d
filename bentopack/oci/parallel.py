"""Several things at once, in threads, until one fails or somebody interrupts: then all of them end soon."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Event, Thread
from typing import TypeVar

_Result = TypeVar("_Result")
_END_SECONDS = 2.0  # how long an error waits for what else is running; who is slower ends by itself, and is not heard
_here = threading.local()


class Stopped(Exception):
    """Nobody wants any more what this thread does."""


@contextmanager
def wanted_until(stop: Event) -> Iterator[None]:
    """Have what this thread does in the block end once an event is set, at the next place that asks."""
    before, _here.stop = getattr(_here, "stop", None), stop
    try:
        yield
    finally:
        _here.stop = before


def require_wanted() -> None:
    """Ask whether this thread's work is still wanted; whoever sends or fetches asks before each piece.

    Raises:
        Stopped: it is not.
    """
    stop: Event | None = getattr(_here, "stop", None)
    if stop and stop.is_set():
        raise Stopped


def pause(seconds: float) -> None:
    """Wait, but no longer than this thread's work is wanted.

    Raises:
        Stopped: it no longer is.
    """
    stop: Event | None = getattr(_here, "stop", None)
    if stop is None:
        time.sleep(seconds)
    elif stop.wait(seconds):
        raise Stopped


def at_once(works: Sequence[Callable[[], _Result]], count: int) -> list[_Result]:
    """Do works, some at a time, and return what each came to.

    The first that fails ends the others: its error is raised without waiting for a stream of hours, as is Ctrl-C.

    Args:
        works: what is to be done, in this order.
        count: how many at a time.
    """
    stop, left = Event(), deque(enumerate(works))
    ended: SimpleQueue[tuple[int, _Result | None, BaseException | None]] = SimpleQueue()

    def run() -> None:
        with wanted_until(stop):
            while left and not stop.is_set():
                try:
                    number, work = left.popleft()
                except IndexError:  # another thread was quicker
                    return
                try:
                    ended.put((number, work(), None))
                except BaseException as error:
                    ended.put((number, None, error))
                    stop.set()

    # Not a pool's: those are waited for at the interpreter's end.
    threads = [Thread(target=run, daemon=True) for _ in range(min(count, len(works)))]
    for thread in threads:
        thread.start()
    results: dict[int, _Result] = {}
    failed: BaseException | None = None
    try:
        while failed is None and len(results) < len(works):
            number, result, failed = ended.get()
            results[number] = result  # type: ignore[assignment]  # None is what such a work gives
    except BaseException as error:  # Ctrl-C
        failed = error
        raise
    finally:
        if failed is not None:
            _end(stop, threads)
    if failed is not None:
        raise failed
    return [results[number] for number in range(len(works))]


def _end(stop: Event, threads: Sequence[Thread]) -> None:
    stop.set()
    end = time.monotonic() + _END_SECONDS
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
