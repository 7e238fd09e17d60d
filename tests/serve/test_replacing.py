"""Workers are replaced while requests go on: by SIGHUP, after so many requests, and when one hangs."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from bentopack.serve.asking import Receiver, WorkerLink
from bentopack.serve.frames import Media, Replies, pack_hello, pack_replies
from bentopack.serve.hello import ApiRoute, Hello
from bentopack.serve.link import Link
from tests.serve.conftest import Start
from tests.serve.running import Running, config_of, wait_for
from tests.serve.test_lifecycle import SLOW, Call

ASYNC = (
    SLOW
    + """
    @bentopack.api
    async def later(self) -> str:
        return "later"
"""
)


LARGE = """
    @bentopack.api
    def large(self) -> bytes:
        time.sleep(0.02)
        return bytes(2_000_000)
"""
FIRST = """
    @bentopack.api
    def wait"""
ADDED = """
    @bentopack.api
    def aaa(self) -> str:
        return "aaa"
"""


@contextmanager
def load(running: Running, clients: int = 4) -> Iterator[Counter[Any]]:
    """Ask for ``/pid`` from several clients as long as the block runs; counts answers by status, errors by type."""
    found: Counter[Any] = Counter()
    stop = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=running.client.base_url, timeout=20) as client:
            while not stop.is_set():
                try:
                    found[client.post("/pid").status_code] += 1
                except httpx.HTTPError as error:
                    found[repr(error)] += 1

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        stop.set()
        for thread in threads:
            thread.join(20)


@pytest.mark.parametrize("source", [SLOW, ASYNC], ids=["sync", "async"])
def test_sighup_replaces_the_workers_and_fails_no_request(start: Start, source: str) -> None:
    """Under load every worker is another process afterwards, and every request has had its answer."""
    running = start(source, workers=2)
    before = set(running.pids("serve.worker"))
    with load(running) as answers:
        wait_for(lambda: answers[200] > 50, 10)
        running.process.send_signal(signal.SIGHUP)
        running.wait_output("have been replaced", 30)
        wait_for(lambda: len(running.pids("serve.worker")) == 2, 10)
        seen = answers[200]
        wait_for(lambda: answers[200] > seen + 50, 10)
    assert before.isdisjoint(running.pids("serve.worker"))
    assert set(answers) == {200}


def test_sighup_takes_the_new_code_and_keeps_the_old_where_that_is_broken(start: Start, tmp_path: Path) -> None:
    """What is edited is served after SIGHUP; what cannot be imported is told, and the old workers go on."""
    running = start(SLOW)
    assert running.json("/wait", {"seconds": 0}).text == "done"
    (tmp_path / "svc.py").write_text(SLOW.replace('"done"', '"better"'))
    running.process.send_signal(signal.SIGHUP)
    running.wait_output("have been replaced", 30)
    assert running.json("/wait", {"seconds": 0}).text == "better"
    (tmp_path / "svc.py").write_text("import nothing_of_that_name")
    running.process.send_signal(signal.SIGHUP)
    running.wait_output("the process that was there serves on", 30)
    assert running.json("/wait", {"seconds": 0}).text == "better"


def test_sighup_during_the_start_replaces_what_was_started(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that had read its code before the signal is replaced once it has loaded, and not earlier."""
    monkeypatch.setenv("SLOW_LOAD", "1.5")
    running = start(SLOW, ready=False)
    wait_for(lambda: len(running.pids("serve.worker")) == 1, 10)
    time.sleep(0.8)  # it has imported the module, and loads
    before = running.pids("serve.worker")
    (tmp_path / "svc.py").write_text(SLOW.replace('"done"', '"better"'))
    running.process.send_signal(signal.SIGHUP)
    running.wait_output("are replaced when they have started")
    assert "have been replaced" not in running.output
    running.wait_ready()
    running.wait_output("have been replaced", 30)
    assert not set(before) & set(running.pids("serve.worker"))
    assert running.json("/wait", {"seconds": 0}).text == "better"


