"""Arrays: how a type hint describes one, how one is read from JSON or .npy, and when two can be joined.

numpy is imported here and only when the service's own hints have brought it in.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import chain
from typing import TYPE_CHECKING, Any, cast, get_args, get_origin

from bentopack.serve import plain_numbers
from bentopack.serve.errors import ApiError
from bentopack.serve.plain_numbers import MOST_DIMENSIONS
from bentopack.validators import DType, Shape

if TYPE_CHECKING:
    import numpy as np

_LITTLE = 1 << 20  # numbers: as Python's own they take four times as much
_BEYOND = 2.0**63
_LONGEST_HEAD = 1 << 17  # bytes of an .npy file before its numbers


@dataclass(frozen=True)
class ArraySpec:
    """What a hint says of an array; None where it says nothing."""

    shape: Shape | None = None
    dtype: str | None = None

    def row(self, dim: int) -> ArraySpec:
        """What one row along ``dim`` looks like."""
        if self.shape is None:
            return self
        dimensions = self.shape.dimensions
        return ArraySpec(Shape(dimensions[:dim] + dimensions[dim + 1 :]), self.dtype)

    def read(self, value: Any, field: str) -> np.ndarray[Any, Any]:
        """Make an array of a decoded JSON value.

        Raises:
            ApiError: 422, naming ``field``, when it is ragged, holds something else than numbers of one kind, or has
                the wrong shape.
        """
        if isinstance(value, list):
            array = plain_numbers.read(value, self.dtype)
            if array is not None and self._fits(array.shape):
                return array
        return self.read_carefully(value, field)

    def read_all(self, values: list[Any], field: str) -> np.ndarray[Any, Any] | list[np.ndarray[Any, Any]]:
        """Read several values: as the rows of one array where they can be, and each alone where not.

        Raises:
            ApiError: 422, as of read(), when one has to be refused.
        """
        array = plain_numbers.read_rows(values, self.dtype)
        if array is not None and self._fits(array.shape[1:]):
            return array
        return [self.read(value, field) for value in values]

    def read_carefully(self, value: Any, field: str) -> np.ndarray[Any, Any]:
        """Do what read() does, but not the quick way."""
        if not isinstance(value, list) and not (self.shape and self.shape.dimensions == ()):
            raise ApiError(422, f"{field}: expected an array, found {_json_name(value)}", field=field)
        try:
            return self.check(_as_array(value, self.dtype), field)
        except (ValueError, OverflowError) as error:
            raise ApiError(422, f"{field}: {error}", field=field) from None

    def check(self, array: np.ndarray[Any, Any], field: str) -> np.ndarray[Any, Any]:
        """Return the array with the wanted dtype, or refuse it for its shape or for numbers that do not fit."""
        if not self._fits(array.shape):
            found = str(tuple(array.shape)).replace(",)", ")")
            raise ApiError(422, f"{field}: expected shape {self.shape}, found {found}", field=field)
        if self.dtype is None or array.dtype == self.dtype:
            return array
        if not _fits(array, self.dtype):
            found = "strings" if array.dtype.kind == "U" else str(array.dtype)
            raise ApiError(422, f"{field}: expected {self.dtype}, found {found}", field=field)
        with _quiet():
            converted = array.astype(self.dtype)
        if _overflows(array, converted):
            raise ApiError(422, f"{field}: a number is too large for {self.dtype}", field=field)
        return converted

    def _fits(self, shape: tuple[int, ...]) -> bool:
        return self.shape is None or self.shape.matches(shape)


def read_npy(body: bytes | memoryview, field: str) -> np.ndarray[Any, Any]:
    """Read the bytes of one ``.npy`` file. Nothing is unpickled, and no more is allocated than has arrived.

    Raises:
        ApiError: 400 when the bytes are damaged, 422 when they hold objects or records.
    """
    import numpy as np
    from numpy.lib import format as npy

    file = BytesIO(body[:_LONGEST_HEAD])
    try:
        version = npy.read_magic(file)
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = read_header(file)
        if dtype.hasobject or dtype.kind == "V":
            raise ApiError(422, f"{field}: arrays of objects or records are not read", field=field)
        # An array without elements has no bytes to bound its other dimensions by.
        if not all(0 <= length <= len(body) for length in shape):
            raise ApiError(400, f"the body is not a .npy file: it has {len(body)} bytes and shape {shape}")
        flat = np.frombuffer(body, dtype, offset=file.tell())
        return flat.reshape(shape, order="F" if fortran else "C").copy()
    except (ValueError, TypeError, OverflowError, EOFError) as error:
        raise ApiError(400, f"the body is not a .npy file: {error}") from None


def _as_array(value: Any, wanted: str | None) -> np.ndarray[Any, Any]:
    """Make an array of JSON's lists, or raise ValueError: numpy itself would turn numbers into strings or floats."""
    import numpy as np

    try:
        array = np.asarray(value)
    except ValueError:
        _check_depth(_depth(value))
        raise ValueError("the array is ragged: its rows differ in length") from None
    _check_depth(array.ndim)
    large = array.dtype.kind == "f" and array.size > 0 and bool(np.abs(array).max() >= _BEYOND)
    if array.dtype.hasobject or large:
        return _with_large_integers(array, value, wanted)
    if array.dtype.kind == "U" and not _all_are(value, str):
        raise ValueError("expected numbers of one kind, found strings among numbers")
    return array


