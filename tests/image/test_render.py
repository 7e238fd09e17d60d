"""The text of the Dockerfile."""

from __future__ import annotations

import os
import re
import subprocess
import sysconfig
from pathlib import Path

import msgspec
import pytest

from bentopack.image.dialect import BUILDAH, BUILDKIT, with_frontend
from bentopack.image.images import EngineImages
from bentopack.image.planner import plan_image
from bentopack.image.render import render_dockerfile
from bentopack.image.validate import PlanError
from bentopack.spec.manifest import BaseInfo, ImageInfo

from .cases import golden, matrix
from .conftest import LOCKS, Make

GOLDEN = Path(__file__).with_name("golden")


def test_golden(manifest: Make) -> None:
    """The text changes only on purpose. Renew the files with: BENTOPACK_RENEW_GOLDEN=1 pytest -k test_golden."""
    texts = golden(manifest())
    if os.environ.get("BENTOPACK_RENEW_GOLDEN"):
        GOLDEN.mkdir(exist_ok=True)
        for name, text in texts.items():
            GOLDEN.joinpath(f"{name}.Dockerfile").write_text(text)
    assert texts == {path.stem: path.read_text() for path in GOLDEN.glob("*.Dockerfile")}


def test_hadolint(manifest: Make, tmp_path: Path) -> None:
    """hadolint, the linter of Dockerfiles, has nothing to say about any rendering."""
    for name, text in matrix(manifest()).items():
        tmp_path.joinpath(f"{name.replace(':', '_')}.Dockerfile").write_text(text)
    hadolint = Path(sysconfig.get_path("scripts"), "hadolint")
    done = subprocess.run(
        [hadolint, "--no-color", *sorted(tmp_path.iterdir())], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("", 0), done.stderr


def test_no_syntax_line(manifest: Make) -> None:
    """No rendering begins with a parser directive, unless asked for: it would fetch a frontend from a registry."""
    for text in golden(manifest()).values():
        assert re.match(r"#\s*\w+\s*=", text) is None
    asked = render_dockerfile(plan_image(manifest(), ""), with_frontend(BUILDKIT, "docker/dockerfile:1"))
    assert asked.startswith("# syntax=docker/dockerfile:1\n")


def test_classic_builder(manifest: Make) -> None:
    """The classic builder's rendering holds nothing that only BuildKit knows."""
    plan = plan_image(manifest(image=ImageInfo(setup_script="env/docker/setup_script")), "")
    assert "--mount" not in render_dockerfile(plan)


def test_locked_base(manifest: Make) -> None:
    """A base whose digest is known is pulled by it, so that a moved tag changes nothing."""
    digest = "sha256:" + "a" * 64
    base = BaseInfo(image="python:3.11-slim-bookworm", digest=digest)
    cpu = msgspec.structs.replace(manifest().variants["cpu"], base=base)
    text = render_dockerfile(plan_image(manifest(variants={"cpu": cpu}), ""))
    assert f"FROM python:3.11-slim-bookworm@{digest} AS base" in text.splitlines()


def test_system_package_is_a_word_of_the_shell(manifest: Make) -> None:
    """A version's star reaches the package manager, and no file's name in its place."""
    text = render_dockerfile(plan_image(manifest(image=ImageInfo(system_packages=("curl=7.88*",))), ""))
    assert "    'curl=7.88*' \\\n" in text


def test_secrets_need_buildkit(manifest: Make) -> None:
    """Without BuildKit a secret would end in a layer, so it is refused."""
    with pytest.raises(PlanError, match="--secret needs BuildKit"):
        render_dockerfile(plan_image(manifest(), ""), secrets=["pip.conf"])


def test_a_secret_fills_in_its_variable(manifest: Make, tmp_path: Path) -> None:
    """One named as variables are is what ``${INDEX_TOKEN}`` in an index's address means to pip."""
    text = render_dockerfile(plan_image(manifest(), ""), BUILDKIT, secrets=["INDEX_TOKEN"])
    assert text.count("--mount=type=secret,id=INDEX_TOKEN,required=true") == 1
    (line,) = (line.strip(" \\") for line in text.splitlines() if line.strip().startswith("INDEX_TOKEN="))
    (tmp_path / "INDEX_TOKEN").write_text("a $b 'c' \"d\"\n")
    script = f"{line.replace('/run/secrets', str(tmp_path))} env"
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True)
    assert "INDEX_TOKEN=a $b 'c' \"d\"\n" in done.stdout


def test_secrets_have_their_meaning(manifest: Make) -> None:
    """pip is told of the two files that it knows; every secret is mounted in that one step."""
    text = render_dockerfile(plan_image(manifest(), ""), BUILDKIT, secrets=["pip.conf", "netrc", "other"])
    assert "PIP_CONFIG_FILE=/run/secrets/pip.conf" in text
    assert "NETRC=/run/secrets/netrc" in text
    assert text.count("--mount=type=secret,id=other,required=true") == 1


def test_files_for_the_bento(manifest: Make) -> None:
    """A Bento carries one Dockerfile a variant, always of the same bytes, which every builder reads."""
    files = EngineImages({}).dockerfiles(manifest(), LOCKS)
    dockerfiles = ["env/docker/Dockerfile", "env/docker/Dockerfile.gpu"]
    assert list(files) == [*dockerfiles, *(f"{path}.dockerignore" for path in dockerfiles)]
    assert files["env/docker/Dockerfile.dockerignore"].splitlines()[:3] == [b"*", b"!bento.yaml", b"!env/python/cpu"]
    assert files == EngineImages({}).dockerfiles(manifest(), LOCKS)
    assert not any(b"--mount" in text for text in files.values())
    cpu = {"cpu": manifest().variants["cpu"]}
    assert list(EngineImages({}).dockerfiles(manifest(variants=cpu), LOCKS)) == [
        "env/docker/Dockerfile",
        "env/docker/Dockerfile.dockerignore",
    ]


def test_a_time_stands_before_every_step(manifest: Make) -> None:
    """So a builder that gives what it writes that time takes no step from the cache of a build of another time."""
    plan = plan_image(manifest(), "")
    text = render_dockerfile(plan, BUILDAH, created="2023-11-14T22:13:20Z")
    steps = text.partition(" AS base\n")[2].splitlines()
    first = next(line for line in steps if not line.startswith("#"))
    assert first == 'LABEL org.opencontainers.image.created="2023-11-14T22:13:20Z"'
    assert "image.created" not in render_dockerfile(plan, BUILDAH)
