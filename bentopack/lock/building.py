"""Builds wheels of source code: once, with bytes that follow from the source, kept for the next build."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

from bentopack._fs import EPOCH, scratch_dir, zip_entry
from bentopack._report import Reporter
from bentopack.errors import LockError
from bentopack.lock.process import explain, run
from bentopack.lock.resolver import host_target
from bentopack.lock.uv import as_uv_reads

# What build tools take the time and the order of things from.
_FIXED = {"SOURCE_DATE_EPOCH": str(EPOCH), "PYTHONHASHSEED": "0", "TZ": "UTC", "LC_ALL": "C"}


def built_wheel(
    cache: Path, key: tuple[str, ...], label: str, fetch: Callable[[Path], Path], reporter: Reporter
) -> Path:
    """Return the wheel of a source: the one in the cache, or one that is built now.

    Args:
        key: what the source is, exactly; the machine's Python and platform are added, since some wheels are for one.
        label: the source in messages.
        fetch: writes the source below a folder and returns where its project is.

    Raises:
        LockError: it cannot be fetched or built.
    """
    host = host_target()
    digest = hashlib.sha256(json.dumps([*key, host.python, host.platform]).encode()).hexdigest()
    place = cache / digest
    if found := sorted(place.glob("*.whl")):
        return found[0]
    reporter.step(f"building a wheel of {label}")
    with scratch_dir(cache) as scratch:
        finished = scratch / "finished"
        finished.mkdir()
        _repack(_build(fetch(scratch), scratch / "wheel", label, reporter), finished)
        # Another build may have been faster; what it left is as good.
        with contextlib.suppress(OSError):
            finished.rename(place)
    return sorted(place.glob("*.whl"))[0]


def _build(project: Path, output: Path, label: str, reporter: Reporter) -> Path:
    said: list[str] = []
    environment = {**_FIXED, **as_uv_reads(os.environ)}
    if run([*_command(output), str(project)], output.parent, said, reporter, environment=environment, umask=0o022):
        raise LockError(
            f"no wheel can be built of {label}:\n{explain(said)}",
            hint="build one where that works, and list it under python.wheels",
        )
    wheels = sorted(output.glob("*.whl"))
    if len(wheels) != 1:
        raise LockError(f"of {label} came {len(wheels)} wheels, expected one")
    return wheels[0]


def _command(output: Path) -> list[str]:
    try:
        from uv import find_uv_bin
    except ImportError:
        return [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "--wheel-dir", str(output)]
    options = ["--wheel", "--no-config", "--no-python-downloads", "--quiet", "--color=never"]
    return [find_uv_bin(), "build", *options, "--python", sys.executable, "--out-dir", str(output)]


def _repack(wheel: Path, folder: Path) -> None:
    """Write a wheel's files again: in order, with one time and stored, since deflaters differ between machines."""
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(folder / wheel.name, "w") as new:
        for name in sorted(old.namelist()):
            if name.endswith("/"):
                continue
            executable = bool(old.getinfo(name).external_attr >> 16 & 0o100)
            new.writestr(zip_entry(name, executable=executable), old.read(name))
