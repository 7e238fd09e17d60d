"""How a service starts, survives the death of its parts, and ends."""

from __future__ import annotations

import signal
import socket
import threading
import time
from pathlib import Path

import httpx
import pytest

from bentopack.errors import ServeError
from bentopack.serve.listening import listen
from tests.serve.conftest import Start
from tests.serve.running import Running, wait_for

SLOW = """
import os, time
import bentopack

@bentopack.service
class Service:
    def __init__(self):
        time.sleep(float(os.environ.get("SLOW_LOAD", "0")))

    @bentopack.api
    def wait(self, seconds: float) -> str:
        time.sleep(seconds)
        return "done"

    @bentopack.api
    def pid(self) -> int:
        return os.getpid()
"""


class Call(threading.Thread):
    """A request under way on a thread of its own; ``seconds`` is how long it took."""

    def __init__(self, running: Running, seconds: float) -> None:
        super().__init__(daemon=True)
        self._url = f"{running.client.base_url}/wait"
        self._body = {"seconds": seconds}
        self.response: httpx.Response | None = None
        self.error: Exception | None = None
        self._client = httpx.Client(timeout=20)  # made here, since that takes long: the request is under way soon
        self.start()

    def run(self) -> None:
        began = time.perf_counter()
        try:
            with self._client:
                self.response = self._client.post(self._url, json=self._body)
        except httpx.HTTPError as error:
            self.error = error
        self.seconds = time.perf_counter() - began

    def answer(self, seconds: float) -> httpx.Response:
        """Wait so long for the answer, and return it."""
        self.join(seconds)
        assert self.response is not None, self.error
        return self.response


def test_killed_worker_answers_503_and_comes_back(start: Start) -> None:
    """A worker that is killed costs its own requests a 503 at once; a new one takes over."""
    running = start(SLOW)
    call = Call(running, 15)
    time.sleep(0.3)
    (worker,) = running.pids("serve.worker")
    running.signal(worker, signal.SIGKILL)
    answer = call.answer(5)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert running.client.get("/livez").status_code == 200
    wait_for(lambda: running.client.get("/readyz").status_code == 200, 10)
    assert running.client.post("/pid").json() != worker


