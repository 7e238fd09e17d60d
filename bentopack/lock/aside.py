"""Work that is waited for beside other work."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

Argument = TypeVar("Argument")
Result = TypeVar("Result")


def aside(work: Callable[[Argument], Result], argument: Argument) -> Future[Result]:
    """Call a function on a thread of its own and return the future of its result.

    Whoever is interrupted while others wait need not wait for it, as for a pool's: it ends with the process.
    """
    future: Future[Result] = Future()

    def call() -> None:
        try:
            future.set_result(work(argument))
        except BaseException as error:
            future.set_exception(error)

    Thread(target=call, name="aside", daemon=True).start()
    return future
