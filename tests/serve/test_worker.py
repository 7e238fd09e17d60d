"""A worker's queues and replies, without any process."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

import pytest

import bentopack
from bentopack.serve.errors import ApiError
from bentopack.serve.frames import FrameReader, Media, Reply, Request
from bentopack.serve.lanes import Job, Lane
from bentopack.serve.runner import AsyncLane
from bentopack.serve.service import describe
from bentopack.serve.worker import _packed


@bentopack.service
class Rows:
    @bentopack.api(batchable=True)
    async def rows(self, values: list[int]) -> list[int]:
        return values


class Replies(list[Reply]):
    """Collects what is answered."""

    def reply(self, reply: Reply) -> None:
        self.append(reply)


def _lane() -> Lane:
    return Lane(describe(Rows, "m:Rows").apis[0])


def _job(number: int, to: Replies) -> Job:
    arrived = asyncio.get_running_loop().time()
    return Job(Request(number, 0, Media.JSON, arrived, b'{"values": [%d]}' % number), to)


def test_request_is_called_whenever_it_comes() -> None:
    """A request that is queued in the very turn in which the last call ends is called too, with no other to wake it."""

    async def go(turns: int) -> list[Reply]:
        lane, answered = _lane(), Replies()
        runner = AsyncLane(lane, Rows())
        lane.put(_job(1, answered))
        runner.notify()
        for _ in range(turns):
            await asyncio.sleep(0)
        lane.put(_job(2, answered))
        runner.notify()
        await asyncio.sleep(0.05)
        assert runner.idle
        return answered

    for turns in range(6):
        assert [reply.id for reply in asyncio.run(go(turns))] == [1, 2], turns


def test_failure_of_the_runtime_itself_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong around a call, its requests get a 500 and the next are called."""

    async def go() -> list[Reply]:
        lane, answered = _lane(), Replies()
        runner = AsyncLane(lane, Rows())
        with monkeypatch.context() as patch:
            patch.setattr(Lane, "steps", lambda self, group: 1 / 0)
            lane.put(_job(1, answered))
            runner.notify()
            await asyncio.sleep(0.05)
        lane.put(_job(2, answered))
        runner.notify()
        await asyncio.sleep(0.05)
        return answered

    assert [(reply.id, reply.status) for reply in asyncio.run(go())] == [(1, 500), (2, 200)]


@pytest.mark.parametrize("wrong", [Reply(2, 404.5, 0, b""), Reply(2, 10**9, 0, b"")])  # type: ignore[arg-type]
def test_reply_that_cannot_be_sent_leaves_its_neighbours_alone(wrong: Reply) -> None:
    """One reply that has no place in a frame becomes a 500; those beside it are sent as they are."""
    ((_, replies),) = FrameReader().feed(_packed([Reply(1, 200, 0, b"a"), wrong, Reply(3, 200, 0, b"c")]))
    found = [(reply.id, reply.status) for reply in replies if isinstance(reply, Reply)]
    assert found == [(1, 200), (2, 500), (3, 200)]


def test_api_error_takes_what_people_give_it() -> None:
    """A status is a whole number from 400 to 599, whatever its type; a message may be any value."""
    error = ApiError(HTTPStatus.CONFLICT, KeyError("a"), field=None)  # type: ignore[arg-type]
    assert (error.status, error.message) == (409, "'a'")
    for wrong in (404.5, "404"):
        with pytest.raises(TypeError):
            ApiError(wrong, "x")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="from 400 to 599"):
        ApiError(200, "x")
