"""The promise: a full disk is one clear error, leaves nothing half written, and is over once there is room."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import bentopack as package
from bentopack.errors import StorageError
from bentopack.lock import LOCK_NAME
from tests.command import bentopack, done, fails
from tests.integration.bentos import assert_same
from tests.integration.disks import fill, small_disk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """An empty disk of 8 MiB."""
    with small_disk(tmp_path / "disk") as path:
        yield path


def files(folder: Path) -> list[str]:
    """All files below a folder, but for what fills its disk."""
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and path.name != "filling"
    )


@pytest.mark.parametrize("room", [0, 100_000, 300_000])
def test_a_full_store_is_told_and_recovers(project: Path, reference: Path, disk: Path, room: int) -> None:
    """However far a build comes, it leaves no file; with room again, the same Bento is built."""
    store = {"BENTOPACK_HOME": str(disk)}
    filling = fill(disk, room=room)
    said = [f"{disk / 'bentos'} cannot be written: No space left on device", "make room", "BENTOPACK_HOME"]
    fails(bentopack("build", cwd=project, env=store), 1, *said)
    assert files(disk) == []
    assert bentopack("list", "-o", "json", cwd=project, env=store).stdout == "[]\n"
    filling.unlink()
    built = bentopack("build", "-o", "path", cwd=project, env=store)
    assert_same(reference, Path(built.stdout.strip()))


def test_a_full_store_still_reads_and_deletes(project: Path, disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is stored can be read where there is no room, and be deleted to make some."""
    monkeypatch.setenv("BENTOPACK_HOME", str(disk))
    tag = done("build", "-o", "tag", cwd=project)
    fill(disk)
    assert tag in done("list", cwd=project)
    done("verify", tag, cwd=project)
    done("export", tag, project / "echo.bento", cwd=project)
    assert done("delete", tag, cwd=project) == f"Deleted {tag}"
    assert files(disk / "bentos") == []
    assert done("import", project / "echo.bento", cwd=project) == f"Imported {tag}"


def test_an_import_and_a_model_need_room_too(project: Path, disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``import`` and ``save_model`` say the same of a full store, and leave no file in it."""
    done("export", done("build", "-o", "tag", cwd=project), project / "echo.bento", cwd=project)
    monkeypatch.setenv("BENTOPACK_HOME", str(disk))
    filling = fill(disk, room=100_000)
    said = [f"{disk / 'bentos'} cannot be written: the archive unpacks to", "make room", "BENTOPACK_HOME"]
    fails(bentopack("import", "echo.bento", cwd=project), 1, *said)
    with pytest.raises(StorageError, match=f"{disk / 'models'} cannot be written: No space") as told:
        package.save_model("large", bytes(1_000_000))
    assert "BENTOPACK_HOME" in str(told.value.hint)
    assert files(disk) == []
    filling.unlink()
    assert package.save_model("large", bytes(1_000_000)).load() == bytes(1_000_000)


@pytest.mark.parametrize("old", [True, False], ids=["an old lock", "no lock yet"])
def test_a_lock_is_whole_or_as_it_was(project: Path, disk: Path, old: bool) -> None:
    """Where the project's disk is full, the lock is told to be unwritable, and the old one stays."""
    full = Path(shutil.copytree(project, disk / "echo"))
    if not old:
        (full / LOCK_NAME).unlink()
    with (full / "bentofile.yaml").open("a") as file:
        file.write("docker: {distro: alpine}\n")
    before = {name: (full / name).read_bytes() for name in files(full)}
    filling = fill(disk)
    fails(bentopack("lock", cwd=full), 1, f"{LOCK_NAME} cannot be written: No space left on device", "commit the lock")
    assert {name: (full / name).read_bytes() for name in files(full)} == before
    filling.unlink()
    done("lock", cwd=full)
    done("build", "--locked", "--allow-unpinned", cwd=full)


@pytest.mark.parametrize("room", [0, 50_000])
def test_an_archive_is_whole_or_not_there(project: Path, disk: Path, room: int) -> None:
    """``export`` to a full disk leaves no part of an archive, nor harms one that is there."""
    tag = done("build", "-o", "tag", cwd=project)
    (disk / "echo.bento").write_bytes(b"older")
    filling = fill(disk, room=room)
    for target in (disk / "echo.bento", disk):
        failed = bentopack("export", tag, target, cwd=project)
        fails(failed, 1, f"{disk} cannot be written: No space left on device", "make room there, or export to")
    assert files(disk) == ["echo.bento"]
    assert (disk / "echo.bento").read_bytes() == b"older"
    filling.unlink()
    done("export", tag, disk / "echo.bento", cwd=project)
    done("verify", disk / "echo.bento", cwd=project)
