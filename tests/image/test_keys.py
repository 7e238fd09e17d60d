"""When a layer need not be made again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from bentopack._fs import FileEntry
from bentopack.image import keys
from bentopack.image.keys import reuse, with_keys
from bentopack.image.plan import ImagePlan
from bentopack.image.planner import plan_image
from bentopack.spec.manifest import ImageInfo

from .conftest import Make

FILES = (
    FileEntry("bento.yaml", False, 1, "1" * 64),
    FileEntry("env/docker/setup_script", False, 1, "2" * 64),
    FileEntry("env/python/cpu/requirements.lock", False, 1, "3" * 64),
    FileEntry("env/runtime/bentopack-0.1.0-py3-none-any.whl", False, 1, "4" * 64),
    FileEntry("models/iris/1.0/model.bin", False, 1, "5" * 64),
    FileEntry("src/service.py", False, 1, "6" * 64),
)
IMAGE = ImageInfo(distro="ubuntu", system_packages=("curl",), setup_script="env/docker/setup_script")
ALL = {"interpreter", "system", "python", "runtime", "setup", "model", "manifest", "source"}
RUN = {"system", "python", "setup"}
"""What a program makes depends on all that is below it."""


def changed(before: ImagePlan, after: ImagePlan) -> set[str]:
    """The kinds of layers whose keys differ."""
    pairs = zip(before.layers, after.layers, strict=True)
    return {one.kind for one, other in pairs if one.key != other.key}


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        (lambda plan: plan, set()),
        (lambda plan: replace(plan, base=replace(plan.base, image="ubuntu:24.04")), RUN),
        (lambda plan: replace(plan, base=replace(plan.base, builder_image="nvidia/cuda:x")), RUN),
        (lambda plan: replace(plan, platform="linux/arm64"), {"interpreter", *RUN}),
        (lambda plan: replace(plan, python="3.12"), {"interpreter", *RUN}),
        (lambda plan: replace(plan, template="x"), RUN),
        (lambda plan: replace(plan, installer="uv"), {"python", "setup"}),
        (lambda plan: replace(plan, environment=(*plan.environment, ("A", "1"))), {"setup"}),
        (lambda plan: replace(plan, library_folders=("/a",)), {"setup"}),
        (lambda plan: replace(plan, labels=(("a", "b"),)), set()),
    ],
)
def test_a_key_holds_what_decides_the_layer(
    manifest: Make, change: Callable[[ImagePlan], ImagePlan], kinds: set[str]
) -> None:
    """Nothing that makes another layer is left out of its key, and nothing else is in it."""
    plan = replace(plan_image(manifest(image=IMAGE), ""), installer="pip")
    assert {layer.kind for layer in plan.layers} == ALL
    assert changed(with_keys(plan, FILES), with_keys(change(plan), FILES)) == kinds


@pytest.mark.parametrize(
    ("file", "kinds"),
    [
        (0, {"manifest"}),
        (1, {"setup"}),
        (2, {"python", "setup"}),
        (3, {"runtime", "setup"}),
        (4, {"model"}),
        (5, {"source"}),
    ],
)
def test_a_file_changes_its_own_layer(manifest: Make, file: int, kinds: set[str]) -> None:
    """Whether its bytes or its mode are others."""
    plan = plan_image(manifest(image=IMAGE), "")
    before = with_keys(plan, FILES)
    for other in (replace(FILES[file], sha256="f" * 64), replace(FILES[file], executable=True)):
        files = [other if each.path == other.path else each for each in FILES]
        assert changed(before, with_keys(plan, files)) == kinds


def test_another_uv_brings_another_interpreter(manifest: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """It chooses the build of Python."""
    plan = plan_image(manifest(image=IMAGE), "")
    before = with_keys(plan, FILES)
    monkeypatch.setattr(keys, "UV_VERSION", "0.0.1")
    assert "interpreter" in changed(before, with_keys(plan, FILES))


def test_reuse(manifest: Make) -> None:
    """What lies above a layer that is made anew is kept by those alone who link."""
    plan = with_keys(plan_image(manifest(), ""), FILES)
    assert set(reuse(plan, plan)) == {"reused"}
    files = [replace(each, sha256="f" * 64) if each.path.startswith("models/") else each for each in FILES]
    found = dict(zip((layer.kind for layer in plan.layers), reuse(with_keys(plan, files), plan), strict=True))
    assert found == {
        "python": "reused",
        "runtime": "reused",
        "model": "made anew",
        "manifest": "linked",
        "source": "linked",
    }
    other = replace(plan, base=replace(plan.base, image="python:3.11"))
    assert set(reuse(with_keys(other, FILES), plan)) == {"made anew", "linked"}
