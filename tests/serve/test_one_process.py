"""A service in one process, as on Windows: the same answers, without what only Unix has."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from tests.serve.conftest import Start
from tests.serve.running import Running, config_of, wait_for

SETTINGS = {"in_process": True, "timeout": 1.0}
SOURCE = """
import asyncio, os, time
import bentopack

@bentopack.service
class Service:
    @bentopack.api(batchable=True)
    def rows(self, values: list[int]) -> list[list[int]]:
        time.sleep(0.1)
        return [[value, len(values)] for value in values]

    @bentopack.api
    async def later(self, name: str) -> str:
        await asyncio.sleep(0.01)
        return name

    @bentopack.api
    def wait(self, seconds: float) -> str:
        time.sleep(seconds)
        return "done"

    @bentopack.api
    def size(self, body: bytes) -> int:
        return len(body)

    @bentopack.api
    def fail(self) -> str:
        raise RuntimeError("secret")
"""
APP = """
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"plain"})
"""

# What Windows does not have, gone before anything of ours is imported.
_WINDOWS = """
import asyncio, select, signal, socket, sys, os, mmap
pair, family = socket.socketpair, socket.AF_UNIX
socket.socketpair = lambda: pair(family)  # the loop's own; Windows has it over TCP
for name in ("fcntl", "resource", "pwd", "grp", "uvloop", "termios"):
    sys.modules[name] = None
for module, names in (
    (socket, ("AF_UNIX", "SO_PEERCRED", "SO_REUSEPORT")),
    (signal, ("SIGHUP", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGPIPE", "SIGCHLD")),
    (select, ("poll", "epoll")),
    (mmap, ("PROT_READ", "MAP_SHARED")),
    (os, ("memfd_create", "MFD_CLOEXEC", "fork", "register_at_fork", "getuid", "sched_getaffinity")),
):
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
def missing(*arguments, **options):
    raise NotImplementedError
for name in ("add_signal_handler", "add_reader", "create_unix_server", "create_unix_connection", "connect_read_pipe"):
    setattr(asyncio.SelectorEventLoop, name, missing)
"""
_IMPORT_ALL = """
import importlib, pkgutil, bentopack.serve
for module in pkgutil.walk_packages(bentopack.serve.__path__, "bentopack.serve."):
    importlib.import_module(module.name)
"""
_SERVE = """
import msgspec
from bentopack.serve.config import ServeConfig
from bentopack.serve.supervisor import serve
serve(msgspec.json.decode(sys.argv[1], type=ServeConfig), on_ready=lambda line: print(line, flush=True))
"""


@pytest.fixture(scope="module", params=["in_process", "inline"])
def either(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service without workers: with its model on a thread, or on the loop."""
    settings: dict[str, Any] = {request.param: True}
    with Running(config_of(tmp_path_factory.mktemp("source"), SOURCE, **settings)) as running:
        yield running.wait_ready()


def test_the_answers_are_the_same(either: Running) -> None:
    """Plain, awaited and failing methods, large and unknown requests, the probes and the documents."""
    assert either.json("/rows", {"values": [1, 2]}).json() == [[1, 2], [2, 2]]
    assert either.json("/later", {"name": "x"}).text == "x"
    assert either.client.post("/size", content=b"x" * 300_000, headers={"content-type": "a/b"}).json() == 300_000
    failed = either.client.post("/fail")
    assert (failed.status_code, failed.json()) == (500, {"error": "internal error"})
    either.wait_output("RuntimeError: secret")
    assert either.json("/nothing", {}).status_code == 404
    assert either.json("/rows", {"values": "x"}).status_code == 422
    assert "/rows" in either.client.get("/openapi.json").json()["paths"]
    assert either.client.get("/readyz").status_code == 200
    assert 'bentopack_requests_total{api="later",status="200"}' in either.client.get("/metrics").text
    assert either.pids("serve.worker") == either.pids("serve.frontend") == []


def test_requests_are_joined(either: Running) -> None:
    """What waits while the model is busy becomes one call."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: either.json("/rows", {"values": [number]}).json(), range(8)))
    assert [row[0][0] for row in answers] == list(range(8))
    assert max(row[0][1] for row in answers) > 1


def test_a_late_answer_is_504(shared: Running) -> None:
    """The timeout holds, and what comes after it goes nowhere."""
    assert shared.json("/wait", {"seconds": 1.5}).status_code == 504
    assert shared.json("/later", {"name": "next"}).text == "next"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_was_accepted_is_answered_before_the_end(start: Start, number: signal.Signals) -> None:
    """A signal ends the service with 0, after the call that is under way."""
    running = start(SOURCE, in_process=True)
    answers: list[str] = []
    thread = threading.Thread(target=lambda: answers.append(running.json("/wait", {"seconds": 1.0}).text))
    thread.start()
    wait_for(lambda: "bentopack_requests_in_flight 1.0" in httpx.get(f"{running.client.base_url}/metrics").text, 5)
    running.process.send_signal(number)
    assert running.process.wait(10) == 0
    thread.join(5)
    assert answers == ["done"]


def test_an_application_is_served(start: Start) -> None:
    """Plain ASGI applications are as well."""
    running = start(APP, kind="app", in_process=True)
    assert running.client.get("/").text == "plain"


def test_what_cannot_be_loaded_is_told(start: Start) -> None:
    """An error is one message."""
    running = start("import nothing_of_that_name", ready=False, in_process=True)
    assert running.process.wait(20) != 0
    running.wait_output("nothing_of_that_name")


def test_a_change_restarts_it(tmp_path: Path) -> None:
    """With ``--reload`` new code is served; one that is broken is waited for until it is mended."""
    with Running(config_of(tmp_path, SOURCE, in_process=True, reload=True)) as running:
        running.wait_ready()
        (tmp_path / "svc.py").write_text("import nothing_of_that_name")
        running.wait_output("waiting for a change", 20)
        (tmp_path / "svc.py").write_text(SOURCE.replace('"done"', '"better"'))
        wait_for(lambda: running.output.count("Serving") == 2, 20, lambda: running.output)
        running.lines[:] = running.lines[-3:]
        running.wait_ready()
        assert running.json("/wait", {"seconds": 0}).text == "better"
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(10) == 0


def test_nothing_of_unix_is_needed(tmp_path: Path) -> None:
    """The modules of the runtime can be imported, and a service be served, where Unix's own are missing."""
    config = msgspec.json.encode(config_of(tmp_path, SOURCE, in_process=True)).decode()
    process = subprocess.Popen(
        [sys.executable, "-c", _WINDOWS + _IMPORT_ALL + _SERVE, config], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert "Serving svc on " in line
        answer = httpx.post(f"{line.split()[-1]}/size", content=b"x" * 300_000, headers={"content-type": "a/b"})
        assert answer.json() == 300_000
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_processes_work_where_only_linux_has_what_they_use(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without shared memory that has no name, a peer's id, uvloop and affinity, as on macOS, workers answer as well."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, socket, sys\n"
        "del os.memfd_create, os.MFD_CLOEXEC, os.sched_getaffinity, socket.SO_PEERCRED\n"
        "sys.modules['uvloop'] = None\n"
        f"open({str(tmp_path / 'without')!r}, 'a').write(str(os.getpid()) + ' ')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    running = start(SOURCE, workers=2)
    assert len(running.pids("serve.worker")) == 2
    assert set(map(str, running.pids())) <= set((tmp_path / "without").read_text().split())
    answer = running.client.post("/size", content=b"x" * 300_000, headers={"content-type": "a/b"})
    assert answer.json() == 300_000
    assert running.json("/rows", {"values": [1]}).json() == [[1, 1]]
