"""What waits in a lane comes out as groups: who is called, who is not, and together with whom."""

from __future__ import annotations

import gc
import io
import time
import weakref
from collections.abc import Sequence
from typing import Annotated

import numpy as np
import pytest

import bentopack
from bentopack.serve import metrics, tallies
from bentopack.serve.frames import FrameReader, Media, Replies, Requests
from bentopack.serve.lanes import Lane
from bentopack.serve.outbox import Outbox
from bentopack.serve.runner import call
from bentopack.serve.service import describe
from bentopack.validators import DType


class Panic(BaseException):
    """As extensions in Rust raise them."""


@bentopack.service
class Service:
    def __init__(self) -> None:
        self.calls: list[list[float]] = []

    @bentopack.api(batchable=True, max_batch_size=4, max_latency_ms=10_000)
    def many(self, x: list[float]) -> list[float]:
        self.calls.append(x)
        return x

    @bentopack.api(batchable=True, one_row=True, max_batch_size=4)
    def rows(self, x: Annotated[np.ndarray, DType("float64")]) -> np.ndarray:
        self.calls.append(x[:, 0].tolist())
        return x

    @bentopack.api(batchable=True, one_row=True, max_batch_size=4)
    def changes(self, x: Annotated[np.ndarray, DType("float64")]) -> np.ndarray:
        self.calls.append(x.ravel().tolist())
        x[:] = np.where(x == 9, 10, -x)
        if 10 in x:
            raise ValueError
        return x

    @bentopack.api(batchable=True, one_row=True, max_batch_size=4)
    def sorts(self, x: list[list[float]]) -> list[list[float]]:
        self.calls.append([number for row in x for number in row])
        for row in x:
            row.sort()
            row.append(0)
        if any(9 in row for row in x):
            raise ValueError
        return x

    @bentopack.api(batchable=True, max_batch_size=4)
    def weighed(self, x: list[float], w: list[float] = None) -> list[float]:  # type: ignore[assignment]  # noqa: RUF013
        return x

    @bentopack.api(batchable=True, max_batch_size=4)
    def panics(self, x: list[float]) -> list[float]:
        raise Panic(x)

    @bentopack.api
    def one(self, x: list[float]) -> list[float]:
        self.calls.append(x)
        return x


def lane(method: str) -> Lane:
    return Lane(next(each for each in describe(Service, "m:Service").apis if each.method == method))


def requests(first: int, values: Sequence[list[float]], age: float = 0.0) -> Requests:
    """A frame of requests, numbered from ``first``, that arrived so many seconds ago."""
    ids = tuple(range(first, first + len(values)))
    return Requests(0, Media.JSON, time.monotonic() - age, ids, [b'{"x": %s}' % str(each).encode() for each in values])


def answers(outbox: Outbox) -> list[tuple[int, int]]:
    """The number and the status of each reply, by their numbers."""
    frames = FrameReader().feed(outbox.take())
    return sorted((each, found.status) for _, found in frames if isinstance(found, Replies) for each in found.ids)


def drained(queue: Lane) -> list[list[float]]:
    """Call until nothing waits, and return what each call was given."""
    instance = Service()
    while queue.waiting:
        call(queue, instance)
    return instance.calls


def test_a_call_takes_as_many_rows_as_it_may() -> None:
    """Requests are called in their order, no more rows at once than ``max_batch_size``, and none twice."""
    queue, outbox = lane("many"), Outbox()
    queue.put(requests(0, [[1], [2, 2], [3, 3], [4]]), outbox)
    queue.put(requests(4, [[5], [6, 6, 6, 6, 6], [7]]), outbox)
    assert queue.waiting == 7
    assert drained(queue) == [[1, 2, 2], [3, 3, 4, 5], [6, 6, 6, 6], [6], [7]]
    assert answers(outbox) == [(number, 200) for number in range(7)]


@pytest.mark.parametrize(
    ("method", "calls"), [("rows", [[1, 2, 3, 4], [5, 6]]), ("one", [[1], [2], [3], [4], [5], [6]])]
)
def test_rows_of_two_front_ends_are_called_together(method: str, calls: list[list[float]]) -> None:
    """Who sent a row is of no matter for the batch it is in; each front end gets the answers to its own."""
    queue, one, other = lane(method), Outbox(), Outbox()
    queue.put(requests(0, [[1], [2], [3]]), one)
    queue.put(requests(0, [[4], [5]]), other)
    queue.put(requests(3, [[6]]), one)
    assert drained(queue) == calls
    assert answers(one) == [(number, 200) for number in range(4)]
    assert answers(other) == [(number, 200) for number in range(2)]


@pytest.mark.parametrize("method", ["many", "rows", "one"])
def test_who_has_left_is_not_called(method: str) -> None:
    """A request that was dropped before its call is passed over, and one dropped later gets no answer."""
    queue, outbox = lane(method), Outbox()
    queue.put(requests(0, [[1], [2], [3]]), outbox)
    outbox.drop([1])
    assert [row for rows in drained(queue) for row in rows] == [1, 3]
    outbox.drop([2])
    outbox.put_all((2, 3), 200, Media.JSON, (b"2", b"3"))
    assert answers(outbox) == [(0, 200), (2, 200), (3, 200)]


def test_a_front_end_that_has_gone_is_forgotten() -> None:
    """Its requests are not called, and those of others are."""
    queue, gone, other = lane("many"), Outbox(), Outbox()
    queue.put(requests(0, [[1], [2]]), gone)
    queue.put(requests(0, [[3]]), other)
    gone.close()
    assert drained(queue) == [[3]]
    assert answers(other) == [(0, 200)]


