"""Arrays are read the quick way, many at once, and nobody can tell."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import bentopack
from bentopack.serve import codec
from bentopack.serve.arrays import ArraySpec
from bentopack.serve.errors import ApiError
from bentopack.serve.frames import FrameReader, Media, Replies, Requests
from bentopack.serve.lanes import Lane
from bentopack.serve.outbox import Outbox
from bentopack.serve.runner import call
from bentopack.serve.service import describe
from bentopack.validators import DType, Shape

DTYPES = [None, "float16", "float32", "float64", "int8", "int32", "int64", "uint8", "uint64", "bool", "complex64", "U3"]
SHAPES = [None, Shape((2,)), Shape((-1,)), Shape((-1, 2)), Shape(())]

numbers: st.SearchStrategy[Any] = st.one_of(
    st.integers(-5, 5),
    st.floats(-100, 100),
    st.booleans(),
    st.sampled_from([0.1, -0.0, 300, 70_000, 2**24 + 1, 2**53, 2**53 + 1, 2**60 + 2**36 + 1, -(2**63), 2**63, 2**64]),
    st.sampled_from([1e300, 3.5e38, 1e16, 10**30, 10**400, None, "a", "1.5", {}]),
)
floats, integers = st.floats(-1e6, 1e6), st.integers(-300, 300)


def _rows(of: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    flat = st.lists(of, min_size=2, max_size=2)
    return st.one_of(flat, st.lists(of, max_size=3), st.lists(flat, max_size=2), of)


ordinary = st.lists(st.lists(st.one_of(floats, integers), min_size=2, max_size=2), min_size=1, max_size=5)
pure = st.lists(st.lists(floats, min_size=2, max_size=2), min_size=1, max_size=5)
odd = st.lists(st.one_of(_rows(numbers), _rows(floats), _rows(integers)), min_size=1, max_size=4)


def _said(read: Callable[[], Any]) -> Any:
    """What became of a value, down to its bytes, or with which words it was refused."""
    try:
        array = read()
    except ApiError as error:
        return error.status, error.message, error.field
    return array.dtype.str, array.shape, array.tobytes(), array.flags.writeable


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(DTYPES), st.sampled_from(SHAPES), st.one_of(ordinary, pure, odd))
@example("float32", None, [[2**60 + 2**36 + 1], [1.5]])
@example("float32", None, [[True, False], [1, 2]])
@example(None, None, [[True, False], [1, 2]])
@example(None, None, [[1, 2], [1.5, 2.5]])
@example("float64", None, [[2**63, -1], [1, 2]])
@example("int64", None, [[-(2**63)], [2]])
def test_many_are_read_as_each_alone(dtype: str | None, shape: Shape | None, values: list[Any]) -> None:
    """Whatever clients send together, each gets the array or the refusal that the careful way has for it alone."""
    spec = ArraySpec(shape, dtype)
    careful = [_said(lambda value=value: spec.read_carefully(value, "a")) for value in values]  # type: ignore[misc]
    assert [_said(lambda value=value: spec.read(value, "a")) for value in values] == careful  # type: ignore[misc]
    refused = [each for each in careful if isinstance(each[0], int)]
    if refused:
        assert _said(lambda: spec.read_all(values, "a")) in refused
    else:
        assert [_said(lambda row=row: row) for row in spec.read_all(values, "a")] == careful  # type: ignore[misc]


def test_ordinary_lists_are_one_array() -> None:
    """Lists of numbers are read at once, in the type that is asked for; without one only if none can have another."""
    assert isinstance(ArraySpec(Shape((2,)), "float32").read_all([[1, 2.5], [3, 4]], "a"), np.ndarray)
    assert isinstance(ArraySpec().read_all([[1.0, 2.5], [3.0, 4.0]], "a"), np.ndarray)
    assert isinstance(ArraySpec().read_all([[1, 2.5], [3, 4]], "a"), list)


@bentopack.service
class Service:
    @bentopack.api(batchable=True, one_row=True)
    def rows(self, x: Annotated[np.ndarray, DType("float32")], name: list[str]) -> list[dict[str, str]]:
        return [{"name": name, "x": repr(row)} for row, name in zip(x, name, strict=True)]

    @bentopack.api(batchable=True)
    def many(self, x: np.ndarray, name: list[str]) -> list[str]:
        return [f"{name} {row!r}" for row, name in zip(x, name, strict=True)]

    @bentopack.api(batchable=True, max_batch_size=5)
    def lists(self, x: list[float], name: list[str]) -> list[str]:
        assert len(x) <= 5
        return [f"{each} {row}" for row, each in zip(x, name, strict=True)]

    @bentopack.api(batchable=True, one_row=True)
    def unlucky(self, x: Annotated[np.ndarray, DType("float32")]) -> np.ndarray:
        x *= 2
        if (x == 26).any():
            raise ValueError("unlucky")
        return x


def _answers(api: str, *frames: list[bytes], media: Media = Media.JSON) -> dict[int, tuple[int, bytes]]:
    """Send frames of bodies to a lane, call until nothing waits, and return each answer by its number."""
    lane = Lane(next(each for each in describe(Service, "m:Service").apis if each.method == api))
    outboxes, number = [Outbox() for _ in frames], 0
    for bodies, outbox in zip(frames, outboxes, strict=True):
        ids = range(number, number + len(bodies))
        number += len(bodies)
        lane.put(Requests(0, media, time.monotonic(), ids, bodies), outbox)
    while lane.waiting:
        call(lane, Service())
    assert lane.waiting == 0
    found = {}
    for _, replies in FrameReader().feed(b"".join(outbox.take() for outbox in outboxes)):
        assert isinstance(replies, Replies)
        for each, body in zip(replies.ids, replies.bodies, strict=True):
            assert each not in found
            found[each] = replies.status, bytes(body)
    return found


@st.composite
def _bodies(draw: st.DrawFn) -> list[bytes]:
    usual = st.lists(floats, min_size=2, max_size=2)
    values = st.one_of(usual, usual, usual, _rows(numbers), _rows(floats))
    names: Any = st.one_of(st.just(["n", "m"]), st.just("n"), st.just(5))
    return [
        draw(st.sampled_from([json.dumps({"x": draw(values), "name": draw(names)}).encode()] * 4 + [b"{", b""]))
        for _ in range(draw(st.integers(1, 6)))
    ]


@pytest.mark.parametrize("api", ["rows", "many", "lists"])
@settings(max_examples=120, deadline=None)
@given(frames=st.lists(_bodies(), min_size=1, max_size=3))
def test_neighbours_change_no_answer(api: str, frames: list[list[bytes]]) -> None:
    """Each request gets the very answer that it gets alone, whoever is called or refused beside it."""
    together = _answers(api, *frames)
    alone = [_answers(api, [body])[0] for bodies in frames for body in bodies]
    assert [together[number] for number in range(len(alone))] == alone


@pytest.mark.parametrize("odd", [[1.5], [7], [[1.5]]], ids=["shorter", "of integers", "of another shape"])
def test_long_lists_are_read_in_pieces(odd: list[Any]) -> None:
    """A batch that is more than a processor's cache holds is read piece by piece, and nobody can tell either."""
    rows: list[list[Any]] = [[float(row * 1000 + column) for column in range(1000)] for row in range(60)]
    rows.insert(40, odd)
    bodies = [json.dumps({"x": row, "name": ["n"] * len(row)}).encode() for row in rows]
    assert len(b"".join(bodies)) > 4 * codec._BLOCK
    for some in (bodies, bodies[:40]):
        answers = _answers("many", some)
        assert [answers[number] for number in range(len(some))] == [_answers("many", [body])[0] for body in some]


def test_a_retry_sees_what_was_sent() -> None:
    """A method that changes its argument before it raises gets the clients' own numbers when halves are tried."""
    answers = _answers("unlucky", [b'{"x": [%d]}' % n for n in range(10, 18)])
    assert [answers[n] for n in range(8)] == [
        (500, b'{"error":"internal error"}') if n == 3 else (200, b"[%.1f]" % (2 * (n + 10))) for n in range(8)
    ]
