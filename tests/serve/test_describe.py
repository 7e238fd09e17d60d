"""What a service class may declare: everything else is refused at load, by the name of the API and the parameter."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from types import GenericAlias
from typing import Annotated, Any, Literal, Optional, TypeVar, get_args

import numpy as np
import pytest
from numpy.typing import NDArray
from typing_extensions import TypeAliasType

import bentopack
from bentopack.errors import ServeError
from bentopack.serve.aliases import expanded
from bentopack.serve.openapi import document
from bentopack.serve.service import describe
from bentopack.validators import DType, Shape
from tests.serve.conftest import Start

NAMED = """
from dataclasses import dataclass
import bentopack
import numpy as np
from numpy.typing import NDArray

@dataclass
class Holder:
    rows: NDArray[np.float32]

@bentopack.service
class Service:
    @bentopack.api
    def total(self, x: Holder, more: list[NDArray[np.float32]]) -> float:
        return float(x.rows.sum() + sum(each.sum() for each in more))
"""
Rows = Annotated[np.ndarray, Shape((-1, 4)), DType("float32")]


@dataclass
class Left:
    a: int


@dataclass
class Right:
    b: int


@dataclass
class Holder:
    rows: Rows


@dataclass
class Error:
    """A user's own type of that name."""

    why: str


def _service(function: Any, **options: Any) -> type:
    function.__name__ = "predict"
    cls = type("S", (), {"predict": bentopack.api(**options)(function)})
    return bentopack.service(name="s")(cls)


def _takes(hint: Any) -> Any:
    def predict(self: Any, x: Any) -> Any:
        return x

    predict.__annotations__["x"] = hint
    return predict


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (Left | Right, "more than one"),
        (np.ndarray | list[int], "cannot be read from a request"),
        (Annotated[np.ndarray, DType("floaty")], "floaty"),
        (Holder, "Shape and DType are read on an array parameter itself"),
        (list[Rows], "Shape and DType are read on an array parameter itself"),
        (Annotated[list, Shape((-1,))], "Shape and DType are read on an array parameter itself"),
    ],
)
def test_hints_that_cannot_be_kept_are_refused(hint: Any, words: str) -> None:
    """A type that cannot be read, or a Shape that would not be looked at, is one clear error at load."""
    with pytest.raises(ServeError, match=words) as caught:
        describe(_service(_takes(hint)), "m:S")
    assert "API 'predict': parameter 'x'" in str(caught.value)


@pytest.mark.parametrize("hint", [Optional[Rows], Rows | None, Optional[NDArray[np.float32]]])  # noqa: UP045
def test_optional_arrays_keep_shape_and_dtype(hint: Any) -> None:
    """``X | None`` is read as X is, in both spellings."""
    (api,) = describe(_service(_takes(hint)), "m:S").apis
    (parameter,) = api.signature.parameters
    assert parameter.nullable
    assert parameter.array is not None
    assert parameter.array.dtype == "float32"


class Tree:
    """As ``type Tree = dict[str, Tree] | int``, for Python before 3.12."""

    @property
    def __value__(self) -> Any:
        return dict[str, self] | int  # type: ignore[valid-type]


Item = TypeVar("Item")
Several = TypeAliasType("Several", list[Item], type_params=(Item,))
Named = TypeAliasType("Named", NDArray[np.float32])


@pytest.mark.parametrize(
    ("hint", "dtype", "nullable"),
    [
        (Named, "float32", False),
        (Optional[Named], "float32", True),  # noqa: UP045
        (Annotated[Named, Shape((-1, 4))], "float32", False),
    ],
)
def test_a_hint_may_have_a_name(hint: Any, dtype: str, nullable: bool) -> None:
    """``type Named = NDArray[np.float32]`` is read as what it stands for."""
    (api,) = describe(_service(_takes(hint)), "m:S").apis
    (parameter,) = api.signature.parameters
    assert parameter.array is not None
    assert (parameter.array.dtype, parameter.nullable) == (dtype, nullable)


