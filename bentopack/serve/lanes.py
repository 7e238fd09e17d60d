"""A lane is the queue of one API in a worker: requests go in one by one, and come out as groups to call together.

The policy is greedy: a group is whatever waits when the model is free. A lone request is never held back, and groups
grow by themselves with the load.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Protocol

from bentopack.serve.batching import Outcome, Steps, batched, single
from bentopack.serve.codec import encode
from bentopack.serve.errors import INTERNAL_ERROR, ApiError, error_body
from bentopack.serve.frames import Media, Reply, Request
from bentopack.serve.service import Api
from bentopack.serve.tracebacks import user_traceback

_log = logging.getLogger("bentopack.serve")


class ReplyTo(Protocol):
    """Where a request came from: it is given the reply, on the thread that made it."""

    def reply(self, reply: Reply) -> None:
        """Take a reply; it may wait a little for others to be sent with it."""


@dataclass(eq=False)
class Job:
    """A request in a lane. ``dropped`` is set when nobody waits for it any more."""

    request: Request
    sender: ReplyTo
    arguments: tuple[Any, ...] | None = None
    rows: int = 1
    key: Any = None
    """Requests with equal keys can be joined."""
    dropped: bool = False

    def answer(self, status: int, media: int, body: bytes) -> None:
        """Send the reply, unless nobody waits for it."""
        if not self.dropped:
            self.sender.reply(Reply(self.request.id, status, media, body))

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
    _jobs: deque[Job] = field(default_factory=deque)

    def put(self, job: Job) -> None:
        """Queue a request."""
        self._jobs.append(job)

    @property
    def waiting_since(self) -> float | None:
        """When the oldest request in it arrived (``time.monotonic()``), or None when it is empty."""
        try:
            return self._jobs[0].request.arrived
        except IndexError:
            return None

    def take(self) -> list[list[Job]]:
        """Remove what the next call can take, as groups that fit each other, answering what must not be called.

        Refused here are requests that have waited longer than ``max_latency_ms`` (503) and those whose body is not what
        the API asks for (4xx), each on its own: one client's body never touches another's.
        """
        if self.api.batching is None:
            job = self._next()
            return [[job]] if job else []
        groups: dict[Any, list[Job]] = {}
        total = 0
        while (job := self._next()) is not None:
            if total and total + job.rows > self.api.options.max_batch_size:
                self._jobs.appendleft(job)
                break
            total += job.rows
            groups.setdefault(job.key, []).append(job)
        return list(groups.values())

    def steps(self, group: list[Job]) -> Steps:
        """Return the calls to make for a group."""
        if self.api.batching is None:
            return single(group[0].arguments or ())
        return batched(self.api.batching, [(job.arguments or (), job.rows) for job in group])

    def finish(self, group: list[Job], outcomes: list[Outcome]) -> None:
        """Answer each request of a group with its outcome."""
        told: set[int] = set()
        for job, outcome in zip(group, outcomes, strict=True):
            if isinstance(outcome, ApiError):
                job.refuse(outcome)
            elif isinstance(outcome, Exception):
                if id(outcome) not in told:
                    told.add(id(outcome))
                    _log.error("%s failed\n%s", self.api.options.name, user_traceback(outcome))
                job.answer(500, Media.JSON, INTERNAL_ERROR)
            else:
                self._succeed(job, outcome)

    def _succeed(self, job: Job, result: Any) -> None:
        try:
            media, body = encode(result)
        except Exception as error:
            _log.exception("%s returned what cannot be written: %s", self.api.options.name, error)
            job.answer(500, Media.JSON, INTERNAL_ERROR)
        else:
            job.answer(200, media, body)

    def _next(self) -> Job | None:
        """Remove the oldest request that can be called, its body decoded."""
        while self._jobs:
            job = self._jobs.popleft()
            if job.dropped:
                continue
            try:
                self._check_age(job)
                self._decode(job)
            except ApiError as error:
                job.refuse(error)
            except Exception as error:
                _log.exception("%s: a body could not be read: %s", self.api.options.name, error)
                job.answer(500, Media.JSON, INTERNAL_ERROR)
            else:
                return job
        return None

    def _check_age(self, job: Job) -> None:
        limit = self.api.options.max_latency_ms
        if (time.monotonic() - job.request.arrived) * 1000 > limit:
            raise ApiError(503, f"the request waited longer than max_latency_ms ({limit})")

    def _decode(self, job: Job) -> None:
        if job.arguments is None:
            job.arguments = self.api.codec.decode(job.request.media, job.request.body)
            if self.api.batching is not None:
                job.rows = self.api.batching.rows(job.arguments)
                job.key = self.api.batching.key(job.arguments)
