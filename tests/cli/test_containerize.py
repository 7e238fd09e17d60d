"""What is asked of ``containerize`` and cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command import bentopack, done, fails


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--metadata-file", "."], 2, "--metadata-file: . is a folder"),
        (["--layout", "service.py"], 2, "'service.py' is a file"),
        (["--metadata-file", "nowhere/facts.json"], 2, "lies in a folder that does not exist"),
        (["--platform", "windows/amd64"], 2, "--platform: expected one such as linux/arm64"),
        (["-t", f"x@sha256:{'0' * 64}"], 2, "--tag: the name of an image such as iris:1.0"),
        (["-t", "Iris"], 2, "in lower case"),
        (["-t", "TEAM/iris:1"], 2, "is not a valid repository"),
        (["--backend", "docker", "--compression", "gzip"], 2, "--compression: only --backend oci can do that"),
        *(
            (["--dockerfile", "-", *given], 2, f"--dockerfile only writes the Dockerfile: leave out {given[0]}")
            for given in (
                ["--archive", "x.tar"],
                ["--layout", "x"],
                ["--base-from", "x"],
                ["--compression", "gzip"],
                ["--builder", "podman"],
                ["--no-cache"],
                ["--cache-from", "x"],
                ["--build-arg", "a=b"],
                ["--backend", "oci"],
                ["--tag", "x"],
                ["--insecure-registry", "x"],
            )
        ),
        (["--builder", "podman", "--compression", "gzip"], 2, "--builder: there is no build where"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_done(
    project: Path, arguments: list[str], code: int, said: str
) -> None:
    """No engine is asked, no Bento is built."""
    fails(bentopack("containerize", *arguments, cwd=project, env={"DOCKER_HOST": "unix:///nowhere"}), code, said)
    assert done("list", cwd=project).count("echo:") == 0
