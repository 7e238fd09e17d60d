"""The promise: a build that is killed, at whatever moment, harms nothing; nor do builds at once."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from bentopack._report import Silent
from bentopack.bento.options import BuildOptions
from bentopack.bento.store import bento_store
from bentopack.bento.verify import prove_stored
from bentopack.cli.target import build_project
from bentopack.lock import LOCK_NAME
from bentopack.lock.lockfile import read_lock
from tests.command import COMMAND, bentopack


def moments(count: int, seed: int) -> list[float]:
    """Random moments of a build, as parts of its duration: one in each of ``count`` stretches, so all of it is met."""
    chance = random.Random(seed)  # noqa: S311 - a failure can be repeated
    return [round((part + chance.random()) / count, 3) for part in range(count)]


@pytest.fixture(scope="module")
def workplace(locked_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project and a store that all kills of this module leave their traces in."""
    folder = tmp_path_factory.mktemp("killed")
    shutil.copytree(locked_project, folder / "echo")
    return folder


@pytest.fixture
def project(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENTOPACK_HOME", str(workplace / "home"))
    return workplace / "echo"


@pytest.fixture(scope="module")
def building(workplace: Path) -> float:
    """How long a build takes here, in seconds."""
    return duration(workplace)


@pytest.fixture(scope="module")
def locking(workplace: Path, building: float) -> float:
    """How long a build takes that also locks."""
    (workplace / "echo" / LOCK_NAME).unlink()
    return duration(workplace)


def duration(workplace: Path) -> float:
    home = workplace / "home"
    started = time.monotonic()
    built = bentopack("build", cwd=workplace / "echo", env={"BENTOPACK_HOME": str(home)})
    taken = time.monotonic() - started
    assert built.returncode == 0, built.stderr
    shutil.rmtree(home / "bentos")
    return taken


def kill(project: Path, after: float) -> None:
    """Start a build and kill it, with all that it started in its group, when some seconds have passed."""
    process = subprocess.Popen(
        [*COMMAND, "build"],
        cwd=project,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def assert_unharmed(project: Path, reference: Path) -> None:
    """The store lists, all that it lists is whole, and the next build stores the Bento that it has to."""
    store = bento_store()
    for stored in store.list():
        assert prove_stored(stored).tag.version == reference.name
        assert stored.created.timestamp() > 0
    built = build_project(project, BuildOptions("linux/amd64"), Silent())
    assert built.path.name == reference.name
    assert [prove_stored(stored).tag for stored in store.list()] == [built.tag]
    store.delete(built.tag)  # so that the next one to be killed has all to do


@pytest.mark.parametrize("moment", moments(20, seed=1))
def test_a_killed_build_harms_nothing(project: Path, building: float, reference: Path, moment: float) -> None:
    """SIGKILL at any moment leaves a store that lists, verifies and builds, beside what earlier kills left."""
    lock = (project / LOCK_NAME).read_bytes()
    kill(project, moment * building)
    assert (project / LOCK_NAME).read_bytes() == lock
    assert_unharmed(project, reference)


@pytest.mark.parametrize("moment", moments(4, seed=2))
def test_a_killed_locking_harms_nothing(project: Path, locking: float, reference: Path, moment: float) -> None:
    """SIGKILL while a lock is made leaves none or a whole one; the next build makes the same Bento."""
    lock = project / LOCK_NAME
    lock.unlink(missing_ok=True)
    kill(project, moment * locking)
    read_lock(lock)
    assert_unharmed(project, reference)


def test_what_kills_leave_is_not_seen(project: Path, building: float, reference: Path) -> None:
    """From the command line too: after kills nothing is listed but what is built, and that is whole."""
    kill(project, 0.9 * building)
    assert bentopack("build", cwd=project).returncode == 0
    (listed,) = json.loads(bentopack("list", "-o", "json", cwd=project).stdout)
    assert listed["tag"] == f"echo:{reference.name}"
    assert bentopack("verify", listed["tag"], cwd=project).returncode == 0


@pytest.mark.parametrize("locked", [True, False], ids=["locked", "no lock yet"])
def test_ten_builds_at_once_end_with_one_bento(
    locked_project: Path, reference: Path, home: Path, tmp_path: Path, locked: bool
) -> None:
    """Ten builds of one project at the same time all succeed and say nothing of each other; one Bento is stored."""
    project = Path(shutil.copytree(locked_project, tmp_path / "echo"))
    alone = bentopack("build", cwd=project, env={"BENTOPACK_HOME": str(tmp_path / "alone")})
    lock = (project / LOCK_NAME).read_bytes()
    if not locked:
        (project / LOCK_NAME).unlink()
    command = [*COMMAND, "build", "-o", "tag"]
    builds = [
        subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(10)
    ]
    said = [build.communicate(timeout=240) for build in builds]
    assert [build.returncode for build in builds] == [0] * 10, said
    assert said == [(f"echo:{reference.name}\n", alone.stderr)] * 10
    assert [prove_stored(stored).path.name for stored in bento_store().list()] == [reference.name]
    assert (project / LOCK_NAME).read_bytes() == lock
    assert sorted(path.name for path in project.iterdir()) == sorted(path.name for path in locked_project.iterdir())