def _with_large_integers(array: np.ndarray[Any, Any], value: Any, wanted: str | None) -> np.ndarray[Any, Any]:
    import numpy as np

    if array.dtype.hasobject and not _all_are(value, int, float):
        raise ValueError("expected numbers of one kind, found null or an object")
    if wanted is not None and np.dtype(wanted).kind in "fc":
        return np.asarray(value, "float64")
    if _all_are(value, int) or array.dtype.hasobject:
        raise ValueError("an integer is beyond 64 bits")
    return array


def _all_are(value: Any, *kinds: type) -> bool:
    if isinstance(value, list):
        return all(_all_are(each, *kinds) for each in value)
    return isinstance(value, kinds)


def _check_depth(depth: int) -> None:
    if depth > MOST_DIMENSIONS:
        raise ValueError(f"the array is nested {depth} deep; at most {MOST_DIMENSIONS} dimensions are read")


def _depth(value: Any) -> int:
    depth = 0
    while isinstance(value, list):
        depth += 1
        value = value[0] if value else None
    return depth


def array_spec(hint: Any) -> ArraySpec | None:
    """Return what a hint says of an array, or None where it is not an array's.

    Understood are ``np.ndarray``, ``NDArray[np.float32]``, and either in ``Annotated`` with ``Shape`` and ``DType``.
    """
    numpy = sys.modules.get("numpy")
    notes = getattr(hint, "__metadata__", ())
    bare = hint.__origin__ if notes else hint
    if numpy is None or numpy.ndarray not in (bare, get_origin(bare)):
        return None
    shape = next((note for note in notes if isinstance(note, Shape)), None)
    dtype = next((note.dtype for note in notes if isinstance(note, DType)), None)
    return ArraySpec(shape, numpy.dtype(dtype).name if dtype else _generic_dtype(bare))


def join_key(array: np.ndarray[Any, Any], dim: int) -> tuple[Any, ...]:
    """Arrays with equal keys can be joined along ``dim`` without changing any value."""
    return (array.dtype.str, array.shape[:dim], array.shape[dim + 1 :])


def join(arrays: Sequence[np.ndarray[Any, Any]], dim: int) -> np.ndarray[Any, Any]:
    """Join arrays along ``dim``."""
    import numpy as np

    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=dim)


def stack(arrays: Sequence[np.ndarray[Any, Any]], dim: int) -> np.ndarray[Any, Any]:
    """Make arrays the rows of one along a new dimension ``dim``."""
    import numpy as np

    return np.stack(arrays, axis=dim)


def join_rows(several: Sequence[Sequence[Any]]) -> Sequence[Any]:
    """Join rows that were read apart, as one array where they are arrays that fit each other."""
    import numpy as np

    if all(map(is_array, several)) and len({row_key(cast(Any, each)[0]) for each in several}) == 1:
        return cast("Sequence[Any]", np.concatenate(cast(Any, several)))
    return list(chain.from_iterable(several))


def row_key(array: np.ndarray[Any, Any]) -> tuple[Any, ...]:
    """Arrays with equal keys can be rows of one array without changing any value."""
    return (array.dtype.str, array.shape)


def cut(array: np.ndarray[Any, Any], dim: int, start: int, end: int) -> np.ndarray[Any, Any]:
    """Return rows ``start`` to ``end`` along ``dim``, without a copy."""
    return array[start:end] if dim == 0 else array[(slice(None),) * dim + (slice(start, end),)]


def rows(array: np.ndarray[Any, Any], dim: int) -> Iterable[Any]:
    """Return each row along ``dim``: an array, or what JSON says of it where that is not much."""
    import numpy as np

    if array.ndim <= 1:
        return cast(list[Any], array.tolist())
    first = np.moveaxis(array, dim, 0) if dim else array
    return cast(list[Any], first.tolist()) if type(array) is np.ndarray and array.size <= _LITTLE else first


def is_array(value: Any) -> bool:
    """Whether a value is a numpy array, asked without importing numpy."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)


def plain(value: Any) -> Any:
    """Return an array or a numpy scalar as lists and numbers of Python, or raise NotImplementedError."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic)):
        return value.tolist()
    raise NotImplementedError


def _generic_dtype(hint: Any) -> str | None:
    import numpy as np

    arguments = get_args(hint)
    scalar = get_args(arguments[1])[:1] if len(arguments) == 2 else ()
    concrete = scalar and isinstance(scalar[0], type) and issubclass(scalar[0], np.generic)
    try:
        return np.dtype(scalar[0]).name if concrete else None
    except TypeError:  # an abstract kind such as np.floating
        return None


def _fits(array: np.ndarray[Any, Any], wanted: str) -> bool:
    import numpy as np

    target = np.dtype(wanted)
    if array.size == 0:
        return True
    if target.kind in "iu" and array.dtype.kind in "iu":
        limits = np.iinfo(target)
        return bool(limits.min <= array.min() and array.max() <= limits.max)
    return np.can_cast(array.dtype, target, casting="same_kind")


def _quiet() -> contextlib.AbstractContextManager[Any]:
    import numpy as np

    return np.errstate(over="ignore", invalid="ignore")


def _overflows(before: np.ndarray[Any, Any], after: np.ndarray[Any, Any]) -> bool:
    """Whether a number became infinite, such as 1e300 as float32."""
    import numpy as np

    if after.dtype.kind not in "fc" or not np.isinf(after).any():
        return False
    return bool((np.isinf(after) & ~np.isinf(before)).any())


def _json_name(value: Any) -> str:
    names = {dict: "an object", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
