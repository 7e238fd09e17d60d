"""When a lock holds, and how it is renewed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from bentopack.errors import LockError
from bentopack.lock import LOCK_NAME
from bentopack.lock.changes import told_change
from bentopack.lock.lockfile import Lock, LockedEnvironment, LockedModel, read_lock, sealed, write_lock
from bentopack.lock.make import LockInputs, fresh_lock, stale
from bentopack.lock.renewal import Renewal
from bentopack.lock.resolver import LockedPackage, Request, Target, TorchIndex
from tests.doubles import FixedImages, FixedResolver, Recorder

MODEL = LockedModel(tag="iris:1", digest="sha256:0", spellings=("iris:latest",))


class Locking:
    """A lock beside a project, with stand-ins for the index and the registry."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOCK_NAME
        self.resolver = FixedResolver({"numpy": "2.1.0"})
        self.images = FixedImages()
        self.recorder = Recorder()
        self.inputs = LockInputs(
            request=Request(lines=("numpy",), files=(), wheels=(), runtime=folder / "runtime.whl"),
            target=Target("3.11", "linux/amd64"),
            bases={"cpu": "python:3.11-slim"},
            models=(MODEL,),
            runtime="0.1.0",
            compressor="gzip-1 a",
            parts={"python.packages": ["numpy"]},
        )

    def lock(self, renewal: Renewal | None = None, **changed: object) -> Lock:
        """Lock with some inputs changed, and write what comes of it."""
        wanted = replace(self.inputs, **changed)  # type: ignore[arg-type]
        found = fresh_lock(
            self.path,
            wanted,
            renewal or Renewal(),
            resolver=self.resolver,
            pin=self.images.pin,
            reporter=self.recorder,
        )
        write_lock(self.path, found)
        return found


def read(locking: Locking) -> Lock:
    """The lock as it was written."""
    lock = read_lock(locking.path)
    assert lock
    return lock


@pytest.fixture
def locking(tmp_path: Path) -> Locking:
    return Locking(tmp_path)


def test_a_lock_holds_until_its_inputs_change(locking: Locking) -> None:
    """The index and the registry are asked for the first lock, and the index when inputs changed, saying which."""
    locking.lock()
    assert locking.lock() == locking.lock()
    assert len(locking.resolver.asked) == len(locking.images.asked) == 1
    locking.lock(parts={"python.packages": ["pandas"]})
    assert len(locking.resolver.asked) == 2
    assert len(locking.images.asked) == 1
    assert locking.recorder.steps[-1] == "locking (python.packages changed: + pandas, - numpy)"


def test_what_is_locked_stays_where_inputs_allow(locking: Locking) -> None:
    """A renewed lock prefers the versions it had; only an upgrade forgets them, all or those that are named."""
    locking.lock()
    locking.lock(parts={"python.packages": ["numpy", "scipy"]})
    assert locking.resolver.asked[-1].preferred == ("numpy==2.1.0",)
    locking.lock(Renewal(packages=("numpy",)))
    assert locking.resolver.asked[-1].upgrade == ("numpy",)
    locking.lock(Renewal(upgrade=True))
    assert not locking.resolver.asked[-1].preferred
    assert len(locking.images.asked) == 2


def test_a_model_and_the_runtime_change_without_resolving(locking: Locking) -> None:
    """A new model or release of bentopack is recorded; packages and base stay as they are."""
    locking.lock()
    newer = locking.lock(models=(), runtime="0.2.0", compressor="gzip-1 b")
    assert (newer.models, newer.runtime, newer.compressor) == ((), "0.2.0", "gzip-1 b")
    assert len(locking.resolver.asked) == len(locking.images.asked) == 1


def test_another_base_is_pinned_without_resolving(locking: Locking) -> None:
    """Another base image is asked for; the packages do not depend on it."""
    locking.lock()
    locking.lock(bases={"cpu": "python:3.11-alpine"})
    assert locking.images.asked == ["python:3.11-slim", "python:3.11-alpine"]
    assert len(locking.resolver.asked) == 1


def test_platforms_add_up(locking: Locking) -> None:
    """Locking for another platform keeps the one that was there, and renewing renews both."""
    locking.lock()
    both = locking.lock(target=Target("3.11", "linux/arm64"))
    assert list(both.variants["cpu"]) == ["linux/amd64", "linux/arm64"]
    assert len(locking.resolver.asked) == 2
    locking.lock(parts={"python.packages": ["pandas"]})
    assert len(locking.resolver.asked) == 4


