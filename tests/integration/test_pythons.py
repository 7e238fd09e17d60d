"""The promise: the Python that bentopack runs on changes neither a lock nor a Bento."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.command import COMMAND
from tests.echo import ECHO, echo_project
from tests.integration.bentos import assert_same, build
from tests.pythons import PYTHONS, find_python, uv

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    uv("build", "--wheel", "--quiet", "--python", sys.executable, "--out-dir", folder, ROOT)
    (path,) = folder.glob("bentopack-*.whl")
    return path


@pytest.fixture(scope="module", params=PYTHONS)
def command(request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """bentopack, installed from its wheel for one release of Python, with the uv of these tests."""
    if (found := find_python(request.param)) is None:
        pytest.skip(f"there is no Python {request.param} on this machine")
    folder = tmp_path_factory.mktemp(f"python-{request.param}") / "venv"
    python = folder / "bin/python"
    uv("venv", "--quiet", "--python", found, folder)
    uv("pip", "install", "--quiet", "--python", python, wheel, f"uv=={version('uv')}")
    return (str(python), "-m", "bentopack")


@pytest.fixture(scope="module")
def lock(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The lock that the Python of these tests makes, for an image with Python 3.11."""
    return locked(tmp_path_factory.mktemp("lock"), COMMAND)


def locked(folder: Path, command: tuple[str, ...]) -> bytes:
    project = echo_project(folder / "p", bentofile__yaml=ECHO["bentofile.yaml"] + "python: {version: '3.11'}\n")
    environment = {**os.environ, "BENTOPACK_HOME": str(folder / "home")}
    done = subprocess.run(
        [*command, "lock"], cwd=project, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return (project / "bentofile.lock").read_bytes()


def test_every_python_makes_the_same_bento(
    command: tuple[str, ...], locked_project: Path, reference: Path, tmp_path: Path
) -> None:
    """Built from one lock on Python 3.10 to 3.13, installed from a wheel, a Bento has the same bytes."""
    before = (locked_project / "bentofile.lock").read_bytes()
    assert_same(reference, build(locked_project, tmp_path, command=command))
    assert (locked_project / "bentofile.lock").read_bytes() == before


def test_every_python_makes_the_same_lock(command: tuple[str, ...], lock: bytes, tmp_path: Path) -> None:
    """A lock is for the image's Python: the one that makes it leaves no trace."""
    assert locked(tmp_path, command) == lock
