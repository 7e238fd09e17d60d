"""The base image's digest, from a real registry to the lock, the Dockerfile and the image."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.command import done
from tests.integration.conftest import docker


@pytest.mark.engine
def test_a_base_is_pinned_by_its_registry(
    registry: str, base_image: str, locked_project: Path, tmp_path: Path, home: Path
) -> None:
    """The registry's digest is locked, stands in the Dockerfile, and is what the image is built on."""
    base = f"{registry}/python:3.11"
    docker("tag", base_image, base)
    image = f"bentopack-test/pinned:{os.getpid()}"
    try:
        docker("push", base)
        digest = json.loads(docker("inspect", base))[0]["RepoDigests"][0].rpartition("@")[2]
        project = Path(shutil.copytree(locked_project, tmp_path / "project"))
        with (project / "bentofile.yaml").open("a") as file:
            file.write(f"docker: {{base_image: '{base}'}}\n")
        folder = Path(done("build", "--output", "path", cwd=project))
        assert digest in (project / "bentofile.lock").read_text()
        assert f"FROM {base}@{digest} AS base" in (folder / "env/docker/Dockerfile").read_text()
        assert done("build", "--locked", "--output", "path", cwd=project) == str(folder)
        done("containerize", str(folder), "-t", image, cwd=project)
        layers = json.loads(docker("inspect", "--format", "{{json .RootFS.Layers}}", image))
        assert layers[0] == json.loads(docker("inspect", "--format", "{{json .RootFS.Layers}}", base))[0]
    finally:
        docker("image", "rm", "--force", base)
        subprocess.run(["docker", "image", "rm", "--force", image], check=False, capture_output=True)
