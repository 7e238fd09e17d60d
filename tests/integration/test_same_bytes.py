"""The promise: the same inputs give the same Bento, whatever the machine, the user and the moment."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.bentos import AS_NOBODY, NOBODY, assert_same, build

FAKETIME = [Path(f"/usr/lib/{machine}-linux-gnu/faketime/libfaketime.so.1") for machine in ("x86_64", "aarch64")]


@pytest.mark.parametrize(
    "environment",
    [
        {"TZ": "Pacific/Kiritimati"},
        {"LANG": "tr_TR.UTF-8", "LC_ALL": "C"},
        {"LC_ALL": "POSIX", "PYTHONUTF8": "0"},
        {"PYTHONHASHSEED": "1"},
        {"PYTHONHASHSEED": "4294967295"},
        {"HOME": "/nonexistent"},
        {"PYTHONDONTWRITEBYTECODE": "1"},
        {"SOURCE_DATE_EPOCH": "1"},
    ],
    ids=str,
)
def test_the_environment_changes_nothing(
    locked_project: Path, reference: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    """Time zone, locale, hash seed, home folder and the like leave no trace."""
    assert_same(reference, build(locked_project, tmp_path, environment))


@pytest.mark.parametrize("umask", [0o077, 0o002, 0o000], ids=oct)
def test_the_umask_changes_nothing(locked_project: Path, reference: Path, tmp_path: Path, umask: int) -> None:
    """Files and folders have the same modes under every umask."""
    assert_same(reference, build(locked_project, tmp_path / "store", umask=umask))


def deeper(project: Path, folder: Path) -> Path:
    return Path(shutil.copytree(project, folder / "a/much deeper/folder with spaces/and ümlauts"))


def touched(project: Path, folder: Path) -> Path:
    copy = Path(shutil.copytree(project, folder / "touched"))
    for path in sorted(copy.rglob("*"), reverse=True):
        os.utime(path, (1, 1))
    return copy


def reordered(project: Path, folder: Path) -> Path:
    copy = folder / "reordered"
    copy.mkdir()
    for path in sorted((path for path in project.iterdir() if path.is_file()), reverse=True):
        shutil.copyfile(path, copy / path.name)
    return copy


def private(project: Path, folder: Path) -> Path:
    copy = Path(shutil.copytree(project, folder / "private"))
    for path in copy.rglob("*.py"):
        path.chmod(0o600)
    return copy


def tarball(project: Path, folder: Path) -> Path:
    with tarfile.open(folder / "project.tar.gz", "w:gz") as tar:
        tar.add(project, "unpacked")
    subprocess.run(["tar", "-xzf", "project.tar.gz"], cwd=folder, check=True)
    return folder / "unpacked"


@pytest.mark.parametrize("copied", [deeper, touched, reordered, private, tarball])
def test_the_way_the_files_came_changes_nothing(
    locked_project: Path, reference: Path, tmp_path: Path, copied: Callable[[Path, Path], Path]
) -> None:
    """A deeper folder, other times, another order of creation, narrow modes and a tarball give the same Bento."""
    assert_same(reference, build(copied(locked_project, tmp_path), tmp_path / "store"))


@pytest.mark.skipif(os.getuid() != 0, reason="only root can build as another user")
def test_the_user_changes_nothing(locked_project: Path, reference: Path) -> None:
    """Another user gets the same Bento."""
    with_access = Path(shutil.copytree(locked_project, f"/tmp/bentopack-test-{os.getpid()}"))  # tmp_path is root's own
    try:
        for path in (with_access, *with_access.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
        assert_same(reference, build(with_access, with_access / ".store", {"HOME": str(with_access)}, before=AS_NOBODY))
    finally:
        shutil.rmtree(with_access)


@pytest.mark.parametrize("moment", ["1999-12-31 23:59:59", "2037-01-01 00:00:00"])
def test_the_clock_changes_nothing(locked_project: Path, reference: Path, tmp_path: Path, moment: str) -> None:
    """A machine whose clock stands in another century gets the same Bento."""
    library = next((path for path in FAKETIME if path.exists()), None)
    if library is None:
        if os.environ.get("BENTOPACK_TEST_REQUIRE_ENGINE") == "1":
            pytest.fail("libfaketime is missing: apt-get install libfaketime")
        pytest.skip("libfaketime is missing")
    assert_same(reference, build(locked_project, tmp_path, {"LD_PRELOAD": str(library), "FAKETIME": f"@{moment}"}))
