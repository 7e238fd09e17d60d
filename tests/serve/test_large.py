"""Large bodies, which come by shared memory: whole, each its client's own, and with nothing left behind."""

from __future__ import annotations

import contextlib
import hashlib
import random
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from io import BufferedReader
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.serve.running import Running, wait_for

SETTINGS: dict[str, Any] = {"access_log": False, "max_body": 5_000_000, "workers": 2}
SOURCE = """
import hashlib, os, time
import bentopack

@bentopack.service
class Service:
    @bentopack.api
    def digest(self, body: bytes) -> str:
        return hashlib.sha256(body).hexdigest()

    @bentopack.api
    async def later(self, body: bytes) -> str:
        return hashlib.sha256(body).hexdigest()

    @bentopack.api(batchable=True, one_row=True)
    def slow(self, body: list[bytes]) -> list[str]:
        time.sleep(0.3)
        return [hashlib.sha256(each).hexdigest() for each in body]

    @bentopack.api
    def pid(self) -> int:
        return os.getpid()
"""
SYNC = SOURCE.replace("async def later", "def later")
SIZES = [65_535, 65_536, 65_537, 131_072, 600_000, 5_000_000]


def body_of(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)  # noqa: S311 - no secret


def head(path: str, length: int) -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\nContent-Type: a/b\r\n\r\n".encode()


@pytest.fixture(scope="module", params=[SOURCE, SYNC], ids=["async", "sync"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Running:
    """A service with both kinds of worker."""
    from tests.serve.running import config_of

    running = Running(config_of(tmp_path_factory.mktemp("source"), request.param, **SETTINGS))
    request.addfinalizer(lambda: running.__exit__(None, None, None))
    return running.wait_ready()


def connect(running: Running) -> socket.socket:
    return socket.create_connection(("127.0.0.1", running.client.base_url.port or 0), 20)


def read_answer(connection: BufferedReader) -> tuple[bytes, bytes]:
    """Read one answer and return its first line and its body."""
    status = connection.readline().strip()
    length = 0
    while line := connection.readline().strip():
        name, _, value = line.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    return status, connection.read(length)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("path", ["/digest", "/later", "/slow"])
def test_a_body_arrives_as_it_was_sent(service: Running, path: str, size: int) -> None:
    """Whatever its size, and whoever calls the method."""
    body = body_of(size, size)
    reply = service.client.post(path, content=body, headers={"content-type": "application/octet-stream"})
    assert reply.text.strip('"') == hashlib.sha256(body).hexdigest()


def test_a_body_that_is_too_large_is_refused(service: Running) -> None:
    """The limit holds for these too."""
    assert service.client.post("/digest", content=bytes(5_000_001)).status_code == 413


def test_clients_at_once_get_their_own(service: Running) -> None:
    """Bodies of many clients at once, of sizes that share slabs, are never mixed."""

    def ask(seed: int) -> bool:
        body = body_of(seed, 70_000 + 20_000 * (seed % 20))
        reply = service.client.post("/digest", content=body, headers={"content-type": "a/b"})
        return reply.text == hashlib.sha256(body).hexdigest()

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, range(300)))


def test_one_connection_goes_on(service: Running) -> None:
    """Large and small requests follow each other on one connection, also where the head comes with the body's half."""
    with connect(service) as connection, connection.makefile("rb") as answers:
        for size in (200_000, 10, 65_536, 3, 900_000):
            body = body_of(size, size)
            data = head("/digest", size) + body
            for at in range(0, len(data), 90_001):
                connection.sendall(data[at : at + 90_001])
                time.sleep(0.005)
            assert read_answer(answers) == (b"HTTP/1.1 200 OK", hashlib.sha256(body).hexdigest().encode())


def test_the_next_request_may_come_with_the_end_of_a_body(service: Running) -> None:
    """What a client sends on before its answer is read when its turn has come."""
    one, two = body_of(1, 300_000), body_of(2, 100_000)
    with connect(service) as connection, connection.makefile("rb") as answers:
        connection.sendall(
            head("/digest", len(one)) + one + head("/digest", len(two)) + two + head("/digest", 1) + b"x"
        )
        for body in (one, two, b"x"):
            assert read_answer(answers)[1] == hashlib.sha256(body).hexdigest().encode()


