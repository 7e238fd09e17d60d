"""Ctrl-C ends a command at once, with its own exit code, and leaves nothing half done."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import zipfile
from pathlib import Path

import pytest

from bentopack.cli import app
from tests.command import COMMAND, bentopack


def test_an_interrupted_build_leaves_nothing(project: Path, home: Path) -> None:
    """Ctrl-C while the requirements are resolved ends with 130: no Bento, no scratch folder, the lock untouched."""
    lock = (project / "bentofile.lock").read_bytes()
    with (project / "bentofile.yaml").open("a") as file:
        file.write("python: {packages: [iniconfig]}\n")
    process = subprocess.Popen(
        [*COMMAND, "build"], cwd=project, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 30
    while not list((home / "bentos").glob(".bentopack-tmp-*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to the whole group
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert list((home / "bentos").iterdir()) == []
    assert (project / "bentofile.lock").read_bytes() == lock


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_keeps_its_exit_code_where_cleaning_up_raises(
    number: signal.Signals, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal while a member of an archive is written: the archive cannot be closed then, and says so itself."""

    def cut(*, prog_name: str) -> None:
        with zipfile.ZipFile(tmp_path / "cut.whl", "w") as wheel:
            wheel.open("member", "w")
            signal.raise_signal(number)

    monkeypatch.setattr(app, "make_app", lambda _: cut)
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as ended:
            app.run_app()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ended.value.code == code


def test_a_killed_build_harms_no_later_one(project: Path, home: Path) -> None:
    """After SIGKILL in the middle the store lists, and the next build succeeds."""
    process = subprocess.Popen([*COMMAND, "build"], cwd=project)
    deadline = time.monotonic() + 30
    while not list((home / "bentos").glob(".bentopack-tmp-*")) and time.monotonic() < deadline:
        time.sleep(0.002)
    process.kill()
    process.wait()
    assert bentopack("list", "-o", "json", cwd=project).returncode == 0
    assert bentopack("build", cwd=project).returncode == 0


def test_builds_at_once_end_with_one_bento(project: Path) -> None:
    """Several builds of one project at the same time all succeed, and store one Bento."""
    builds = [
        subprocess.Popen([*COMMAND, "build", "-o", "tag"], cwd=project, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    tags = {build.communicate(timeout=120)[0] for build in builds}
    assert [build.returncode for build in builds] == [0, 0, 0, 0]
    assert len(tags) == 1
