"""A service without what Linux alone has, with uvloop and without: as near to macOS as Linux can come."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.serve.conftest import Start
from tests.serve.running import Running, wait_for
from tests.serve.test_lifecycle import SLOW, Call

LESS = """
import ctypes, os, select, selectors, socket, sys
import urllib.request  # it asks macOS for proxies where it finds itself there

selectors.DefaultSelector = selectors.PollSelector
for module in (os, select, socket):
    for name in dir(module):
        if name.startswith(("memfd_", "MFD_", "epoll", "EPOLL", "SO_PEERCRED")):
            delattr(module, name)
found = ctypes.CDLL.__getattr__

def without_prctl(library, name):
    if name == "prctl":
        raise AttributeError(name)
    return found(library, name)

ctypes.CDLL.__getattr__ = without_prctl
sys.platform = "darwin"
"""

SERVICE = (
    SLOW
    + """
    @bentopack.api(batchable=True)
    def double(self, values: list[float]) -> list[float]:
        return [2 * each for each in values]

    @bentopack.api
    def system(self) -> list[object]:
        import select, sys
        return [sys.platform, hasattr(select, "epoll"), hasattr(os, "memfd_create")]
"""
)


@pytest.fixture(params=["uvloop", "asyncio"])
def elsewhere(request: pytest.FixtureRequest, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Running:
    """A service all of whose processes run with less."""
    folder = tmp_path / "less"
    folder.mkdir()
    without = "sys.modules['uvloop'] = None\n" if request.param == "asyncio" else ""
    (folder / "sitecustomize.py").write_text(LESS + without)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]))
    running = start(SERVICE)
    assert running.client.post("/system").json() == ["darwin", False, False]
    (front_end,) = running.pids("serve.frontend")
    assert ("/uvloop/" in Path(f"/proc/{front_end}/maps").read_text()) is (request.param == "uvloop")
    return running


def test_many_are_answered(elsewhere: Running) -> None:
    """More clients than are read by their transports on Linux, with small bodies and with such as are shared there."""

    def ask(number: int) -> bool:
        values = [float(number)] * (20_000 if number % 10 == 0 else 3)
        answer = elsewhere.json("/double", {"values": values})
        return answer.status_code == 200 and answer.json() == [2.0 * number] * len(values)

    with ThreadPoolExecutor(16) as clients:
        assert all(clients.map(ask, range(200)))


def test_killed_worker_answers_503_and_comes_back(elsewhere: Running) -> None:
    worker = elsewhere.client.post("/pid").json()
    call = Call(elsewhere, 15)
    elsewhere.wait_under_way(1)
    elsewhere.signal(worker, signal.SIGKILL)
    answer = call.answer(5)
    assert answer.status_code == 503
    wait_for(lambda: elsewhere.client.get("/readyz").status_code == 200, 10)
    assert elsewhere.client.post("/pid").json() != worker


def test_sighup_replaces_the_worker(elsewhere: Running) -> None:
    before = elsewhere.client.post("/pid").json()
    elsewhere.process.send_signal(signal.SIGHUP)
    wait_for(lambda: elsewhere.client.post("/pid").json() != before, 20)


def test_sigterm_drains(elsewhere: Running) -> None:
    call = Call(elsewhere, 1)
    elsewhere.wait_under_way(1)
    elsewhere.process.terminate()
    answer = call.answer(5)
    assert answer.text == "done"
    assert elsewhere.process.wait(10) == 0


def test_killed_supervisor_leaves_no_process(elsewhere: Running) -> None:
    elsewhere.process.kill()
    wait_for(lambda: elsewhere.pids() == [], 5)
