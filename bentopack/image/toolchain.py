"""Tells exactly what of this machine decides the bytes of Python layers: the Python that compiles them, and uv.

It is asked for on each run, to find the layers that were made before, so that nothing is started or imported for it
where nothing changed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bentopack.oci.blobs import Blobs

_SECONDS = 20
_ASK = "import json, sys; print(json.dumps([sys.executable, sys.version, list(sys.version_info[:2])]))"


@dataclass(frozen=True)
class Interpreter:
    """A Python of this machine; ``release`` tells it from every other that may compile to other bytes."""

    path: str
    release: str


def find_compiler(python: str, blobs: Blobs) -> Interpreter | None:
    """Return a Python of this machine that compiles for a version such as ``3.11``; None where there is none.

    Another one than ours has to be started to be known. That is remembered among the blobs until its file changes.
    """
    if sys.executable and python == f"{sys.version_info.major}.{sys.version_info.minor}":
        return Interpreter(sys.executable, sys.version)
    found = shutil.which(f"python{python}")
    if found is None or (state := _state(found)) is None:
        return None
    key = hashlib.sha256(f"python {found} {state}".encode()).hexdigest()
    # What is found may be a script that starts another file (pyenv's are): the one that it led to is kept to.
    told = blobs.noted(key)
    if not (isinstance(told, dict) and _state(told["path"]) == told["state"]):
        told = _asked(found, python)
        if told is None:
            return None  # not remembered: whether pyenv's script leads anywhere is decided elsewhere
        blobs.note(key, told)
    return Interpreter(told["path"], told["release"])


def clean_environment() -> dict[str, str]:
    """Variables for a Python whose work must not depend on the user's settings, and whose hashes are always the same.

    With ``-I`` or ``-E`` it would not read the seed of its hashes either.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**inherited, "PYTHONHASHSEED": "0"}


def uv_release() -> str:
    """The uv that lays wheels out, with its version, off the name of a folder: what else tells it is slow to import."""
    spec = importlib.util.find_spec("uv")
    if spec is None or spec.origin is None:
        return "none"
    for each in Path(spec.origin).parent.parent.glob("uv-*.dist-info"):
        return each.name.removesuffix(".dist-info")
    from importlib import metadata

    return f"uv-{metadata.version('uv')}"


def _state(path: str) -> list[int] | None:
    """What changes when a file is replaced; None where there is none."""
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return [status.st_mtime_ns, status.st_size, status.st_ino]


def _asked(path: str, python: str) -> dict[str, Any] | None:
    import json
    import subprocess

    command = [path, "-s", "-S", "-c", _ASK]
    try:
        done = subprocess.run(command, capture_output=True, check=True, timeout=_SECONDS, env=clean_environment())
        executable, release, version = json.loads(done.stdout)
        if python == ".".join(map(str, version)):
            return {"path": executable, "release": release, "state": _state(executable)}
    except (OSError, subprocess.SubprocessError, ValueError):
        pass
    return None