def test_what_the_lock_lacks_is_locked(locking: Locking) -> None:
    """A merge that lost a variant or a platform is noticed, though the inputs are these."""
    lock = locking.lock()
    elsewhere = {"linux/riscv64": lock.variants["cpu"]["linux/amd64"]}
    damaged: list[dict[str, dict[str, LockedEnvironment]]] = [{}, {"cpu": {}}, {"cpu": elsewhere}]
    for variants in damaged:
        write_lock(locking.path, sealed(msgspec.structs.replace(lock, variants=variants)))
        assert locking.lock().variants["cpu"]["linux/amd64"] == lock.variants["cpu"]["linux/amd64"]
        assert "cpu on linux/amd64 is not locked" in locking.recorder.steps[-1]


IRIS_2 = LockedModel(tag="iris:2", digest="sha256:1", spellings=("iris:latest",))


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"parts": {"python.packages": []}}, "python.packages changed: - numpy"),
        ({"bases": {"cpu": "other"}}, "the base image of cpu is other, locked was python:3.11-slim"),
        ({"bases": {"cpu": "python:3.11-slim", "gpu": "cuda"}}, "gpu on linux/amd64 is not locked"),
        ({"models": ()}, "the model iris:1 is gone"),
        ({"models": (IRIS_2,)}, "iris:latest is iris:2 now, locked was iris:1"),
        ({"runtime": "9"}, "the runtime is 9, locked was 0.1.0"),
        ({"target": Target("3.11", "linux/arm64")}, "cpu on linux/arm64 is not locked"),
    ],
)
def test_a_lock_that_must_not_change_says_why_it_would(
    locking: Locking, changed: dict[str, object], reason: str
) -> None:
    """With --locked each reason is named, and neither the index nor the registry is asked."""
    lock = locking.lock()
    assert reason in stale(lock, replace(locking.inputs, **changed))  # type: ignore[arg-type]
    with pytest.raises(LockError, match="is not up to date") as error:
        locking.lock(Renewal(refuse=True), **changed)
    assert reason in error.value.message
    assert len(locking.resolver.asked) == 1
    assert locking.lock(Renewal(refuse=True)) == lock


@pytest.mark.parametrize(("platform", "option"), [("linux/amd64", ""), ("linux/arm64", " --platform linux/arm64")])
def test_the_way_to_a_lock_that_holds_is_that_of_its_platform(locking: Locking, platform: str, option: str) -> None:
    """What to run is told with the platform that is lacking, since `lock` alone would lock for another one."""
    with pytest.raises(LockError) as error:
        locking.lock(Renewal(refuse=True), target=Target("3.11", platform))
    assert f"run `bentopack lock{option}`," in str(error.value.hint)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (["a", "b"], ["b", "c"], "x changed: + c, - a"),
        (["a", "b"], ["b", "a"], "x changed"),
        ("1", "2", "x changed"),
        (None, {"a": 1}, "x changed"),
    ],
)
def test_lines_that_came_and_went_are_told(old: object, new: object, told: str) -> None:
    """Of a list each line is named; what has no parts changed as a whole."""
    assert told_change("x", old, new) == told


def test_a_requirements_file_that_changed_is_named() -> None:
    """Of several files the one that changed, came or went is told."""
    old, new = {"a.txt": "1", "b.txt": "1", "c.txt": "1"}, {"a.txt": "2", "b.txt": "1", "d.txt": "1"}
    assert told_change("requirements files", old, new) == "requirements files changed: a.txt, c.txt, d.txt"


def test_no_lock_at_all_is_stale(locking: Locking) -> None:
    """A project that was never locked is refused with --locked."""
    with pytest.raises(LockError, match="there is no lock yet"):
        locking.lock(Renewal(refuse=True))


def test_two_variants_ask_once(locking: Locking) -> None:
    """Variants with the same requirements and the same base share one answer."""
    locking.lock(bases={"cpu": "one", "gpu": "one"})
    assert len(locking.resolver.asked) == len(locking.images.asked) == 1


TORCH = {"cpu": TorchIndex("https://t/whl"), "gpu": TorchIndex("https://t/whl", "12.4")}
BOTH = {"cpu": "one", "gpu": "two"}


def test_without_torch_its_index_makes_no_difference(locking: Locking) -> None:
    """Variants without torch share one resolution, and neither the setting nor CUDA is an input of their lock."""
    locking.lock(bases=BOTH, torch=TORCH)
    assert len(locking.resolver.asked) == 1
    assert not {"python.torch_index", "CUDA of torch"} & read(locking).inputs.keys()
    locking.lock(Renewal(refuse=True), bases=BOTH, torch={**TORCH, "gpu": TorchIndex("https://u/whl", "12.6")})
    locking.lock(Renewal(refuse=True), bases=BOTH)


