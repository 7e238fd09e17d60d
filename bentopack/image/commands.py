"""Finds builders' commands on a search path, and asks them short questions."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

_SECONDS = 60


def commands_named(name: str, search_path: str) -> Iterator[Path]:
    """Yield every command of a name, in the order of the path."""
    for folder in search_path.split(os.pathsep):
        command = Path(folder, name)
        if folder and command.is_file() and os.access(command, os.X_OK):
            yield command


def say(command: Path | str, *arguments: str) -> str:
    """What a command prints, or nothing where it fails."""
    try:
        done = subprocess.run(
            [command, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
