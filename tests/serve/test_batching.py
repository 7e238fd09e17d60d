"""Joining, splitting and finding the culprit, without any process."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
from typing import Any

import numpy as np
import pytest

from bentopack.serve.arrays import array_spec
from bentopack.serve.batching import Batching, Read, WrongRows, batched, drive, drive_async, single
from bentopack.serve.errors import ApiError
from bentopack.serve.schema import Parameter


def _batching(*roles: Any, dim: int = 0, max_rows: int = 100) -> Batching:
    names = "abc"
    return Batching(
        tuple(
            Parameter(names[number], hint, "json", array_spec(hint), inspect.Parameter.empty, False)
            for number, hint in enumerate(roles)
        ),
        dim,
        max_rows,
    )


LISTS = _batching(list[int])


def _requests(*rows: list[int]) -> tuple[Read, list[int]]:
    """The only argument of each request, and how many rows it has."""

    def read(start: int, end: int) -> list[list[list[int]]]:
        return [[list(each) for each in rows[start:end]]]

    return read, list(map(len, rows))


def test_outcomes_are_split_by_rows() -> None:
    """Each request gets as many rows of the result as it brought, in its order."""
    outcomes = drive(batched(LISTS, *_requests([1, 2], [3], [4, 5, 6])), lambda arguments: [-n for n in arguments[0]])
    assert outcomes == [[-1, -2], [-3], [-4, -5, -6]]


def test_halving_finds_every_culprit() -> None:
    """Of many requests only those that raise alone fail, and calls grow with the logarithm of their number."""
    calls = []

    def call(arguments: tuple[Any, ...]) -> list[int]:
        calls.append(len(arguments[0]))
        if {7, 50} & set(arguments[0]):
            raise ValueError("culprit")
        return list(arguments[0])

    outcomes = drive(batched(LISTS, *_requests(*([n] for n in range(64)))), call)
    failed = [number for number, outcome in enumerate(outcomes) if isinstance(outcome, ValueError)]
    assert failed == [7, 50]
    assert len(calls) <= 2 * 2 * 6 + 1


def test_a_body_that_is_refused_the_second_time_fails_alone() -> None:
    """A validator may count, or look at a clock: what it says of one request is not told to the others."""
    asked = []

    def read(start: int, end: int) -> list[list[list[int]]]:
        asked.append((start, end))
        if len(asked) > 1 and start <= 2 < end:
            raise ApiError(422, "seen before")
        return [[[number] for number in range(start, end)]]

    def call(arguments: tuple[Any, ...]) -> list[int]:
        if 5 in arguments[0]:
            raise ValueError("culprit")
        return list(arguments[0])

    outcomes = drive(batched(LISTS, read, [1] * 8), call)
    assert [type(outcomes[number]) for number in (2, 5)] == [ApiError, ValueError]
    assert [outcome for outcome in outcomes if not isinstance(outcome, Exception)] == [[0], [1], [3], [4], [6], [7]]


@pytest.mark.parametrize("error", [ValueError("culprit"), ApiError(404, "no 7")])
def test_a_call_that_must_not_be_repeated_is_made_once(error: Exception) -> None:
    """Without isolation all requests of a batch fail, none with what was meant for one; a lone one is told itself."""
    calls = []

    def call(arguments: tuple[Any, ...]) -> list[int]:
        calls.append(arguments[0])
        raise error

    batching = dataclasses.replace(LISTS, isolates=False)
    outcomes = drive(batched(batching, *_requests([6], [7], [8])), call)
    assert calls == [[6, 7, 8]]
    assert len(set(map(id, outcomes))) == 1
    assert not isinstance(outcomes[0], ApiError)
    assert error in (outcomes[0], outcomes[0].__cause__)
    assert drive(batched(batching, *_requests([7])), call) == [error]


def test_refusals_of_the_service_stay_with_their_request() -> None:
    """An ApiError raised for one row refuses that row's request only."""

    def call(arguments: tuple[Any, ...]) -> list[int]:
        if 2 in arguments[0]:
            raise ApiError(404, "no 2")
        return list(arguments[0])

    first, second, third = drive(batched(LISTS, *_requests([1], [2], [3])), call)
    assert (first, third) == ([1], [3])
    assert isinstance(second, ApiError)


@pytest.mark.parametrize("result", [[1], np.zeros(3), {"a": 1}, 5, None])
def test_wrong_rows_fail_all_without_more_calls(result: Any) -> None:
    """A result that has not one row a row cannot be split: every request fails, after one call."""
    calls = []

    def call(arguments: tuple[Any, ...]) -> Any:
        calls.append(arguments)
        return result

    outcomes = drive(batched(LISTS, *_requests([1], [2])), call)
    assert [type(outcome) for outcome in outcomes] == [WrongRows, WrongRows]
    assert len(calls) == 1


def test_large_request_is_called_in_pieces() -> None:
    """No call has more than ``max_rows`` rows; the pieces are glued in order."""
    calls = []

    def call(arguments: tuple[Any, ...]) -> np.ndarray[Any, Any]:
        calls.append(arguments[0].shape)
        result: np.ndarray[Any, Any] = arguments[0] * 2
        return result

    batching = _batching(np.ndarray, dim=1, max_rows=2)
    columns = [[np.arange(10).reshape(2, 5)]]
    (outcome,) = drive(batched(batching, lambda start, end: columns, [5]), call)
    assert calls == [(2, 2), (2, 2), (2, 1)]
    assert np.array_equal(np.asarray(outcome), np.arange(10).reshape(2, 5) * 2)


def test_what_fits_has_one_key() -> None:
    """Arrays of another dtype or another trailing shape have another key: joining would change them."""
    batching = _batching(np.ndarray)
    key = batching.key((np.zeros((2, 4), "float32"),))
    assert batching.key((np.zeros((9, 4), "float32"),)) == key
    assert batching.key((np.zeros((2, 4), "float64"),)) != key
    assert batching.key((np.zeros((2, 5), "float32"),)) != key


def test_array_needs_the_batch_dimension() -> None:
    """An array with too few dimensions has no rows, and is refused by name."""
    with pytest.raises(ApiError) as caught:
        _batching(np.ndarray, dim=1).rows((np.zeros(3),))
    assert (caught.value.status, caught.value.field) == (422, "a")


def test_coroutines_follow_the_same_steps() -> None:
    """``async def`` methods are joined, split and halved just as others."""

    async def call(arguments: tuple[Any, ...]) -> list[int]:
        await asyncio.sleep(0)
        if 2 in arguments[0]:
            raise ValueError
        return list(arguments[0])

    outcomes = asyncio.run(drive_async(batched(LISTS, *_requests([1], [2], [3])), call))
    assert (outcomes[0], outcomes[2]) == ([1], [3])
    assert isinstance(outcomes[1], ValueError)


def test_cancellation_in_the_service_is_a_failure() -> None:
    """A cancellation that a coroutine lets out fails its request, where it would otherwise never be answered."""

    async def call(arguments: tuple[Any, ...]) -> None:
        raise asyncio.CancelledError

    (outcome,) = asyncio.run(drive_async(single((1,)), call))
    assert isinstance(outcome, RuntimeError)


@pytest.mark.parametrize("wrong", [SystemExit(3), StopIteration()])
def test_exceptions_that_would_end_the_thread_do_not(wrong: BaseException) -> None:
    """A service that calls ``sys.exit()`` has failed one request, and the worker lives on."""

    def call(arguments: tuple[Any, ...]) -> None:
        raise wrong

    (outcome,) = drive(single((1,)), call)
    assert isinstance(outcome, RuntimeError)
