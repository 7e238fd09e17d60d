"""Tar archives in their one form."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest

from bentopack.oci.content import ContentError
from bentopack.oci.tar import Entry, complete, tar_size, tar_stream, tree

TIME = 315_532_800


def written(entries: list[Entry], time: int = TIME) -> bytes:
    return b"".join(tar_stream(entries, time=time))


def test_the_same_files_are_the_same_bytes(tmp_path: Path) -> None:
    """Order, clock, owner, umask and place on this machine change nothing."""
    for name, mode in (("a", 0o600), ("b", 0o664)):
        folder = tmp_path / name
        (folder / "sub").mkdir(parents=True)
        (folder / "sub/file.py").write_text("x = 1\n")
        (folder / "run").write_text("#!/bin/sh\n")
        (folder / "run").chmod(mode | 0o100)
        (folder / "link").symlink_to("sub/file.py")
        os.utime(folder / "run", (1, 1 if name == "a" else 2))
    one, other = list(tree(tmp_path / "a", "opt")), list(tree(tmp_path / "b", "opt"))
    assert written(one) == written(other[::-1])


def test_what_tar_reads(tmp_path: Path) -> None:
    """Parents first, numeric root, one time, permission bits alone; names of any length and script."""
    long = "opt/" + "/".join(["folder" * 10] * 4) + "/größe.txt"
    entries = [
        Entry("z/last", 0o6755, source=b"#!/bin/sh\n"),
        Entry(long, source=b"x" * 1000),
        Entry("opt/link", 0o777, target="../z/last"),
        Entry("empty", 0o700),
    ]
    content = written(entries)
    assert len(content) % tarfile.RECORDSIZE == 0
    assert tar_size(entries) == len(content)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        members = {member.name: member for member in archive}
        names = list(members)
        assert names == sorted(names, key=lambda name: name.split("/"))
        assert members["opt"].isdir()
        assert {(member.uid, member.gid, member.uname, member.gname) for member in members.values()} == {(0, 0, "", "")}
        assert {member.mtime for member in members.values()} == {TIME}
        assert (members["z/last"].mode, members["empty"].mode, members["opt"].mode) == (0o755, 0o700, 0o755)
        assert members["opt/link"].linkname == "../z/last"
        read = archive.extractfile(long)
        assert read is not None
        assert read.read() == b"x" * 1000


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../x", "a/../b", "a//b", "./a", "a/", "a\0b"])
def test_no_path_leaves_the_layer(path: str) -> None:
    """What is absolute, leads upwards, or is spelled in two ways is refused."""
    with pytest.raises(ContentError, match="no path that a layer can hold"):
        written([Entry(path, source=b"")])


@pytest.mark.parametrize("path", [".wh.a", "src/pkg/.wh.config", "src/.wh.x/y", "src/.wh..wh..opq"])
def test_no_name_deletes_another(path: str) -> None:
    """What would be gone in the container, and take another file with it, is refused; it is told why."""
    with pytest.raises(ContentError, match=r"would mean that .* is deleted"):
        written([Entry(path, source=b"")])
    assert written([Entry("src/.whatever", source=b"")])


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A pipe in a folder does not hang who reads it."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ContentError, match="pipe is no file"):
        list(tree(tmp_path, "opt"))


def test_one_path_is_one_thing() -> None:
    """A file that is there twice, or holds others, is refused; the same folder twice is one."""
    with pytest.raises(ContentError, match="cannot hold a twice"):
        written([Entry("a", source=b"1"), Entry("a", source=b"2")])
    with pytest.raises(ContentError, match="a is no folder"):
        written([Entry("a", source=b"1"), Entry("a/b", source=b"2")])
    assert [entry.path for entry in complete([Entry("a", 0o755), Entry("a", 0o755), Entry("a/b", source=b"")])] == [
        "a",
        "a/b",
    ]


@pytest.mark.parametrize("change", [b"shorter", b"x" * 3_000_000])
def test_a_file_that_changes_while_it_is_read(tmp_path: Path, change: bytes) -> None:
    """A layer that would be broken is none."""
    path = tmp_path / "file"
    path.write_bytes(b"y" * 2_500_000)
    stream = tar_stream([Entry("file", source=path)], time=TIME)
    next(stream)  # the header, with the size of now
    path.write_bytes(change)
    with pytest.raises(ContentError, match="changed while it was read"):
        list(stream)


def test_a_file_that_is_not_what_it_should_be(tmp_path: Path) -> None:
    """Whoever reads it compares it with what is known of it."""
    path = tmp_path / "file"
    path.write_bytes(b"y" * 2_500_000)
    good = hashlib.sha256(path.read_bytes()).hexdigest()
    assert written([Entry("file", source=path, sha256=good)]) == written([Entry("file", source=path)])
    path.write_bytes(b"z" * 2_500_000)
    with pytest.raises(ContentError, match="is not the file that it was"):
        written([Entry("file", source=path, sha256=good)])
