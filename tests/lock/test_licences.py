"""The licences of what is locked."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bentopack.lock.licences import LicenceResolver, licence_of, with_licences
from bentopack.lock.resolver import Indexes, LockedPackage, Lockfile, Request, Target
from bentopack.lock.wheels import local_wheel
from tests.doubles import FixedResolver, Recorder
from tests.lock.index import IndexFolder, serving
from tests.lock.wheel import write_wheel

TARGET = Target("3.11", "linux/amd64")


@pytest.fixture
def index(tmp_path: Path) -> Iterator[IndexFolder]:
    with serving(tmp_path / "index") as index:
        yield index


def thing(folder: Path) -> Path:
    """A wheel that names its licence."""
    return write_wheel(folder / "thing-1.0-py3-none-any.whl", "thing", "1.0", metadata="License: MIT\n")


def of_index(index: IndexFolder, folder: Path) -> tuple[LockedPackage, Request]:
    """A package locked to a wheel of an index, which names its licence, and a request that knows the index."""
    index.add("", "thing", "1.0", licence="MIT")
    sha256 = hashlib.sha256((index.root / "thing/thing-1.0-py3-none-any.whl").read_bytes()).hexdigest()
    package = LockedPackage(name="thing", version="1.0", hashes=(f"sha256:{sha256}",))
    return package, Request((), (), (), folder / "none.whl", Indexes(index_url=index.url))


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


def test_the_licence_of_a_local_wheel_is_read_from_it(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a wheel of the project, or one that was built of it, says is in the lock; nobody is asked."""
    packages, request = asked(thing(tmp_path), folder=tmp_path)
    monkeypatch.setattr(subprocess, "run", None)
    recorder = Recorder()
    (found,) = with_licences(packages, request, TARGET, recorder)
    assert (found.license, recorder.warnings) == ("MIT", [])


def test_a_wheel_of_the_project_that_names_no_licence_is_no_gap(home: Path, tmp_path: Path) -> None:
    """Nothing is said of a wheel that was read and names none."""
    packages, request = asked(write_wheel(tmp_path / "thing-1.0-py3-none-any.whl", "thing", "1.0"), folder=tmp_path)
    recorder = Recorder()
    (found,) = with_licences(packages, request, TARGET, recorder)
    assert (found.license, recorder.warnings) == (None, [])


