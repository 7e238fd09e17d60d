"""Reading arrays: numbers arrive as they were sent, or are refused."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from bentopack.serve.arrays import ArraySpec, read_npy
from bentopack.serve.errors import ApiError


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("dtype", "value", "words"),
    [
        (None, [1, "a"], "found strings among numbers"),
        ("float32", [1e300], "too large for float32"),
        ("float32", [10**60], "too large for float32"),
        ("float64", [10**400], "too large"),
        (None, [2**63, -1], "an integer is beyond 64 bits"),
        ("int64", [2**63, -1], "an integer is beyond 64 bits"),
        (None, [2**64], "an integer is beyond 64 bits"),
        (None, [1, None], "null or an object"),
        (None, [[1], [1, 2]], "ragged"),
        (None, _nested(40), "nested 40 deep; at most 32"),
        (None, _nested(200), "nested 200 deep; at most 32"),
    ],
)
def test_json_that_would_be_changed_is_refused(dtype: str | None, value: Any, words: str) -> None:
    """Numbers that numpy would turn into strings, other numbers or infinity are refused, and the message says why."""
    with pytest.raises(ApiError, match=words) as caught:
        ArraySpec(None, dtype).read(value, "a")
    assert (caught.value.status, caught.value.field) == (422, "a")


@pytest.mark.parametrize(
    ("dtype", "value", "found"),
    [
        (None, [2**63], np.array([2**63], "uint64")),
        ("float64", [2**63, -1], np.array([2.0**63, -1.0])),
        ("float64", [10**30], np.array([1e30])),
        (None, [1e300, 3], np.array([1e300, 3.0])),
        (None, ["a", "b"], np.array(["a", "b"])),
    ],
)
def test_json_that_fits_is_read(dtype: str | None, value: Any, found: np.ndarray) -> None:
    """Large numbers that the wanted type holds are read, and so are strings where nothing else is asked for."""
    array = ArraySpec(None, dtype).read(value, "a")
    assert array.dtype == found.dtype
    assert np.array_equal(array, found)


def _header(shape: str) -> bytes:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize("shape", ["(10**15, 0)", "(1000000000000000, 0)", "(-1, 2)", "(0, -1)", "(2, 2)"])
def test_npy_header_cannot_promise_more_than_the_body(shape: str) -> None:
    """A header whose dimensions its bytes do not bear out is a damaged file, and nothing is done by its numbers."""
    with pytest.raises(ApiError) as caught:
        read_npy(_header(shape) + b"\0" * 8, "a")
    assert caught.value.status == 400


def test_npy_records_are_refused() -> None:
    """Arrays of records are not joined with each other, so they are not taken at all."""
    file = io.BytesIO()
    np.save(file, np.zeros(2, [("x", "f4"), ("y", "i4")]))
    with pytest.raises(ApiError) as caught:
        read_npy(file.getvalue(), "a")
    assert caught.value.status == 422
