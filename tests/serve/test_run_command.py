"""``bentopack run`` and ``bentopack serve``, as a user types them."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.command import bentopack, fails

BENTOPACK = [sys.executable, "-c", "from bentopack.cli import main; main()"]

SOURCE = """
import bentopack

@bentopack.service
class Hello:
    @bentopack.api
    def greet(self, name: str = "world") -> str:
        return f"hello {name}"
"""


@pytest.fixture
def project(tmp_path: Path, home: Path) -> Path:
    """A project with a bentofile."""
    (tmp_path / "service.py").write_text(SOURCE)
    (tmp_path / "bentofile.yaml").write_text('service: "service:Hello"\n')
    return tmp_path


@pytest.mark.parametrize(
    ("command", "host"), [(["run"], "127.0.0.1"), (["run", "service:Hello"], "127.0.0.1"), (["serve"], "0.0.0.0")]
)
def test_project_is_served_until_ctrl_c(project: Path, command: list[str], host: str) -> None:
    """The project in this folder, or a class in it, is served: by ``run`` here, by ``serve`` to all; Ctrl-C exits 0."""
    command = [*BENTOPACK, *command, "--port", "0", "--no-access-log"]
    process = subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        found = re.search(r"Serving hello on (\S+) \(1 API, docs at /docs\)", process.stdout.readline())
        assert found
        assert httpx.URL(found[1]).host == host
        assert httpx.post(f"{found[1]}/greet").text == "hello world"
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_project_has_no_locked_environment(project: Path) -> None:
    """``--env locked`` needs a Bento, and says how to come by one."""
    done = subprocess.run(
        [*BENTOPACK, "run", "--env", "locked"], cwd=project, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 8
    assert "bentopack build" in done.stderr


@pytest.mark.parametrize("command", ["run", "serve"])
def test_settings_come_from_the_environment_too(project: Path, command: str) -> None:
    """A variable gives what the command line leaves out, and one that cannot be is refused before anything starts."""
    wrong = {"BENTOPACK_GRACE": "-1", "BENTOPACK_PORT": "x"}
    fails(bentopack(command, cwd=project, env=wrong), 8, "$BENTOPACK_PORT: expected a whole number, found 'x'")
    fails(bentopack(command, "--port", "0", cwd=project, env=wrong), 8, "--grace: expected seconds, 0 or more")
