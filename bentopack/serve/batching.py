"""How requests become calls: joining rows, splitting results, and finding the one that fails.

The policy is a generator that yields the arguments of a call and is sent its result, so that it is the same for methods
called on a thread and for coroutines, and can be tested without either.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, chain, pairwise
from typing import Any, cast

from bentopack.serve import arrays
from bentopack.serve.errors import ApiError
from bentopack.serve.group import Column
from bentopack.serve.schema import Parameter

Arguments = tuple[Any, ...]
Outcome = Any | Exception
Steps = Generator[Arguments, Any, list[Outcome]]
Read = Callable[[int, int], Sequence[Column]]
"""Gives the arguments of the requests from one number to another, a column a parameter, as no call has seen them."""


class WrongRows(Exception):
    """A batchable API returned something else than one row a row; every request of the call fails."""


@dataclass(frozen=True)
class Batching:
    """How the arguments of one batchable API are joined and its result split.

    ``max_rows`` bounds one call; ``isolates`` says whether one that raises is tried again in halves.
    """

    parameters: tuple[Parameter, ...]
    dim: int
    max_rows: int
    isolates: bool = True

    @cached_property
    def _arrays(self) -> bool:
        """Whether any argument, or a row of it, is an array."""
        return any(each.array is not None or each.row(self.dim).array is not None for each in self.parameters)

    def rows(self, arguments: Arguments) -> int:
        """Count the rows that one request carries.

        Raises:
            ApiError: 422 when there are none, its parameters do not agree on it, or an array has too few dimensions.
        """
        counts = [self._length(each, value) for each, value in zip(self.parameters, arguments, strict=True)]
        if len(set(counts)) > 1:
            found = ", ".join(f"{each.name}: {count}" for each, count in zip(self.parameters, counts, strict=True))
            raise ApiError(422, f"the parameters differ in their number of rows ({found})")
        if counts[0] == 0:
            raise ApiError(422, "there are no rows in the request", field=self.parameters[0].name)
        return counts[0]

    def key(self, arguments: Arguments) -> Arguments:
        """Requests with equal keys can be joined: their arrays agree in dtype and in every other dimension."""
        if not self._arrays:
            return ()
        return tuple(arrays.join_key(value, self.dim) if arrays.is_array(value) else None for value in arguments)

    def alike(self, columns: Sequence[Column]) -> tuple[list[int], Arguments] | None:
        """Return the rows of several requests and the key that all have; None where that has to be asked one by one."""
        try:
            if not self._arrays:
                rows, *others = [list(map(len, column)) for column in columns]
                return None if 0 in rows or any(other != rows for other in others) else (rows, ())
            several = list(zip(*columns, strict=True))
            rows, keys = [self.rows(each) for each in several], {self.key(each) for each in several}
        except Exception:  # of one that has to be refused, or has no rows
            return None
        return (rows, keys.pop()) if len(keys) == 1 else None

    def join(self, columns: Sequence[Column]) -> Arguments:
        """Join the arguments of several requests, in order."""
        if len(columns[0]) == 1:
            return tuple([column[0] for column in columns])
        return tuple(
            [
                arrays.join(column, self.dim) if arrays.is_array(column[0]) else list(chain.from_iterable(column))
                for column in columns
            ]
        )

    def cut(self, value: Any, start: int, end: int) -> Any:
        """Return rows ``start`` to ``end`` of an argument or a result."""
        return arrays.cut(value, self.dim, start, end) if arrays.is_array(value) else value[start:end]

    def split(self, result: Any, rows: Sequence[int]) -> list[Any]:
        """Return each request's part of a result, by how many rows each has."""
        ends = accumulate(rows, initial=0)
        if self.dim == 0 and arrays.is_array(result):
            result = arrays.rows(result, 0)
        return [self.cut(result, start, end) for start, end in pairwise(ends)]

    def check(self, result: Any, rows: int) -> Any:
        """Return a call's result if it has ``rows`` rows.

        Raises:
            WrongRows: it has another number, or is neither an array nor a list.
        """
        if arrays.is_array(result):
            found = result.shape[self.dim] if result.ndim > self.dim else 0
        elif isinstance(result, (list, tuple)):
            found = len(result)
        else:
            raise WrongRows(f"a batchable API returns an array or a list, one item a row; found {type(result)!r}")
        if found != rows:
            raise WrongRows(f"the call was given {rows} rows and returned {found}")
        return result

    def glue(self, results: Sequence[Any]) -> Any:
        """Join the results of the pieces of one large request."""
        if arrays.is_array(results[0]):
            return arrays.join(results, self.dim)
        return [row for rows in results for row in rows]

    def _length(self, parameter: Parameter, value: Any) -> int:
        if not arrays.is_array(value):
            return len(value)
        if value.ndim <= self.dim:
            message = f"{parameter.name}: expected rows along dimension {self.dim}, found {value.ndim} dimensions"
            raise ApiError(422, message, field=parameter.name)
        return int(value.shape[self.dim])


