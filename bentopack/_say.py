"""Asks other programs something."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path


def say(command: Path | str, *arguments: str, environ: Mapping[str, str] | None = None, seconds: int = 60) -> str:
    """What a command prints, or nothing where it fails; in this process's environment, unless another is given."""
    try:
        done = subprocess.run(
            [command, *arguments],
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
