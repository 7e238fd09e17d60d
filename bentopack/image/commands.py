"""Finds builders' commands on a search path."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def commands_named(name: str, search_path: str) -> Iterator[Path]:
    """Yield every command of a name, in the order of the path."""
    for folder in search_path.split(os.pathsep):
        command = Path(folder, name)
        if folder and command.is_file() and os.access(command, os.X_OK):
            yield command
