"""The promise: the Python that bentopack runs on changes neither a lock nor a Bento."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from uv import find_uv_bin

from bentopack.lock.machine import as_uv_reads
from tests.command import COMMAND
from tests.echo import ECHO, echo_project
from tests.integration.bentos import assert_same, build

ROOT = Path(__file__).parents[2]
PYTHONS = ("3.10", "3.11", "3.12", "3.13")


def interpreters(wanted: str) -> Iterator[str]:
    """Where a release of Python may be: this one, on PATH, where pyenv and uv put those that they install."""
    yield sys.executable
    yield f"python{wanted}"
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    managed = Path(uv("python", "dir").stdout.strip())
    for folder in (*sorted(pyenv.glob(f"{wanted}.*")), *sorted(managed.glob(f"cpython-{wanted}.*"))):
        yield str(folder / "bin/python")


def is_python(command: str, wanted: str) -> bool:
    """Whether a command is an interpreter of that release and runs: a shim of pyenv may stand for none."""
    path = shutil.which(command)
    if path is None:
        return False
    told = [path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    return subprocess.run(told, capture_output=True, text=True, check=False).stdout == f"{wanted}\n"


def uv(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the uv that bentopack runs, looking where pip would."""
    done = subprocess.run(
        [find_uv_bin(), *map(str, arguments)],
        env={**os.environ, **as_uv_reads(os.environ)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


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
    found = next((each for each in interpreters(request.param) if is_python(each, request.param)), None)
    if found is None:
        pytest.skip(f"there is no Python {request.param} on this machine")
    folder = tmp_path_factory.mktemp(f"python-{request.param}") / "venv"
    python = folder / "bin/python"
    uv("venv", "--quiet", "--python", shutil.which(found) or found, folder)
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
