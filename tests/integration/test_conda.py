"""An image whose Python and libraries come from conda, built and run."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import done
from tests.integration.conda import PLACEHOLDER, CondaPackage, installer, publish, python_of
from tests.integration.conftest import RunImage, docker
from tests.integration.serving import Call, ask
from tests.lock.channel import LocalChannel, local_channel

SERVICE = """\
import subprocess
import sys

import bentopack
import greeting


@bentopack.service
class Conda:
    @bentopack.api
    def where(self, text: str) -> str:
        said = subprocess.run(["greet"], capture_output=True, text=True, check=True).stdout.strip()
        return f"{greeting.WORD} {text}, from {sys.base_prefix}, {said}"
"""


@pytest.fixture
def channel(base_image: str, tmp_path: Path) -> Iterator[LocalChannel]:
    """A channel that builds can reach: a Python, and a library with a program that knows where it lies."""
    host = docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}")
    with local_channel(tmp_path / "channel", host) as made:
        publish(made, python_of(base_image))
        greet = f"#!/bin/sh\necho greeted by {PLACEHOLDER}/bin\n".encode()
        # Where Debian's Python looks.
        module = {"lib/python3/dist-packages/greeting.py": b'WORD = "hello"\n', "bin/greet": greet}
        publish(made, CondaPackage("greeting", "1.0", module, ("python >=3.11,<3.12",), ("bin/greet",)))
        yield made


@pytest.mark.engine
def test_conda_lies_below_what_pip_installs(
    channel: LocalChannel, base_image: str, tmp_path: Path, home: Path, run_image: RunImage
) -> None:
    """The service runs on conda's Python, sees its libraries and programs, and pip's packages above them."""
    (scratch := tmp_path / "installer").mkdir()
    project, name = tmp_path / "project", f"bentopack-test/conda:{os.getpid()}"
    project.mkdir()
    (project / "service.py").write_text(SERVICE)
    (project / "bentofile.yaml").write_text(
        "service: service:Conda\ninclude: [service.py]\n"
        f"conda: {{channels: ['{channel.url}'], dependencies: [greeting]}}\n"
        f"docker: {{base_image: '{base_image}'}}\n"
    )
    try:
        with installer(base_image, scratch):
            done("containerize", "--backend", "docker", "-t", name, cwd=project)
        with run_image(name) as container:
            [answer] = ask(container.url, [Call("/where", b'{"text": "you"}')])
        assert answer.body == b"hello you, from /opt/conda-env, greeted by /opt/conda-env/bin"
        left = "test ! -e /opt/conda-env/pkgs && ! command -v micromamba && ! command -v pip"
        docker("run", "--rm", "--entrypoint", "sh", name, "-c", left)
    finally:
        subprocess.run(["docker", "image", "rm", "--force", name], capture_output=True, check=False)
