"""Which worker gets a request."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from bentopack.serve.pool import Having

KEY = ("/p", (0,))


def link(*, stride: int = 1, pending: int = 0, owed: int = 0, has: bool = True) -> Any:
    """What a pool sees of a connection to a worker."""
    numbers = {KEY: 0} if has else {}
    return SimpleNamespace(numbers=numbers, pending=[None] * pending, owed=owed, stride=stride, outgoing=[])


def chosen(having: Having, count: int) -> list[Any]:
    """Who gets each of so many requests that arrive in one turn of the loop."""
    found = []
    for _ in range(count):
        taken = having.least_loaded()
        assert taken is not None
        worker: Any = taken[0]
        worker.pending.append(None)
        worker.outgoing.append(None)
        found.append(worker)
    return found


def test_requests_are_spread_where_each_is_work() -> None:
    """Two workers share what arrives together."""
    one, two = link(), link()
    having = Having(KEY)
    having.refill([one, two])
    assert chosen(having, 4) == [one, two, one, two]


def test_requests_stay_together_where_they_are_next_to_no_work() -> None:
    """A worker that has done with ten in no time gets ten before another is woken."""
    one, two = link(stride=10), link(stride=10)
    having = Having(KEY)
    having.refill([one, two])
    assert chosen(having, 20) == [one] * 10 + [two] * 10


def test_the_next_turn_is_for_the_least_loaded() -> None:
    """What was sent is not added to."""
    one, two = link(stride=10), link(stride=10)
    having = Having(KEY)
    having.refill([one, two])
    chosen(having, 1)
    one.outgoing.clear()  # sent
    assert chosen(having, 1) == [two]


def test_a_worker_that_owes_answers_is_not_taken_for_idle() -> None:
    """One in which requests have timed out has none that wait, and is the last to get more."""
    hangs, busy, other = link(owed=5), link(pending=3), link(has=False)
    having = Having(KEY)
    having.refill([hangs, busy, other])
    assert chosen(having, 2) == [busy, busy]
    having.refill([])
    assert having.least_loaded() is None
