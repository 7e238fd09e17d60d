"""PyTorch's packages from PyTorch's index, with real resolvers and a real index on this machine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bentopack._report import Reporter, Silent
from bentopack.bento.runtime import write_runtime
from bentopack.errors import LockError
from bentopack.lock.pip_tools import PipToolsResolver
from bentopack.lock.requirements import hashed_requirements
from bentopack.lock.resolver import Indexes, LockedPackage, Request, Resolver, Target, TorchIndex, host_target
from bentopack.lock.torch_resolver import TorchResolver
from bentopack.lock.uv import UvResolver
from tests.lock.index import IndexFolder, serving

TARGET = Target("3.11", "linux/amd64")


class Counting:
    """A resolver that remembers what another one was asked."""

    def __init__(self, resolver: Resolver) -> None:
        self.resolver = resolver
        self.asked: list[Request] = []

    def resolve(self, request: Request, target: Target, reporter: Reporter) -> tuple[LockedPackage, ...]:
        self.asked.append(request)
        return self.resolver.resolve(request, target, reporter)


class World:
    """An index of PyTorch's, and one of the project's, in which lies what must not be taken."""

    def __init__(self, index: IndexFolder, runtime: Path) -> None:
        self.index = index
        self.request = Request(
            lines=(), files=(), wheels=(), runtime=runtime, indexes=Indexes(extra_index_url=(f"{index.url}/main",))
        )
        self.counting = Counting(UvResolver())

    def resolve(
        self, *lines: str, cuda: str | None = None, address: str | None = None, **more: object
    ) -> dict[str, str]:
        """Resolve, and return what is locked of these lines and the family: versions, with the index's suffix."""
        torch = TorchIndex(address or f"{self.index.url}/whl", cuda)
        request = replace(self.request, lines=lines, torch=torch, **more)  # type: ignore[arg-type]
        self.packages = TorchResolver(self.counting).resolve(request, TARGET, Silent())
        return {
            package.name: f"{package.version} {(package.index or '').removeprefix(self.index.url)}".strip()
            for package in self.packages
            if package.name in {"torch", "torchvision", "torchaudio", "accel", "tiny"}
        }


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with serving(tmp_path / "served") as index:
        for build in ("cpu", "cu124", "cu126"):
            index.add(f"whl/{build}", "torch", f"2.6.0+{build}", "tiny")
            index.add(f"whl/{build}", "torchvision", f"0.21.0+{build}", "torch==2.6.0")
            index.add(f"whl/{build}", "torchaudio", f"2.6.0+{build}")
            index.add(f"whl/{build}", "tiny", "9.0")
        for build in ("cpu", "cu126"):
            index.add(f"whl/{build}", "torch", f"2.7.0+{build}", "tiny")
        index.add("main", "torch", "2.99.0")
        index.add("main", "torchvision", "0.99.0")
        index.add("main", "tiny", "1.0")
        index.add("main", "accel", "1.0", "torch>=2")
        yield World(index, write_runtime(tmp_path))


def test_only_the_family_comes_from_the_index(world: World) -> None:
    """torch of another index does not win by its version, and no other package is taken from PyTorch's, ever."""
    assert world.resolve("torch") == {"torch": "2.7.0+cpu /whl/cpu", "tiny": "1.0"}
    assert len(world.counting.asked) == 1
    assert not any("tiny" in path for path in world.index.asked if path.startswith("/whl"))
    assert not any(path.startswith("/main/torch") for path in world.index.asked)


def test_each_cuda_has_its_index(world: World) -> None:
    """The gpu variant's torch is of the index that fits its CUDA, and so are torchvision and torchaudio."""
    found = world.resolve("torchvision", "torchaudio", cuda="12.4")
    assert found == {
        "torch": "2.6.0+cu124 /whl/cu124",
        "torchvision": "0.21.0+cu124 /whl/cu124",
        "torchaudio": "2.6.0+cu124 /whl/cu124",
        "tiny": "1.0",
    }
    assert len(world.counting.asked) == 1
    assert world.resolve("torch==2.6.0", cuda="12.8")["torch"] == "2.6.0+cu126 /whl/cu126"


def test_torch_that_another_package_needs_comes_from_there_too(world: World) -> None:
    """A dependency's torch is found in a first resolution and taken from the index in a second one."""
    assert world.resolve("accel", cuda="12.6") == {"accel": "1.0", "torch": "2.7.0+cu126 /whl/cu126", "tiny": "1.0"}
    assert [bool(each.explicit) for each in world.counting.asked] == [False, True]


def test_a_dependencys_torch_need_not_be_in_the_projects_indexes(world: World) -> None:
    """Where the project's indexes have no such torch, PyTorch's is asked all the same."""
    world.index.add("main", "exact", "1.0", "torch==2.6.0")
    assert world.resolve("exact")["torch"] == "2.6.0+cpu /whl/cpu"


