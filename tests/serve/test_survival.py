"""What happens when parts of a running service are killed, fork, or meet an odd machine."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.mmap_dict import MmapedDict

from bentopack.errors import ServeError
from bentopack.serve import slot as slots
from bentopack.serve import supervisor
from bentopack.serve.child import Started
from bentopack.serve.config import ServeConfig
from bentopack.serve.dead_metrics import fold_metrics
from bentopack.serve.slot import Slot
from bentopack.serve.supervisor import environment, private_folder
from bentopack.spec.manifest import ServiceInfo
from tests.serve.conftest import Start
from tests.serve.running import Running, config_of, wait_for
from tests.serve.test_lifecycle import SLOW, Call

FORKS = (
    SLOW
    + """
    @bentopack.api
    def fork(self) -> int:
        import multiprocessing
        process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,), daemon=True)
        process.start()
        return process.pid
"""
)


def test_forked_process_does_not_outlive_its_worker(start: Start) -> None:
    """A process that the service forks holds no connection of the worker's, and ends when the worker is killed."""
    running = start(FORKS)
    worker = running.client.post("/pid").json()
    child = running.client.post("/fork").json()
    assert child in running.pids("serve.worker")
    call = Call(running, 15)
    running.wait_under_way(1)
    running.signal(worker, signal.SIGKILL)
    answer = call.answer(5)
    assert answer.status_code == 503
    wait_for(lambda: child not in running.pids(), 5)
    wait_for(lambda: running.client.get("/readyz").status_code == 200, 10)
    assert running.client.post("/pid").status_code == 200


def test_dead_worker_is_noticed_through_a_copy_of_its_connection(start: Start) -> None:
    """Even where a process that Python knows nothing of keeps a connection open, its requests end with the worker."""
    source = (
        SLOW
        + """
    @bentopack.api
    def copy(self) -> int:
        import ctypes
        child = ctypes.CDLL(None).fork()
        if child == 0:
            ctypes.CDLL(None).sleep(60)
            ctypes.CDLL(None)._exit(0)
        return child
"""
    )
    running = start(source)
    worker = running.client.post("/pid").json()
    copy = running.client.post("/copy").json()
    call = Call(running, 15)
    running.wait_under_way(1)
    running.signal(worker, signal.SIGKILL)
    call.join(5)
    running.signal(copy, signal.SIGKILL)
    assert call.response is not None, call.error
    assert call.response.status_code == 503


