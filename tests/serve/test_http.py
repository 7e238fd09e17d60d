"""What clients send and get, through real processes."""

from __future__ import annotations

import io
import json
import re

import httpx
import numpy as np
import pytest

from tests.serve.running import Running

SETTINGS = {"max_body": 100_000, "access_log": False}
SOURCE = """
import asyncio
from dataclasses import dataclass
from typing import Annotated, Optional
import numpy as np
import pydantic
import bentopack
from bentopack.validators import DType, Shape

Rows = Annotated[np.ndarray, Shape((-1, 4)), DType("float32")]

@dataclass
class Point:
    x: float
    y: float = 0.0

class Person(pydantic.BaseModel):
    name: str
    age: int = pydantic.Field(ge=0)

@bentopack.service(traffic={"timeout": 1})
class Service:
    @bentopack.api(batchable=True)
    def classify(self, features: Rows) -> np.ndarray:
        return features.sum(axis=1)

    @bentopack.api
    def matrix(self, a: np.ndarray, scale: float = 1.0) -> np.ndarray:
        return a * scale

    @bentopack.api
    def shout(self, text: str) -> str:
        return text.upper()

    @bentopack.api
    def flip(self, data: bytes) -> bytes:
        return data[::-1]

    @bentopack.api
    def move(self, point: Point, by: Optional[float] = None) -> Point:
        return Point(point.x + (by or 0.0), point.y)

    @bentopack.api
    def older(self, person: Person) -> Person:
        return Person(name=person.name, age=person.age + 1)

    @bentopack.api(route="/deep/route")
    async def later(self, n: int) -> dict:
        await asyncio.sleep(0.01)
        return {"n": np.int64(n), "ratio": np.float32(0.5), "missing": float("nan")}

    @bentopack.api
    def hello(self) -> list[str]:
        return ["hello"]

    @bentopack.api
    def refuse(self, name: str) -> str:
        raise bentopack.ApiError(404, f"no user {name}", field="name")

    @bentopack.api
    def fail(self, name: str) -> str:
        raise RuntimeError("secret detail")

    @bentopack.api
    def unwritable(self, name: str) -> dict:
        return {"it": object()}

    @bentopack.api
    def odd(self, kind: str) -> str:
        if kind == "exception":
            raise bentopack.ApiError(409, ValueError("taken"))
        if kind == "surrogate":
            raise bentopack.ApiError(409, "\\ud800 taken", field="\\udfff")
        if kind == "fraction":
            raise bentopack.ApiError(404.5, "half found")
        error = bentopack.ApiError(404, "changed later")
        if kind == "status":
            error.status = 404.5
        else:
            error.message = object()
        raise error

    @bentopack.api
    def maybe(self, a: Optional[Rows] = None) -> str:
        return "nothing" if a is None else str(a.dtype)

    @bentopack.api
    async def slow(self) -> str:
        await asyncio.sleep(5)
        return "late"
"""


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def test_json_arrays_come_and_go(shared: Running) -> None:
    """An array parameter is an array in JSON, and so is an array result."""
    answer = shared.json("/classify", {"features": [[1, 2, 3, 4], [0.5, 0, 0, 0]]})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == [10.0, 0.5]


def test_npy_body_is_read_and_checked(shared: Running) -> None:
    """A sole array parameter takes the bytes of a .npy file, under the same checks as JSON."""
    headers = {"content-type": "application/x-npy"}
    good = shared.client.post("/classify", content=_npy(np.ones((3, 4), "float32")), headers=headers)
    assert good.json() == [4.0, 4.0, 4.0]
    wrong = shared.client.post("/classify", content=_npy(np.ones((3, 5), "float32")), headers=headers)
    assert (wrong.status_code, wrong.json()["field"]) == (422, "features")
    damaged = shared.client.post("/classify", content=_npy(np.ones((3, 4)))[:-8], headers=headers)
    assert damaged.status_code == 400


