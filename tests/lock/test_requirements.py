"""Requirements as they are gathered and written back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bentopack.errors import LockError
from bentopack.lock.credentials import without_credentials
from bentopack.lock.pip_file import merge, read_requirements
from bentopack.lock.requirements import hashed_requirements, input_text, inputs_of
from bentopack.lock.resolver import Indexes, LockedPackage, Request, RequirementsFile, Target
from bentopack.lock.wheels import local_wheel, wheels_in
from tests.doubles import write_files
from tests.lock.wheel import write_wheel

SECRET = "hunter2"  # stands for a password that must be found nowhere


TARGET = Target("3.11", "linux/amd64")


def request(*lines: str, files: tuple[RequirementsFile, ...] = (), **options: Any) -> Request:
    return Request(lines=lines, files=files, wheels=(), runtime=Path("r.whl"), indexes=merge(Indexes(**options), files))


def test_line_endings_and_comments_change_no_input(tmp_path: Path) -> None:
    """A checkout with other line endings, or in another encoding, needs no new lock."""
    path = tmp_path / "r.txt"

    def inputs() -> dict[str, Any]:
        return inputs_of(request(files=read_requirements(path, tmp_path)), TARGET, "runtime")

    path.write_bytes(b"numpy  # arrays\nscipy\n")
    one = inputs()
    path.write_bytes(b"numpy\r\n\r\nscipy\r\n")
    assert inputs() == one
    path.write_bytes("numpy\r\nscipy\r\n".encode("utf-16"))
    assert inputs() == one
    path.write_bytes(b"numpy\npandas\n")
    assert inputs() != one


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


def test_every_index_option_is_there_when_packages_are_installed(tmp_path: Path) -> None:
    """What was locked from a place is installed from it: the bentofile's and the files' options are both written."""
    write_files(tmp_path, {"r.txt": "-f https://b.example/links --trusted-host b.example\n-i https://b.example/s\nx\n"})
    files = read_requirements(tmp_path / "r.txt", tmp_path)
    indexes = request(files=files, find_links=("https://a.example",), extra_index_url=("https://c.example",)).indexes
    assert hashed_requirements((), indexes, wheels=False).splitlines()[1:] == [
        "--index-url https://b.example/s",
        "--extra-index-url https://c.example",
        "--find-links https://a.example",
        "--find-links https://b.example/links",
        "--trusted-host b.example",
    ]
    alone = hashed_requirements((), replace(indexes, no_index=True, folders=(tmp_path,)), wheels=True)
    assert "--no-index" in alone
    assert "index-url" not in alone
    assert "--find-links wheels" in alone
    assert str(tmp_path) not in alone


def test_no_credential_is_written(tmp_path: Path) -> None:
    """User and password of an index reach neither the lock's inputs, nor the requirements, nor what people read."""
    url = f"https://user:{SECRET}@example.org/simple"
    token = f"https://{SECRET}@example.org/simple"
    write_files(tmp_path, {"r.txt": f"--extra-index-url {url}\n-f {token}\nnumpy\n"})
    asked = request(
        f"x @ {url}",
        files=read_requirements(tmp_path / "r.txt", tmp_path),
        index_url=url,
        extra_index_url=(token,),
        find_links=(url,),
        pip_args=("--proxy", f"bob:{SECRET}@proxy:3128"),
    )
    written = [
        str(inputs_of(asked, TARGET, "")),
        hashed_requirements((), asked.indexes, wheels=False),
        input_text(asked),
        without_credentials(f"x @ {url}"),
    ]
    assert all(SECRET not in text for text in written)
    assert all("https://example.org/simple" in text for text in written)


def test_options_for_pip_are_inputs_though_only_as_a_digest() -> None:
    """Other options for pip make a lock stale."""
    one = inputs_of(request("x", pip_args=("--pre",)), TARGET, "")["indexes"]
    other = inputs_of(request("x", pip_args=("--no-cache-dir",)), TARGET, "")["indexes"]
    assert one != other
    assert "--pre" not in str(one)


@pytest.mark.parametrize(
    ("url", "bare"),
    [
        ("https://a:b@host/x", "https://host/x"),
        ("https://token@host/x", "https://host/x"),
        ("https://a:b@c@host/x", "https://host/x"),
        ("git+ssh://git@host/x@v1", "git+ssh://host/x@v1"),
        ("https://host/x@v1", "https://host/x@v1"),
        ("https://${USER}:${WORD}@host/x", "https://${USER}:${WORD}@host/x"),
        ("https://${TOKEN}@host/x", "https://${TOKEN}@host/x"),
        ("https://user:${WORD}@host/x", "https://host/x"),
        ("https://${USER}:word@host/x", "https://host/x"),
        ("someone@example.org", "someone@example.org"),
    ],
)
def test_what_only_refers_to_a_secret_stays(url: str, bare: str) -> None:
    """All that stands before the @ of an address is dropped, but for references to variables."""
    assert without_credentials(f"x {url} y") == f"x {bare} y"


def test_a_wheel_is_known_by_its_name(tmp_path: Path) -> None:
    """A wheel's file name gives its name and version; another file is refused."""
    path = write_wheel(tmp_path / "My_Thing-1.0-py3-none-any.whl", "my-thing", "1.0")
    assert (local_wheel(path).name, local_wheel(path).version) == ("my-thing", "1.0")
    bad = tmp_path / "thing.whl"
    bad.write_bytes(b"")
    with pytest.raises(LockError, match="is not a wheel"):
        local_wheel(bad)


def test_a_folder_of_wheels_has_some(tmp_path: Path) -> None:
    """Source archives are no wheels, and a folder without any is told."""
    write_files(tmp_path, {"x-1.0.tar.gz": "", "notes.whl": ""})
    with pytest.raises(LockError, match="there is no wheel in"):
        wheels_in([tmp_path])
