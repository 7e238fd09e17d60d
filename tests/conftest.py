"""Real parts for the tests: a container engine, a Python base image. And a loud word where they were missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bentopack.errors import EngineError
from bentopack.image.client import Client, find_client
from bentopack.image.engine import Engine, connect

NO_ENGINE = "no container engine"
REQUIRED = os.environ.get("BENTOPACK_TEST_REQUIRE_ENGINE") == "1"


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The engine of this machine. Without one the test is skipped, or fails where the real parts are required."""
    try:
        return connect(os.environ)
    except EngineError as error:
        if REQUIRED:
            pytest.fail(f"BENTOPACK_TEST_REQUIRE_ENGINE=1, and {error}", pytrace=False)
        pytest.skip(f"{NO_ENGINE}: {error.message}")


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
        pytest.fail(f"no base image: {done.stderr}", pytrace=False)
    return done.stdout.strip()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests did not run for want of an engine: a green run without them proves less than it seems."""
    skipped = [report for report in terminalreporter.stats.get("skipped", []) if NO_ENGINE in str(report.longrepr)]
    if skipped:
        terminalreporter.section("REAL PARTS WERE MISSING", red=True, bold=True)
        terminalreporter.line(
            f"{len(skipped)} tests did not run: there is no container engine. Start one, or run .ci/run as root.",
            red=True,
            bold=True,
        )


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store of Bentos and models of the test's own."""
    path = tmp_path / "home"
    monkeypatch.setenv("BENTOPACK_HOME", str(path))
    return path
