"""Bentos built for real, in processes of their own, and compared byte for byte."""

from __future__ import annotations

import filecmp
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.command import COMMAND

NOBODY = 65534
# The right to read stays, since the Python of these tests may lie in root's own home.
AS_NOBODY = (
    "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
    "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search",
)  # fmt: skip


def build(
    project: Path,
    store: Path,
    env: Mapping[str, str] | None = None,
    umask: int = 0o022,
    before: tuple[str, ...] = (),
    command: tuple[str, ...] = COMMAND,
) -> Path:
    """Build in a process of its own, behind another command where one is given, and return the Bento's folder."""
    done = subprocess.run(
        [*before, *command, "build", "--output", "path"],
        cwd=project,
        env={**os.environ, "BENTOPACK_HOME": str(store), **(env or {})},
        umask=umask,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


def assert_same(one: Path, other: Path) -> None:
    """Compare two Bentos byte for byte, modes and times included."""
    assert one.name == other.name
    files = sorted(path.relative_to(one) for path in one.rglob("*"))
    assert files == sorted(path.relative_to(other) for path in other.rglob("*"))
    for file in files:
        first, second = one / file, other / file
        assert first.stat().st_mode == second.stat().st_mode, file
        if first.is_file():
            assert filecmp.cmp(first, second, shallow=False), file
            assert first.stat().st_mtime == second.stat().st_mtime, file
