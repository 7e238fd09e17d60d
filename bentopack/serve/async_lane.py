"""Calls an ``async def`` API in tasks of the loop."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any

from bentopack.serve.batching import drive_async
from bentopack.serve.group import Group
from bentopack.serve.lanes import Lane


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
