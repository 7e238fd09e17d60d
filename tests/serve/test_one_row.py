"""Requests that carry one row each: stacked into calls, and each answered with its own row."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import bentopack
from bentopack.errors import ServeError
from bentopack.serve.service import describe
from tests.serve.running import Running

SETTINGS = {"access_log": False}
SOURCE = '''
import time
from typing import Annotated, TypedDict
import numpy as np
import bentopack
from bentopack.validators import DType, Shape

class Flower(TypedDict):
    petal: float

@bentopack.service
class Service:
    @bentopack.api(batchable=True, one_row=True)
    def lists(self, x: list[list[float]], name: list[str]) -> list[dict]:
        """Tells how many were called together."""
        time.sleep(0.05)
        if [13.0] in x:
            raise bentopack.ApiError(409, "unlucky")
        return [{"sum": sum(row), "name": each, "rows": len(x)} for row, each in zip(x, name)]

    @bentopack.api(batchable=True, one_row=True)
    def arrays(self, x: Annotated[np.ndarray, Shape((-1, 3)), DType("float32")]) -> np.ndarray:
        assert x.ndim == 2 and x.dtype == np.float32
        return x * 2

    @bentopack.api(batchable=True, one_row=True)
    def numbers(self, x: np.ndarray) -> np.ndarray:
        time.sleep(0.05)
        return x.reshape(len(x), -1).sum(axis=1)

    @bentopack.api(batchable=True, one_row=True)
    def bodies(self, x: list[bytes]) -> list[bytes]:
        return [each[::-1] for each in x]

    @bentopack.api(batchable=True, one_row=True)
    def flowers(self, x: list[Flower]) -> list[float]:
        return [each["petal"] for each in x]
'''


def test_rows_are_called_together_and_answered_apart(shared: Running) -> None:
    """Twenty clients send a row each; few calls answer all of them, each with its own."""
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda n: shared.json("/lists", {"x": [n, 1], "name": f"n{n}"}).json(), range(20)))
    assert [(each["sum"], each["name"]) for each in answers] == [(n + 1, f"n{n}") for n in range(20)]
    assert max(each["rows"] for each in answers) > 1


def test_a_row_that_fails_fails_alone(shared: Running) -> None:
    """Of the rows of one call only the culprit's client gets the error."""
    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(lambda n: shared.json("/lists", {"x": [n], "name": ""}).status_code, range(20)))
    assert found == [409 if n == 13 else 200 for n in range(20)]


@pytest.mark.parametrize(
    ("path", "body", "status", "answer"),
    [
        ("/arrays", {"x": [1, 2, 3]}, 200, [2.0, 4.0, 6.0]),
        ("/arrays", {"x": [[1, 2, 3]]}, 422, "x: expected shape (3), found (1, 3)"),
        ("/numbers", {"x": [1, 2]}, 200, 3),
        ("/numbers", {"x": [[1, 2], [3, 4]]}, 200, 10),
        ("/flowers", {"x": {"petal": 1.5}}, 200, 1.5),
        ("/flowers", {"x": [{"petal": 1.5}]}, 422, "x: Expected `object`, got `array`"),
        ("/lists", {"x": 1, "name": "a"}, 422, "x: Expected `array`, got `int`"),
    ],
)
def test_a_request_looks_like_a_row(shared: Running, path: str, body: Any, status: int, answer: Any) -> None:
    """What is asked of a request is what the hint says of one row, and errors name the field."""
    reply = shared.json(path, body)
    found = reply.json() if status == 200 else reply.json()["error"]
    assert (reply.status_code, found) == (status, answer)


def test_rows_of_different_shapes_are_not_stacked(shared: Running) -> None:
    """Arrays that cannot be rows of one array are called apart."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: shared.json("/numbers", {"x": [1] * n}).json(), range(1, 9)))
    assert answers == list(range(1, 9))


def test_a_whole_body_is_a_row(shared: Running) -> None:
    """Bytes go in and out as they are."""
    reply = shared.client.post("/bodies", content=b"abc", headers={"content-type": "application/octet-stream"})
    assert reply.content == b"cba"


def test_the_document_shows_a_row(shared: Running) -> None:
    """The OpenAPI document describes the request of a client, not the batch of the method."""
    paths = shared.client.get("/openapi.json").json()["paths"]
    schema = paths["/flowers"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert "$ref" in schema["properties"]["x"] or schema["properties"]["x"]["type"] == "object"
    assert schema["required"] == ["x"]


def test_one_row_is_an_option_of_batches() -> None:
    """Without batchable there is no batch that a row could be of."""
    with pytest.raises(ValueError, match="add batchable=True"):

        @bentopack.service
        class Wrong:
            @bentopack.api(one_row=True)
            def a(self, x: list[int]) -> list[int]:
                return x

    @bentopack.service
    class Scalar:
        @bentopack.api(batchable=True, one_row=True)
        def a(self, x: int) -> int:
            return x

    with pytest.raises(ServeError, match="must be a numpy array or a list"):
        describe(Scalar, "m:Scalar")
