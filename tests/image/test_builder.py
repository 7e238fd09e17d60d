"""What builds, and how it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bentopack.errors import EngineError
from bentopack.image.build import build_command
from bentopack.image.build_options import BuildOptions
from bentopack.image.builder import Builder, choose_builder, of_docker
from bentopack.image.client import Client
from bentopack.image.dialect import BUILDAH, BUILDKIT, CLASSIC, LINKING, dialect_of_engine, with_frontend
from bentopack.image.engine import Engine
from bentopack.image.planner import plan_image
from bentopack.image.validate import PlanError

from .conftest import Make


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine may have an engine at the usual address; for the test there is none."""

    def refuse(_: Mapping[str, str]) -> Engine:
        raise EngineError("no container engine answers")

    monkeypatch.setattr("bentopack.image.builder.connect", refuse)


def command(folder: Path, name: str, says: str) -> str:
    """Write a command that only knows its version."""
    folder.mkdir(exist_ok=True)
    script = folder / name
    script.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "{says}" && exit 0\nexit 1\n')
    script.chmod(0o755)
    return str(folder)


def docker(
    version: str, *, buildkit: bool = True, buildx: bool = False, store: str = "io.containerd.snapshotter.v1"
) -> Builder:
    """An engine of a version that keeps its images somewhere, and a client for it."""
    answers = SimpleNamespace(info=lambda: {"DriverStatus": [["driver-type", store]]})
    return of_docker(Engine(cast("Any", answers), "none", version), Client("docker", version, buildkit, buildx))


@pytest.mark.parametrize(
    ("version", "buildkit", "dialect"),
    [
        ("20.10.24+dfsg1", True, BUILDKIT),
        ("23.0.0", True, LINKING),
        ("28.2.2", True, LINKING),
        ("28.2.2", False, CLASSIC),
        ("dev", True, BUILDKIT),
    ],
)
def test_the_dialect_of_an_engine(version: str, buildkit: bool, dialect: object) -> None:
    """The frontend that an engine has decides what it is given; one of unknown age gets what all understand."""
    assert dialect_of_engine(version, buildkit=buildkit) == dialect


def test_a_frontend_of_the_users(manifest: Make) -> None:
    """BuildKit can fetch a newer frontend; other builders say that they cannot."""
    assert with_frontend(BUILDKIT, "docker/dockerfile:1").links
    with pytest.raises(PlanError, match="--syntax is for BuildKit"):
        with_frontend(BUILDAH, "docker/dockerfile:1")
    with pytest.raises(PlanError, match="expected an image name"):
        with_frontend(BUILDKIT, "x\nRUN id")


@pytest.mark.usefixtures("no_engine")
def test_podman_where_no_engine_answers(tmp_path: Path) -> None:
    """Docker comes first, then podman, then buildah; who names one gets that one."""
    path = command(tmp_path / "bin", "buildah", "buildah version 1.28.2 (image-spec 1.0.2)")
    assert choose_builder(None, {}, path).name == "buildah 1.28.2"
    command(tmp_path / "bin", "podman", "podman version 4.3.1")
    found = choose_builder(None, {}, path)
    assert (found.name, found.dialect) == ("podman 4.3.1", BUILDAH)
    assert choose_builder("buildah", {}, path).name == "buildah 1.28.2"
    with pytest.raises(EngineError, match="no container engine answers"):
        choose_builder("docker", {}, path)
    with pytest.raises(EngineError, match="no container engine answers"):
        choose_builder(None, {"DOCKER_HOST": "unix:///nowhere"}, path)


@pytest.mark.usefixtures("no_engine")
def test_nothing_builds_here(tmp_path: Path) -> None:
    """Where there is nothing, the message is about Docker; a builder that was asked for is named."""
    with pytest.raises(EngineError, match="no container engine answers"):
        choose_builder(None, {}, str(tmp_path))
    with pytest.raises(EngineError, match="there is no podman on PATH"):
        choose_builder("podman", {}, str(tmp_path))


def test_the_command_of_a_builder(manifest: Make, tmp_path: Path) -> None:
    """Each is told what it knows: BuildKit how to print, podman which format and what to leave out."""
    plan = plan_image(manifest(), "")
    options = BuildOptions(("a:1",), cache_from=("type=local,src=x",), epoch=5, ca_bundle=Path("/ca.pem"))
    told = build_command(docker("28.2.2", buildx=True), tmp_path, tmp_path, plan, options)
    assert told[:2] == ["docker", "build"]
    assert ("--progress", "plain") in pairwise(told)
    assert ("--cache-from", "type=local,src=x") in pairwise(told)
    assert ("--build-arg", "SOURCE_DATE_EPOCH=5") in pairwise(told)
    assert ("--secret", f"id=ca-bundle,src={tmp_path}/ca-bundle.pem") in pairwise(told)
    podman = choose_builder("podman", {}, command(tmp_path / "bin", "podman", "podman version 4.3.1"))
    told = build_command(podman, tmp_path, tmp_path, plan, options)
    assert ("--format", "docker") in pairwise(told)
    assert ("--ignorefile", f"{tmp_path}/Dockerfile.dockerignore") in pairwise(told)
    assert ("--timestamp", "5") in pairwise(told)
    assert "--timestamp" not in build_command(podman, tmp_path, tmp_path, plan, replace(options, epoch=None))


def test_which_engines_settle_times_in_what_they_export() -> None:
    """BuildKit can since 0.13, which is Docker 26's, where it exports by itself: with containerd's store and buildx."""
    assert docker("26.1.5+dfsg1", buildx=True).settles_exports
    assert not docker("26.1.5+dfsg1", buildx=False).settles_exports
    assert not docker("26.1.5", buildx=True, store="overlay2").settles_exports
    assert not docker("25.0.5", buildx=True).settles_exports


def test_where_a_cache_can_go(manifest: Make, tmp_path: Path) -> None:
    """Only buildx exports a cache; the older BuildKit can put it into the image; others say what to install."""
    plan = plan_image(manifest(), "")

    def told(builder: Builder, goal: str) -> list[str]:
        return build_command(builder, tmp_path, tmp_path, plan, BuildOptions(("a:1",), cache_to=(goal,)))

    assert "type=registry,ref=x" in told(docker("28.2.2", buildx=True), "type=registry,ref=x")
    assert "BUILDKIT_INLINE_CACHE=1" in told(docker("20.10.24"), "type=inline")
    for builder, goal in (
        (docker("20.10.24"), "type=local,dest=x"),
        (docker("20.10.24", buildkit=False), "type=inline"),
    ):
        with pytest.raises(PlanError, match="cannot export a cache") as caught:
            told(builder, goal)
        assert "buildx" in str(caught.value.hint)
    podman = choose_builder("podman", {}, command(tmp_path / "bin", "podman", "podman version 4.3.1"))
    with pytest.raises(PlanError, match="cannot export a cache") as caught:
        told(podman, "type=inline")
    assert "buildx" not in str(caught.value.hint)