@dataclass(frozen=True)
class RowBatching(Batching):
    """For requests that carry one row each: they are stacked into a batch, and each gets its row of the result."""

    def rows(self, arguments: Arguments) -> int:
        """One."""
        return 1

    def key(self, arguments: Arguments) -> Arguments:
        """Rows with equal keys can be stacked: their arrays agree in dtype and shape."""
        if not self._arrays:
            return ()
        return tuple(arrays.row_key(value) if arrays.is_array(value) else None for value in arguments)

    def alike(self, columns: Sequence[Column]) -> tuple[list[int], Arguments] | None:
        """One row each, and the key that all have; None where they have several."""
        if not self._arrays:
            return [1] * len(columns[0]), ()
        keys = [_row_keys(column) for column in columns]
        if any(len(each) > 1 for each in keys):
            return None
        return [1] * len(columns[0]), tuple(chain.from_iterable(keys))

    def join(self, columns: Sequence[Column]) -> Arguments:
        """Stack the rows of several requests, in order."""
        return tuple([self._stacked(column) for column in columns])

    def _stacked(self, column: Column) -> Any:
        if self.dim == 0 and arrays.is_array(column):
            return column
        return arrays.stack(column, self.dim) if arrays.is_array(column[0]) else list(column)

    def split(self, result: Any, rows: Sequence[int]) -> list[Any]:
        """Return each request's row."""
        if not arrays.is_array(result):
            return list(result)
        return list(arrays.rows(result, self.dim))


def _row_keys(column: Column) -> set[Any]:
    if arrays.is_array(column):
        return {arrays.row_key(column[0])}
    return {arrays.row_key(value) if arrays.is_array(value) else None for value in column}


def single(arguments: Arguments) -> Steps:
    """The steps of one request of an API that is not batchable."""
    try:
        return [(yield arguments)]
    except Exception as error:
        return [error]


def batched(batching: Batching, read: Read, rows: Sequence[int], start: int = 0) -> Steps:
    """The steps of several requests that fit each other, by the rows of each; ``start`` is the first one's number.

    When the call raises, halves are tried until the culprit fails alone, or all fail where calls must not be repeated.
    A call may have written into its arguments before it raised: they are asked for again, and whose body cannot be read
    a second time fails alone, too. Returns one outcome a request: its rows of the result, or the exception.
    """
    total = sum(rows)
    try:
        columns = read(start, start + len(rows))
        if total <= batching.max_rows:
            result = batching.check((yield batching.join(columns)), total)
        else:
            result = yield from _in_pieces(batching, columns, total)
    except WrongRows as error:
        return [error] * len(rows)
    except Exception as error:
        if len(rows) == 1:
            return [error]
        if not batching.isolates:
            return [_of_all(error)] * len(rows)
    else:
        return batching.split(result, rows)
    columns = ()  # not kept meanwhile
    # Out here the error of all is gone, and no other becomes its successor.
    half = len(rows) // 2
    outcomes = yield from batched(batching, read, rows[:half], start)
    return outcomes + (yield from batched(batching, read, rows[half:], start + half))


def _of_all(error: Exception) -> Exception:
    """The failure of a batch: an ApiError speaks to one client, and which of them it was is not known."""
    if not isinstance(error, ApiError):
        return error
    failure = RuntimeError(f"a batch was refused as a whole: {error.status} {error}")
    failure.__cause__ = error
    return failure


def _in_pieces(batching: Batching, columns: Sequence[Column], total: int) -> Generator[Arguments, Any, Any]:
    """Call with the rows of one large request, as many at a time as one call may have."""
    arguments = batching.join(columns)
    results = []
    for start in range(0, total, batching.max_rows):
        end = min(start + batching.max_rows, total)
        piece = yield tuple(batching.cut(value, start, end) for value in arguments)
        results.append(batching.check(piece, end - start))
    return batching.glue(results)


def drive(steps: Steps, call: Callable[[Arguments], Any]) -> list[Outcome]:
    """Run steps with a function."""
    try:
        arguments = next(steps)
        while True:
            try:
                result = call(arguments)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # also a panic of Rust, as extensions raise it
                arguments = steps.throw(_ordinary(error))
            else:
                arguments = steps.send(result)
    except StopIteration as end:  # in no variable: an error's traceback would hold what holds the error
        return cast("list[Outcome]", end.value)


async def drive_async(steps: Steps, call: Callable[[Arguments], Awaitable[Any]]) -> list[Outcome]:
    """Run steps with a coroutine function."""
    try:
        arguments = next(steps)
        while True:
            try:
                result = await call(arguments)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # as in drive
                arguments = steps.throw(_ordinary(error))
            else:
                arguments = steps.send(result)
    except StopIteration as end:  # in no variable: an error's traceback would hold what holds the error
        return cast("list[Outcome]", end.value)


def _ordinary(error: BaseException) -> Exception:
    """A service that calls sys.exit(), or lets a cancellation out, has failed this request and no more."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    ordinary = RuntimeError(f"the service raised {error!r}")
    ordinary.__cause__ = error
    return ordinary
