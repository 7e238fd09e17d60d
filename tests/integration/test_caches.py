"""The promise: a cache and the network save time, and change no byte; a valid lock is enough to build."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.command import COMMAND, bentopack
from tests.echo import ECHO, echo_project
from tests.integration.bentos import assert_same, build
from tests.lock.sources import write_project

CLOSED = "http://127.0.0.1:9"  # the port of a service that nobody has run for decades
NOWHERE = {
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"), CLOSED),
    **dict.fromkeys(("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"), f"{CLOSED}/simple"),
    **dict.fromkeys(("NO_PROXY", "no_proxy", "PIP_EXTRA_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL"), ""),
}


def no_caches(folder: Path) -> dict[str, str]:
    """Empty caches of uv, of pip and of whatever else keeps one."""
    return {name: str(folder / name.lower()) for name in ("UV_CACHE_DIR", "PIP_CACHE_DIR", "XDG_CACHE_HOME")}


def cut() -> tuple[str, ...]:
    """The command that takes the network from another one; none where this user may not."""
    for command in (("unshare", "--net"), ("unshare", "--map-root-user", "--net")):
        if (
            shutil.which("unshare")
            and subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0
        ):
            return command
    return ()


@pytest.fixture(scope="module")
def project_with_a_folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A project that depends on a folder of its own, locked; and its Bento."""
    folder = tmp_path_factory.mktemp("folder")
    bentofile = ECHO["bentofile.yaml"] + "python: {packages: [./lib]}\n"
    project = echo_project(folder / "echo", bentofile__yaml=bentofile)
    write_project(project / "lib", "thing")
    return project, build(project, folder / "home")


def test_cold_caches_change_no_bento(locked_project: Path, reference: Path, tmp_path: Path) -> None:
    """Where uv, pip and bentopack have nothing in their caches, the Bento is the same."""
    assert_same(reference, build(locked_project, tmp_path / "home", no_caches(tmp_path)))


def test_cold_caches_change_no_lock(locked_project: Path, reference: Path, tmp_path: Path) -> None:
    """A lock that is made without a cache is the one that was made with them, licences included."""
    project = Path(shutil.copytree(locked_project, tmp_path / "echo"))
    (project / "bentofile.lock").unlink()
    assert_same(reference, build(project, tmp_path / "home", no_caches(tmp_path)))
    assert (project / "bentofile.lock").read_bytes() == (locked_project / "bentofile.lock").read_bytes()


def test_a_wheel_that_is_built_again_is_the_same(project_with_a_folder: tuple[Path, Path], tmp_path: Path) -> None:
    """A wheel of a folder is built anew with cold caches, taken from them when warm, and is the same each time."""
    project, first = project_with_a_folder
    assert list(first.glob("env/python/cpu/wheels/thing-*.whl"))
    for name in ("one", "other"):
        caches = no_caches(tmp_path / name)
        assert_same(first, build(project, tmp_path / name / "home", caches))
        assert_same(first, build(project, tmp_path / name / "home", caches))


def test_a_valid_lock_is_enough_to_build(
    locked_project: Path, reference: Path, project_with_a_folder: tuple[Path, Path], tmp_path: Path
) -> None:
    """Without the network, and with cold caches, a locked project gives the same Bento; what it builds included."""
    environment = {**no_caches(tmp_path), **NOWHERE}
    assert_same(reference, build(locked_project, tmp_path / "home", environment, before=cut()))
    project, first = project_with_a_folder
    assert_same(first, build(project, tmp_path / "home", environment, before=cut()))


def test_without_the_network_nothing_is_resolved(project: Path, tmp_path: Path) -> None:
    """The network of the test before is really cut: a lock that must be renewed is one error, and stays as it was."""
    before = (project / "bentofile.lock").read_bytes()
    environment = {**os.environ, **no_caches(tmp_path), **NOWHERE}
    failed = subprocess.run(
        [*cut(), *COMMAND, "lock", "--upgrade"],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert failed.returncode == 5
    assert "the requirements cannot be resolved" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert (project / "bentofile.lock").read_bytes() == before
    assert bentopack("build", "--locked", "--allow-unpinned", cwd=project).returncode == 0
