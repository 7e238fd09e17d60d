"""Builds wheels of source code: once, with bytes that follow from the source, kept for the next build."""

from __future__ import annotations

import contextlib
import hashlib
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bentopack._fs import scratch_dir, zip_entry
from bentopack._report import Reporter
from bentopack.errors import LockError
from bentopack.lock.backend import Backend, ToolsMissing
from bentopack.lock.resolver import host_target

_TOOLS = "tools.json"


@dataclass(frozen=True)
class Wheelwright:
    """Builds wheels with the build tools that a lock pins, and keeps them in ``cache``."""

    cache: Path
    reporter: Reporter

    def wheel(
        self, key: Sequence[str], label: str, fetch: Callable[[Path], Path], tools: Sequence[str] | None
    ) -> tuple[Path, tuple[str, ...]]:
        """Return the wheel of a source, from the cache or built now, and the build tools it was built with.

        Args:
            key: what the source is; the machine's Python and platform are added, since some wheels are for one.
            label: the source in messages.
            fetch: writes the source below a folder and returns where its project is.
            tools: what the lock pins; with None any wheel of the source is taken, or one is built with the newest.

        Raises:
            LockError: it cannot be fetched or built.
        """
        host = host_target()
        source = _digest([*key, host.python, host.platform])
        if found := sorted(self.cache.glob(f"{source}-{'*' if tools is None else _digest(tools)}/*.whl")):
            return found[0], tuple(json.loads(found[0].with_name(_TOOLS).read_text("utf-8")))
        self.reporter.step(f"building a wheel of {label}")
        with scratch_dir(self.cache) as scratch:
            built, used = self._build(fetch(scratch), scratch, label, tools)
            # On another Python a tool may need others beside it: what is pinned stays what is pinned.
            used = used if tools is None else tuple(tools)
            finished = scratch / "finished"
            finished.mkdir()
            _repack(built, finished)
            (finished / _TOOLS).write_text(json.dumps(used), encoding="utf-8")
            place = self.cache / f"{source}-{_digest(used)}"
            # Another build may have been faster; what it left is as good.
            with contextlib.suppress(OSError):
                finished.rename(place)
        return sorted(place.glob("*.whl"))[0], used

    def _build(
        self, project: Path, scratch: Path, label: str, tools: Sequence[str] | None
    ) -> tuple[Path, tuple[str, ...]]:
        try:
            return Backend(project, scratch, tools or (), self.reporter).build()
        except ToolsMissing as error:
            pinned = f"; the lock pins {', '.join(tools)}" if tools else ""
            raise LockError(
                f"what {label} is built with cannot be installed{pinned}:\n{error.message}",
                hint="look whether an index here has it; `bentopack lock --upgrade-package` with the name of the "
                "package takes the newest"
                if tools
                else "look at 'requires' in its [build-system], and whether an index here has it",
            ) from None
        except LockError as error:
            raise LockError(
                f"no wheel can be built of {label}:\n{error.message}",
                hint="build one where that works, and list it under python.wheels",
            ) from None


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(list(parts)).encode()).hexdigest()


def _repack(wheel: Path, folder: Path) -> None:
    """Write a wheel's files again: in order, with one time and stored, since deflaters differ between machines."""
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(folder / wheel.name, "w") as new:
        for name in sorted(old.namelist()):
            if name.endswith("/"):
                continue
            executable = bool(old.getinfo(name).external_attr >> 16 & 0o100)
            content = old.read(name)
            if name.endswith(".dist-info/RECORD"):  # in the order in which a file system told of the files
                content = b"".join(sorted(line + b"\n" for line in content.splitlines() if line))
            new.writestr(zip_entry(name, executable=executable), content)
