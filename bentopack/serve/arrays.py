"""Arrays: how a type hint describes one, how one is read from JSON or .npy, and when two can be joined.

numpy is imported here and only when the service's own hints have brought it in.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, get_args, get_origin

from bentopack.serve.errors import ApiError
from bentopack.validators import DType, Shape

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class ArraySpec:
    """What a hint says of an array; None where it says nothing."""

    shape: Shape | None = None
    dtype: str | None = None

    def read(self, value: Any, field: str) -> np.ndarray[Any, Any]:
        """Make an array of a decoded JSON value.

        Raises:
            ApiError: 422, naming ``field``, when it is ragged, holds something else than numbers of one kind, or has
                the wrong shape.
        """
        import numpy as np

        if not isinstance(value, list) and not (self.shape and self.shape.dimensions == ()):
            raise ApiError(422, f"{field}: expected an array, found {_json_name(value)}", field=field)
        try:
            array = np.asarray(value)
        except ValueError:
            raise ApiError(422, f"{field}: the array is ragged: its rows differ in length", field=field) from None
        if array.dtype.hasobject:
            raise ApiError(422, f"{field}: expected numbers of one kind, found null or an object", field=field)
        return self.check(array, field)

    def check(self, array: np.ndarray[Any, Any], field: str) -> np.ndarray[Any, Any]:
        """Return the array with the wanted dtype, or refuse it for its shape or for numbers that do not fit."""
        if self.shape is not None and not self.shape.matches(array.shape):
            found = str(tuple(array.shape)).replace(",)", ")")
            raise ApiError(422, f"{field}: expected shape {self.shape}, found {found}", field=field)
        if self.dtype is None or array.dtype == self.dtype:
            return array
        if not _fits(array, self.dtype):
            found = "strings" if array.dtype.kind == "U" else str(array.dtype)
            raise ApiError(422, f"{field}: expected {self.dtype}, found {found}", field=field)
        return array.astype(self.dtype)


def read_npy(body: bytes, field: str) -> np.ndarray[Any, Any]:
    """Read the bytes of one ``.npy`` file. Nothing is unpickled, and no more is allocated than has arrived.

    Raises:
        ApiError: 400 when the bytes are damaged, 422 when they hold objects.
    """
    import numpy as np
    from numpy.lib import format as npy

    file = BytesIO(body)
    try:
        version = npy.read_magic(file)
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = read_header(file)
        if dtype.hasobject:
            raise ApiError(422, f"{field}: arrays of objects are not read", field=field)
        flat = np.frombuffer(body, dtype, offset=file.tell())
        return flat.reshape(shape, order="F" if fortran else "C").copy()
    except (ValueError, TypeError, OverflowError, EOFError) as error:
        raise ApiError(400, f"the body is not a .npy file: {error}") from None


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


def cut(array: np.ndarray[Any, Any], dim: int, start: int, end: int) -> np.ndarray[Any, Any]:
    """Return rows ``start`` to ``end`` along ``dim``, without a copy."""
    return array[start:end] if dim == 0 else array[(slice(None),) * dim + (slice(start, end),)]


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


def _json_name(value: Any) -> str:
    names = {dict: "an object", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
