"""The licences of what is locked."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from bentopack.lock.licences import LicenceResolver, licence_of, with_licences
from bentopack.lock.resolver import Indexes, LockedPackage, Request, Target
from bentopack.lock.wheels import local_wheel
from tests.doubles import FixedResolver, Recorder
from tests.lock.wheel import write_wheel

TARGET = Target("3.11", "linux/amd64")


def thing(folder: Path) -> Path:
    """A wheel that names its licence."""
    return write_wheel(folder / "thing-1.0-py3-none-any.whl", "thing", "1.0", metadata="License: MIT\n")


def asked(*wheels: Path, folder: Path) -> tuple[list[LockedPackage], Request]:
    """Packages locked to wheels of a folder, and a request that knows no index."""
    found = tuple(local_wheel(wheel) for wheel in wheels)
    packages = [
        LockedPackage(name=each.name, version=each.version, hashes=(f"sha256:{each.sha256}",)) for each in found
    ]
    return packages, Request((), (), found, folder / "none.whl", Indexes(no_index=True))


@pytest.mark.parametrize(
    ("metadata", "licence"),
    [
        ({"license_expression": "mit or apache-2.0"}, "MIT OR Apache-2.0"),
        ({"license": "BSD-3-Clause", "classifier": ["License :: OSI Approved :: BSD License"]}, "BSD-3-Clause"),
        ({"license": "Copyright\n" * 99, "classifier": ["License :: OSI Approved :: BSD License"]}, "BSD License"),
        ({"license": "\n  Apache   License\t2.0\nand more"}, "Apache License 2.0"),
        ({"license": "BSD"}, "LicenseRef-BSD"),
        ({"license": "x y" * 99}, ("x y" * 99)[:99] + "…"),
        ({"license": "\x1b[31mred ink"}, "[31mred ink"),
        ({"license": "UNKNOWN"}, None),
        ({"license": "(" * 100_000}, "LicenseRef-" + "-" * 89),
        ({"license": "GPL OR Artistic"}, "GPL or Artistic"),
        ({"classifier": ["License :: OSI Approved", "Topic :: Software Development"]}, None),
        ({}, None),
    ],
)
def test_one_line_names_a_licence(metadata: dict[str, Any], licence: str | None) -> None:
    """An expression is kept as SPDX writes it; other words become one short printable line; nothing stays nothing."""
    assert licence_of(metadata) == licence


def test_the_licence_of_a_local_wheel_is_read_once(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a wheel says is in the lock, and the second lock asks nobody."""
    wheel = thing(tmp_path)
    packages, request = asked(wheel, folder=tmp_path)
    first = with_licences(packages, request, TARGET, Recorder())
    assert [package.license for package in first] == ["MIT"]
    monkeypatch.setattr(subprocess, "run", None)
    assert with_licences(packages, request, TARGET, Recorder()) == first


def test_a_package_that_cannot_be_asked_hides_no_other(home: Path, tmp_path: Path) -> None:
    """Without a wheel of one package the others are told, the one is warned of, and the lock is made."""
    packages, request = asked(thing(tmp_path), folder=tmp_path)
    lost = LockedPackage(name="lost", version="1.0", hashes=(f"sha256:{'0' * 64}",))
    recorder = Recorder()
    found = with_licences([lost, *packages], request, TARGET, recorder)
    assert [package.license for package in found] == [None, "MIT"]
    assert len(recorder.warnings) == 1 and "licences of lost are not in the lock" in recorder.warnings[0]


def test_another_file_tells_nothing(home: Path, tmp_path: Path) -> None:
    """A file of the same name and version whose hash is not locked is not believed."""
    _, request = asked(thing(tmp_path), folder=tmp_path)
    other = LockedPackage(name="thing", version="1.0", hashes=(f"sha256:{'0' * 64}",))
    assert with_licences([other], request, TARGET, Recorder()) == (other,)


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"a": 1}'])
def test_a_damaged_cache_is_made_anew(home: Path, tmp_path: Path, damage: bytes) -> None:
    """What cannot be read as the cache is no error."""
    (home / "cache").mkdir(parents=True)
    (home / "cache/licences.json").write_bytes(damage)
    packages, request = asked(thing(tmp_path), folder=tmp_path)
    assert with_licences(packages, request, TARGET, Recorder())[0].license == "MIT"


def test_no_pip_is_no_error(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where pip hangs or cannot be run, packages are locked without licences."""

    def hang(*args: object, **options: object) -> None:
        raise subprocess.TimeoutExpired("pip", 1)

    monkeypatch.setattr(subprocess, "run", hang)
    request = Request((), (), (), tmp_path / "none.whl")
    recorder = Recorder()
    (found,) = LicenceResolver(FixedResolver()).resolve(request, TARGET, recorder)
    assert found.license is None and len(recorder.warnings) == 1
