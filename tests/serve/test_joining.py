"""Requests of a batchable API are joined into calls, and come apart again."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from tests.serve.running import Running

SETTINGS = {"access_log": False}
SOURCE = '''
import asyncio
import time
import numpy as np
import bentopack

@bentopack.service
class Service:
    def __init__(self):
        self.calls = []

    @bentopack.api(batchable=True, max_batch_size=8)
    def rows(self, values: list[int]) -> list[list[int]]:
        """Each row comes back with the number of rows in its call."""
        self.calls.append(len(values))
        time.sleep(0.02)
        if 13 in values:
            raise ValueError("unlucky")
        return [[value, len(values)] for value in values]

    @bentopack.api(batchable=True, max_batch_size=8)
    async def later(self, values: list[int]) -> list[list[int]]:
        await asyncio.sleep(0.02)
        return [[value, len(values)] for value in values]

    @bentopack.api(batchable=True, batch_dim=1)
    def columns(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        time.sleep(0.02)
        return a + b

    @bentopack.api(batchable=True)
    def short(self, values: list[int]) -> list[int]:
        return values[1:]

    @bentopack.api(batchable=True, max_latency_ms=50)
    def hurried(self, values: list[int]) -> list[int]:
        time.sleep(0.4)
        return values

    @bentopack.api
    async def alone(self, n: int) -> int:
        await asyncio.sleep(0.2)
        return n

    @bentopack.api
    def count(self) -> list[int]:
        return self.calls
'''


def _many(running: Running, path: str, bodies: list[Any]) -> list[httpx.Response]:
    """POST bodies at once, each on a connection of its own."""

    async def go() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=len(bodies))
        async with httpx.AsyncClient(base_url=running.client.base_url, limits=limits, timeout=20) as client:
            return list(await asyncio.gather(*(client.post(path, json=body) for body in bodies)))

    return asyncio.run(go())


def test_waiting_requests_share_a_call(shared: Running) -> None:
    """Concurrent requests need fewer calls than there are, within ``max_batch_size`` rows, and each gets its own."""
    before = len(shared.client.post("/count").json())
    answers = _many(shared, "/rows", [{"values": [n, n]} for n in range(100, 132)])
    assert [[value for value, _ in answer.json()] for answer in answers] == [[n, n] for n in range(100, 132)]
    calls = shared.client.post("/count").json()[before:]
    assert sum(calls) == 64
    assert len(calls) < 32
    assert max(calls) <= 8


def test_async_batches_are_joined_too(shared: Running) -> None:
    """An ``async def`` batchable API is called with joined rows, one batch at a time."""
    answers = _many(shared, "/later", [{"values": [n]} for n in range(32)])
    assert [answer.json()[0][0] for answer in answers] == list(range(32))
    assert max(answer.json()[0][1] for answer in answers) > 1


def test_lone_request_is_not_held_back(shared: Running) -> None:
    """A request that finds the model idle is called at once: there is no waiting for company."""
    shared.json("/rows", {"values": [1]})
    began = time.perf_counter()
    assert shared.json("/rows", {"values": [1]}).json() == [[1, 1]]
    assert time.perf_counter() - began < 0.2


def test_large_request_is_cut_and_glued(shared: Running) -> None:
    """A request with more rows than ``max_batch_size`` is called in pieces; the client sees one answer."""
    answer = shared.json("/rows", {"values": list(range(100, 120))}).json()
    assert [value for value, _ in answer] == list(range(100, 120))
    assert [size for _, size in answer] == [8] * 16 + [4] * 4


def test_bad_row_fails_alone(shared: Running) -> None:
    """When a joined call raises, its neighbours still get their answers."""
    answers = _many(shared, "/rows", [{"values": [n]} for n in range(32)])
    assert [answer.status_code for answer in answers] == [500 if n == 13 else 200 for n in range(32)]


def test_bodies_are_decoded_one_by_one(shared: Running) -> None:
    """No body can shift another's answer, whatever it holds: bad ones are refused on their own."""
    bodies: list[Any] = [{"values": [n]} if n % 3 else {"values": ["], [9"]} for n in range(100, 130)]
    answers = _many(shared, "/rows", bodies)
    for n, answer in zip(range(100, 130), answers, strict=True):
        if n % 3:
            assert answer.json()[0][0] == n
        else:
            assert (answer.status_code, answer.json()["field"]) == (422, "values[0]")


def test_arrays_join_along_batch_dim(shared: Running) -> None:
    """Arrays that fit are joined along ``batch_dim``; those that do not are called apart, and none fails for it."""
    bodies = [{"a": [[n, n]] * (1 + n % 3), "b": [[1, 2]] * (1 + n % 3)} for n in range(24)]
    answers = _many(shared, "/columns", bodies)
    assert [answer.json() for answer in answers] == [[[n + 1, n + 2]] * (1 + n % 3) for n in range(24)]


def test_parameters_must_agree_on_rows(shared: Running) -> None:
    """A request whose parameters carry different numbers of rows is refused."""
    answer = shared.json("/columns", {"a": [[1, 2]], "b": [[1]]})
    assert answer.status_code == 422
    assert "differ in their number of rows (a: 2, b: 1)" in answer.json()["error"]


def test_wrong_number_of_results_is_500_and_says_so(shared: Running) -> None:
    """An API that does not return one row a row fails, and the log says what it returned."""
    assert shared.json("/short", {"values": [1, 2]}).status_code == 500
    shared.wait_output("the call was given 2 rows and returned 1")


def test_stale_requests_never_reach_the_model(shared: Running) -> None:
    """A request that has waited longer than ``max_latency_ms`` is answered 503 before the model is called for it."""
    with ThreadPoolExecutor(2) as pool, httpx.Client(base_url=shared.client.base_url, timeout=20) as client:
        first = pool.submit(shared.json, "/hurried", {"values": [1]})
        time.sleep(0.05)
        second = client.post("/hurried", json={"values": [2]})
        assert first.result().status_code == 200
    assert second.status_code == 503
    assert "max_latency_ms (50)" in second.json()["error"]


def test_async_requests_run_side_by_side(shared: Running) -> None:
    """``async def`` APIs that are not batchable answer many requests in the time of one."""
    began = time.perf_counter()
    answers = _many(shared, "/alone", [{"n": n} for n in range(10)])
    assert [answer.json() for answer in answers] == list(range(10))
    assert time.perf_counter() - began < 1.0