def test_sigterm_answers_what_was_accepted(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM lets accepted requests end, refuses new ones, exits 0 and leaves no process and no file."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    running = start(SLOW)
    call = Call(running, 1.0)
    time.sleep(0.3)
    running.process.terminate()
    answer = call.answer(10)
    assert (answer.status_code, answer.text) == (200, "done")
    assert running.process.wait(10) == 0, running.output
    assert running.pids() == []
    assert list(tmp_path.glob("bentopack-*")) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_to_the_whole_group_drains_too(start: Start, number: signal.Signals) -> None:
    """Ctrl-C, or a service manager that signals every process, ends no request early."""
    running = start(SLOW)
    call = Call(running, 1.0)
    time.sleep(0.3)
    for pid in running.pids():
        running.signal(pid, number)
    answer = call.answer(10)
    assert answer.status_code == 200
    assert running.process.wait(10) == 0, running.output
    assert running.pids() == []


def test_second_signal_does_not_wait(start: Start) -> None:
    """Whoever asks twice is not made to wait for requests that take long."""
    running = start(SLOW, grace=30)
    Call(running, 30)
    time.sleep(0.3)
    running.process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(5) == 0
    assert running.pids() == []
    assert "restarted" not in running.output


def test_grace_is_the_longest_wait(start: Start) -> None:
    """A request that outlasts the grace does not keep the service from ending."""
    running = start(SLOW, grace=1)
    Call(running, 30)
    time.sleep(0.3)
    running.process.terminate()
    assert running.process.wait(8) == 0
    assert running.pids() == []


def test_other_workers_go_on(start: Start) -> None:
    """While one worker is being replaced the others answer: no request on them is lost."""
    running = start(SLOW, declared_workers=2)
    wait_for(lambda: running.client.get("/readyz").status_code == 200, 5)
    running.signal(running.pids("serve.worker")[0], signal.SIGKILL)
    statuses = [running.client.post("/pid").status_code for _ in range(50)]
    assert statuses.count(200) >= 49


def test_killed_supervisor_leaves_no_orphan(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the supervisor is killed, every other process ends by itself."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # its private folder is all that stays
    running = start(SLOW)
    running.process.kill()
    wait_for(lambda: running.pids() == [], 5)


def test_not_ready_until_every_worker_has_loaded(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """While models load the service is live and not ready, and says what it waits for."""
    monkeypatch.setenv("SLOW_LOAD", "2")
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    running = start(SLOW, ready=False, declared_workers=2, port=port)
    wait_for(lambda: _status(f"{url}/livez") == 200, 10)
    early = httpx.get(f"{url}/readyz")
    assert (early.status_code, early.json()["status"]) == (503, "not ready")
    assert "waiting for worker 0, 1" in early.json()["reason"]
    assert httpx.post(f"{url}/pid").status_code == 503
    running.wait_ready()
    wait_for(lambda: _status(f"{url}/readyz") == 200, 5)


def test_sigterm_while_loading_ends_at_once(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that is told to end before its model has loaded does not wait for the model."""
    monkeypatch.setenv("SLOW_LOAD", "60")
    running = start(SLOW, ready=False)
    wait_for(lambda: len(running.pids("serve.worker")) == 1, 10)
    running.process.terminate()
    assert running.process.wait(5) == 0
    assert running.pids() == []


def test_workers_share_the_requests(start: Start) -> None:
    """``workers="cpu_count"`` or a computed number is asked of the service itself; each worker gets requests."""
    source = SLOW.replace("@bentopack.service", "@bentopack.service(workers=1 + 1)")
    running = start(source, declared_workers=None)
    wait_for(lambda: running.client.get("/readyz").status_code == 200, 10)
    assert len(running.pids("serve.worker")) == 2
    calls = [Call(running, 0.5), Call(running, 0.5)]
    for call in calls:
        call.join(10)
    assert all(call.seconds < 0.95 for call in calls)


def test_port_in_use() -> None:
    """A port that is taken is told before anything starts, with what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServeError, match=f"port {port} on 127.0.0.1 is in use") as caught:
            listen("127.0.0.1", port)
    assert "--port" in str(caught.value.hint)


def test_long_temporary_folder_is_told(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unix sockets have short paths: a temporary folder that is too deep is one clear error."""
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    monkeypatch.setenv("TMPDIR", str(deep))
    running = start(SLOW, ready=False)
    assert running.process.wait(10) == 1
    running.wait_output("set TMPDIR to a short path")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import no_such_module", "No module named 'no_such_module'"),
        ("", "'svc' has no 'Service'"),
        ("class Service: pass", "is not a service"),
        (SLOW.replace("time.sleep(float", "raise ValueError('no weights')  #"), "ValueError: no weights"),
        (SLOW.replace("seconds: float", "seconds: socket.socket").replace("os,", "os, socket,"), "cannot be read"),
        (SLOW.replace("time.sleep(float", "os._exit(7)  #"), "ended with exit code 7"),
    ],
)
def test_service_that_cannot_load_ends_the_start(start: Start, source: str, words: str) -> None:
    """A service that cannot be loaded is one clear error with the user's own traceback, and nothing stays behind."""
    running = start(source, ready=False)
    assert running.process.wait(20) == 1
    running.wait_output(words)
    assert "bentopack/serve" not in running.output
    assert running.pids() == []


def test_reload_serves_the_new_source(start: Start, tmp_path: Path) -> None:
    """With ``reload`` a changed file is served shortly after, and one that is broken is told and waited for."""
    running = start(SLOW, reload=True)
    port = running.client.base_url.port
    time.sleep(0.5)
    (tmp_path / "svc.py").write_text("oops")
    running.wait_output("NameError", 15)
    (tmp_path / "svc.py").write_text(SLOW.replace('"done"', '"changed"'))
    wait_for(lambda: running.output.count("Serving") == 2, 15, lambda: running.output)
    assert running.json("/wait", {"seconds": 0}).text == "changed"
    assert running.client.base_url.port == port


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def _status(url: str) -> int:
    try:
        return httpx.get(url, timeout=5).status_code
    except httpx.HTTPError:
        return 0
