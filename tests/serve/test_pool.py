"""Which worker gets a request."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from bentopack.serve.pool import Having

KEY = ("/p", (0,))


def link(*, stride: int = 1, pending: int = 0, owed: int = 0, room: int = 1000, has: bool = True) -> Any:
    """What a pool sees of a connection to a worker."""
    numbers = {KEY: 7} if has else {}
    return SimpleNamespace(
        numbers=numbers, pending=[None] * pending, owed=owed, stride=stride, room=lambda number: room - pending
    )


def shared(count: int, *links: Any) -> list[int]:
    """How many of so many requests that arrive in one turn of the loop each worker gets."""
    having = Having(KEY)
    having.refill(links)
    found = having.share(count)
    assert all(number == 7 for _, number, _ in found)
    of = {id(worker): some for worker, _, some in found}
    return [of.get(id(each), 0) for each in links]


def test_requests_are_spread_where_each_is_work() -> None:
    """Two workers share what arrives together."""
    assert shared(4, link(), link()) == [2, 2]


def test_requests_stay_together_where_they_are_next_to_no_work() -> None:
    """A worker that has done with ten in no time gets ten before another is woken."""
    assert shared(1, link(stride=10), link(stride=10)) == [1, 0]
    assert shared(10, link(stride=10), link(stride=10)) == [10, 0]
    assert shared(25, link(stride=10), link(stride=10)) == [15, 10]


def test_the_least_loaded_gets_the_next() -> None:
    """What is there already counts."""
    assert shared(1, link(stride=10, pending=1), link(stride=10)) == [0, 1]
    assert shared(4, link(pending=3), link()) == [1, 3]


def test_a_worker_that_owes_answers_is_not_taken_for_idle() -> None:
    """One in which requests have timed out has none that wait, and is the last to get more."""
    assert shared(2, link(owed=5), link(pending=3), link(has=False)) == [0, 2, 0]


def test_no_more_than_could_be_called_in_time() -> None:
    """The rest stays with the caller; so does all of it where no worker is there."""
    assert shared(9, link(room=3), link(room=2)) == [3, 2]
    assert shared(9, link(stride=100, room=3), link(stride=100, room=2)) == [3, 2]
    assert shared(9, link(pending=2, room=2), link(pending=3, room=100)) == [0, 9]
    assert shared(9) == []
    having = Having(KEY)
    assert not having
    assert having.share(1) == []
