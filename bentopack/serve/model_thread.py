"""The thread that calls a model, where the thread that reads and answers must not wait for it."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

from bentopack.serve.lanes import Lane, oldest
from bentopack.serve.runner import call

_log = logging.getLogger("bentopack.serve")

T = TypeVar("T")


class ModelThread:
    """The one thread on which a worker's model is loaded and called, for frameworks that mind which thread that is."""

    def __init__(self) -> None:
        # Written in C, where an Event is a lock in a lock in Python.
        self._wake: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._stopping = False
        self._busy = False
        self._lanes: list[Lane] = []
        self._instance: Any = None

    def start(self, load: Callable[[], T]) -> T:
        """Start the thread with ``load`` and return what it returns, or raise what it raises."""
        loaded: Future[T] = Future()
        threading.Thread(target=self._run, args=(load, loaded), name="model", daemon=True).start()
        return loaded.result()

    def serve(self, lanes: list[Lane], instance: Any) -> None:
        """Give the thread the lanes whose methods it calls on ``instance``."""
        self._instance = instance
        self._lanes = lanes

    def notify(self) -> None:
        """Tell the thread that something was put in a lane."""
        self._wake.put(None)

    def errand(self, run: Callable[[], None]) -> None:
        """Run a function on the thread, between two calls."""
        self._wake.put(run)

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is being called."""
        return not self._busy and not any(lane.waiting_since is not None for lane in self._lanes)

    def stop(self) -> None:
        """End the thread after the call it is in."""
        self._stopping = True
        self._wake.put(None)

    def _run(self, load: Callable[[], T], loaded: Future[T]) -> None:
        try:
            loaded.set_result(load())
        except BaseException as error:
            loaded.set_exception(error)
            return
        try:
            while not self._stopping:
                self._run_errand()
                self._busy = True
                while (lane := oldest(self._lanes)) is not None and not self._stopping:
                    call(lane, self._instance)
                    while not self._wake.empty():
                        self._run_errand()
                self._busy = False
        except BaseException:
            # Without this thread every request would hang: ending gives them a 503, and the supervisor a new worker.
            _log.critical("the model's thread has broken; this worker ends", exc_info=True)
            os._exit(1)

    def _run_errand(self) -> None:
        if errand := self._wake.get():
            errand()
