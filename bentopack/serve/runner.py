"""Who calls the model: one thread for ordinary methods, tasks of the worker's loop for ``async def`` ones."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from time import monotonic
from typing import Any, TypeVar

from bentopack.serve.batching import drive, drive_async
from bentopack.serve.gathering import LastCall
from bentopack.serve.group import Group
from bentopack.serve.lanes import Lane, oldest

_log = logging.getLogger("bentopack.serve")

T = TypeVar("T")


def call(lane: Lane, instance: Any) -> LastCall:
    """Take what waits in a lane, call its method, and answer; return when that was, and for how many requests."""
    method = getattr(instance, lane.api.method)
    codec = lane.api.codec
    called = 0
    began = monotonic()
    for group in lane.take():
        called += len(group.rows)
        try:
            lane.finish(group, drive(lane.steps(group), lambda arguments: codec.call(method, arguments)))
        except Exception as error:  # as in AsyncLane
            lane.finish(group, [error] * len(group.rows))
    last = LastCall(began, monotonic(), called)
    lane.took = last.took
    return last


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


class AsyncLane:
    """Calls one ``async def`` API on the loop: batches one after the other, single requests side by side."""

    def __init__(self, lane: Lane, instance: Any) -> None:
        self._lane = lane
        self._method = getattr(instance, lane.api.method)
        self._tasks: set[asyncio.Task[None]] = set()
        # A task that has ended stays in the set for a turn of the loop: whether one drains is noted apart.
        self._draining = False

    def notify(self) -> None:
        """Something was put in the lane: call it in a task."""
        if self._lane.api.batching is not None:
            if self._draining:
                return
            self._draining = True
        task = asyncio.get_running_loop().create_task(self._drain())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def idle(self) -> bool:
        return not self._tasks

    async def _drain(self) -> None:
        try:
            while groups := self._lane.take():
                for group in groups:
                    if self._lane.api.batching is None and self._lane.waiting_since is not None:
                        self.notify()  # the next request need not wait for this one
                    await self._serve_once(group)
                    await asyncio.sleep(0)  # one that awaits nothing must not keep the loop: answers wait to be sent
        finally:
            self._draining = False  # nothing was awaited since the lane was found empty

    async def _serve_once(self, group: Group) -> None:
        began = monotonic()
        try:
            self._lane.finish(group, await drive_async(self._lane.steps(group), self._call))
        except Exception as error:  # whatever it is, its requests are answered and the next group is called
            self._lane.finish(group, [error] * len(group.rows))
        if self._lane.api.batching is not None:
            self._lane.took = monotonic() - began

    async def _call(self, arguments: tuple[Any, ...]) -> Any:
        return await self._lane.api.codec.call(self._method, arguments)