def test_without_torch_nothing_changes(world: World) -> None:
    """A project without torch is resolved once, and the index is never asked."""
    assert world.resolve("tiny", "torch ; sys_platform == 'win32'", cuda="12.4") == {"tiny": "1.0"}
    assert len(world.counting.asked) == 1
    assert not any(path.startswith("/whl") for path in world.index.asked)


def test_off_means_like_any_package(world: World) -> None:
    """Without the setting torch comes from the project's indexes."""
    request = replace(world.request, lines=("torch",))
    packages = TorchResolver(UvResolver()).resolve(request, TARGET, Silent())
    assert [(each.version, each.index) for each in packages if each.name == "torch"] == [("2.99.0", None)]


def test_what_was_locked_is_kept_as_another_build(world: World) -> None:
    """The release of a lock stays, for another CUDA and after a change of the setting; only its build changes."""
    assert world.resolve("torch", preferred=("torch==2.6.0",))["torch"] == "2.6.0+cpu /whl/cpu"
    assert world.resolve("torch", cuda="12.6", preferred=("torch==2.6.0+cu121",))["torch"] == "2.6.0+cu126 /whl/cu126"
    assert world.resolve("accel", preferred=("torch==2.6.0",))["torch"] == "2.6.0+cpu /whl/cpu"
    upgraded = world.resolve("torch", preferred=("torch==2.6.0",), upgrade=("torch",))
    assert upgraded["torch"] == "2.7.0+cpu /whl/cpu"


def test_pip_is_told_of_the_index(world: World) -> None:
    """The hashed requirements name the index beside the project's own, so that pip finds the build."""
    world.resolve("torch")
    text = hashed_requirements(world.packages, world.request.indexes, wheels=False)
    assert f"--extra-index-url {world.index.url}/whl/cpu\n" in text
    assert "torch==2.7.0+cpu \\\n    --hash=sha256:" in text


def test_a_mirror_gets_its_password_and_nobody_else(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an address refers to by ${NAME} is filled in for the resolver, and is in nothing that is written."""
    monkeypatch.setenv("MIRROR_PASSWORD", "s3cret%2F")
    with serving(tmp_path / "mirror") as mirror:
        mirror.add("whl/cpu", "torch", "2.6.0+cpu")
        mirror.password = "s3cret/"
        address = f"{mirror.url.replace('://', '://me:${MIRROR_PASSWORD}@')}/whl"
        assert world.resolve("torch", address=address)["torch"].startswith("2.6.0+cpu")
        mirror.password = "another"
        with pytest.raises(LockError, match="torch was not found") as error:
            world.resolve("torch", address=address, upgrade=("torch",))
    assert f"{mirror.url}/whl/cpu alone, which shows none" in str(error.value.hint).replace(
        "me:${MIRROR_PASSWORD}@", ""
    )
    for text in (repr(world.packages), str(error.value)):
        assert "s3cret" not in text


def test_an_index_that_is_not_there_is_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index that cannot be reached is told by its address, without credentials, with the setting to change."""
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(LockError) as error:
        world.resolve("torch", cuda="12.4", address="http://token@127.0.0.1:9/whl")
    assert error.value.message.startswith("the PyTorch index http://127.0.0.1:9/whl/cu124 cannot be reached:\n")
    assert "Connection refused" in error.value.message or sys.platform != "linux"
    assert "python.torch_index" in str(error.value.hint)
    assert "token" not in str(error.value)


def test_a_version_that_the_index_lacks_is_told_with_the_index(world: World) -> None:
    """The CUDA may be what keeps a version away: the hint names it, the index and the setting."""
    with pytest.raises(LockError, match=r"torch==2\.7\.0") as error:
        world.resolve("torch==2.7.0", "torchvision", cuda="12.4")
    assert "python.torch_index" in str(error.value.hint)
    assert f"{world.index.url}/whl/cu126 alone" in str(error.value.hint)
    assert "since docker.cuda_version is 12.4" in str(error.value.hint)
    assert "bentopack-explicit" not in str(error.value)


def test_other_errors_stay_as_they_are(world: World) -> None:
    """What torch has no part in is told without a word of its index."""
    with pytest.raises(LockError, match=r"tiny==5") as error:
        world.resolve("torch", "tiny==5")
    assert "torch_index" not in str(error.value.hint)


@pytest.mark.parametrize("line", ["torch", "accel"])
def test_pip_tools_refuses(world: World, line: str) -> None:
    """pip-tools would look for torch everywhere, so it refuses, for a torch that a dependency needs too."""
    torch = TorchIndex(f"{world.index.url}/whl")
    request = replace(world.request, lines=(line,), torch=torch)
    with pytest.raises(LockError, match="pip-tools cannot take torch from an index of its own") as error:
        TorchResolver(PipToolsResolver()).resolve(request, host_target(), Silent())
    assert "python.torch_index: false" in str(error.value.hint)
