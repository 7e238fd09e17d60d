"""The image of one Bento by whatever builds: Docker, podman; and on a base that has no Python."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from bentopack.image.builder import of_docker
from bentopack.image.client import Client
from bentopack.image.engine import Engine
from bentopack.image.probe import look_into
from tests.command import done
from tests.conftest import missing
from tests.integration.conftest import RunImage, docker
from tests.integration.serving import Call, ask

CALL = Call("/echo", b'{"text": "hi"}')

# What an image of a service has no use for, and what an attacker would have.
STRUCTURE = """
for each in gcc cc g++ make git pip; do if command -v $each > /dev/null; then echo "has $each"; fi; done
find /root/.cache /var/cache/apt/archives /var/lib/apt/lists /build /opt/runtime -type f 2>/dev/null | head
find /opt/venv /bento -perm -o+w ! -type l | head
find /opt/venv /bento ! -user 0 | head
find /opt/venv /bento ! -perm -g+r ! -type l | head
find /opt/venv /bento -name "*.pem" | grep -v certifi
find /opt/venv -name "*.py" -path "*site-packages*" | while read each; do
  compiled=$(dirname $each)/__pycache__/$(basename $each .py).cpython-*.pyc
  ls $compiled > /dev/null 2>&1 || echo "not compiled: $each"
done | head -3
"""


# The runtime that comes with Docker, and limits that need no rights: podman's own runtime needs cgroups of one version,
# and asks for more open files than some machines allow.
CONTAINERS_CONF = """
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
[containers]
netns = "host"
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
"""


@pytest.fixture
def podman(base_image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of the base image in podman's own storage."""
    (tmp_path / "containers.conf").write_text(CONTAINERS_CONF)
    monkeypatch.setenv("CONTAINERS_CONF", str(tmp_path / "containers.conf"))
    if shutil.which("podman") is None:
        missing("there is no podman on PATH (Debian: apt-get install podman)")
    archive = tmp_path / "base.tar"
    docker("save", "--output", str(archive), base_image)
    loaded = subprocess.run(["podman", "load", "--input", str(archive)], capture_output=True, text=True, check=False)
    assert loaded.returncode == 0, loaded.stderr
    return loaded.stdout.strip().rpartition("Loaded image: ")[2]


@pytest.mark.engine
def test_the_structure_of_an_image(project: Path, base_image: str, run_image: RunImage) -> None:
    """No compiler, pip, cache or secret; root's files that any user of group 0 reads and nobody else writes."""
    image = f"bentopack-test/structure:{os.getpid()}"
    facts = json.loads(done("containerize", "-t", image, "--base-image", base_image, "-o", "json", cwd=project))
    try:
        config = json.loads(docker("image", "inspect", image))[0]["Config"]
        assert (config["User"], config["StopSignal"]) == ("10001:0", "SIGTERM")
        assert config["Entrypoint"] == ["/opt/venv/bin/python", "-m", "bentopack", "serve", "/bento"]
        assert config["Labels"]["io.bentopack.bento.digest"] == facts["bento_digest"]
        assert "HEALTHCHECK" in docker("image", "history", "--no-trunc", image)
        of_base = set(docker("run", "--rm", "--entrypoint", "/bin/sh", base_image, "-c", STRUCTURE).splitlines())
        found = docker("run", "--rm", "--user", "0", "--entrypoint", "/bin/sh", image, "-c", STRUCTURE).splitlines()
        assert [line for line in found if line not in of_base] == []
        with run_image(image) as container:
            [answer] = ask(container.url, [CALL])
            assert answer.status == 200, answer
    finally:
        docker("image", "rm", "--force", image)


@pytest.mark.engine
def test_orphans_do_not_stay_in_a_container(project: Path, base_image: str, run_image: RunImage) -> None:
    """The first process of a container takes the exit codes of what nobody waits for."""
    image = f"bentopack-test/orphans:{os.getpid()}"
    done("containerize", "-t", image, "--base-image", base_image, cwd=project)
    try:
        with run_image(image) as container:
            docker("exec", container.id, "/bin/sh", "-c", "(sleep 0.1 &) ; (sleep 0.1 &)")
            script = "for n in $(seq 20); do sleep 1; ps -o stat= 2>/dev/null; grep -l '^State:.Z' /proc/[0-9]*/status"
            script += " 2>/dev/null || { echo none; break; }; done"
            assert docker("exec", container.id, "/bin/sh", "-c", script).splitlines()[-1] == "none"
    finally:
        docker("image", "rm", "--force", image)


