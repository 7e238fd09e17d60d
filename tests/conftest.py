"""Real parts for the tests: a container engine, a Python base image. And a loud word where they were missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from bentopack.errors import EngineError
from bentopack.image.client import Client, find_client
from bentopack.image.engine import Engine, connect
from tests.command import bentopack
from tests.echo import echo_project

MISSING = "a real part is missing"
REQUIRED = os.environ.get("BENTOPACK_TEST_REQUIRE_ENGINE") == "1"


def missing(reason: str) -> NoReturn:
    """Skip the test, or fail it where the real parts are required."""
    if REQUIRED:
        pytest.fail(f"BENTOPACK_TEST_REQUIRE_ENGINE=1, and {reason}", pytrace=False)
    pytest.skip(f"{MISSING}: {reason}")


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The engine of this machine."""
    try:
        return connect(os.environ)
    except EngineError as error:
        reason = error.message
    missing(reason)


@pytest.fixture(scope="session")
def client(engine: Engine) -> Client:
    """The command line that builds with that engine."""
    return find_client(os.environ["PATH"])


@pytest.fixture(scope="session")
def base_image(engine: Engine) -> str:
    """An image with Python 3.11 that the engine has (tests/base_image.py)."""
    script = Path(__file__).with_name("base_image.py")
    done = subprocess.run([sys.executable, script, "--print"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        missing(f"no base image: {done.stderr.strip()}")
    return done.stdout.strip()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests did not run for want of an engine: a green run without them proves less than it seems."""
    skipped = [report for report in terminalreporter.stats.get("skipped", []) if MISSING in str(report.longrepr)]
    if skipped:
        terminalreporter.section("REAL PARTS WERE MISSING", red=True, bold=True)
        what = f"{len(skipped)} tests did not run, for want of a container engine, a base image, a load generator or "
        what += "the right to mount."
        terminalreporter.line(f"{what} Start an engine, or run .ci/run as root.", red=True, bold=True)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store of Bentos and models of the test's own."""
    path = tmp_path / "home"
    monkeypatch.setenv("BENTOPACK_HOME", str(path))
    return path


@pytest.fixture(scope="session")
def locked_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The echo project, built once for real."""
    folder = tmp_path_factory.mktemp("locked")
    project = echo_project(folder / "echo")
    built = bentopack("build", cwd=project, env={"BENTOPACK_HOME": str(folder / "home")})
    assert built.returncode == 0, built.stderr
    return project


@pytest.fixture
def project(locked_project: Path, tmp_path: Path, home: Path) -> Path:
    """The test's own copy of it, with an empty store."""
    return Path(shutil.copytree(locked_project, tmp_path / "echo"))


@pytest.fixture
def fresh_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that was told nothing of indexes and keeps nothing of them; returns its user's home."""
    for name in [each for each in os.environ if each.startswith(("PIP_", "UV_")) or each == "NETRC"]:
        monkeypatch.delenv(name)
    folder = tmp_path / "user"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    monkeypatch.setenv("PIP_CACHE_DIR", str(tmp_path / "pip-cache"))
    return folder
