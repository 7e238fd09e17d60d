"""Bodies that a method reads where they lie: the memory is another request's later, and nobody may notice."""

from __future__ import annotations

import base64
import contextlib
import hashlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.serve.running import Running, config_of, wait_for

SOURCE = """
import hashlib, threading, time
from typing import Annotated
import numpy as np
import bentopack
from bentopack.validators import DType

@bentopack.service
class Service:
    def __init__(self):
        self.kept = {}

    @bentopack.api
    def digest(self, body: memoryview) -> str:
        return hashlib.sha256(body).hexdigest()

    @bentopack.api
    def lies_in(self, body: memoryview) -> dict:
        return {"type": type(body.obj).__name__, "readonly": body.readonly}

    @bentopack.api(batchable=True, one_row=True)
    def batch(self, body: list[memoryview]) -> list[str]:
        time.sleep(0.05)
        return [hashlib.sha256(each).hexdigest() for each in body]

    @bentopack.api
    def middle(self, body: memoryview) -> bytes:
        return body[1000:-1000]

    @bentopack.api
    def mean(self, array: Annotated[np.ndarray, DType("float32")]) -> float:
        return float(array.mean())

    @bentopack.api(batchable=True, one_row=True)
    def picky(self, body: list[memoryview]) -> list[str]:
        if any(each[0] == 255 for each in body):
            raise ValueError("255")
        return [hashlib.sha256(each).hexdigest() for each in body]

    @bentopack.api
    def keep(self, body: memoryview) -> str:
        self.kept["whole"] = body
        return hashlib.sha256(body).hexdigest()

    @bentopack.api
    def keep_part(self, body: memoryview) -> str:
        self.kept["part"] = part = body[5000:]
        return hashlib.sha256(part).hexdigest()

    @bentopack.api
    def keep_array(self, body: memoryview) -> str:
        self.kept["array"] = array = np.frombuffer(body, "uint8")[7:]
        return hashlib.sha256(array).hexdigest()

    @bentopack.api
    def keep_in_thread(self, body: memoryview) -> str:
        def late():
            time.sleep(0.3)
            self.kept["thread"] = bytes(body)

        threading.Thread(target=late).start()
        return hashlib.sha256(body).hexdigest()

    @bentopack.api
    def all_kept(self) -> dict:
        return {name: hashlib.sha256(each).hexdigest() for name, each in self.kept.items()}

    @bentopack.api
    def forget(self) -> None:
        self.kept.clear()
"""
ASYNC = SOURCE + "\n    @bentopack.api\n    async def other(self) -> int:\n        return 1\n"
SIZE = 300_000
RAW = {"content-type": "application/octet-stream"}


def body_of(seed: int, size: int = SIZE) -> bytes:
    return np.random.default_rng(seed).bytes(size)


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


@pytest.fixture(scope="module", params=[SOURCE, ASYNC], ids=["sync", "async"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Running:
    """A service of one worker, of either kind."""
    running = Running(config_of(tmp_path_factory.mktemp("source"), request.param, access_log=False))
    request.addfinalizer(lambda: running.__exit__(None, None, None))
    return running.wait_ready()


def post(service: Running, path: str, body: bytes) -> httpx.Response:
    return service.client.post(path, content=body, headers=RAW)


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 600_000, 3_000_000])
@pytest.mark.parametrize("path", ["/digest", "/batch"])
def test_a_view_has_the_body_that_was_sent(service: Running, path: str, size: int) -> None:
    """Whatever its size; in JSON it is base64, as bytes are."""
    body = body_of(size, size)
    assert post(service, path, body).text.strip('"') == digest(body)
    in_json = service.client.post(path, json={"body": base64.b64encode(body).decode()})
    assert in_json.text.strip('"') == digest(body)


def test_a_large_body_is_read_where_it_lies(service: Running) -> None:
    """A method of a worker of one thread gets no copy, and none can write into what others will read."""
    lent = post(service, "/lies_in", body_of(1)).json()
    assert lent["readonly"] is True
    with_loop = service.client.post("/other", json={}).status_code == 200
    assert lent["type"] == ("bytes" if with_loop else "mmap")


def test_the_description_says_what_a_view_takes(service: Running) -> None:
    """The same as bytes: base64 in JSON, or any body."""
    operation = service.client.get("/openapi.json").json()["paths"]["/digest"]["post"]
    content = operation["requestBody"]["content"]
    assert "application/octet-stream" in content
    found = content["application/json"]["schema"]["properties"]["body"]
    assert found == {"type": "string", "contentEncoding": "base64"}


def test_a_part_of_a_view_may_be_the_result(service: Running) -> None:
    """It is written before the memory is another's."""
    for seed in range(5):
        body = body_of(seed)
        assert post(service, "/middle", body).content == body[1000:-1000]


def test_a_large_npy_is_the_array_that_was_sent(service: Running) -> None:
    """An array made of a lent body is its own."""
    array = np.arange(100_000, dtype="float32")
    file = BytesIO()
    np.save(file, array)
    reply = service.client.post("/mean", content=file.getvalue(), headers={"content-type": "application/x-npy"})
    assert reply.json() == float(array.mean())


def test_whoever_keeps_a_body_keeps_its_bytes(service: Running) -> None:
    """A view, a part of it, an array on it, or a thread that has it: what comes later does not change them."""
    kept: dict[str, str] = {}
    for seed, (path, start) in enumerate({"keep": 0, "keep_part": 5000, "keep_array": 7, "keep_in_thread": 0}.items()):
        body = body_of(seed)
        kept[{"keep": "whole"}.get(path, path.rpartition("_")[2])] = digest(body[start:])
        assert post(service, f"/{path}", body).text == digest(body[start:])
    for seed in range(100, 110):
        body = body_of(seed)
        assert post(service, "/digest", body).text == digest(body)
    wait_for(lambda: service.client.post("/all_kept", json={}).json() == kept, 5)


def test_what_was_kept_goes_when_it_is_let_go(service: Running) -> None:
    """A copy that lies under a view lives as long as the view."""
    worker = service.pids("serve.worker")[0]

    def mapped() -> int:
        return Path(f"/proc/{worker}/maps").read_text().count("bentopack-kept")

    for seed in range(20):
        post(service, "/keep", body_of(seed))
        assert mapped() <= 3
    service.client.post("/forget", json={})
    assert mapped() == 0


def test_a_batch_that_fails_reads_the_same_bodies_again(service: Running) -> None:
    """Calls in halves see what the first call saw, and the culprit alone fails."""

    def ask(seed: int) -> bool:
        body = bytes([255 if seed % 7 == 0 else 0]) + body_of(seed)
        reply = post(service, "/picky", body)
        return reply.status_code == 500 if seed % 7 == 0 else reply.text.strip('"') == digest(body)

    with ThreadPoolExecutor(12) as pool:
        assert all(pool.map(ask, range(120)))


def test_clients_that_leave_do_not_disturb_others(service: Running) -> None:
    """The memory of a request that ended before its answer is used again only when nobody reads it."""

    def leave(seed: int) -> None:
        with contextlib.suppress(httpx.TimeoutException):
            service.client.post("/batch", content=body_of(seed), headers=RAW, timeout=0.03)

    def ask(seed: int) -> bool:
        body = body_of(seed)
        return post(service, "/batch", body).text.strip('"') == digest(body)

    with ThreadPoolExecutor(8) as leaving, ThreadPoolExecutor(8) as asking:
        gone = [leaving.submit(leave, seed) for seed in range(100)]
        assert all(asking.map(ask, range(1000, 1200)))
        assert all(each.exception() is None for each in gone)
