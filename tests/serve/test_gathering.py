"""A worker waits for a batch to grow where its clients come in step, and nowhere else."""

from __future__ import annotations

import time

import pytest

import bentopack
from bentopack.serve.frames import Media, Requests
from bentopack.serve.gathering import LastCall
from bentopack.serve.lanes import Lane
from bentopack.serve.outbox import Outbox
from bentopack.serve.service import describe

TOOK = 3600.0
"""Seconds, so that the time a test takes is nothing."""


@bentopack.service
class Rows:
    @bentopack.api(batchable=True, max_batch_size=150)
    def rows(self, values: list[int]) -> list[int]:
        return values


@pytest.fixture(autouse=True)
def _any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bentopack.serve.gathering._LONGEST", 10 * TOOK)


def last_call(answered: int = 100, *, full: bool = False, ago: float = 0.0) -> LastCall:
    """A call that has ended just now, or so many calls' times ago."""
    ended = time.monotonic() - ago * TOOK
    return LastCall(ended - TOOK, ended, answered, full)


def lane(last: LastCall, *arrivals: float) -> Lane:
    """A queue of requests by when they arrived: 0 is when the last call began, and 1 when it ended."""
    found = Lane(describe(Rows, "m:Rows").apis[0])
    for arrived in arrivals:
        found.put(Requests(0, Media.JSON, last.began + arrived * TOOK, [1], [b'{"values": [1]}']), Outbox())
    return found


def patience(last: LastCall, *arrivals: float) -> float:
    """How long to wait for the next request, in calls' times."""
    return last.patience(lane(last, *arrivals)) / TOOK


def test_clients_that_have_just_been_answered_are_waited_for() -> None:
    """One that is back already does not get a call of its own while the others are on their way."""
    assert 1.9 < patience(last_call(), 1.0) <= 2
    assert 1.9 < patience(last_call(), 0.9) <= 2


def test_the_last_of_them_are_waited_for_as_long_as_it_is_worth() -> None:
    """Each that waits loses what the wait takes: half of what those that come are spared, shared by all."""
    assert patience(last_call(), *[1.0] * 80) == pytest.approx(0.5 * 20 / 80, rel=0.01)
    assert patience(last_call(ago=0.5), *[1.5] * 80) == pytest.approx(0.5 * 20 / 80, rel=0.01)
    assert patience(last_call(ago=0.5), *[1.0] * 80) < 0
    assert patience(last_call(), *[1.0] * 100) == 0


def test_two_halves_become_one_batch() -> None:
    """Requests that came in a burst after the last answers say that those that are answered now come back too."""
    assert patience(last_call(), *[0.1] * 40) > 0.5
    assert patience(last_call(), *[0.1] * 40, *[1.0] * 20) > 0.5
    assert patience(last_call(), *[0.1] * 40, *[1.0] * 100) == 0


@pytest.mark.parametrize(
    ("last", "arrivals"),
    [
        (last_call(60), [number / 60 for number in range(60)]),
        (last_call(10), [0.1, 0.1, 0.1]),
        (last_call(7), [1.0]),
        (last_call(full=True), [-0.5, *[0.1] * 40]),
        (last_call(), [0.1] * 150),
        (LastCall(), [1.0]),
    ],
    ids=[
        "spread over the call",
        "too few to tell",
        "too few answered",
        "left by a full batch",
        "a full batch",
        "first",
    ],
)
def test_requests_that_come_by_themselves_are_called_at_once(last: LastCall, arrivals: list[float]) -> None:
    """Nobody is delayed for requests that nothing announces."""
    assert patience(last, *arrivals) <= 0


def test_no_more_than_a_batch_is_waited_for() -> None:
    """Who waits for more clients than one call takes would wait for nothing."""
    last = last_call(1000)
    assert patience(last, *[1.0] * 149) > 0
    assert patience(last, *[1.0] * 150) == 0


def test_no_client_is_waited_for_longer_than_ten_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long calls are: who is not back by then has something else to do."""
    monkeypatch.setattr("bentopack.serve.gathering._LONGEST", 0.01)
    last = last_call()
    assert 0 < last.patience(lane(last, 1.0)) <= 0.01
