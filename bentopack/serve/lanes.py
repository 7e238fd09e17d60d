"""A lane is the queue of one API in a worker: requests go in as they came, and come out as groups to call together.

The policy is greedy: a group is whatever waits when the model is free. A lone request is never held back, and groups
grow by themselves with the load.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Any

from bentopack.serve.batching import Outcome, Steps, batched, single
from bentopack.serve.codec import encode, encode_all
from bentopack.serve.costs import Costs
from bentopack.serve.errors import INTERNAL_ERROR, ApiError, error_body
from bentopack.serve.frames import Media, Requests
from bentopack.serve.group import Column, Group, read_of
from bentopack.serve.service import Api
from bentopack.serve.tallies import CallTally
from bentopack.serve.tracebacks import user_traceback
from bentopack.serve.waiting import Sender, Several, Waiting

_log = logging.getLogger("bentopack.serve")
_SHOWN = 20  # numbers of requests that failed together


class Lane:
    """The queue of one API. ``put`` and ``take`` may be called from two threads."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.took = 0.0
        """Seconds that the last call took, where calls are made one after the other."""
        self.costs = Costs()
        self._most = 1 if api.batching is None else api.options.max_batch_size
        self._waiting = Waiting(self._most)
        self._tally = CallTally(api.options.name)
        self._each = 1  # rows of a request, by the last that were read

    def put(self, requests: Requests, sender: Sender) -> None:
        """Queue the requests of a frame."""
        self._waiting.put(requests, sender)

    @property
    def waiting(self) -> int:
        """How many requests are in it."""
        return len(self._waiting)

    @property
    def at_once(self) -> int:
        """How many requests one call takes, where they have as many rows as the last."""
        return self._requests_of(self._most)

    @property
    def waiting_since(self) -> float | None:
        """When the oldest request in it arrived (``time.monotonic()``), or None when it is empty."""
        return self._waiting.oldest

    @property
    def waiting_until(self) -> float | None:
        """When the youngest request in it arrived, or None when it is empty."""
        return self._waiting.youngest

    def waiting_before(self, moment: float) -> tuple[int, float]:
        """How many requests of those in it arrived before a moment, and when the last of these did."""
        return self._waiting.before(moment)

    def take(self) -> list[Group]:
        """Remove what the next call can take, as groups that fit each other, answering what must not be called.

        Refused here are requests that have waited longer than ``max_latency_ms`` (503) and those whose body is not what
        the API asks for (4xx), each on its own: one client's body never touches another's.
        """
        oldest = time.monotonic() - self.api.options.max_latency_ms / 1000
        groups: dict[Any, Group] = {}
        room = self._most
        while room > 0 and self._waiting.oldest is not None and (some := self._next(room, oldest)):
            left: list[Several] = []
            for key, group in self._read(some):
                fitting = 0 if left else max(group.fitting(room), room == self._most)
                if fitting < len(group.rows):
                    left += group.cut(fitting)
                if fitting:
                    room -= sum(group.rows)
                    self._each = max(1, group.rows[-1])
                    if key in groups:
                        groups[key].add(group)
                    else:
                        groups[key] = group
            if left:
                self._waiting.put_back(left)
                break
        return list(groups.values())

    def steps(self, group: Group) -> Steps:
        """Return the calls to make for a group."""
        self._tally.rows.append(sum(group.rows))
        if self.api.batching is None:
            return single(tuple([column[0] for column in group.columns]))
        return batched(self.api.batching, partial(self._arguments, group), group.rows)

    def finish(self, group: Group, outcomes: list[Outcome]) -> None:
        """Answer each request of a group with its outcome."""
        bodies = encode_all(outcomes)
        if bodies is None or len(bodies) != len(group.rows):
            self._finish_each(group, outcomes)
            return
        start = 0
        for several in group.several:
            end = start + len(several.ids)
            several.sender.put_all(several.ids, 200, Media.JSON, bodies[start:end])
            start = end

    def _finish_each(self, group: Group, outcomes: list[Outcome]) -> None:
        failed: dict[int, tuple[Exception, list[int]]] = {}
        for (sender, identity), outcome in zip(group.asked(), outcomes, strict=True):
            if not isinstance(outcome, Exception):
                self._succeed(sender, identity, outcome)
            elif isinstance(outcome, ApiError):
                _refuse(sender, identity, outcome)
            else:
                failed.setdefault(id(outcome), (outcome, []))[1].append(identity)
                sender.put(identity, 500, Media.JSON, INTERNAL_ERROR)
        for error, ids in failed.values():
            _log.error("%s failed (%s)\n%s", self.api.options.name, _named(ids), user_traceback(error))
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                outcome.__traceback__ = None  # its frames hold the arguments, and each other

    def _succeed(self, sender: Sender, identity: int, result: Any) -> None:
        try:
            media, body = encode(result)
        except Exception as error:
            told = self.api.options.name, _named([identity]), error
            _log.exception("%s returned what cannot be written (%s): %s", *told)
            sender.put(identity, 500, Media.JSON, INTERNAL_ERROR)
        else:
            sender.put(identity, 200, media, body)

    def _requests_of(self, rows: int) -> int:
        return max(1, rows // self._each)

    def _next(self, room: int, oldest: float) -> list[Several]:
        """Remove the oldest requests that can be called, as many as may fit, whose bodies are of one type."""
        some: list[Several] = []
        count = self._requests_of(room)
        while count > 0 and (several := self._waiting.take(count)) is not None:
            if several.arrived < oldest:
                self._expire(several)
            elif some and (several.media != some[0].media or bool(several.read) is not bool(some[0].read)):
                self._waiting.put_back([several])
                break
            else:
                some.append(several)
                count -= len(several.ids)
        return some

    def _expire(self, several: Several) -> None:
        error = ApiError(503, f"the request waited longer than max_latency_ms ({self.api.options.max_latency_ms})")
        for identity in several.ids:
            _refuse(several.sender, identity, error)

    def _read(self, some: list[Several]) -> Iterable[tuple[Any, Group]]:
        """Read the bodies of requests, and say which fit each other: those with equal keys."""
        batching = self.api.batching
        if batching is None or some[0].read:
            return self._read_apart(some)
        bodies = some[0].bodies if len(some) == 1 else list(chain.from_iterable([each.bodies for each in some]))
        columns = self.api.codec.decode_all(some[0].media, bodies)
        if columns is None:
            return self._read_apart(some)
        if (alike := batching.alike(columns)) is None:
            return self._read_apart(read_of(some, columns))
        rows, key = alike
        return [(key, Group(some, columns, rows))]

    def _arguments(self, group: Group, start: int, end: int) -> Sequence[Column]:
        """Return the arguments of some requests, as no call has seen them: read once more where one was given them."""
        if group.columns:
            columns, group.columns = group.columns, ()
            return columns
        decode = self.api.codec.decode
        read = [decode(each.media, body) for each in group.part(start, end) for body in each.bodies]
        return list(zip(*read, strict=True))

    def _read_apart(self, some: list[Several]) -> Iterator[tuple[Any, Group]]:
        """Read bodies one by one, refusing requests for them."""
        for several in some:
            for number in range(len(several.ids)):
                if (read := self._read_one(several.part(number, number + 1))) is not None:
                    yield read

    def _read_one(self, alone: Several) -> tuple[Any, Group] | None:
        (identity,), (body,) = alone.ids, alone.bodies
        batching = self.api.batching
        try:
            arguments = alone.read[0] if alone.read else self.api.codec.decode(alone.media, body)
            rows, key = (1, ()) if batching is None else (batching.rows(arguments), batching.key(arguments))
        except ApiError as error:
            _refuse(alone.sender, identity, error)
        except Exception as error:
            told = self.api.options.name, _named([identity]), error
            _log.exception("%s: a body could not be read (%s): %s", *told)
            alone.sender.put(identity, 500, Media.JSON, INTERNAL_ERROR)
        else:
            return key, Group([alone], [[each] for each in arguments], [rows])
        return None


def _refuse(sender: Sender, identity: int, error: ApiError) -> None:
    """Answer with an error. A subclass may have left out or replaced its parts: then it is a 500."""
    try:
        status, body = error.status, error_body(error.message, error.field)
    except Exception:
        _log.exception("an ApiError cannot be sent")
        status, body = 500, INTERNAL_ERROR
    sender.put(identity, status, Media.JSON, body)


def _named(ids: list[int]) -> str:
    """The numbers of requests, as their front end says which is whose."""
    numbers = [f"{each:08x}" for each in ids[:_SHOWN]]
    more = [f"and {len(ids) - _SHOWN} more"] if len(ids) > _SHOWN else []
    return ", ".join(numbers + more)


def oldest(lanes: Iterable[Lane]) -> Lane | None:
    """Return the lane whose first request has waited longest, or None where nothing waits."""
    found, first = None, math.inf
    for lane in lanes:
        since = lane.waiting_since
        if since is not None and since < first:
            found, first = lane, since
    return found
