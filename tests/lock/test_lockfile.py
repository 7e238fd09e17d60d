"""The lock as a file, and when it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from bentopack.errors import LockError
from bentopack.lock.lockfile import Lock, LockedBase, LockedEnvironment, read_lock, sealed, write_lock
from bentopack.lock.resolver import LockedPackage

HASH = f"sha256:{'a' * 64}"
NUMPY = LockedPackage(name="numpy", version="2.1.0", hashes=(HASH,), marker='python_version < "3.13"')

BASE = LockedBase(image="python:3.11-slim", digest=HASH)


def a_lock(package: LockedPackage = NUMPY) -> Lock:
    return sealed(
        Lock(
            format=1,
            python="3.11",
            runtime="0.1.0",
            compressor="gzip-1 a",
            inputs={"python": "3.11", "python.packages": ["numpy"]},
            models=(),
            variants={"cpu": {"linux/amd64": LockedEnvironment(base=BASE, packages=(package,))}},
        )
    )


def test_a_lock_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """What is written is what is read, and the same lock is the same text."""
    path = tmp_path / "bentofile.lock"
    write_lock(path, a_lock())
    first = path.read_bytes()
    assert read_lock(path) == a_lock()
    write_lock(path, a_lock())
    assert path.read_bytes() == first


def test_a_lock_of_before_compressors_is_read(tmp_path: Path) -> None:
    """What earlier releases wrote has none, and is as whole as it was then: this is one of theirs."""
    path = tmp_path / "bentofile.lock"
    path.write_text(
        "format: 1\npython: '3.11'\nruntime: 0.1.0\ninputs: {}\nmodels: []\nvariants: {}\n"
        "checksum: b6bbd40d3bfacfdf828629c1872fd9b2eb60a22860b2386ea3300aa0234c08d5\n"
    )
    lock = read_lock(path)
    assert lock is not None
    assert lock.compressor == ""


def test_no_lock_is_none(tmp_path: Path) -> None:
    """A project that was never locked has none."""
    assert read_lock(tmp_path / "bentofile.lock") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("format: 1\npython: [", "cannot be read as a lock"),
        ("- 1\n", "cannot be read as a lock"),
        ("\xff", "cannot be read as a lock"),
        ("format: 2\n", "has format 2; this bentopack reads up to 1"),
        ("{}", "cannot be read as a lock"),
        ("", "is empty"),
        (" \n\n", "is empty"),
        ("format: 0\n", "has format 0, and there is none such"),
        ("just words", "cannot be read as a lock"),
        ("\0\1\2PK\3\4", "cannot be read as a lock"),
        ("format: '1'\n", "cannot be read as a lock"),
        ("format: -1\n", "has format -1, and there is none such"),
        ("format: 99999999999999999999999\npython: 3\n", "has format 99999999999999999999999"),
        ("format: 2\nvariants: {cpu: of another form}\n", "has format 2; this bentopack reads up to 1"),
        ("<<<<<<< HEAD\nformat: 1\n=======\nformat: 1\n>>>>>>> theirs\n", "marks of a merge conflict"),
        ("format: 1\n  <<<<<<< \n", "cannot be read as a lock"),
        ("!!python/object/apply:os.system [false]\n", "cannot be read as a lock"),
        ("format: 1\nformat: 1\n", "cannot be read as a lock"),
        ("[" * 5000, "cannot be read as a lock"),
        (
            "a: &a [x, x, x, x, x, x, x, x, x]\n"
            + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
            "cannot be read as a lock",
        ),
    ],
)
def test_a_damaged_lock_is_told(tmp_path: Path, text: str, message: str) -> None:
    """What is no lock, or one of a later format, is one error that says what to do."""
    path = tmp_path / "bentofile.lock"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(LockError, match=message) as error:
        read_lock(path)
    assert error.value.hint


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9])
def test_a_lock_cut_short_is_told(tmp_path: Path, kept: float) -> None:
    """A lock of which a part was lost, by a full disk or a bad merge, is never used."""
    path = tmp_path / "bentofile.lock"
    write_lock(path, a_lock())
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(LockError, match=r"cannot be read as a lock|is not whole") as error:
        read_lock(path)
    assert str(error.value.hint).startswith("take it back from version control (`git checkout bentofile.lock`)")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("- numpy\n", "- pandas\n"),
        ("name: numpy", "name: pandas"),
        ("aaaa", "bbbb"),
        ("version: 2.1.0", "version: 2.0.0"),
        ("linux/amd64", "linux/arm64"),
        ("models: []", "models: [{tag: 'a:1', digest: b, spellings: []}]"),
    ],
)
def test_a_lock_changed_by_hand_is_told(tmp_path: Path, old: str, new: str) -> None:
    """A lock does not pass for the one that was made, whichever part of it was edited."""
    path = tmp_path / "bentofile.lock"
    write_lock(path, a_lock())
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(LockError, match="was changed by hand"):
        read_lock(path)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"name": "numpy\n--extra-index-url https://evil.example\nx"}, "the name of the package 'numpy"),
        ({"name": "Num_Py"}, "the name of the package 'Num_Py'"),
        ({"version": "2.1.0\n--pre"}, "the version .* of the package 'numpy'"),
        ({"version": "2.1.0\n"}, "the version .* of the package 'numpy'"),
        ({"version": ""}, "the version '' of the package 'numpy'"),
        ({"hashes": ()}, "a hash of the package 'numpy'"),
        ({"hashes": ("md5:aa",)}, "a hash of the package 'numpy'"),
        ({"hashes": (HASH + "\n--pre",)}, "a hash of the package 'numpy'"),
        ({"marker": "no marker"}, "the marker 'no marker' of the package 'numpy'"),
        ({"marker": 'os_name == "a --hash=sha256:bb"'}, "the marker .* of the package 'numpy'"),
        ({"marker": 'os_name == "\n-i https://evil.example\n"'}, "the marker .* of the package 'numpy'"),
        ({"url": "file:///etc/passwd"}, "the address .* of the package 'numpy'"),
        ({"url": "https://example.org/x.whl --pre"}, "the address .* of the package 'numpy'"),
    ],
)
def test_a_package_cannot_bring_another_line(tmp_path: Path, part: dict[str, Any], message: str) -> None:
    """Each part of a package has its form, and so no lock, checksum or not, writes an option into the requirements."""
    path = tmp_path / "bentofile.lock"
    write_lock(path, a_lock(msgspec.structs.replace(NUMPY, **part)))
    with pytest.raises(LockError, match=message):
        read_lock(path)


def test_a_lock_for_no_python_is_told(tmp_path: Path) -> None:
    """The version of Python, which names the base image, is one."""
    path = tmp_path / "bentofile.lock"
    write_lock(path, sealed(msgspec.structs.replace(a_lock(), python="3.11\nRUN x")))
    with pytest.raises(LockError, match="is not a Python version"):
        read_lock(path)
