"""The quick way from JSON's lists to arrays: where they hold plain numbers, numpy is asked once, for one or many.

What is read here is what the careful way (``arrays.py``) would have made of each list alone. Wherever that is not
certain there is nothing, and the careful way decides.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

MOST_DIMENSIONS = 32
"""What every release of numpy allows."""
_EXACT = 2.0**53  # from here on a float may be an integer that was rounded


def read(value: list[Any], wanted: str | None) -> np.ndarray[Any, Any] | None:
    """Make an array of plain numbers of nested lists."""
    import numpy as np

    try:
        array = np.array(value)
    except Exception:
        return None
    kind = array.dtype.kind
    if kind not in "fi" or array.size == 0 or array.ndim > MOST_DIMENSIONS:
        return None
    if kind == "f" and not np.abs(array).max() < _EXACT:
        return None
    return array if wanted is None else _converted(array, np.dtype(wanted))


def read_rows(values: list[Any], wanted: str | None) -> np.ndarray[Any, Any] | None:
    """Make one array of several lists, each a row of it."""
    array = read(values, wanted)
    if array is None or array.ndim < 2:
        return None
    if wanted is None and len(values) > 1 and not _all_floats(values, array.ndim):  # alone one might be of integers
        return None
    return array


def _converted(array: np.ndarray[Any, Any], wanted: np.dtype[Any]) -> np.ndarray[Any, Any] | None:
    if array.dtype == wanted:
        return array
    if wanted.kind == "f" and wanted.itemsize >= 4:  # what is read here is not too large for any of these
        return array.astype(wanted)
    if wanted.kind in "iu" and array.dtype.kind == "i":
        return array.astype(wanted) if _within(array, wanted) else None
    return None


def _within(array: np.ndarray[Any, Any], wanted: np.dtype[Any]) -> bool:
    import numpy as np

    limits = np.iinfo(wanted)
    return bool(limits.min <= array.min() and array.max() <= limits.max)


def _all_floats(values: list[Any], depth: int) -> bool:
    numbers: Any = values
    for _ in range(depth - 1):
        numbers = chain.from_iterable(numbers)
    return set(map(type, numbers)) == {float}
