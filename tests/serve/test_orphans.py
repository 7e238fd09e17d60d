"""Processes that nobody waits for."""

from __future__ import annotations

import subprocess
import sys

import pytest

# A process that orphans are given to, as the first one of a container is: it leaves three behind, and starts one of
# its own by asyncio.
_FIRST_PROCESS = """
import asyncio, ctypes, subprocess
from pathlib import Path
from bentopack.serve import orphans

ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER

async def main():
    reaping = asyncio.create_task(orphans.reap(0.2))
    subprocess.run(["/bin/sh", "-c", "for each in 1 2 3; do (sleep 0.1; exit 7) & done"], check=True)
    own = await asyncio.create_subprocess_exec("/bin/sh", "-c", "sleep 0.3; exit 5")
    code = await own.wait()
    for _ in range(100):
        left = "".join(each.read_text() for each in Path("/proc/self/task").glob("*/children"))
        if not left:
            break
        await asyncio.sleep(0.1)
    print(code, left.split(), not reaping.done())

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a container's first process is Linux's")
def test_orphans_are_reaped_and_own_children_are_not() -> None:
    """No zombie stays, and who waits for a process of its own gets its exit code."""
    done = subprocess.run(
        [sys.executable, "-c", _FIRST_PROCESS], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "5 [] True"
