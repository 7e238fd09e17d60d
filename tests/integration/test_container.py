"""A real Bento in a real container."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import RunImage, docker

EXAMPLE = Path(__file__).parents[2] / "examples" / "plain_python"


@pytest.mark.engine
def test_project_to_container(run_image: RunImage, base_image: str, tmp_path: Path) -> None:
    """One command makes an image of a project; it serves locked down, is healthy, and drains when it is stopped."""
    tag = f"bentopack-test/project:{os.getpid()}"
    # A copy: building writes the project's lock into it.
    project = shutil.copytree(EXAMPLE, tmp_path / "project")
    command = [sys.executable, "-c", "from bentopack.cli import main; main()", "containerize", str(project)]
    done = subprocess.run(
        [*command, "--tag", tag, "--base-image", base_image, "--output", "json"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "BENTOPACK_HOME": str(tmp_path / "home")},
    )
    assert done.returncode == 0, done.stderr
    try:
        assert json.loads(done.stdout)["image"] == tag
        with run_image(tag) as container:
            docker("exec", container.id, "/opt/venv/bin/python", "-m", "bentopack.serve.healthcheck")
            assert container.stop() == 0, container.logs()
    finally:
        docker("image", "rm", "--force", tag)