def test_with_torch_each_variant_is_resolved(locking: Locking) -> None:
    """Each variant's resolution is told of its own CUDA, and both are inputs of the lock."""
    locking.resolver.packages["torch"] = "2.6.0"
    lock = locking.lock(bases=BOTH, torch=TORCH)
    assert [each.torch for each in locking.resolver.asked] == list(TORCH.values())
    assert lock.inputs["python.torch_index"] == "https://t/whl"
    assert lock.inputs["CUDA of torch"] == {"gpu": "12.4"}
    assert locking.lock(Renewal(refuse=True), bases=BOTH, torch=TORCH) == lock


@pytest.mark.parametrize(
    ("torch", "reasons"),
    [
        ({**TORCH, "gpu": TorchIndex("https://t/whl", "12.6")}, ["CUDA of torch changed"]),
        (
            {name: TorchIndex("https://u/whl", each.cuda) for name, each in TORCH.items()},
            ["python.torch_index changed"],
        ),
        ({}, ["CUDA of torch changed", "python.torch_index changed"]),
    ],
)
def test_a_lock_with_torch_is_stale_when_its_index_is_another(
    locking: Locking, torch: dict[str, TorchIndex], reasons: list[str]
) -> None:
    """Another CUDA, another mirror and none at all are reasons; torch is resolved anew and stays where it can."""
    locking.resolver.packages["torch"] = "2.6.0"
    lock = locking.lock(bases=BOTH, torch=TORCH)
    assert stale(lock, replace(locking.inputs, bases=BOTH, torch=torch)) == reasons
    locking.lock(bases=BOTH, torch=torch)
    assert locking.recorder.steps[-1] == f"locking ({'; '.join(reasons)})"
    assert "torch==2.6.0" in locking.resolver.asked[-1].preferred


def test_a_build_is_preferred_by_its_release(locking: Locking) -> None:
    """torch 2.6.0+cpu of PyTorch's index is preferred as 2.6.0; a build of the project's own index as it is."""
    lock = locking.lock()
    locked = lock.variants["cpu"]["linux/amd64"]
    hashes = locked.packages[0].hashes
    builds = [
        LockedPackage(name="torch", version="2.6.0+cpu", hashes=hashes, index="https://t/whl/cpu"),
        LockedPackage(name="xformers", version="1.0+cu124", hashes=hashes),
    ]
    with_builds = msgspec.structs.replace(locked, packages=tuple(builds))
    write_lock(locking.path, sealed(msgspec.structs.replace(lock, variants={"cpu": {"linux/amd64": with_builds}})))
    locking.lock(parts={"python.packages": ["torch"]})
    assert locking.resolver.asked[-1].preferred == ("torch==2.6.0", "xformers==1.0+cu124")


def test_a_variant_that_is_added_prefers_what_is_locked(locking: Locking) -> None:
    """A gpu variant starts from the versions of the cpu one."""
    locking.lock()
    locking.lock(bases={"cpu": "python:3.11-slim", "gpu": "cuda"})
    assert locking.resolver.asked[-1].preferred == ("numpy==2.1.0",)


def test_a_base_without_a_digest_is_asked_for_again(locking: Locking) -> None:
    """Where the registry could not be reached, `bentopack lock` asks once more; a build does not."""
    locking.images.digest = None
    locking.lock()
    locking.images.digest = f"sha256:{'1' * 64}"
    assert locking.lock().variants["cpu"]["linux/amd64"].base.digest is None
    assert locking.lock(Renewal(pin=True)).variants["cpu"]["linux/amd64"].base.digest == locking.images.digest
    assert len(locking.resolver.asked) == 1


def test_a_platform_that_is_added_prefers_what_is_locked(locking: Locking) -> None:
    """A second platform starts from the versions of the first."""
    locking.lock()
    locking.lock(target=Target("3.11", "linux/arm64"))
    assert locking.resolver.asked[-1].preferred == ("numpy==2.1.0",)


def test_upgrading_what_is_not_locked_is_told(locking: Locking) -> None:
    """A name that the lock does not have is an error that names the near one, and not a lock that stayed the same."""
    locking.lock()
    with pytest.raises(LockError, match=r"no package 'nunpy' is locked; did you mean 'numpy'\?"):
        locking.lock(Renewal(packages=("nunpy",)))


def test_a_merge_conflict_is_told(locking: Locking) -> None:
    """Marks of a merge conflict are recognised, and the way out keeps the pins of one side."""
    locking.lock()
    locking.path.write_text("<<<<<<< ours\n" + locking.path.read_text())
    with pytest.raises(LockError, match="merge conflict") as error:
        locking.lock()
    assert "git checkout --ours" in str(error.value.hint)
