"""Requirements as they are gathered and written back."""

from __future__ import annotations

from pathlib import Path

import pytest

from bentopack.errors import LockError
from bentopack.lock.credentials import without_credentials
from bentopack.lock.requirements import (
    hashed_requirements,
    input_text,
    inputs_of,
    local_wheel,
    requirements_files,
)
from bentopack.lock.resolver import Indexes, LockedPackage, Request, Target
from tests.doubles import write_files

SECRET = "hunter2"  # stands for a password that must be found nowhere


def request(tmp_path: Path, *lines: str, **options: object) -> Request:
    files = tuple(tmp_path / name for name in options.pop("files", ()))  # type: ignore[attr-defined]
    return Request(lines=lines, files=files, wheels=(), runtime=tmp_path / "r.whl", indexes=Indexes(**options))  # type: ignore[arg-type]


def test_nested_requirements_files_are_followed(tmp_path: Path) -> None:
    """``-r`` and ``-c`` in every spelling are inputs too, each once, though they name each other."""
    write_files(
        tmp_path,
        {"a.txt": "-r sub/b.txt\n--constraint=c.txt\n", "sub/b.txt": "-r ../a.txt # back\nnumpy\n", "c.txt": "x<2\n"},
    )
    found = [
        path.resolve().relative_to(tmp_path.resolve()).as_posix()
        for path in requirements_files(tmp_path / "a.txt", tmp_path)
    ]
    assert found == ["a.txt", "sub/b.txt", "c.txt"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-e .", "r.txt:2: '-e .' cannot be locked"),
        ("./local", "cannot be locked"),
        ("x @ git+https://example.org/x", "cannot be locked"),
        ("-r ../out.txt", "is outside the project"),
        ("-r missing.txt", "missing.txt does not exist"),
    ],
)
def test_what_cannot_be_locked_is_refused_with_its_place(tmp_path: Path, line: str, message: str) -> None:
    """A line that has no stable hash, or leads out of the project, is named by file and line."""
    write_files(tmp_path, {"out.txt": "", "p/r.txt": f"numpy\n{line}\n"})
    with pytest.raises(LockError, match=message):
        list(requirements_files(tmp_path / "p/r.txt", tmp_path / "p"))


def test_line_endings_and_comments_change_no_input(tmp_path: Path) -> None:
    """A checkout with other line endings needs no new lock."""
    path = tmp_path / "r.txt"
    target = Target("3.11", "linux/amd64")
    path.write_bytes(b"numpy  # arrays\nscipy\n")
    one = inputs_of(request(tmp_path, files=("r.txt",)), target, "runtime", tmp_path)
    path.write_bytes(b"numpy\r\nscipy\r\n")
    assert inputs_of(request(tmp_path, files=("r.txt",)), target, "runtime", tmp_path) == one
    path.write_bytes(b"numpy\npandas\n")
    assert inputs_of(request(tmp_path, files=("r.txt",)), target, "runtime", tmp_path) != one


def test_every_line_is_hashed_and_options_come_first(tmp_path: Path) -> None:
    """pip reads the written file with --require-hashes."""
    packages = (
        LockedPackage(name="a", version="1", hashes=("sha256:aa", "sha256:bb"), marker='sys_platform == "linux"'),
        LockedPackage(name="b", version="", hashes=("sha256:cc",), url="https://example.org/b.whl"),
    )
    text = hashed_requirements(packages, Indexes(index_url="https://example.org/simple"), wheels=True)
    assert text.splitlines()[1:] == [
        "--index-url https://example.org/simple",
        "--find-links wheels",
        'a==1 ; sys_platform == "linux" \\',
        "    --hash=sha256:aa \\",
        "    --hash=sha256:bb",
        "b @ https://example.org/b.whl \\",
        "    --hash=sha256:cc",
    ]


def test_no_credential_is_written(tmp_path: Path) -> None:
    """User and password of an index reach neither the lock's inputs, nor the requirements, nor what people read."""
    url = f"https://user:{SECRET}@example.org/simple"
    write_files(tmp_path, {"r.txt": f"--extra-index-url {url}\nnumpy\n"})
    asked = request(tmp_path, f"x @ {url}", files=("r.txt",), index_url=url, extra_index_url=(url,), find_links=(url,))
    written = [
        str(inputs_of(asked, Target("3.11", "linux/amd64"), "", tmp_path)),
        hashed_requirements((), asked.indexes, wheels=False),
        input_text(asked, tmp_path),
        without_credentials(f"x @ {url}"),
    ]
    assert all(SECRET not in text for text in written)
    assert all("https://example.org/simple" in text for text in written)


def test_a_wheel_is_known_by_its_name(tmp_path: Path) -> None:
    """A wheel's file name gives its name and version; another file is refused."""
    path = tmp_path / "My_Thing-1.0-py3-none-any.whl"
    path.write_bytes(b"zip")
    assert (local_wheel(path).name, local_wheel(path).version) == ("my-thing", "1.0")
    bad = tmp_path / "thing.whl"
    bad.write_bytes(b"")
    with pytest.raises(LockError, match="is not a wheel"):
        local_wheel(bad)
