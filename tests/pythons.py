"""Releases of Python that this machine has, wherever they are."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from uv import find_uv_bin

from bentopack.lock.machine import as_uv_reads

PYTHONS = ("3.10", "3.11", "3.12", "3.13")


def find_python(wanted: str) -> str | None:
    """The path of an interpreter of a release, or None where there is none."""
    found = next((each for each in _interpreters(wanted) if _is_python(each, wanted)), None)
    return found and shutil.which(found)


def _interpreters(wanted: str) -> Iterator[str]:
    """Where a release of Python may be: this one, on PATH, where pyenv and uv put those that they install."""
    yield sys.executable
    yield f"python{wanted}"
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    managed = Path(uv("python", "dir").stdout.strip())
    for folder in (*sorted(pyenv.glob(f"{wanted}.*")), *sorted(managed.glob(f"cpython-{wanted}.*"))):
        yield str(folder / "bin/python")


def _is_python(command: str, wanted: str) -> bool:
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
