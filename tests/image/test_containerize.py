"""The command line of ``containerize``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bentopack.spec.manifest import Manifest

from .conftest import Make

Write = Callable[[Manifest], Path]


def bentopack(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the real command."""
    command = [sys.executable, "-c", "from bentopack.cli import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


def test_only_render(manifest: Make, bento: Write) -> None:
    """``--dockerfile -`` writes the Dockerfile that the Bento itself carries, without an engine."""
    done = bentopack("containerize", bento(manifest()), "--dockerfile", "-", DOCKER_HOST="unix:///nowhere")
    assert done.returncode == 0, done.stderr
    assert "FROM python:3.11-slim-bookworm AS base" in done.stdout.splitlines()


def test_render_to_a_file(manifest: Make, bento: Write, tmp_path: Path) -> None:
    """``--dockerfile PATH`` writes it there, and says where."""
    path = tmp_path / "out.Dockerfile"
    done = bentopack("containerize", bento(manifest()), "--gpu", "--dockerfile", path)
    assert (done.stdout, done.returncode) == (f"{path}\n", 0)
    assert "nvidia/cuda:12.4.1" in path.read_text()


def test_no_engine(manifest: Make, bento: Write) -> None:
    """Without an engine there is one message, a hint, the documented exit code, and no traceback."""
    done = bentopack("containerize", bento(manifest()), DOCKER_HOST="unix:///nowhere")
    assert done.returncode == 6
    assert "no container engine answers at unix:///nowhere" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_gpu_variant(manifest: Make, bento: Write) -> None:
    """``--gpu`` on a Bento without that variant says what to add."""
    one = manifest(variants={"cpu": manifest().variants["cpu"]})
    done = bentopack("containerize", bento(one), "--gpu", "--dockerfile", "-")
    assert done.returncode == 3
    assert "cuda_version" in done.stderr


@pytest.mark.engine
def test_json(manifest: Make, bento: Write, base_image: str) -> None:
    """``--output json`` gives scripts the image, its id and the Bento that it was made from."""
    tag = f"bentopack-test/containerize:{os.getpid()}"
    done = bentopack(
        "containerize", bento(manifest()), "-t", tag, "-t", f"{tag}-too", "--base-image", base_image, "-o", "json"
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert set(said) == {"image", "tags", "id", "digest", "bento", "bento_digest", "size"}
    assert said["tags"] == [tag, f"{tag}-too"]
    label = '{{index .Config.Labels "io.bentopack.bento.digest"}}'
    inspected = subprocess.run(
        ["docker", "image", "inspect", "--format", label, tag], capture_output=True, text=True, check=True
    )
    assert inspected.stdout.strip() == said["bento_digest"]
    subprocess.run(["docker", "image", "rm", tag, f"{tag}-too"], capture_output=True, check=True)