def test_names_inside_of_hints() -> None:
    """They are found wherever they stand; one that stands for itself ends, and what holds none is what it was."""
    assert expanded(dict[str, Several[int]]) == dict[str, list[int]]
    assert expanded(Several[Named]) == list[expanded(NDArray[np.float32])]  # type: ignore[misc]
    assert expanded(Literal["a", "b"]) == Literal["a", "b"]
    plain = list[tuple[int, ...]] | None
    assert expanded(plain) is plain
    tree = type("TypeAliasType", (Tree,), {})()
    (once,) = get_args(expanded(GenericAlias(list, (tree,))))
    assert get_args(once) == (GenericAlias(dict, (str, tree)), int)


def test_arrays_inside_of_other_values_may_have_a_name(start: Start) -> None:
    """numpy's own for arrays is one since 2.5: in a class and in a list of a service that answers."""
    running = start(NAMED)
    assert running.json("/total", {"x": {"rows": [[1, 2], [3, 4]]}, "more": [[1], [2, 3]]}).json() == 16
    assert running.json("/total", {"x": {"rows": "no"}, "more": []}).status_code == 422


def test_every_wrong_api_is_told() -> None:
    """Two mistakes are two lines of one error, not two starts."""

    @bentopack.service
    class Two:
        @bentopack.api
        def first(self, x: Left | Right) -> None: ...

        @bentopack.api
        def second(self, *xs: int) -> None: ...

    with pytest.raises(ServeError) as caught:
        describe(Two, "m:Two")
    assert "API 'first'" in str(caught.value)
    assert "API 'second'" in str(caught.value)


def test_generators_are_refused() -> None:
    """Answers are not streamed: a generator is refused at load, plain, async or wrapped."""

    def plain(self: Any) -> Iterator[int]:
        yield 1

    async def later(self: Any) -> Any:
        yield 1

    @functools.wraps(plain)
    def wrapped(*arguments: Any) -> Any:
        return plain(*arguments)

    for function in (plain, later, wrapped):
        with pytest.raises(ServeError, match="is a generator"):
            describe(_service(function), "m:S")


def test_outermost_wrapper_says_whether_it_is_async() -> None:
    """What is called decides, not what it wraps."""

    async def later(self: Any, n: int) -> int:
        return n

    @functools.wraps(later)
    def blocking(*arguments: Any) -> int:
        return asyncio.run(later(*arguments))

    def plain(self: Any, n: int) -> int:
        return n

    @functools.wraps(plain)
    async def awaited(*arguments: Any) -> int:
        return plain(*arguments)

    assert not describe(_service(blocking), "m:S").apis[0].is_async
    assert describe(_service(awaited), "m:S").apis[0].is_async


def test_two_apis_of_one_name_are_refused() -> None:
    """The name is what metrics and the document tell APIs apart by."""

    @bentopack.service
    class Twice:
        @bentopack.api(name="same")
        def first(self) -> None: ...

        @bentopack.api(name="same")
        def second(self) -> None: ...

    with pytest.raises(ServeError, match="two APIs have the name same"):
        describe(Twice, "m:Twice")


def test_batches_cannot_be_null() -> None:
    """An optional array has no rows when it is left out, so it cannot be a batch."""
    with pytest.raises(ServeError, match="must be a numpy array"):
        describe(_service(_takes(Rows | None), batchable=True), "m:S")


def test_document_keeps_types_of_users_apart() -> None:
    """A user's type named Error stands beside the runtime's own error, and defaults are told."""

    def predict(self: Any, error: Error, n: int = 2**60, limit: float = float("nan")) -> Any: ...

    predict.__annotations__.update(error=Error, n=int, limit=float)
    found = document(describe(_service(predict), "m:S"))
    schemas = found["components"]["schemas"]
    assert schemas["Error"]["required"] == ["why"]
    assert schemas["BentopackError"]["required"] == ["error"]
    body = found["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["properties"]["n"]["default"] == 2**60
    assert "default" not in body["properties"]["limit"]  # JSON cannot say it