@pytest.mark.engine
def test_a_base_is_looked_into(base_image: str, engine: Engine, client: Client) -> None:
    """What a base has is found by running it: its Python, its C library, its package manager."""
    builder = of_docker(engine, client)
    platform = "linux/amd64"
    found = look_into(builder, base_image, platform, os.environ)
    assert found is not None
    assert (found.python, found.package_manager, found.release) == ("3.11", "apt", "debian12")
    assert found.glibc is not None
    bare = f"bentopack-test/bare:{os.getpid()}"
    dockerfile = f"FROM {base_image}\nRUN rm -f /usr/bin/python3* /usr/local/bin/python3*\n"
    subprocess.run(
        ["docker", "build", "--tag", bare, "-"], input=dockerfile, text=True, capture_output=True, check=True
    )
    try:
        assert look_into(builder, bare, platform, os.environ) == replace(found, python=None)
    finally:
        docker("image", "rm", "--force", bare)
    assert look_into(builder, "bentopack-test/nowhere:1", platform, {**os.environ, "DOCKER_HOST": "unix:///no"}) is None


@pytest.mark.engine
def test_podman_runs_the_setup_script_that_there_is_now(project: Path, podman: str) -> None:
    """An edited script is run again, and leaves the stored Bento as it was."""
    image = f"localhost/bentopack-test/setup:{os.getpid()}"
    bentofile = project / "bentofile.yaml"
    bentofile.write_text(bentofile.read_text() + "docker: {setup_script: setup.sh}\n")
    found = []
    try:
        for version in ("one", "two"):
            (project / "setup.sh").write_text(f"#!/bin/sh\necho {version} > /opt/ran\necho '# x' >> $0\n")
            arguments = ["containerize", "--builder", "podman", "-t", image, "--base-image", podman, "-o", "json"]
            facts = json.loads(done(*arguments, cwd=project))
            done("verify", facts["bento"], cwd=project)
            command = ["podman", "run", "--rm", "--entrypoint", "cat", image, "/opt/ran"]
            found.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())
    finally:
        subprocess.run(["podman", "image", "rm", "--force", image], capture_output=True, check=False)
    assert found == ["one", "two"]


@pytest.mark.engine
def test_podman_builds_the_image_too(project: Path, podman: str) -> None:
    """podman, with no engine at all, gives an image of the same configuration, health check and all.

    Where the build has a time, no file that it writes is younger, though podman's cache holds steps without one (of the
    test before, say).
    """
    image = f"localhost/bentopack-test/podman:{os.getpid()}"
    arguments = ["containerize", "--builder", "podman", "-t", image, "--base-image", podman, "-o", "json"]
    env = {"SOURCE_DATE_EPOCH": "1700000000"}
    facts = json.loads(done(*arguments, "--metadata-file", "facts.json", cwd=project, env=env))
    assert json.loads((project / "facts.json").read_text()) == facts
    try:
        inspected = subprocess.run(["podman", "image", "inspect", image], capture_output=True, text=True, check=True)
        found = json.loads(inspected.stdout)[0]
        assert f"sha256:{found['Id']}" == facts["id"]
        assert found["Config"]["Entrypoint"] == ["/opt/venv/bin/python", "-m", "bentopack", "serve", "/bento"]
        assert found["Config"]["User"] == "10001:0"
        assert found["Healthcheck"]["Test"][-1] == "bentopack.serve.healthcheck"
        assert found["Config"]["Labels"]["io.bentopack.bento.digest"] == facts["bento_digest"]
        locked_down = ["--rm", "--read-only", "--user", "12345:0", "--cap-drop", "ALL"]
        helped = subprocess.run(
            ["podman", "run", *locked_down, image, "--help"], capture_output=True, text=True, check=True
        )
        assert "Serve a Bento" in helped.stdout
        find = ["--entrypoint", "find", image, "/opt", "/bento", "-newermt", "@1700000000"]
        assert subprocess.run(["podman", "run", "--rm", *find], capture_output=True, text=True, check=True).stdout == ""
    finally:
        subprocess.run(["podman", "image", "rm", "--force", image], capture_output=True, check=False)
