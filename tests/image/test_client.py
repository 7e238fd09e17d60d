"""Which ``docker`` command builds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bentopack.errors import EngineError
from bentopack.image.client import find_client


def docker(folder: Path, *, version: str, buildx: bool = False) -> str:
    """Write a stand-in for the docker command that only knows its version and whether it has buildx."""
    folder.mkdir()
    script = folder / "docker"
    script.write_text(
        f"""#!/bin/sh
[ "$1" = --version ] && echo "Docker version {version}, build 0" && exit 0
[ "$1 $2" = "buildx version" ] && {"echo v0.30 && exit 0" if buildx else "exit 1"}
exit 1
"""
    )
    script.chmod(0o755)
    return str(folder)


def test_first_that_drives_buildkit(tmp_path: Path) -> None:
    """A newer client without its buildx plugin cannot drive BuildKit; an older one behind it on PATH can."""
    newer = docker(tmp_path / "a", version="28.2.2")
    older = docker(tmp_path / "b", version="20.10.24+dfsg1")
    found = find_client(os.pathsep.join([newer, older]))
    assert (found.command, found.version, found.buildkit) == (f"{older}/docker", "20.10.24+dfsg1", True)


def test_first_on_the_path_wins(tmp_path: Path) -> None:
    """Where several would do, PATH decides as it does for every command."""
    with_plugin = docker(tmp_path / "a", version="28.2.2", buildx=True)
    other = docker(tmp_path / "b", version="20.10.24")
    assert find_client(os.pathsep.join([with_plugin, other])).command == f"{with_plugin}/docker"


@pytest.mark.parametrize("version", ["28.2.2", "17.03.0-ce"])
def test_classic_builder_is_the_last_resort(tmp_path: Path, version: str) -> None:
    """Without any BuildKit the classic builder still builds."""
    assert not find_client(docker(tmp_path / "a", version=version)).buildkit


def test_broken_commands_are_passed_over(tmp_path: Path) -> None:
    """A file named docker that does not run, or is another program, is not chosen."""
    other = tmp_path / "other"
    other.mkdir()
    other.joinpath("docker").write_text("#!/bin/sh\necho podman version 4.3\n")
    other.joinpath("docker").chmod(0o755)
    good = docker(tmp_path / "b", version="20.10.24")
    assert find_client(os.pathsep.join([str(other), "", good])).command == f"{good}/docker"


def test_no_command(tmp_path: Path) -> None:
    """An engine without a docker command gets a message that says what to install."""
    with pytest.raises(EngineError, match="no docker command") as caught:
        find_client(str(tmp_path))
    assert "docker.io" in str(caught.value.hint)