def test_the_licence_of_an_index_is_asked_for_once(
    home: Path, tmp_path: Path, index: IndexFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an index says is in the lock, and the second lock asks nobody."""
    package, request = of_index(index, tmp_path)
    (found,) = with_licences([package], request, TARGET, Recorder())
    assert found.license == "MIT"
    monkeypatch.setattr(subprocess, "run", None)
    assert with_licences([package], request, TARGET, Recorder()) == (found,)


def test_a_package_that_cannot_be_asked_hides_no_other(home: Path, tmp_path: Path) -> None:
    """Without a wheel of one package the others are told, the one is warned of, and the lock is made."""
    packages, request = asked(thing(tmp_path), folder=tmp_path)
    lost = LockedPackage(name="lost", version="1.0", hashes=(f"sha256:{'0' * 64}",))
    recorder = Recorder()
    found = with_licences([lost, *packages], request, TARGET, recorder)
    assert [package.license for package in found] == [None, "MIT"]
    assert len(recorder.warnings) == 1 and "licences of lost are not in the lock" in recorder.warnings[0]


def told(package: LockedPackage, index: IndexFolder, tmp_path: Path, lockfile: str | None = None) -> list[str]:
    """What is warned of when a package is locked from an index, taken from a lockfile or resolved."""
    held = Lockfile(lockfile, tmp_path / lockfile, "") if lockfile else None
    request = Request((), (), (), tmp_path / "none.whl", Indexes(index_url=index.url), lockfile=held)
    recorder = Recorder()
    with_licences([package], request, TARGET, recorder)
    return recorder.warnings


def page(index: IndexFolder, name: str, *files: str) -> None:
    """Write the page of a package with files that nobody fetches."""
    folder = index.root / name
    folder.mkdir(parents=True)
    (folder / "index.html").write_text("".join(f'<a href="{file}">{file}</a>\n' for file in files))


def test_a_package_without_a_wheel_is_named(home: Path, tmp_path: Path, index: IndexFolder) -> None:
    """What has a source archive and no wheel for the target is said to need a compiler, once, and nothing else."""
    page(
        index, "thing", "thing-1.0.tar.gz", "thing-1.0-cp39-cp39-manylinux2014_x86_64.whl", "thing-2.0-py3-none-any.whl"
    )
    thing = LockedPackage(name="thing", version="1.0", hashes=(f"sha256:{'0' * 64}",))
    (warning,) = told(thing, index, tmp_path)
    assert warning.startswith("thing 1.0 has no wheel for Python 3.11 on linux/amd64: it is built from source")
    assert "docker.system_packages" in warning


def test_a_package_that_no_index_has_is_not_said_to_have_no_wheel(
    home: Path, tmp_path: Path, index: IndexFolder
) -> None:
    """Where there is no source archive of the version either, nothing is said of compilers."""
    page(index, "thing", "thing-0.9.tar.gz")
    thing = LockedPackage(name="thing", version="1.0", hashes=(f"sha256:{'0' * 64}",))
    assert told(thing, index, tmp_path) == ["the licences of thing are not in the lock: they could not be asked for"]


def test_a_lockfile_whose_hashes_no_index_has_is_told(home: Path, tmp_path: Path, index: IndexFolder) -> None:
    """Hashes of a lockfile that none of the index's wheels has are warned of when it is locked, not when it runs."""
    index.add("", "thing", "1.0")
    real = hashlib.sha256((index.root / "thing/thing-1.0-py3-none-any.whl").read_bytes()).hexdigest()
    wrong = LockedPackage(name="thing", version="1.0", hashes=(f"sha256:{'0' * 64}",))
    assert told(wrong, index, tmp_path, "uv.lock") == [
        f"thing 1.0: the wheel that the index has (sha256:{real}) is not among the hashes of uv.lock; it cannot be "
        "installed from there"
    ]


def test_a_better_wheel_than_the_locked_one_is_no_wrong_hash(home: Path, tmp_path: Path, index: IndexFolder) -> None:
    """A wheel that was added after a lockfile was made, which pip likes better, leaves the locked one as good."""
    index.add("", "thing", "1.0")
    plain = hashlib.sha256((index.root / "thing/thing-1.0-py3-none-any.whl").read_bytes()).hexdigest()
    write_wheel(index.root / "thing/thing-1.0-cp311-none-any.whl", "thing", "1.0", "License: MIT\n")
    index.add("", "thing", "1.0")  # renews the page
    locked = LockedPackage(name="thing", version="1.0", hashes=(f"sha256:{plain}",))
    assert not any("is not among" in warning for warning in told(locked, index, tmp_path, "uv.lock"))


def test_the_same_is_warned_of_once(home: Path, tmp_path: Path) -> None:
    """A package of both variants is warned of once, to whom the resolver was given for that."""
    request = Request((), (), (), tmp_path / "none.whl", Indexes(no_index=True))
    chosen, other = Recorder(), Recorder()
    resolver = LicenceResolver(FixedResolver(), chosen)
    for _ in range(2):
        resolver.resolve(request, TARGET, other)
    assert (len(chosen.warnings), other.warnings) == (1, [])


def test_another_file_tells_nothing(home: Path, tmp_path: Path) -> None:
    """A file of the same name and version whose hash is not locked is not believed."""
    _, request = asked(thing(tmp_path), folder=tmp_path)
    other = LockedPackage(name="thing", version="1.0", hashes=(f"sha256:{'0' * 64}",))
    assert with_licences([other], request, TARGET, Recorder()) == (other,)


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"a": 1}'])
def test_a_damaged_cache_is_made_anew(home: Path, tmp_path: Path, index: IndexFolder, damage: bytes) -> None:
    """What cannot be read as the cache is no error."""
    (home / "cache").mkdir(parents=True)
    (home / "cache/licences.json").write_bytes(damage)
    package, request = of_index(index, tmp_path)
    assert with_licences([package], request, TARGET, Recorder())[0].license == "MIT"
    assert b"MIT" in (home / "cache/licences.json").read_bytes()


def test_no_pip_is_no_error(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where pip hangs or cannot be run, packages are locked without licences."""

    def hang(*args: object, **options: object) -> None:
        raise subprocess.TimeoutExpired("pip", 1)

    monkeypatch.setattr(subprocess, "run", hang)
    request = Request((), (), (), tmp_path / "none.whl")
    recorder = Recorder()
    (found,) = LicenceResolver(FixedResolver()).resolve(request, TARGET, recorder)
    assert found.license is None and len(recorder.warnings) == 1