AFTER = [
    head("/digest", 200_000) + b"x" * 200_000,
    head("/digest", 200_000).replace(b"Host", b"X-Request-ID: mine\r\nHost") + b"x" * 200_000,
    head("/digest", 200_000).replace(b"Host", b"Connection: close\r\nHost") + b"x" * 200_000,
    head("/digest", 3) + b"abc",
    head("/digest", 6_000_000) + bytes(8_000),
    head("/nowhere", 200_000) + b"x" * 200_000,
    head("/digest", 200_000).replace(b"Content-Length", b"Content-Encoding: br\r\nContent-Length") + b"x" * 200_000,
    head("/digest", 200_000).replace(b"Content-Type", b"Content-Length: 3\r\nContent-Type") + b"x" * 200_000,
    head("/digest", 0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n",
    b"GET /openapi.json HTTP/1.1\r\nHost: h\r\n\r\n",
    b"nonsense\r\n\r\n",
]


@pytest.mark.parametrize("after", AFTER, ids=range(len(AFTER)))
@pytest.mark.parametrize("size", [131_072, 200_000])
def test_what_follows_a_large_body_is_answered_as_if_it_were_first(service: Running, size: int, after: bytes) -> None:
    """However it is cut. One that is not malformed may also come before the answer."""
    large = head("/digest", size) + bytes(size)

    def answer_of(*parts: bytes) -> tuple[bytes, bytes]:
        with connect(service) as connection, connection.makefile("rb") as answers:
            for part in parts:
                connection.sendall(part)
                if part == large:
                    assert read_answer(answers)[0] == b"HTTP/1.1 200 OK"
                time.sleep(0.01)
            if parts[0] == large + after:
                assert read_answer(answers)[0] == b"HTTP/1.1 200 OK"
            return read_answer(answers)

    alone = answer_of(after)
    for cut in (0, 1, 20, after.find(b"\r\n\r\n") + 3, after.find(b"\r\n\r\n") + 4):
        assert answer_of(large, after[:cut], after[cut:]) == alone
    if not alone[0].startswith(b"HTTP/1.1 400"):
        assert answer_of(large + after) == alone


def test_clients_that_leave_leave_nothing(service: Running) -> None:
    """A client that goes in the middle of its body, or before its answer, gives its memory back, and nobody else's."""
    (front_end,) = service.pids("serve.frontend")

    def shared() -> int:
        found = 0
        for each in Path(f"/proc/{front_end}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # it was closed since they were listed
                found += "bentopack-slab" in str(each.readlink())
        return found

    size = 1_900_000
    for _ in range(3):
        for _ in range(10):
            with connect(service) as connection:
                connection.sendall(head("/digest", size) + bytes(size // 2))
            with connect(service) as connection:
                connection.sendall(head("/slow", size) + bytes(size))
        time.sleep(1.5)
        body = body_of(7, size)
        for _ in range(5):
            reply = service.client.post("/digest", content=body, headers={"content-type": "a/b"})
            assert reply.text == hashlib.sha256(body).hexdigest()

    def takes_none_that_is_new() -> bool:
        before = shared()
        with connect(service) as connection, connection.makefile("rb") as answers:
            connection.sendall(head("/digest", size) + body_of(7, size))
            read_answer(answers)
        return shared() == before

    wait_for(takes_none_that_is_new, 20)


def test_a_killed_worker_is_a_503_and_its_memory_is_used_again(service: Running) -> None:
    """Whoever's body a killed worker had is told, and the next gets its answer from another."""
    body = body_of(9, 500_000)
    workers = service.pids("serve.worker")  # listed before, since the call is short
    with connect(service) as connection, connection.makefile("rb") as answers:
        connection.sendall(head("/slow", len(body)) + body)
        time.sleep(0.15)
        for pid in workers:
            service.signal(pid, signal.SIGKILL)
        assert read_answer(answers)[0].startswith(b"HTTP/1.1 503")
    wait_for(lambda: service.client.get("/readyz").status_code == 200, 20)
    reply = service.client.post("/digest", content=body, headers={"content-type": "a/b"})
    assert reply.text == hashlib.sha256(body).hexdigest()


def test_a_killed_front_end_takes_its_memory_with_it(service: Running) -> None:
    """Workers let go at once of the bodies that a front end shared with them."""
    wait_for(lambda: service.client.get("/readyz").status_code == 200, 20)
    workers = service.pids("serve.worker")

    def shared() -> int:
        return sum(Path(f"/proc/{pid}/maps").read_text().count("bentopack-slab") for pid in workers)

    assert service.client.post("/digest", content=bytes(400_000), headers={"content-type": "a/b"}).status_code == 200
    assert shared() > 0
    (front_end,) = service.pids("serve.frontend")
    service.signal(front_end, signal.SIGKILL)
    wait_for(lambda: shared() == 0, 10)
    service.client.close()
    service.client = httpx.Client(base_url=service.client.base_url, timeout=20)
    wait_for(lambda: service.client.get("/readyz").status_code == 200, 20)