def test_what_could_not_be_loaded_leaves_nothing(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often SIGHUP finds broken code, no file and no descriptor is left of the processes that tried it."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    running = start(SLOW)
    broken = "import prometheus_client\nprometheus_client.Counter('tries', 'Tries.').inc()\nimport nothing_of_that_name"
    (tmp_path / "svc.py").write_text(broken)

    def held() -> tuple[int, int]:
        descriptors = Path(f"/proc/{running.process.pid}/fd")
        return len(list(tmp_path.glob("bentopack-*/metrics/*"))), len(list(descriptors.iterdir()))

    def renew(tries: int) -> None:
        running.process.send_signal(signal.SIGHUP)
        wait_for(lambda: running.output.count("serves on") == tries, 20)
        wait_for(lambda: len(running.pids("serve.worker")) == 1, 20)

    renew(1)
    files, descriptors = held()
    renew(2)
    renew(3)
    wait_for(lambda: held()[0] <= files and held()[1] <= descriptors, 5, lambda: str((held(), files, descriptors)))


def test_sighup_while_workers_are_replaced(start: Start, tmp_path: Path) -> None:
    """Code that changes while the last change is being loaded is served too: no SIGHUP is lost."""
    running = start(SLOW)
    loading = "\nprint('now it loads', flush=True); time.sleep(0.5)\n"
    (tmp_path / "svc.py").write_text(SLOW.replace('"done"', '"better"') + loading)
    running.process.send_signal(signal.SIGHUP)
    running.wait_output("now it loads", 30)
    (tmp_path / "svc.py").write_text(SLOW.replace('"done"', '"best"'))
    running.process.send_signal(signal.SIGHUP)
    wait_for(lambda: running.json("/wait", {"seconds": 0}).text == "best", 30)


def test_sighup_waits_for_what_is_under_way(start: Start) -> None:
    """A call that began before the replacement is answered by the worker that began it."""
    running = start(SLOW)
    call = Call(running, 2.0)
    running.wait_under_way(1)
    running.process.send_signal(signal.SIGHUP)
    wait_for(lambda: len(running.pids("serve.worker")) == 2, 10)
    answer = call.answer(20)
    assert answer.status_code == 200


def test_a_worker_is_replaced_after_its_requests(start: Start) -> None:
    """``max_requests`` bounds what a leaking model can take, and costs no request."""
    running = start(SLOW, max_requests=100)
    before = running.pids("serve.worker")
    with load(running) as answers:
        wait_for(lambda: "is replaced" in running.output and running.pids("serve.worker") != before, 30)
        wait_for(lambda: not set(before) & set(running.pids("serve.worker")), 30)
    assert set(answers) == {200}


def test_a_worker_is_replaced_once_however_often_it_asks(start: Start, tmp_path: Path) -> None:
    """A worker that has its requests again and again while its successor loads is replaced by one, not by as many."""
    running = start(SLOW, max_requests=10)
    loading = "\nprint('now it loads', flush=True)\nwhile not os.path.exists('loaded'): time.sleep(0.01)\n"
    (tmp_path / "svc.py").write_text(SLOW + loading)
    before = running.pids("serve.worker")
    for _ in range(60):
        assert running.client.post("/pid").status_code == 200
    running.wait_output("now it loads", 30)
    (tmp_path / "loaded").touch()
    wait_for(lambda: not set(before) & set(running.pids("serve.worker")), 30)
    assert running.client.post("/pid").status_code == 200
    assert running.output.count("now it loads") == running.output.count("is replaced") == 1


def test_a_worker_that_hangs_is_replaced(start: Start) -> None:
    """A call without an end is ended by the watchdog; the request is answered in time, and the next one too."""
    running = start(SLOW, timeout=0.5, watchdog=1.5)
    call = Call(running, 600.0)
    answer = call.answer(10)
    assert answer.status_code == 504
    running.wait_output("is ended", 10)
    wait_for(lambda: running.client.post("/pid").status_code == 200, 20)


def test_a_worker_that_hangs_gets_no_more_requests(start: Start) -> None:
    """Once a request has timed out in a worker, the next go to the others, until it is replaced or answers again."""
    running = start(SLOW, workers=2, timeout=0.5, watchdog=60.0)
    call = Call(running, 3600.0)
    answer = call.answer(10)
    assert answer.status_code == 504
    assert {running.client.post("/pid").status_code for _ in range(20)} == {200}


def test_a_long_call_is_no_hang(start: Start) -> None:
    """A worker that is in one call for less than the watchdog's time is left alone, and answers what waits."""
    running = start(SLOW, watchdog=30.0)
    first = running.client.post("/pid").json()
    call = Call(running, 3.0)
    call.answer(10)
    assert running.client.post("/pid").json() == first


class Socket(asyncio.Transport):
    """A worker's end: keeps what is sent to it."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""

    def write(self, data: Any) -> None:
        self.sent += data

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 1  # what has a descriptor of its own is sent past it otherwise

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return sys.stderr


class Nobody:
    """A receiver that wants no answer."""

    link: WorkerLink | None = None
    identity = size = 0
    began = 0.0

    @property
    def api(self) -> Nobody:
        """Itself."""
        return self

    def answer(self, receivers: Sequence[Receiver | None], status: int, media: int, bodies: Sequence[bytes]) -> None:
        """Do nothing."""

    def answered(self, status: int, media: int, body: bytes) -> None:
        """Do nothing."""


def test_new_code_with_other_apis_gets_its_own_requests(start: Start, tmp_path: Path) -> None:
    """While workers of the old and of the new code serve side by side, each request reaches the API that it named."""
    running = start(SLOW, workers=2)
    new = SLOW.replace(FIRST, ADDED + FIRST)
    (tmp_path / "svc.py").write_text(new.replace('"SLOW_LOAD", "0"', '"SLOW_LOAD", "1"'))
    found: Counter[Any] = Counter()
    running.process.send_signal(signal.SIGHUP)
    end = time.monotonic() + 30
    while "have been replaced" not in running.output and time.monotonic() < end:
        reply = running.json("/wait", {"seconds": 0})
        found[reply.status_code, reply.text] += 1
    assert set(found) == {(200, "done")}
    assert running.client.post("/aaa").text == "aaa"


def test_new_code_without_an_api_has_it_no_more(start: Start, tmp_path: Path) -> None:
    """Also for a client whose connection has asked it before."""
    running = start(SLOW)
    assert running.json("/wait", {"seconds": 0}).status_code == 200
    (tmp_path / "svc.py").write_text(SLOW.replace("def wait(", "def wait_for("))
    running.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "has been replaced" in running.output or "have been replaced" in running.output, 30)
    wait_for(lambda: running.json("/wait", {"seconds": 0}).status_code == 404, 10)


def test_sigusr1_twice_is_once(start: Start) -> None:
    """A worker that is told to leave a second time goes on leaving."""
    running = start(SLOW)
    call = Call(running, 2.0)
    running.wait_under_way(1)
    (worker,) = running.pids("serve.worker")
    for _ in range(2):
        running.signal(worker, signal.SIGUSR1)
        time.sleep(0.1)
    answer = call.answer(20)
    assert answer.status_code == 200
    wait_for(lambda: running.client.post("/pid").status_code == 200, 20)


def test_a_reader_of_the_log_that_leaves_stops_nothing(tmp_path: Path) -> None:
    """Whoever reads standard error may go, and the service serves on."""
    reading, writing = os.pipe()
    with Running(config_of(tmp_path, SLOW), stderr=writing) as running:
        os.close(writing)
        running.wait_ready()
        (before,) = running.pids("serve.frontend")
        os.close(reading)
        for _ in range(5):
            assert running.client.post("/pid").status_code == 200
            time.sleep(0.25)
        assert running.pids("serve.frontend") == [before]


def test_large_answers_do_not_wait_for_the_next_call(start: Start) -> None:
    """Answers of megabytes leave as fast as they are read, however many requests wait behind them."""
    large = SLOW + LARGE
    running = start(large, timeout=15.0)
    url = f"{running.client.base_url}/large"
    with ThreadPoolExecutor(24) as pool:
        replies = list(pool.map(lambda _: httpx.post(url, timeout=20), range(72)))
    assert {(reply.status_code, len(reply.content)) for reply in replies} == {(200, 2_000_000)}


@pytest.mark.parametrize(
    ("at_once", "took", "front_ends", "most"),
    [(1, 0.1, 1, 9), (100, 0.5, 1, 260), (100, 0.5, 2, 180), (None, 0.1, 1, 100_000)],
)
def test_requests_are_refused_when_they_would_wait_too_long(
    at_once: int | None, took: float, front_ends: int, most: int
) -> None:
    """How long calls take, and how many requests one takes, tells how many may wait: as many as are called in time.

    Each front end sends its part of them.
    """

    async def go() -> int:
        link = Link(0, lambda link, hello: None, lambda link: None, lambda slab: None)
        link.connection_made(Socket())
        api = ApiRoute(name="a", route="/a", accepts=(0,), max_latency=1.0, at_once=at_once)
        hello = Hello(
            service="s",
            workers=1,
            timeout=None,
            max_concurrency=None,
            pid=os.getpid(),
            apis=(api,),
            openapi=msgspec.Raw(b"{}"),
        )
        link.data_received(pack_hello(msgspec.json.encode(hello)))
        assert link.room(0) > 0
        for _ in range(100):
            link.submit(0, Media.JSON, [b""], [Nobody()])
            link.data_received(pack_replies(Replies(200, 0, took, list(link.pending), [b""])))
        link.tick(time.monotonic(), 60.0, front_ends)
        accepted = 0
        while link.room(0) > 0:
            link.submit(0, Media.JSON, [b""], [Nobody()])
            accepted += 1
        return accepted

    assert abs(asyncio.run(go()) - most) <= 1