def test_what_has_waited_too_long_is_refused() -> None:
    """Each request of a frame that is older than ``max_latency_ms`` gets a 503, and younger ones are called."""
    queue, outbox = lane("many"), Outbox()
    queue.put(requests(0, [[1], [2]], age=60), outbox)
    queue.put(requests(2, [[3]]), outbox)
    assert drained(queue) == [[3]]
    assert answers(outbox) == [(0, 503), (1, 503), (2, 200)]


def test_rows_are_stacked_whatever_they_came_as() -> None:
    """JSON and .npy are one batch where they are the same array."""
    file = io.BytesIO()
    np.save(file, np.array([2.0]))
    queue, outbox = lane("rows"), Outbox()
    queue.put(requests(0, [[1]]), outbox)
    queue.put(Requests(0, Media.NPY, time.monotonic(), (1,), (file.getvalue(),)), outbox)
    queue.put(requests(2, [[3]]), outbox)
    assert drained(queue) == [[1, 2, 3]]
    assert answers(outbox) == [(0, 200), (1, 200), (2, 200)]


def test_a_neighbour_that_is_refused_leaves_room() -> None:
    """A request that is refused for its body takes no place in the batch."""
    queue, outbox = lane("rows"), Outbox()
    queue.put(
        requests(0, [[1], [], [2], [3], [4], [5]])._replace(
            bodies=[
                b'{"x": [1]}',
                b'{"x": "?"}',
                b'{"x": [2]}',
                b'{"x": [3]}',
                b'{"x": [4]}',
                b'{"x": [5]}',
            ]
        ),
        outbox,
    )
    assert drained(queue) == [[1, 2, 3, 4], [5]]
    assert [status for _, status in answers(outbox)] == [200, 422, 200, 200, 200, 200]


def test_calls_are_told_when_asked() -> None:
    """The histogram of rows counts every call once it is told, in the bucket of its rows."""
    queue = lane("many")
    tallies.prepare()
    tallies.tell()
    before = _rows_told()
    queue.put(requests(0, [[1], [2, 2], [3, 3], [4]]), Outbox())
    drained(queue)
    tallies.prepare()
    tallies.tell()
    tallies.prepare()
    tallies.tell()
    assert {bound: count - before.get(bound, 0) for bound, count in _rows_told().items()} == {
        "1.0": 0,
        "2.0": 0,
        "4.0": 2,
        "+Inf": 2,
        "sum": 6,
    }


def _rows_told() -> dict[str, float]:
    found = {}
    for line in metrics.exposition().decode().splitlines():
        if line.startswith('bentopack_batch_rows_sum{api="many"}'):
            found["sum"] = float(line.split()[-1])
        for bound in ("1.0", "2.0", "4.0", "+Inf"):
            if line.startswith(f'bentopack_batch_rows_bucket{{api="many",le="{bound}"}}'):
                found[bound] = float(line.split()[-1])
    return found


def test_a_request_without_rows_fails_alone() -> None:
    """A parameter that a client may leave out, and that has no rows then, fails that client's request and no more."""
    queue, outbox = lane("weighed"), Outbox()
    queue.put(requests(0, [[1]]), outbox)
    queue.put(Requests(0, Media.JSON, time.monotonic(), (1,), (b'{"x": [1], "w": [2]}',)), outbox)
    drained(queue)
    assert answers(outbox) == [(0, 500), (1, 200)]


def test_what_is_no_exception_fails_its_request() -> None:
    """Whatever a method raises is answered 500, and the worker lives."""
    queue, outbox = lane("panics"), Outbox()
    queue.put(requests(0, [[1], [2]]), outbox)
    drained(queue)
    assert answers(outbox) == [(0, 500), (1, 500)]


def test_what_does_not_fit_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests differ in their rows, and more are read than one call takes: the others keep what was read of them."""
    queue, outbox, service, read = lane("many"), Outbox(), Service(), list[int]()
    decode_all = queue.api.codec.decode_all

    def counted(media: int, bodies: Sequence[bytes]) -> object:
        read.append(len(bodies))
        return decode_all(media, bodies)

    monkeypatch.setattr(queue.api.codec, "decode_all", counted)
    queue.put(requests(0, [[1.0], *([float(number)] * 3 for number in range(2, 10))]), outbox)
    while queue.waiting:
        call(queue, service)
    assert answers(outbox) == [(number, 200) for number in range(9)]
    assert sum(read) == 9
    assert service.calls == [[1, 2, 2, 2], *[[number] * 3 for number in range(3, 10)]]


@pytest.mark.parametrize("method", ["changes", "sorts"])
def test_halves_see_what_was_sent(method: str) -> None:
    """Whatever a call has done to its rows before it raised, arrays or lists, the next one gets them as they came."""
    queue, outbox, service = lane(method), Outbox(), Service()
    queue.put(requests(0, [[2, 1], [9, 3], [6, 5], [8, 7]]), outbox)
    call(queue, service)
    assert answers(outbox) == [(0, 200), (1, 500), (2, 200), (3, 200)]
    assert sorted(service.calls) == [[2, 1], [2, 1, 9, 3], [2, 1, 9, 3, 6, 5, 8, 7], [6, 5, 8, 7], [9, 3]]


def test_a_call_that_failed_keeps_nothing() -> None:
    """Its arguments go when it is answered, and not when Python looks for cycles."""

    kept: list[weakref.ref[Exception]] = []

    class Held(Exception):
        def __init__(self) -> None:
            kept.append(weakref.ref(self))

    class Fails:
        def many(self, x: list[float]) -> list[float]:
            raise Held

    queue, outbox = lane("many"), Outbox()
    queue.put(requests(0, [[1], [2], [3]]), outbox)
    gc.disable()
    try:
        call(queue, Fails())
        assert len(kept) == 5  # all, then halves
        assert [each for each in kept if each() is not None] == []
    finally:
        gc.enable()
