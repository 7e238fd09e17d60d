"""A worker waits for a batch to grow where its clients come in step, and nowhere else."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
import pytest

import bentopack
from bentopack.serve.costs import Costs
from bentopack.serve.frames import Media, Requests
from bentopack.serve.gathering import LastCall
from bentopack.serve.lanes import Lane
from bentopack.serve.outbox import Outbox
from bentopack.serve.service import describe

NOW = 1000.0
TOOK = 0.005
"""Seconds, of which two calls are the longest wait."""


@bentopack.service
class Rows:
    @bentopack.api(batchable=True, max_batch_size=150)
    def rows(self, values: list[int]) -> list[int]:
        return values

    @bentopack.api(batchable=True, max_latency_ms=10)
    def hasty(self, values: list[int]) -> list[int]:
        return values


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bentopack.serve.gathering.monotonic", lambda: NOW)


def last_call(
    answered: int = 100, *, full: bool = False, ago: float = 0.0, fixed: float = 1.0, took: float = TOOK
) -> LastCall:
    """A call that has ended just now, or so many calls' times ago."""
    ended = NOW - ago * took
    return LastCall(None, ended - took, ended, answered, full, fixed * took)


def lane(last: LastCall, *arrivals: float, method: str = "rows", rows: int = 1) -> Lane:
    """A queue of requests by when they arrived: 0 is when the last call began, and 1 when it ended."""
    found = Lane(next(each for each in describe(Rows, "m:Rows").apis if each.method == method))
    body = msgspec.json.encode({"values": [1] * rows})
    if rows > 1:  # how many there are is known of requests that were taken
        found.put(Requests(0, Media.JSON, time.monotonic(), [0], [body]), Outbox())
        found.take()
    for arrived in arrivals:
        found.put(Requests(0, Media.JSON, last.began + arrived * last.took, [1], [body]), Outbox())
    return found


def patience(last: LastCall, *arrivals: float, rows: int = 1) -> float:
    """How long to wait for the next request, in calls' times."""
    waiting = lane(last, *arrivals, rows=rows)
    return last._replace(lane=waiting).patience(waiting) / last.took


def test_clients_that_have_just_been_answered_are_waited_for() -> None:
    """One that is back already does not get a call of its own while the others are on their way."""
    assert 1.9 < patience(last_call(), 1.0) <= 2
    assert 1.9 < patience(last_call(), 0.9) <= 2


def test_the_last_of_them_are_waited_for_as_long_as_it_is_worth() -> None:
    """Each that waits loses what the wait takes: half of what those that come are spared, shared by all."""
    assert patience(last_call(), *[1.0] * 80) == pytest.approx(0.5 * 20 / 80, rel=0.01)
    assert patience(last_call(ago=0.5), *[1.5] * 80) == pytest.approx(0.5 * 20 / 80, rel=0.01)
    assert patience(last_call(ago=0.5), *[1.0] * 80) == 0
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
    ],
    ids=[
        "spread over the call",
        "too few to tell",
        "too few answered",
        "left by a full batch",
        "a full batch",
    ],
)
def test_requests_that_come_by_themselves_are_called_at_once(last: LastCall, arrivals: list[float]) -> None:
    """Nobody is delayed for requests that nothing announces."""
    assert patience(last, *arrivals) == 0


def test_the_first_request_is_called_at_once() -> None:
    """Where nothing was called before, nothing is waited for."""
    assert LastCall().patience(lane(last_call(), 1.0)) == 0


def test_no_more_than_a_batch_is_waited_for() -> None:
    """Who waits for more clients than one call takes would wait for nothing."""
    last = last_call(1000)
    assert patience(last, *[1.0] * 100) > 0
    assert patience(last, *[1.0] * 150) == 0


def test_no_client_is_waited_for_longer_than_ten_milliseconds() -> None:
    """However long calls are: who is not back by then has something else to do."""
    assert 0 < patience(last_call(took=1.0), 1.0) <= 0.01


def test_no_wait_is_shorter_than_a_loop_can_tell() -> None:
    """A turn of a loop that waits takes a millisecond: more than the last few of many are worth."""
    assert patience(last_call(), *[1.0] * 80) > 0
    assert patience(last_call(), *[1.0] * 98) == 0


def test_no_request_is_kept_until_it_is_too_late() -> None:
    """Half of the time that it may wait is the most."""
    last = last_call(took=0.1)
    waiting = lane(last, 0.97, method="hasty")
    assert 0 < last._replace(lane=waiting).patience(waiting) <= 0.002
    waiting = lane(last, 0.94, method="hasty")
    assert last._replace(lane=waiting).patience(waiting) == 0


def test_a_call_of_another_method_announces_nothing() -> None:
    """Its clients come back to it."""
    last = last_call()
    other, waiting = lane(last), lane(last, 1.0)
    assert last._replace(lane=other).patience(waiting) == 0


def test_rows_fill_a_batch() -> None:
    """A batch that has all the rows it may have waits for nobody, however few requests they came in."""
    assert patience(last_call(), *[1.0] * 10, rows=10) > 0
    assert patience(last_call(), *[1.0] * 15, rows=10) == 0


def test_what_grows_with_its_rows_is_not_worth_waiting_for() -> None:
    """Where two calls take as long as one of both, the model would only stand still."""
    assert patience(last_call(fixed=0.0), 1.0) == 0
    assert patience(last_call(fixed=0.1), 1.0) == pytest.approx(0.2, rel=0.01)


def cost(took: Callable[[int], float], *sizes: int) -> float:
    """What a call costs alone, after calls of some sizes, as a share of the last one."""
    costs, fixed = Costs(), 0.0
    for size in sizes:
        fixed = costs.fixed(size, took(size))
    return fixed / took(sizes[-1])


def test_what_a_call_costs_alone_is_learned_from_smaller_ones() -> None:
    """All of it where all take as long, nothing where each request takes as long, all where no smaller one is known."""
    assert cost(lambda size: 6.0, 1, 30, 100, 256) == pytest.approx(1)
    assert cost(lambda size: 0.1 * size, 1, 30, 100, 256) == pytest.approx(0)
    assert cost(lambda size: 10 + 0.02 * size, 1, 256) == pytest.approx(10 / 15.12)
    assert cost(lambda size: 0.1 * size, 256) == 1
    assert cost(lambda size: 0.1 * size, 0, 256) == 1


def test_a_first_call_that_took_long_is_forgotten() -> None:
    """Models get ready in their first call."""
    assert cost(lambda size: size * 0.1 + 9.9 * (size == 3), 3, 100) == 1
    assert cost(lambda size: size * 0.1, *[2, 100] * 5) == pytest.approx(0)