def test_npy_body_is_never_unpickled(shared: Running) -> None:
    """An .npy file of Python objects is refused: it could run code."""
    body = io.BytesIO()
    np.save(body, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    answer = shared.client.post("/classify", content=body.getvalue(), headers={"content-type": "application/x-npy"})
    assert answer.status_code == 422


def test_text_and_bytes_bodies(shared: Running) -> None:
    """A sole string takes plain text, sole bytes take any body, and results keep their type."""
    text = shared.client.post("/shout", content="grüße".encode(), headers={"content-type": "text/plain"})
    assert text.text == "GRÜSSE"
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    assert shared.json("/shout", {"text": "a"}).text == "A"
    raw = shared.client.post("/flip", content=b"\x00\xff", headers={"content-type": "image/png"})
    assert (raw.content, raw.headers["content-type"]) == (b"\xff\x00", "application/octet-stream")
    assert shared.json("/flip", {"data": "AAE="}).content == b"\x01\x00"


def test_structured_values(shared: Running) -> None:
    """Dataclasses, optional values, defaults and pydantic models are read from JSON and written to it."""
    assert shared.json("/move", {"point": {"x": 1}, "by": 2.5}).json() == {"x": 3.5, "y": 0.0}
    assert shared.json("/older", {"person": {"name": "Ada", "age": 36}}).json() == {"name": "Ada", "age": 37}
    assert shared.json("/matrix", {"a": [[1, 2]], "scale": 2}).json() == [[2.0, 4.0]]
    assert shared.client.post("/hello").json() == ["hello"]


def test_numpy_scalars_are_numbers_and_nan_is_null(shared: Running) -> None:
    """JSON knows no NaN: it is written as null, and refused in a request."""
    assert shared.json("/deep/route", {"n": 3}).json() == {"n": 3, "ratio": 0.5, "missing": None}
    answer = shared.client.post("/matrix", content=b'{"a": [NaN]}')
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("path", "body", "status", "field", "words"),
    [
        ("/classify", {"features": [[1, 2, 3]]}, 422, "features", "expected shape (*, 4), found (1, 3)"),
        ("/classify", {"features": [[1, 2, 3, 4], [1]]}, 422, "features", "ragged"),
        ("/classify", {"features": [["a", "b", "c", "d"]]}, 422, "features", "expected float32, found strings"),
        ("/classify", {"features": [[1, 2, 3, None]]}, 422, "features", "null"),
        ("/classify", {"features": "abc"}, 422, "features", "expected an array, found a string"),
        ("/classify", {}, 422, "features", "missing field 'features'"),
        ("/classify", {"feature": []}, 422, "feature", "did you mean 'features'?"),
        ("/classify", [[1, 2, 3, 4]], 422, None, 'an object such as {"features"'),
        ("/matrix", {"a": [1], "scale": "x"}, 422, "scale", "Expected `float`, got `str`"),
        ("/move", {"point": {"y": 1}}, 422, "point.x", "missing field 'point.x'"),
        ("/older", {"person": {"name": "Ada", "age": -1}}, 422, "person", "age: Input should be greater"),
        ("/refuse", {"name": "bob"}, 404, "name", "no user bob"),
        ("/classify", {"features": []}, 422, "features", "expected shape"),
        ("/maybe", {"a": [[1]]}, 422, "a", "expected shape (*, 4), found (1, 1)"),
        ("/odd", {"kind": "exception"}, 409, None, "taken"),
        ("/odd", {"kind": "surrogate"}, 409, "?", "? taken"),
        ("/odd", {"kind": "fraction"}, 500, None, "internal error"),
        ("/odd", {"kind": "status"}, 500, None, "internal error"),
        ("/odd", {"kind": "message"}, 500, None, "internal error"),
    ],
)
def test_bad_values_name_the_field(
    shared: Running, path: str, body: object, status: int, field: str | None, words: str
) -> None:
    """A body that says the wrong thing is answered 4xx, with the field and what was expected there."""
    answer = shared.json(path, body)
    assert answer.status_code == status, answer.text
    assert answer.json().get("field") == field
    assert words in answer.json()["error"]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"features": [[1,2,3,4]]} x', b'{"features":' + b"[" * 90_000])
def test_malformed_json_is_400(shared: Running, body: bytes) -> None:
    """What is no JSON at all is answered 400, whatever the bytes are."""
    answer = shared.client.post("/classify", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400, answer.text
    assert "error" in answer.json()


def test_optional_array_may_be_null(shared: Running) -> None:
    """``X | None`` takes null, and reads an array as its Shape and DType say."""
    assert shared.json("/maybe", {}).text == "nothing"
    assert shared.json("/maybe", {"a": None}).text == "nothing"
    assert shared.json("/maybe", {"a": [[1, 2, 3, 4]]}).text == "float32"


def test_request_without_rows_is_422(shared: Running) -> None:
    """A batch of nothing is the client's mistake; the model never sees it."""
    empty = _npy(np.ones((0, 4), "float32"))
    answer = shared.client.post("/classify", content=empty, headers={"content-type": "application/x-npy"})
    assert (answer.status_code, answer.json()["field"]) == (422, "features")
    assert "no rows" in answer.json()["error"]


def test_parameters_of_a_media_type_come_in_any_order(shared: Running) -> None:
    """``charset`` is found among other parameters; another encoding than UTF-8 is refused."""
    for kind, status in (("text/plain; charset=utf-8; format=flowed", 200), ("text/plain; charset=latin-1", 415)):
        assert shared.client.post("/shout", content=b"a", headers={"content-type": kind}).status_code == status


def test_wrong_media_type_is_415(shared: Running) -> None:
    """A body of a type that the API does not take is answered 415, naming what it takes."""
    answer = shared.client.post("/classify", content="x", headers={"content-type": "text/csv"})
    assert answer.status_code == 415
    assert "application/json or application/x-npy" in answer.json()["error"]
    packed = shared.client.post("/shout", content=b"x", headers={"content-encoding": "gzip"})
    assert packed.status_code == 415


def test_oversized_body_is_413(shared: Running) -> None:
    """A body above the limit is answered 413, by its declared length or as soon as it has grown beyond."""
    assert shared.client.post("/shout", content=b"x" * 100_001).status_code == 413
    with httpx.Client(base_url=shared.client.base_url) as client:
        chunks = iter([b"x" * 60_000, b"x" * 60_000])
        assert client.post("/shout", content=chunks).status_code == 413


def test_unknown_route_and_method(shared: Running) -> None:
    """A route that does not exist is 404 with the nearest one; another method than POST is 405."""
    missing = shared.json("/clasify", {})
    assert missing.status_code == 404
    assert "did you mean '/classify'?" in missing.json()["error"]
    wrong = shared.client.get("/classify")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")


def test_failure_of_the_service_is_500_and_logged(shared: Running) -> None:
    """A client never sees the service's traceback; the log has it, without the runtime's own frames."""
    answer = shared.json("/fail", {"name": "x"})
    assert (answer.status_code, answer.json()) == (500, {"error": "internal error"})
    assert shared.json("/unwritable", {"name": "x"}).status_code == 500
    shared.wait_output("RuntimeError: secret detail")
    assert "batching.py" not in shared.output


def test_timeout_is_504(shared: Running) -> None:
    """A request that takes longer than the service's ``traffic.timeout`` is answered 504."""
    assert shared.client.post("/slow").status_code == 504


def test_openapi_describes_each_api(shared: Running) -> None:
    """The document has each route with its parameters, shapes and types of body."""
    document = shared.client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    post = document["paths"]["/classify"]["post"]
    assert set(post["requestBody"]["content"]) == {"application/json", "application/x-npy"}
    features = post["requestBody"]["content"]["application/json"]["schema"]["properties"]["features"]
    assert features["items"]["minItems"] == features["items"]["maxItems"] == 4
    assert post["x-bentopack"]["max_batch_size"] == 100
    assert "/deep/route" in document["paths"]
    references = [text.split('"')[0] for text in json.dumps(document).split("#/components/schemas/")[1:]]
    assert set(references) <= set(document["components"]["schemas"])
    matrix = document["paths"]["/matrix"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert matrix["properties"]["scale"]["default"] == 1.0


def test_docs_page_stands_alone(shared: Running) -> None:
    """``/`` leads to a page that works without the internet."""
    page = shared.client.get("/", follow_redirects=True)
    assert page.url.path == "/docs"
    assert "<html" in page.text
    assert "https://" not in page.text
    assert "http://" not in page.text
    # A path prefix in front of the service stays in front.
    assert not re.search(r"""(href=|fetch\()["']/""", page.text)
    assert shared.client.get("/").headers["location"] == "docs"
