"""Metrics of all processes, the health check of images, and the limits that the service declares."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from bentopack.serve.held import default_of
from tests.serve.conftest import Start
from tests.serve.running import wait_for

SOURCE = """
import time
import bentopack

@bentopack.service(traffic={"max_concurrency": 2})
class Service:
    @bentopack.api(batchable=True)
    def rows(self, values: list[int]) -> list[int]:
        return values

    @bentopack.api
    def wait(self, seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    @bentopack.api(max_concurrency=1)
    def alone(self, seconds: float) -> float:
        time.sleep(seconds)
        return seconds
"""


def test_metrics_are_summed_over_processes(start: Start) -> None:
    """``/metrics`` has the requests of every front end and the rows of every worker, whoever is asked."""
    running = start(SOURCE, declared_workers=2, front_ends=2)
    url = str(running.client.base_url)
    for _ in range(20):
        assert httpx.post(f"{url}/rows", json={"values": [1, 2, 3]}).status_code == 200
    assert httpx.post(f"{url}/rows", json={"values": "x"}).status_code == 422
    told = (
        'bentopack_requests_total{api="rows",status="200"} 20.0',
        'bentopack_requests_total{api="rows",status="422"} 1.0',
        'bentopack_batch_rows_sum{api="rows"} 60.0',
        'bentopack_request_seconds_count{api="rows"} 21.0',
        "bentopack_requests_in_flight 0.0",
    )
    # A front end tells ten times a second, a worker twice.
    wait_for(lambda: all(line in httpx.get(f"{url}/metrics").text for line in told), timeout=10)


@pytest.mark.parametrize("inline", [False, True])
def test_a_process_that_leaves_has_told_all_that_it_answered(start: Start, inline: bool) -> None:
    """Processes are replaced under load, and what each did in its last moments is in the sums."""
    running = start(SOURCE, declared_workers=2, inline=inline)
    url, stop = str(running.client.base_url), threading.Event()

    def ask() -> int:
        count = 0
        while not stop.is_set():
            count += httpx.post(f"{url}/rows", json={"values": [1, 2, 3]}, timeout=20).status_code == 200
        return count

    with ThreadPoolExecutor(2) as pool:
        asking = [pool.submit(ask) for _ in range(2)]
        running.process.send_signal(signal.SIGHUP)
        running.wait_output("have been replaced", 40)
        stop.set()
        count = sum(each.result() for each in asking)
    told = (
        f'bentopack_requests_total{{api="rows",status="200"}} {count}.0',
        f'bentopack_batch_rows_sum{{api="rows"}} {3 * count}.0',
    )
    wait_for(lambda: all(line in httpx.get(f"{url}/metrics").text for line in told), timeout=10)


def test_max_concurrency_refuses_the_rest(start: Start) -> None:
    """Requests beyond ``traffic.max_concurrency`` get a 503 at once, with Retry-After, and the others go on."""
    running = start(SOURCE)
    url = f"{running.client.base_url}/wait"
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(httpx.post, url, json={"seconds": 1.5}, timeout=20) for _ in range(2)]
        running.wait_under_way(2)
        refused = httpx.post(url, json={"seconds": 0})
        assert [call.result().status_code for call in calls] == [200, 200]
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")


def test_an_api_has_a_limit_of_its_own(start: Start) -> None:
    """Requests beyond an API's ``max_concurrency`` get the same 503 whichever way they come; other APIs go on."""
    running = start(SOURCE, max_concurrency=100)
    url = f"{running.client.base_url}/alone"
    with ThreadPoolExecutor(1) as pool:
        for body in (b'{"seconds": 0}', iter([b'{"seconds": 0}'])):
            call = pool.submit(httpx.post, url, json={"seconds": 1.5}, timeout=20)
            running.wait_under_way(1)
            refused = httpx.post(url, content=body)
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            assert "1 requests to /alone" in refused.json()["error"]
            assert running.json("/wait", {"seconds": 0}).status_code == 200
            assert call.result().status_code == 200
    assert running.json("/alone", {"seconds": 0}).status_code == 200


def test_the_bytes_that_are_held_are_bounded(start: Start) -> None:
    """A body beyond ``max_held`` gets a 503 whichever way it comes, a lone or a small one is taken, and none stays."""
    running = start(SOURCE, max_held=100_000, max_concurrency=100)
    url = f"{running.client.base_url}/wait"
    large = b'{"seconds": 0' + b" " * 80_000 + b"}"
    with ThreadPoolExecutor(1) as pool:
        for body in (large, iter([large[:40_000], large[40_000:]])):
            call = pool.submit(httpx.post, url, content=large.replace(b"0", b"1.5", 1), timeout=20)
            running.wait_under_way(1)
            refused = httpx.post(url, content=body)
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            assert running.json("/wait", {"seconds": 0}).status_code == 200
            assert call.result().status_code == 200
    assert httpx.post(url, content=large + b" " * 80_000).status_code == 200


def test_a_client_that_leaves_holds_nothing(start: Start) -> None:
    """What a client had sent is not counted when it has gone, before or after the end of its body."""
    running = start(SOURCE, max_held=100_000, max_concurrency=100)
    url = f"{running.client.base_url}/wait"
    large = b'{"seconds": 0.4' + b" " * 80_000 + b"}"

    def pieces() -> Iterator[bytes]:
        yield large[:50_000]
        time.sleep(0.1)
        raise ConnectionAbortedError

    for body in (large, iter([large[:40_000], large[40_000:]])):
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(url, content=body, timeout=0.2)
    with pytest.raises(ConnectionAbortedError):
        httpx.post(url, content=pieces())
    wait_for(lambda: httpx.post(url, content=large.replace(b"0.4", b"0")).status_code == 200, 5)


def test_what_may_be_held_follows_the_memory() -> None:
    """By default it is no more than a quarter of the memory that there is, and front ends share it."""
    assert 1 <= default_of(8) <= default_of(1) <= 1 << 30


def test_access_log_is_one_line_a_request(start: Start) -> None:
    """Each request is logged with its status and time, unless that is switched off."""
    running = start(SOURCE)
    running.json("/rows", {"values": [1]})
    wait_for(lambda: re.search(r'127.0.0.1 "POST /rows" 200 [\d.]+ms', running.output) is not None, 5)


def test_healthcheck_follows_readiness(start: Start) -> None:
    """The image's health check exits 0 when the service is ready and 1 when there is none, without heavy imports."""
    running = start(SOURCE)
    command = [sys.executable, "-X", "importtime", "-m", "bentopack.serve.healthcheck"]
    ready = subprocess.run(
        command,
        env={**os.environ, "PORT": str(running.client.base_url.port)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ready.returncode == 0
    assert not re.search(r"uvicorn|msgspec|asyncio", ready.stderr)
    running.process.terminate()
    running.process.wait(10)
    gone = subprocess.run(
        command, env={**os.environ, "PORT": str(running.client.base_url.port)}, capture_output=True, check=False
    )
    assert gone.returncode == 1
