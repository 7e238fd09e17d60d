"""A service that is called in the processes that speak HTTP: the same care for the processes.

That its answers are the same is tested with those of one process.
"""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.serve.conftest import Start
from tests.serve.running import Running, wait_for
from tests.serve.test_one_process import SOURCE as PLAIN

SETTINGS = {"inline": True}
SOURCE = (
    PLAIN
    + """
    @bentopack.api
    def pid(self) -> int:
        return os.getpid()

    @bentopack.api
    async def nap(self, seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "rested"
"""
)


def test_there_is_no_worker(shared: Running) -> None:
    """The process that answers is the one that speaks HTTP."""
    assert shared.pids("serve.inline") == [shared.client.post("/pid").json()]
    assert shared.pids("serve.worker") == shared.pids("serve.frontend") == []


def test_there_are_as_many_processes_as_workers_were_asked_for(start: Start) -> None:
    """By the option, or by what the service says."""
    declared = SOURCE.replace("@bentopack.service", "@bentopack.service(workers=2)")
    running = start(declared, inline=True, declared_workers=None)
    assert len(running.pids("serve.inline")) == 2


def test_the_other_one_serves_on_after_a_kill(start: Start) -> None:
    """A process that dies is started again; whoever connects meanwhile is answered."""
    running = start(SOURCE, inline=True, workers=2)
    before = running.pids("serve.inline")
    running.signal(before[0], signal.SIGKILL)
    for _ in range(10):
        assert httpx.post(f"{running.client.base_url}/later", json={"name": "x"}, timeout=20).text == "x"
    running.wait_output("is back", 20)
    assert len(set(running.pids("serve.inline")) - set(before)) == 1


def test_sighup_brings_new_code_without_a_failed_request(start: Start, tmp_path: Path) -> None:
    """Each process leaves when its successor serves, and answers what it has accepted."""
    running = start(SOURCE, inline=True, workers=2)
    old = set(running.pids("serve.inline"))
    found: set[tuple[int, str]] = set()
    stop = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=str(running.client.base_url), timeout=20) as client:
            while not stop.is_set():
                reply = client.post("/wait", json={"seconds": 0.001})
                found.add((reply.status_code, reply.text))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    (tmp_path / "svc.py").write_text(SOURCE.replace('"done"', '"better"'))
    running.process.send_signal(signal.SIGHUP)
    running.wait_output("have been replaced", 40)
    stop.set()
    for thread in threads:
        thread.join(20)
    assert found == {(200, "done"), (200, "better")}
    assert not old & set(running.pids("serve.inline"))


def test_a_process_that_has_had_its_requests_is_replaced(start: Start) -> None:
    """``--max-requests`` holds as it does for workers."""
    running = start(SOURCE, inline=True, max_requests=20)
    first = running.client.post("/pid").json()
    wait_for(lambda: httpx.post(f"{running.client.base_url}/pid", timeout=20).json() != first, 30)


def test_a_call_without_an_end_ends_its_process(start: Start) -> None:
    """The watchdog says where it hangs, and another process takes over."""
    running = start(SOURCE, inline=True, watchdog=2.0)
    with pytest.raises(httpx.HTTPError):
        running.json("/wait", {"seconds": 60})
    running.wait_output("is back", 20)
    assert "in wait" in running.output
    assert running.json("/later", {"name": "x"}).text == "x"


def test_the_watchdog_leaves_alone_who_is_idle_or_busy_with_one_call_after_another(start: Start) -> None:
    """Only a call that is too long is one; neither silence nor many short calls are."""
    running = start(SOURCE, inline=True, watchdog=1.0)
    (before,) = running.pids("serve.inline")
    time.sleep(2.5)
    for _ in range(6):
        assert running.json("/wait", {"seconds": 0.5}).text == "done"
    assert running.pids("serve.inline") == [before]


def test_a_successor_waits_for_what_is_under_way(start: Start) -> None:
    """A request that takes longer than the grace, and than the watchdog's time, is answered after SIGHUP."""
    running = start(SOURCE, inline=True, watchdog=1.0, grace=1.0)
    answers: list[str] = []
    thread = threading.Thread(target=lambda: answers.append(running.json("/nap", {"seconds": 4}).text))
    thread.start()
    with httpx.Client(base_url=str(running.client.base_url)) as client:
        wait_for(lambda: "bentopack_requests_in_flight 1.0" in client.get("/metrics").text, 5)
    running.process.send_signal(signal.SIGHUP)
    thread.join(20)
    assert answers == ["rested"]
    running.wait_output("have been replaced", 20)


def test_what_was_accepted_is_answered_before_the_end(start: Start) -> None:
    """SIGTERM ends the service with 0, after the call that is under way."""
    running = start(SOURCE, inline=True)
    answers: list[str] = []
    thread = threading.Thread(target=lambda: answers.append(running.json("/wait", {"seconds": 1.0}).text))
    thread.start()
    time.sleep(0.4)  # a probe would wait for the call
    running.process.terminate()
    assert running.process.wait(10) == 0
    thread.join(5)
    assert answers == ["done"]


def test_what_cannot_be_loaded_is_told(start: Start) -> None:
    """An error is one message."""
    running = start("import nothing_of_that_name", ready=False, inline=True)
    assert running.process.wait(20) != 0
    running.wait_output("nothing_of_that_name")
