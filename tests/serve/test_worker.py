"""A worker's queues and replies, without any process."""

from __future__ import annotations

import asyncio
import socket
import struct
from http import HTTPStatus

import pytest

import bentopack
from bentopack.serve.async_lane import AsyncLane
from bentopack.serve.errors import ApiError
from bentopack.serve.frames import FrameReader, Media, Replies, Requests
from bentopack.serve.lanes import Lane
from bentopack.serve.outbox import Outbox
from bentopack.serve.service import describe
from bentopack.serve.shared import SharedMemory, Slab


@bentopack.service
class Rows:
    @bentopack.api(batchable=True)
    async def rows(self, values: list[int]) -> list[int]:
        return values


def _lane() -> Lane:
    return Lane(describe(Rows, "m:Rows").apis[0])


def _request(number: int) -> Requests:
    arrived = asyncio.get_running_loop().time()
    return Requests(0, Media.JSON, arrived, [number], [b'{"values": [%d]}' % number])


def _sent(outbox: Outbox) -> list[tuple[int, int]]:
    """The id and the status of each reply that waits to be sent."""
    frames = FrameReader().feed(outbox.take())
    return [(each, replies.status) for _, replies in frames if isinstance(replies, Replies) for each in replies.ids]


def test_request_is_called_whenever_it_comes() -> None:
    """A request that is queued in the very turn in which the last call ends is called too, with no other to wake it."""

    async def go(turns: int) -> list[tuple[int, int]]:
        lane, outbox = _lane(), Outbox()
        runner = AsyncLane(lane, Rows())
        lane.put(_request(1), outbox)
        runner.notify()
        for _ in range(turns):
            await asyncio.sleep(0)
        lane.put(_request(2), outbox)
        runner.notify()
        while not runner.idle:
            await asyncio.sleep(0.001)
        return _sent(outbox)

    for turns in range(6):
        assert asyncio.run(go(turns)) == [(1, 200), (2, 200)], turns


def test_failure_of_the_runtime_itself_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong around a call, its requests get a 500 and the next are called."""

    async def go() -> list[tuple[int, int]]:
        lane, outbox = _lane(), Outbox()
        runner = AsyncLane(lane, Rows())
        with monkeypatch.context() as patch:
            patch.setattr(Lane, "steps", lambda self, group: 1 / 0)
            lane.put(_request(1), outbox)
            runner.notify()
            await asyncio.sleep(0.05)
        lane.put(_request(2), outbox)
        runner.notify()
        await asyncio.sleep(0.05)
        return _sent(outbox)

    assert sorted(asyncio.run(go())) == [(1, 500), (2, 200)]


@pytest.mark.parametrize("status", [404.5, 10**9])
def test_reply_that_cannot_be_sent_leaves_its_neighbours_alone(status: int) -> None:
    """One reply that has no place in a frame becomes a 500; those beside it are sent as they are."""
    outbox = Outbox()
    for identity, each in ((1, 200), (2, status), (3, 200)):
        outbox.put(identity, each, Media.JSON, b"a")
    assert sorted(_sent(outbox)) == [(1, 200), (2, 500), (3, 200)]


def test_api_error_takes_what_people_give_it() -> None:
    """A status is a whole number from 400 to 599, whatever its type; a message may be any value."""
    error = ApiError(HTTPStatus.CONFLICT, KeyError("a"), field=None)  # type: ignore[arg-type]
    assert (error.status, error.message) == (409, "'a'")
    for wrong in (404.5, "404"):
        with pytest.raises(TypeError):
            ApiError(wrong, "x")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="from 400 to 599"):
        ApiError(200, "x")


def test_a_body_that_cannot_be_fetched_is_a_503() -> None:
    """A front end that has gone, or a lack of descriptors, fails that request and nothing else."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        memory, outbox = SharedMemory(ours), Outbox()
        large = Requests(0, Media.OTHER, 0.0, (7,), (Slab(1 << 16).place(10),))
        assert memory.fetch(large, outbox).bodies == (bytes(10),)
        gone = Requests(0, Media.OTHER, 0.0, (8,), (struct.pack("<IQQ", 999_999, 1 << 16, 10),))
        assert memory.fetch(gone, outbox).ids == ()
    assert _sent(outbox) == [(8, 503)]


def test_what_was_dropped_too_late_is_forgotten() -> None:
    """Clients that leave while their request is called leave no trace that grows."""
    outbox = Outbox()
    outbox.drop(range(300_000))
    assert len(outbox._dropped) <= 100_000
    assert list(outbox.forgets([299_999])) == [299_999]
    assert not outbox.forgets([49_999])


@bentopack.service
class Plain:
    @bentopack.api(batchable=True, max_batch_size=1)
    async def rows(self, values: list[int]) -> list[int]:
        return values

    @bentopack.api
    async def one(self, values: list[int]) -> list[int]:
        return values


@pytest.mark.parametrize("api", [0, 1], ids=["batchable", "single"])
def test_a_method_that_awaits_nothing_lets_answers_leave(api: int) -> None:
    """Between two calls of an ``async def`` method the loop turns, so that no answer waits until the queue is empty."""

    async def go() -> list[int]:
        lane, outbox = Lane(describe(Plain, "m:Plain").apis[api]), Outbox()
        runner = AsyncLane(lane, Plain())
        for number in range(8):
            lane.put(_request(number), outbox)
        runner.notify()
        sent: list[int] = []
        while len(sent) < 8 and not runner.idle:
            await asyncio.sleep(0)
            sent += [len(_sent(outbox))]
        return sent

    assert max(asyncio.run(go())) < 8


@bentopack.service
class Slow:
    @bentopack.api(batchable=True)
    async def batch(self, values: list[int]) -> list[int]:
        await asyncio.sleep(0.02)
        return values

    @bentopack.api
    async def alone(self, values: list[int]) -> list[int]:
        await asyncio.sleep(0.02)
        return values


@pytest.mark.parametrize(("api", "tells"), [(0, True), (1, False)])
def test_an_async_batch_tells_how_long_it_took(api: int, tells: bool) -> None:
    """By it front ends know what would wait too long; of calls that go on side by side it would say nothing."""

    async def go() -> float:
        lane = Lane(describe(Slow, "m:Slow").apis[api])
        runner = AsyncLane(lane, Slow())
        lane.put(_request(1), Outbox())
        runner.notify()
        while not runner.idle:
            await asyncio.sleep(0.001)
        return lane.took

    took = asyncio.run(go())
    assert took >= 0.02 if tells else took == 0
