"""The script that gives the tests and the demo a base image, where it cannot."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "base_image.py"
# Of an engine that answers, but has no image and cannot pull one.
DOCKER = '#!/bin/sh\n[ "$1" = version ] || exit 1\n'
MMDEBSTRAP = "#!/bin/sh\necho 'E: no mirror' >&2\nexit 25\n"


def command(folder: Path, name: str, text: str) -> None:
    folder.joinpath(name).write_text(text)
    folder.joinpath(name).chmod(0o755)


def printed(path: Path) -> subprocess.CompletedProcess[str]:
    """Run ``base_image.py --print`` with only the commands of a folder on PATH."""
    environ = {key: value for key, value in os.environ.items() if key != "BENTOPACK_TEST_BASE_IMAGE"}
    environ |= {"PATH": str(path), "TMPDIR": str(path)}
    return subprocess.run(
        [sys.executable, SCRIPT, "--print"], env=environ, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("engine", ["no command", "no engine", "no registry", "no mirror"])
def test_it_says_what_is_missing(tmp_path: Path, engine: str) -> None:
    """Where no image can be had, the script ends with one message and a non-zero code, and prints no name."""
    if engine != "no command":
        command(tmp_path, "docker", "#!/bin/sh\nexit 1\n" if engine == "no engine" else DOCKER)
    if engine == "no mirror":
        command(tmp_path, "mmdebstrap", MMDEBSTRAP)
    done = printed(tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no base image: " in done.stderr
    assert "Traceback" not in done.stderr
