"""The command line as a user runs it: a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

COMMAND = (sys.executable, "-m", "bentopack")


def bentopack(
    *arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end and return its exit code and what it printed."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def done(*arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """Run one command that must succeed and return what it wrote to standard output, without the last line break."""
    result = bentopack(*arguments, cwd=cwd, env=env)
    assert result.returncode == 0, result.stderr
    return result.stdout.rstrip("\n")


def fails(result: subprocess.CompletedProcess[str], code: int, *said: str) -> None:
    """The command failed as documented, and said what it had to."""
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr + result.stdout
    assert result.stdout == ""
    for each in said:
        assert each in result.stderr
