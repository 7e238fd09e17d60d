"""Whether a lockfile's files are any that the image can have: of its platform, and with no index from a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bentopack._fs import sha256_file
from bentopack.errors import LockError
from bentopack.lock.resolver import Indexes, Target
from bentopack.lock.wheels import bundled, local_wheel, wheels_in
from tests.lock.test_existing import PYLOCK, TARGET, A, entry, read, request_of
from tests.lock.wheel import write_wheel

ARM = Target("3.11", "linux/arm64")
METADATA = '\n[metadata]\nlock-version = "2.1"\npython-versions = "^3.10"\ncontent-hash = "x"\n'


def text_of(kind: str, *files: str) -> str:
    """A lockfile with one package of these files."""
    if kind == "poetry.lock":
        listed = ", ".join(f'{{file = "{file}", hash = "sha256:{A}"}}' for file in files)
        return f'[[package]]\nname = "thing"\nversion = "1.5"\ngroups = ["main"]\nfiles = [{listed}]\n{METADATA}'
    url = "https://files.example"
    wheels = [f'{{ url = "{url}/{file}", hashes = {{ sha256 = "{A}" }} }}' for file in files if file.endswith(".whl")]
    sdists = [f'sdist = {{ url = "{url}/{file}", hashes = {{ sha256 = "{A}" }} }}' for file in files if "tar" in file]
    return PYLOCK + entry("thing", *sdists, f"wheels = [{', '.join(wheels)}]", version="1.5")


@pytest.mark.parametrize("kind", ["pylock.toml", "poetry.lock"])
@pytest.mark.parametrize(
    ("tags", "target"),
    [
        (["cp311-cp311-win_amd64", "cp311-cp311-macosx_11_0_arm64"], TARGET),
        (["cp39-cp39-manylinux_2_17_x86_64"], TARGET),
        (["cp311-cp311-manylinux_2_17_x86_64"], ARM),
    ],
)
def test_a_package_without_a_build_is_told(tmp_path: Path, kind: str, tags: list[str], target: Target) -> None:
    """A lockfile made elsewhere may have no file for the image: name, version, target and what there is are told."""
    with pytest.raises(LockError) as error:
        read(tmp_path / kind, text_of(kind, *(f"thing-1.5-{tag}.whl" for tag in tags)), target)
    assert f"{kind}: thing 1.5 has no build for Python 3.11 on {target.platform}" in error.value.message
    assert all(tag in error.value.message for tag in tags)
    assert error.value.hint


@pytest.mark.parametrize("kind", ["pylock.toml", "poetry.lock"])
@pytest.mark.parametrize(
    "file",
    [
        "thing-1.5.tar.gz",
        "thing-1.5-py3-none-any.whl",
        "thing-1.5-cp311-cp311-manylinux_2_39_x86_64.whl",
        "thing-1.5-cp39-abi3-manylinux2014_x86_64.whl",
        "thing-1.5-cp311-cp311-musllinux_1_2_x86_64.whl",
    ],
)
def test_a_package_that_may_be_installed_is_taken(tmp_path: Path, kind: str, file: str) -> None:
    """One file that some base image takes is enough, and a source archive is built where the image is."""
    assert "thing" in read(tmp_path / kind, text_of(kind, "thing-1.5-cp311-cp311-win_amd64.whl", file))


def test_a_file_of_no_known_name_is_no_crash(tmp_path: Path) -> None:
    """What is not named as wheels are is left to the installer."""
    assert "thing" in read(tmp_path / "poetry.lock", text_of("poetry.lock", "thing-of-no-known-form.whl"))


@pytest.mark.parametrize("kind", ["pylock.toml", "poetry.lock"])
def test_a_wheel_of_the_project_takes_its_place(tmp_path: Path, kind: str) -> None:
    """What the hint says helps: a wheel under python.wheels stands for the package that has no build."""
    own = local_wheel(write_wheel(tmp_path / "thing-1.5-py3-none-any.whl", "thing", "1.5"))
    assert "thing" not in read(tmp_path / kind, text_of(kind, "thing-1.5-cp311-cp311-win_amd64.whl"), wheels=(own,))


def test_without_an_index_packages_are_the_wheels_of_a_folder(tmp_path: Path) -> None:
    """``no_index`` beside a lockfile: its packages are taken from find_links by their hashes, and go along."""
    house = tmp_path / "house"
    house.mkdir()
    wheel = write_wheel(house / "inner-1-py3-none-any.whl", "inner", "1")
    file = f'wheels = [{{ url = "https://x.example/{wheel.name}", hashes = {{ sha256 = "{sha256_file(wheel)}" }} }}]'
    text = 'lock-version = "1.0"\ncreated-by = "a test"\n'
    text += entry("inner", 'index = "https://packages.example/simple"', file)
    given: dict[str, Any] = {"indexes": Indexes(no_index=True, folders=(house,)), "wheelhouse": wheels_in([house])}
    found = read(tmp_path / "pylock.toml", text, **given)
    assert found["inner"].index is None
    assert found["inner"].hashes == (f"sha256:{sha256_file(wheel)}",)
    request = request_of(tmp_path / "pylock.toml", **given)
    assert [each.path for each in bundled(tuple(found.values()), request)] == [wheel]


def test_without_an_index_what_no_folder_has_is_told(tmp_path: Path) -> None:
    """A Bento that could not be installed is not made: what is missing is named with its version."""
    with pytest.raises(
        LockError, match=r"python\.no_index: no folder of find_links has a file .*\n  idna 3\.7"
    ) as error:
        read(tmp_path / "pylock.toml", PYLOCK, indexes=Indexes(no_index=True))
    assert "leave python.no_index out" in (error.value.hint or "")
