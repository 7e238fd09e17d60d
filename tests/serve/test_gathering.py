"""A worker waits for a batch to grow where its clients come in step, and nowhere else."""

from __future__ import annotations

import pytest

import bentopack
from bentopack.serve.frames import Media, Requests
from bentopack.serve.gathering import LastCall
from bentopack.serve.lanes import Lane
from bentopack.serve.outbox import Outbox
from bentopack.serve.service import describe

LAST = LastCall(began=100.0, ended=100.012, answered=100)


@bentopack.service
class Rows:
    @bentopack.api(batchable=True, max_batch_size=150)
    def rows(self, values: list[int]) -> list[int]:
        return values


def lane(*arrivals: float) -> Lane:
    """A queue of requests by when they arrived, in milliseconds after the last call began."""
    found = Lane(describe(Rows, "m:Rows").apis[0])
    for arrived in arrivals:
        found.put(Requests(0, Media.JSON, 100 + arrived / 1000, [1], [b'{"values": [1]}']), Outbox())
    return found


def test_clients_that_have_just_been_answered_are_waited_for() -> None:
    """One that is back already does not get a call of its own while the others are on their way."""
    until, enough = LAST.until(lane(12.1))
    assert LAST.ended < until <= LAST.ended + 0.006
    assert 90 < enough <= 101


def test_two_halves_become_one_batch() -> None:
    """Requests that came in a burst after the last answers say that those that are answered now come back too."""
    until, enough = LAST.until(lane(*[1.0] * 40))
    assert until > LAST.ended
    assert enough > 100


@pytest.mark.parametrize(
    "arrivals",
    [
        [number * 12 / 60 for number in range(60)],
        [1.0, 1.0, 1.0],
        [-5.0, *[1.0] * 40],
        [1.0] * 150,
    ],
    ids=["spread over the call", "too few to tell", "left by a full batch", "a full batch"],
)
def test_requests_that_come_by_themselves_are_called_at_once(arrivals: list[float]) -> None:
    """Nobody is delayed for requests that nothing announces."""
    few = LastCall(LAST.began, LAST.ended, answered=10)
    last = few if len(arrivals) == 3 else LAST
    until, enough = last.until(lane(*arrivals))
    assert len(arrivals) >= enough or until <= last.ended


def test_the_first_request_is_called_at_once() -> None:
    """Where nothing was called before, nothing is waited for."""
    waiting = lane(1.0)
    assert waiting.waiting >= LastCall().until(waiting)[1]


def test_no_more_than_a_batch_is_waited_for() -> None:
    """Who waits for more clients than one call takes would wait for nothing."""
    many = LastCall(LAST.began, LAST.ended, answered=1000)
    assert many.until(lane(12.1))[1] == 150
