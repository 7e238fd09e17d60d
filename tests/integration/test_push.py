"""Pushing what was built, to a real registry."""

from __future__ import annotations

import json
import os
from pathlib import Path

import httpx
import pytest

from tests.command import bentopack, fails
from tests.integration.conftest import docker


@pytest.mark.engine
def test_an_image_is_pushed(project: Path, base_image: str, registry: str) -> None:
    """Each tag is in its registry afterwards, under the digest that is told."""
    tags = [f"{registry}/team/echo:1", f"{registry}/team/echo:latest"]
    named = [word for tag in tags for word in ("--tag", tag)]
    pushed = bentopack("containerize", *named, "--base-image", base_image, "--push", "-o", "json", cwd=project)
    try:
        assert pushed.returncode == 0, pushed.stderr
        facts = json.loads(pushed.stdout)
        for tag in tags:
            version = tag.rpartition(":")[2]
            accepted = {"Accept": "application/vnd.docker.distribution.manifest.v2+json"}
            there = httpx.get(f"http://{registry}/v2/team/echo/manifests/{version}", headers=accepted)
            assert there.headers["Docker-Content-Digest"] == facts["pushed"][tag]
    finally:
        docker("image", "rm", "--force", *tags)


@pytest.mark.engine
def test_a_registry_that_is_not_there_is_told(project: Path, base_image: str) -> None:
    """The image stays built; the message says what could not be pushed, with an exit code of its own."""
    tag = f"127.0.0.1:9/echo:{os.getpid()}"
    try:
        pushed = bentopack("containerize", "-t", tag, "--base-image", base_image, "--push", cwd=project)
        fails(pushed, 10, f"{tag} could not be pushed", "the image itself was built")
        assert docker("image", "inspect", "--format", "{{.Id}}", tag).startswith("sha256:")
    finally:
        docker("image", "rm", "--force", tag)
