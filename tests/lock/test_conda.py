"""Conda's packages: solved with the real solver, from a channel on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from rattler import explicit_environment

from bentopack.errors import LockError
from bentopack.lock.conda import CondaRequest, LockedCondaPackage, explicit_list, require_sound_conda, solve
from bentopack.lock.lockfile import read_lock
from bentopack.lock.renewal import Renewal
from bentopack.lock.resolver import Target
from tests.doubles import Recorder
from tests.lock.channel import LocalChannel, local_channel
from tests.lock.test_make import Locking

TARGET = Target("3.11", "linux/amd64")


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[LocalChannel]:
    """Two Pythons, and a library in two versions, of which the newer wants a C library of tomorrow."""
    with local_channel(tmp_path / "channel") as made:
        made.add("python", "3.11.9", "libffi")
        made.add("python", "3.12.4", "libffi")
        made.add("libffi", "3.4.2")
        made.add("gdal", "3.8.0", "python >=3.11,<3.13", "__glibc >=2.17")
        made.add("gdal", "3.9.0", "python >=3.11,<3.13", "__glibc >=2.99")
        yield made


def solved(channel: LocalChannel, *packages: str, cuda: str | None = None, target: Target = TARGET) -> list[str]:
    """What is locked, as names and versions."""
    found = solve(CondaRequest((channel.url,), packages), target, cuda, Recorder())
    return [f"{each.name} {each.version}" for each in found]


def test_solved_for_the_image_and_not_for_this_machine(channel: LocalChannel) -> None:
    """The Python is the image's, the C library that of the oldest base; what others need comes first."""
    assert solved(channel, "gdal") == ["libffi 3.4.2", "python 3.11.9", "gdal 3.8.0"]
    assert solved(channel, target=Target("3.12", "linux/amd64")) == ["libffi 3.4.2", "python 3.12.4"]


def test_another_platform_has_packages_of_its_own(channel: LocalChannel) -> None:
    """An arm64 image gets what the channel has for it."""
    channel.add("python", "3.11.2", subdir="linux-aarch64")
    assert solved(channel, target=Target("3.11", "linux/arm64")) == ["python 3.11.2"]


def test_cuda_is_seen_by_the_gpu_variant_alone(channel: LocalChannel) -> None:
    """A package that needs a driver is there where one will be."""
    channel.add("engine", "1.0", "__cuda >=12")
    assert "engine 1.0" in solved(channel, "engine", cuda="12.6")
    with pytest.raises(LockError, match=r"__cuda"):
        solved(channel, "engine")


def test_what_cannot_be_solved_is_explained(channel: LocalChannel) -> None:
    """The solver's own words, in an error of ours."""
    with pytest.raises(LockError, match=r"^conda: [\s\S]*nothing-such") as error:
        solved(channel, "nothing-such")
    assert error.value.hint
    with pytest.raises(LockError, match=r"^conda: "):
        solved(channel, "gdal ===")


def test_a_channel_that_does_not_answer(channel: LocalChannel) -> None:
    """Its address is in the error."""
    gone = LocalChannel(channel.folder, f"{channel.url}/nowhere")
    with pytest.raises(LockError, match="nowhere"):
        solved(gone, "gdal")


def test_no_packages_for_a_platform(channel: LocalChannel) -> None:
    """The platforms that there are are named."""
    with pytest.raises(LockError, match=r"no packages for linux/s390x"):
        solved(channel, target=Target("3.11", "linux/s390x"))


def test_the_list_is_one_that_others_read(channel: LocalChannel, tmp_path: Path) -> None:
    """Its form is conda's own: every line an address and a SHA-256."""
    request = CondaRequest((channel.url,), ("gdal",))
    found = solve(request, TARGET, None, Recorder())
    text = explicit_list(found)
    assert text == "@EXPLICIT\n" + "".join(f"{each.url}#{each.sha256}\n" for each in found)
    assert f"{channel.url}/linux-64/gdal-3.8.0-h0_0.conda#" in text
    path = tmp_path / "explicit.txt"
    path.write_text(text)
    read = explicit_environment.ExplicitEnvironmentSpec.from_path(path)
    assert [entry.url for entry in read.packages] == [f"{each.url}#{each.sha256}" for each in found]


def test_kept_while_its_inputs_hold(channel: LocalChannel, tmp_path: Path) -> None:
    """A newer release changes nothing until somebody asks for it, or asks conda for something else."""
    request = CondaRequest((channel.url,), ("gdal",))
    locking, parts = Locking(tmp_path), {"python": "3.11"}

    def versions(
        renewal: Renewal | None = None, *, request: CondaRequest = request, pip: tuple[str, ...] = ("numpy",)
    ) -> list[str]:
        inputs = {**parts, "python.packages": list(pip), "conda": request.inputs()}
        locking.lock(renewal, conda=request, parts=inputs)
        lock = read_lock(locking.path)
        assert lock
        return [each.version for each in lock.variants["cpu"]["linux/amd64"].conda if each.name == "gdal"]

    assert versions() == ["3.8.0"]
    channel.add("gdal", "3.8.4", "python >=3.11,<3.13")
    assert versions() == ["3.8.0"]
    assert versions(pip=("numpy", "pandas")) == ["3.8.0"]
    assert versions(Renewal(upgrade=True)) == ["3.8.4"]
    assert versions(request=CondaRequest((channel.url,), ("gdal ==3.8.0",))) == ["3.8.0"]


@pytest.mark.parametrize(
    ("part", "value", "told"),
    [
        ("url", "file:///home/me/channel/gdal-1-0.conda", "address"),
        ("url", "https://me:secret@example.org/gdal-1-0.conda", "address"),
        ("url", "https://example.org/gdal-1-0.conda\nRUN x", "address"),
        ("sha256", "f" * 63, "hash"),
        ("name", "-x", "name"),
    ],
)
def test_a_lock_cannot_bring_anything_else_along(part: str, value: str, told: str) -> None:
    """What a list of addresses could be made to hold is refused by the package's name."""
    sound = {"name": "gdal", "version": "1", "build": "0", "url": "https://example.org/a.conda", "sha256": "f" * 64}
    require_sound_conda(LockedCondaPackage(**sound), "bentofile.lock")
    with pytest.raises(LockError, match=f"^bentofile.lock: the {told}"):
        require_sound_conda(LockedCondaPackage(**{**sound, part: value}), "bentofile.lock")


def test_what_has_no_sha256_is_refused(channel: LocalChannel) -> None:
    """An old channel that has only MD5 cannot be locked."""
    path = channel.folder / "linux-64/repodata.json"
    repodata = json.loads(path.read_text())
    for record in repodata["packages.conda"].values():
        del record["sha256"]
    path.write_text(json.dumps(repodata))
    with pytest.raises(LockError, match="has no SHA-256"):
        solved(channel, "libffi")
