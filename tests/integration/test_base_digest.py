"""The base image's digest, from a real registry to the lock, the Dockerfile and the image."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from bentopack.image.engine import Engine
from tests.command import done
from tests.integration.conftest import docker
from tests.integration.serving import free_port

CONFIGURATION = """\
version: 0.1
storage: {filesystem: {rootdir: ROOT}}
http: {addr: "127.0.0.1:PORT"}
"""


@pytest.fixture
def registry(engine: Engine, tmp_path: Path) -> Iterator[str]:
    """A registry on this machine, of Debian's package docker-registry; gives its address."""
    if shutil.which("docker-registry") is None:
        if os.environ.get("BENTOPACK_TEST_REQUIRE_ENGINE") == "1":
            pytest.fail("docker-registry is missing: apt-get install docker-registry")
        pytest.skip("docker-registry is missing")
    port = free_port()
    configuration = tmp_path / "registry.yml"
    configuration.write_text(CONFIGURATION.replace("ROOT", str(tmp_path / "registry")).replace("PORT", str(port)))
    process = subprocess.Popen(["docker-registry", "serve", configuration], stderr=subprocess.DEVNULL)
    try:
        address = f"127.0.0.1:{port}"
        for _ in range(100):
            try:
                httpx.get(f"http://{address}/v2/").raise_for_status()
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(10)


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
