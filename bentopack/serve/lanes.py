"""A lane is the queue of one API in a worker: requests go in one by one, and come out as groups to call together.

The policy is greedy: a group is whatever waits when the model is free. A lone request is never held back, and groups
grow by themselves with the load.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from bentopack.serve.batching import Outcome, Steps, batched, single
from bentopack.serve.codec import encode
from bentopack.serve.errors import INTERNAL_ERROR, ApiError, error_body
from bentopack.serve.frames import Media, Requests
from bentopack.serve.outbox import Outbox
from bentopack.serve.service import Api
from bentopack.serve.tracebacks import user_traceback

_log = logging.getLogger("bentopack.serve")
_SHOWN = 20  # numbers of requests that failed together


class Job(msgspec.Struct, gc=False):
    """A request in a lane, from the moment it arrived (``time.monotonic()``)."""

    id: int
    sender: Outbox
    media: int
    arrived: float
    body: bytes
    arguments: tuple[Any, ...] | None = None
    rows: int = 1
    key: Any = None
    """Requests with equal keys can be joined."""

    def answer(self, status: int, media: int, body: bytes) -> None:
        """Send the answer."""
        self.sender.put(self.id, status, media, body)

    def refuse(self, error: ApiError) -> None:
        """Answer with an error. A subclass may have left out or replaced its parts: then it is a 500."""
        try:
            status, body = error.status, error_body(error.message, error.field)
        except Exception:
            _log.exception("an ApiError cannot be sent")
            status, body = 500, INTERNAL_ERROR
        self.answer(status, Media.JSON, body)


@dataclass(eq=False)
class Lane:
    """The queue of one API. ``put`` and ``take`` may be called from two threads."""

    api: Api
    took: float = 0.0
    """Seconds that the last call took, where calls are made one after the other."""
    _jobs: deque[Job] = field(default_factory=deque)

    def put(self, requests: Requests, sender: Outbox) -> None:
        """Queue the requests of a frame."""
        _, media, arrived, ids, bodies = requests
        self._jobs.extend([Job(each, sender, media, arrived, body) for each, body in zip(ids, bodies, strict=True)])

    @property
    def waiting(self) -> int:
        """How many requests are in it."""
        return len(self._jobs)

    @property
    def waiting_since(self) -> float | None:
        """When the oldest request in it arrived (``time.monotonic()``), or None when it is empty."""
        try:
            return self._jobs[0].arrived
        except IndexError:
            return None

    @property
    def waiting_until(self) -> float | None:
        """When the youngest request in it arrived, or None when it is empty."""
        try:
            return self._jobs[-1].arrived
        except IndexError:
            return None

    def take(self) -> list[list[Job]]:
        """Remove what the next call can take, as groups that fit each other, answering what must not be called.

        Refused here are requests that have waited longer than ``max_latency_ms`` (503) and those whose body is not what
        the API asks for (4xx), each on its own: one client's body never touches another's.
        """
        oldest = time.monotonic() - self.api.options.max_latency_ms / 1000
        if self.api.batching is None:
            job = self._next(oldest)
            return [[job]] if job else []
        groups: dict[Any, list[Job]] = {}
        total, most = 0, self.api.options.max_batch_size
        while (job := self._next(oldest)) is not None:
            if total and total + job.rows > most:
                self._jobs.appendleft(job)
                break
            total += job.rows
            group = groups.get(job.key)
            if group is None:
                groups[job.key] = [job]
            else:
                group.append(job)
        return list(groups.values())

    def steps(self, group: list[Job]) -> Steps:
        """Return the calls to make for a group."""
        if self.api.batching is None:
            return single(group[0].arguments or ())
        return batched(self.api.batching, [(job.arguments or (), job.rows) for job in group])

    def finish(self, group: list[Job], outcomes: list[Outcome]) -> None:
        """Answer each request of a group with its outcome."""
        failed: dict[int, tuple[Exception, list[int]]] = {}
        for job, outcome in zip(group, outcomes, strict=True):
            if not isinstance(outcome, Exception):
                self._succeed(job, outcome)
            elif isinstance(outcome, ApiError):
                job.refuse(outcome)
            else:
                failed.setdefault(id(outcome), (outcome, []))[1].append(job.id)
                job.answer(500, Media.JSON, INTERNAL_ERROR)
        for error, ids in failed.values():
            _log.error("%s failed (%s)\n%s", self.api.options.name, _named(ids), user_traceback(error))

    def _succeed(self, job: Job, result: Any) -> None:
        try:
            media, body = encode(result)
        except Exception as error:
            told = self.api.options.name, _named([job.id]), error
            _log.exception("%s returned what cannot be written (%s): %s", *told)
            job.answer(500, Media.JSON, INTERNAL_ERROR)
        else:
            job.sender.put(job.id, 200, media, body)

    def _next(self, oldest: float) -> Job | None:
        """Remove the oldest request that can be called, its body decoded."""
        while self._jobs:
            job = self._jobs.popleft()
            if job.sender.forgets(job.id):
                continue
            if job.arrived < oldest:
                limit = self.api.options.max_latency_ms
                job.refuse(ApiError(503, f"the request waited longer than max_latency_ms ({limit})"))
            elif job.arguments is not None or self._decode(job):
                return job
        return None

    def _decode(self, job: Job) -> bool:
        """Read a request's body; False where it is refused for it."""
        batching = self.api.batching
        try:
            job.arguments = arguments = self.api.codec.decode(job.media, job.body)
            if batching is not None:
                job.rows = batching.rows(arguments)
                job.key = batching.key(arguments)
        except ApiError as error:
            job.refuse(error)
        except Exception as error:
            told = self.api.options.name, _named([job.id]), error
            _log.exception("%s: a body could not be read (%s): %s", *told)
            job.answer(500, Media.JSON, INTERNAL_ERROR)
        else:
            return True
        return False


def _named(ids: list[int]) -> str:
    """The numbers of requests, as their front end says which is whose."""
    numbers = [f"{each:08x}" for each in ids[:_SHOWN]]
    more = [f"and {len(ids) - _SHOWN} more"] if len(ids) > _SHOWN else []
    return ", ".join(numbers + more)


def oldest(lanes: Iterable[Lane]) -> Lane | None:
    """Return the lane whose first request has waited longest, or None where nothing waits."""
    waiting = [(since, lane) for lane in lanes if (since := lane.waiting_since) is not None]
    return min(waiting, key=lambda pair: pair[0])[1] if waiting else None