def test_killed_supervisor_leaves_no_file(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the supervisor is killed, the others remove its private folder."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    running = start(SLOW)
    assert list(tmp_path.glob("bentopack-*"))
    running.process.kill()
    wait_for(lambda: running.pids() == [] and not list(tmp_path.glob("bentopack-*")), 5)


def test_killed_supervisor_leaves_no_busy_worker(start: Start) -> None:
    """A worker whose call keeps the interpreter's lock ends with the supervisor too."""
    running = start(SLOW.replace("time.sleep(seconds)", "print('busy', flush=True); sum(range(10**11))"))
    Call(running, 1)
    running.wait_output("busy")
    running.process.kill()
    wait_for(lambda: running.pids() == [], 5)


def test_next_service_removes_what_a_killed_one_left(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where all processes were killed at once the next start removes their folder, and no one else's."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    (tmp_path / "bentopack-else").mkdir()
    killed = start(SLOW)
    killed.process.send_signal(signal.SIGSTOP)  # it would start them anew
    for pid in (*killed.pids("serve.worker"), *killed.pids("serve.frontend"), killed.process.pid):
        killed.signal(pid, signal.SIGKILL)
    killed.process.wait(10)
    (left,) = tmp_path.glob("bentopack-*/metrics")
    first = start(SLOW)
    assert not left.exists()
    assert first.client.post("/pid").status_code == 200
    start(SLOW)
    assert first.client.get("/metrics").status_code == 200
    assert len(list(tmp_path.glob("bentopack-*/metrics"))) == 2
    assert (tmp_path / "bentopack-else").exists()


def test_closed_terminal_drains(tmp_path: Path) -> None:
    """SIGHUP from the terminal that a service runs in, which closes, ends it as SIGTERM does."""
    master, terminal = os.openpty()
    with Running(config_of(tmp_path, SLOW), stderr=terminal) as running:
        os.close(terminal)
        running.wait_ready()
        call = Call(running, 2.0)
        running.wait_under_way(1)
        running.process.send_signal(signal.SIGHUP)
        answer = call.answer(10)
        assert answer.status_code == 200
        assert running.process.wait(10) == 0
        assert running.pids() == []
    os.close(master)


def test_ctrl_c_in_a_terminal_during_the_start(tmp_path: Path) -> None:
    """Ctrl-C reaches every process of a terminal's foreground group; however early, none prints a traceback."""
    for delay in (0.4, 0.6, 0.8, 1.0):
        config = config_of(tmp_path, SLOW)
        with Running(config) as running:
            wait_for(lambda: len(running.pids()) >= 2, 10)
            time.sleep(delay - 0.4)
            os.killpg(running.process.pid, signal.SIGINT)
            assert running.process.wait(10) == 0, running.output
            assert running.pids() == []
        assert "Traceback" not in running.output


def test_modules_of_the_service_do_not_shadow_the_front_end(start: Start, tmp_path: Path) -> None:
    """A user's module of the name of one that the front end needs is no concern of it: it never imports the source."""
    (tmp_path / "click.py").write_text("raise RuntimeError('the front end has imported this')")
    running = start(SLOW)
    assert running.client.post("/pid").status_code == 200
    assert "Traceback" not in running.output


def test_no_crash_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A process comes back after an unknown signal, an exit with 0 and a start that fails in an unforeseen way."""
    endings = ["kill -40 $$", "exit 0", "exit 0", "sleep 60"]
    failures: list[Exception] = [ServeError("no memory"), ValueError("unforeseen")]
    monkeypatch.setattr(slots, "_FIRST_PAUSE", 0.001)

    async def spawn(self: Slot) -> Started:
        if len(endings) == 2 and failures:
            raise failures.pop()
        self._process = await asyncio.create_subprocess_exec("sh", "-c", endings.pop(0))
        return Started()

    monkeypatch.setattr(Slot, "_spawn", spawn)
    monkeypatch.setattr(slots._log, "propagate", True)

    async def go() -> None:
        slot = _slot(tmp_path)
        await slot.start()
        while endings:
            await asyncio.sleep(0.01)
        await slot.stop(1)

    asyncio.run(asyncio.wait_for(go(), 10))
    assert "was killed by signal 40; it is restarted" in caplog.text
    assert "ended with exit code 0; it is restarted" in caplog.text
    assert "no memory" in caplog.text
    assert "unforeseen" in caplog.text


def test_slow_loader_that_crashes_is_not_taken_for_healthy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Pauses grow for a process that dies right after a long start: only the time after the start counts."""
    left = [1] * 4
    monkeypatch.setattr(slots, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(slots, "_HEALTHY_AFTER", 0.15)

    async def spawn(self: Slot) -> Started:
        await asyncio.sleep(0.2)
        self._process = await asyncio.create_subprocess_exec("true")
        left.pop()
        return Started()

    pauses: list[float] = []
    monkeypatch.setattr(Slot, "_spawn", spawn)
    monkeypatch.setattr(slots._log, "warning", lambda text, *values: pauses.append(values[-1]))

    async def go() -> None:
        slot = _slot(tmp_path)
        await slot.start()
        while left:
            await asyncio.sleep(0.01)
        await slot.stop(1)

    asyncio.run(asyncio.wait_for(go(), 10))
    assert pauses[:3] == [0.002, 0.004, 0.008]


def _slot(folder: Path) -> Slot:
    (folder / "metrics").mkdir()
    config = config_of(folder, SLOW)
    return Slot("none", "worker 0", config, str(folder), 0, 0, dict(os.environ), str(folder))


def test_process_that_cannot_be_made(tmp_path: Path) -> None:
    """What the machine refuses is an error of ours with its reason, and no descriptor is left open."""

    async def go() -> None:
        slot = _slot(tmp_path)
        slot.folder = str(tmp_path / "gone")
        gc.collect()  # what others have left is theirs
        before = len(list(Path("/proc/self/fd").iterdir()))
        with pytest.raises(ServeError, match=r"worker 0 cannot be started: .*No such file"):
            await slot.start()
        assert len(list(Path("/proc/self/fd").iterdir())) == before

    asyncio.run(go())


def test_long_error_of_the_service_is_told(start: Start) -> None:
    """However long the message of a service that cannot start is, its end is shown."""
    source = SLOW.replace("time.sleep(float", "raise ValueError('x' * 3_000_000 + '\\ud800 the end')  #")
    running = start(source, ready=False)
    assert running.process.wait(20) == 1
    running.wait_output("the end")
    assert len(running.output) < 100_000


def test_read_only_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any temporary folder the files are kept in memory, and children are told of it; else it is one error."""

    def none() -> str:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    monkeypatch.delenv("TMPDIR", raising=False)
    with private_folder() as folder:
        assert Path(folder).parent == Path("/dev/shm")
        plain = ServeConfig(service=ServiceInfo(target="m:S", kind="service", name="s", workers=1), source="/")
        assert environment(plain, folder)["TMPDIR"] == "/dev/shm"
    monkeypatch.setattr(supervisor, "_MEMORY", "/nowhere")
    with pytest.raises(ServeError) as caught:
        private_folder()
    assert "TMPDIR" in str(caught.value.hint)


def test_variables_reach_the_service(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Bento's variables are there when the service is imported, and one that nobody gave is warned of once."""
    source = SLOW.replace(
        "def pid(self) -> int:\n        return os.getpid()", "def pid(self) -> str:\n        return VALUE"
    )
    source = source.replace("import os, time", "import os, time\nVALUE = os.environ['GIVEN']")
    running = start(source, envs={"GIVEN": "bento"}, required_envs=("NEEDED_BY_IT",))
    assert running.client.post("/pid").text == "bento"
    assert running.output.count("NEEDED_BY_IT") == 1


def test_counts_of_the_dead_are_kept_in_one_file(tmp_path: Path) -> None:
    """A crash loses no count, leaves no gauge, and adds no file."""
    folder = tmp_path / "metrics"
    folder.mkdir()
    for pid in (11, 12, 13):
        for name in (f"counter_{pid}.db", f"gauge_livesum_{pid}.db", f"gauge_all_{pid}.db"):
            values: Any = MmapedDict(str(folder / name))  # type: ignore[no-untyped-call]
            values.write_value("key", 2.0, 0.0)
            values.close()
    for pid in (11, 12):
        fold_metrics(str(tmp_path), pid)
    assert sorted(path.name for path in folder.iterdir()) == [
        "counter_13.db",
        "counter_dead.db",
        "gauge_all_13.db",
        "gauge_livesum_13.db",
    ]
    read: Any = MmapedDict.read_all_values_from_file
    assert [value for _, value, *_ in read(str(folder / "counter_dead.db"))] == [4.0]


def test_counts_survive_a_crash(start: Start) -> None:
    """``/metrics`` goes on counting where a killed front end has stopped."""
    running = start(SLOW)
    url = str(running.client.base_url)
    for _ in range(5):
        assert httpx.post(f"{url}/pid").status_code == 200
    time.sleep(0.3)  # what was counted in the last tenth of a second goes with the process
    (front_end,) = running.pids("serve.frontend")
    running.signal(front_end, signal.SIGKILL)
    wait_for(lambda: running.pids("serve.frontend") not in ([], [front_end]), 10)
    wait_for(lambda: httpx.get(f"{url}/readyz", timeout=20).status_code == 200, 10)
    assert 'bentopack_requests_total{api="pid",status="200"} 5.0' in httpx.get(f"{url}/metrics").text
