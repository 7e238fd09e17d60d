"""Several things at once."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from functools import partial

import pytest

from bentopack.oci.parallel import Stopped, at_once, pause, require_wanted


def test_results_are_in_order() -> None:
    """Whoever ends first; and no more at a time than are allowed."""
    running, most = [0], [0]

    def work(number: int) -> int:
        running[0] += 1
        most[0] = max(most[0], running[0])
        time.sleep(0.02 * (3 - number % 3))
        running[0] -= 1
        return number

    assert at_once([partial(work, number) for number in range(7)], 3) == list(range(7))
    assert most[0] <= 3
    assert at_once([], 3) == []


def busy(ended: list[str]) -> None:
    """Work that asks whether it is wanted, for ten seconds."""
    try:
        for _ in range(500):
            time.sleep(0.02)
            require_wanted()
    except Stopped:
        ended.append("stopped")


def fails() -> None:
    """Work that comes to nothing."""
    time.sleep(0.05)
    raise ValueError("no")


def test_the_first_error_ends_the_others() -> None:
    """It is raised at once, those that wait do not begin, and those that run have ended."""
    ended: list[str] = []
    works: Callable[[], None] = partial(busy, ended)
    begun = time.monotonic()
    with pytest.raises(ValueError, match="no"):
        at_once([works, fails, works, works], 2)
    assert time.monotonic() - begun < 1
    assert ended == ["stopped"]


def test_a_pause_ends_too() -> None:
    """Nobody waits for a registry that asked for half a minute."""

    waits: Callable[[], None] = partial(pause, 30)
    begun = time.monotonic()
    with pytest.raises(ValueError, match="no"):
        at_once([waits, fails], 2)
    assert time.monotonic() - begun < 1


def test_ctrl_c_ends_them() -> None:
    """At once, as an error does."""
    main, ended = threading.main_thread().ident, list[str]()
    assert main
    threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        at_once([partial(busy, ended)], 2)
    assert ended == ["stopped"]
