"""Pushing what was built, to a real registry."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.command import bentopack, done, fails
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
def test_a_builder_puts_no_image_in_the_place_of_a_bento(project: Path, base_image: str, registry: str) -> None:
    """It is refused before anything is built."""
    bento = done("build", "-o", "tag", cwd=project)
    done("push", bento, f"{registry}/team/echo", "-t", "b", cwd=project)
    name = f"{registry}/team/echo:b"
    refused = bentopack("containerize", "-t", name, "--base-image", base_image, "--push", cwd=project)
    fails(refused, 2, f"{name} is a Bento, and an image would take its place")
    with pytest.raises(subprocess.CalledProcessError):
        docker("image", "inspect", name)


@pytest.mark.engine
def test_what_was_pushed_before_a_failure_is_told(project: Path, base_image: str, registry: str) -> None:
    """One registry takes it and the other does not: the image, and what is where, are told all the same."""
    tags = [f"{registry}/team/half:1", "127.0.0.1:9/half:1"]
    named = [word for tag in tags for word in ("--tag", tag)]
    options = ["--base-image", base_image, "--push", "-o", "json", "--metadata-file", "facts.json"]
    try:
        pushed = bentopack("containerize", *named, *options, cwd=project)
        assert pushed.returncode == 10, pushed.stderr
        facts = json.loads(pushed.stdout)
        assert list(facts["pushed"]) == tags[:1]
        assert json.loads((project / "facts.json").read_text()) == facts
    finally:
        docker("image", "rm", "--force", *tags)


@pytest.mark.engine
def test_a_registry_that_is_not_there_is_told(project: Path, base_image: str) -> None:
    """The image stays built and is told; so is what could not be pushed, with an exit code of its own."""
    tag = f"127.0.0.1:9/echo:{os.getpid()}"
    try:
        pushed = bentopack("containerize", "-t", tag, "--base-image", base_image, "--push", cwd=project)
        assert pushed.returncode == 10, pushed.stderr
        assert f"{tag} could not be pushed" in pushed.stderr
        assert "the image itself was built" in pushed.stderr
        assert pushed.stdout.startswith(f"{tag}  sha256:")
        assert "pushed" not in pushed.stdout
        assert docker("image", "inspect", "--format", "{{.Id}}", tag).startswith("sha256:")
    finally:
        docker("image", "rm", "--force", tag)
