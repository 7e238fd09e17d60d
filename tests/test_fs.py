"""Files, made the same everywhere."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bentopack import _fs
from bentopack.errors import StorageError


def test_a_scratch_folder_is_gone_whatever_happened(tmp_path: Path) -> None:
    """It is removed at the end of the block, also when the block raises."""
    with pytest.raises(RuntimeError), _fs.scratch_dir(tmp_path) as scratch:
        (scratch / "file").touch()
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    """An abandoned scratch folder or file goes when the next one is made; one in use stays."""
    abandoned, file, used = (tmp_path / f".bentopack-tmp-{name}" for name in ("old", "file", "new"))
    abandoned.mkdir()
    file.touch()
    used.mkdir()
    os.utime(abandoned, (1, 1))
    os.utime(file, (1, 1))
    with _fs.scratch_dir(tmp_path):
        assert not abandoned.exists()
        assert not file.exists()
        assert used.exists()


def test_an_atomic_write_replaces_whole(tmp_path: Path) -> None:
    """The new content is there with a mode that others can read, and no temporary file."""
    path = tmp_path / "deep/file"
    _fs.write_atomic(path, "one")
    _fs.write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o644
    assert [each.name for each in path.parent.iterdir()] == ["file"]


def test_a_walk_is_sorted_by_path(tmp_path: Path) -> None:
    """The order is that of the POSIX paths, whatever the file system gives."""
    for name in ("b", "a/z", "a.txt", "B"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [name for name, _ in _fs.walk_files(tmp_path)] == ["B", "a.txt", "a/z", "b"]


def test_a_file_system_without_links_gets_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a hard link cannot be made the bytes are copied."""

    def no_links(*_: object) -> None:
        raise OSError(errno.EXDEV, "another file system")

    monkeypatch.setattr(os, "link", no_links)
    (tmp_path / "one").write_text("x")
    _fs.link_or_copy(tmp_path / "one", tmp_path / "deep/two")
    assert (tmp_path / "deep/two").read_text() == "x"


def test_what_is_no_file_is_written_to(tmp_path: Path) -> None:
    """A pipe or a device is given the content and stays what it is; a link stays a link."""
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    _fs.write_atomic(tmp_path / "pipe", "x")
    assert os.read(reader, 9) == b"x"
    os.close(reader)
    assert (tmp_path / "pipe").is_fifo()
    (tmp_path / "link").symlink_to(tmp_path / "file")
    _fs.write_atomic(tmp_path / "link", "y")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "y"


def test_standard_output_is_written_to() -> None:
    """Also where it is a pipe, to which no path leads but the link."""
    script = "import pathlib, bentopack._fs as fs; fs.write_atomic(pathlib.Path('/dev/stdout'), 'x')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "x"), done.stderr


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_what_cannot_be_written_is_told_in_one_way(tmp_path: Path, number: int) -> None:
    """A full disk, a quota, a read-only disk and another user's folder name the place and the way to another."""
    with (
        pytest.raises(StorageError, match=f"{tmp_path} cannot be written: {os.strerror(number)}") as told,
        _fs.writing(tmp_path, otherwise="set PLACE to"),
    ):
        raise OSError(number, os.strerror(number), str(tmp_path / "file"))
    assert "set PLACE to a folder" in str(told.value.hint)


@pytest.mark.parametrize("place", ["file", "file/store", "/proc/nope/store"])
def test_a_place_that_cannot_be_is_told(tmp_path: Path, place: str) -> None:
    """Where a file is in the way, or no folder can be made, the place is named, and the way to another."""
    (tmp_path / "file").touch()
    wanted = tmp_path / place
    with (
        pytest.raises(StorageError, match=f"{wanted} cannot be written: ") as told,
        _fs.writing(wanted, otherwise="set PLACE to"),
        _fs.scratch_dir(wanted),
    ):
        pass
    assert "set PLACE to a folder" in str(told.value.hint)


def test_a_file_that_is_gone_is_no_matter_of_the_place(tmp_path: Path) -> None:
    """What vanishes below a place that is there is told as what it is."""
    with pytest.raises(FileNotFoundError), _fs.writing(tmp_path, otherwise="set PLACE to"):
        (tmp_path / "gone").rename(tmp_path / "other")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.ENOENT])
def test_another_places_error_is_its_own(tmp_path: Path, number: int) -> None:
    """What cannot be read or written elsewhere is not told of this place."""
    with pytest.raises(OSError, match="elsewhere"), _fs.writing(tmp_path, otherwise="set PLACE to"):
        raise OSError(number, os.strerror(number), "/elsewhere/file")


def test_one_waits_for_the_other_in_a_folder(tmp_path: Path) -> None:
    """Two that want to be alone in a folder are there one after the other; the second is told that it waits."""
    seen: list[str] = []

    waited = threading.Event()

    def second() -> None:
        with _fs.alone_in(tmp_path, waiting=waited.set):
            seen.append("second")

    other = threading.Thread(target=second)
    with _fs.alone_in(tmp_path, waiting=lambda: seen.append("never")):
        other.start()
        assert waited.wait(30)
        seen.append("first")
    other.join(30)
    assert seen == ["first", "second"]
    assert list(tmp_path.iterdir()) == []
