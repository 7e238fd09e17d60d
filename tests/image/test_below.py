"""What is found in the image below, without running it."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from bentopack.errors import RegistryError
from bentopack.image.below import fetch_base, find_interpreter, read_base
from bentopack.image.engine import Engine, ImageFacts
from bentopack.image.from_bento import plan_bento
from bentopack.image.plan import ImagePlan
from bentopack.image.validate import PlanError
from bentopack.oci.blobs import Blobs, Layer
from bentopack.oci.content import LAYER, LAYER_GZIP, ContentError, Descriptor, canonical, digest_of
from bentopack.oci.image import Image, Part, make_image
from bentopack.oci.layout import write_archive, write_layout
from bentopack.oci.reference import Reference
from bentopack.oci.registry import Registries
from bentopack.spec.manifest import Manifest
from tests.doubles import Recorder

from .conftest import Make


def base(
    layers: Sequence[Sequence[str]], version: str = "", step: str = "base", platform: str = "linux/amd64"
) -> Image:
    """An image of layers with these files in them, or with what removes some."""
    parts = []
    for names in layers:
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w") as archive:
            for name in names:
                archive.addfile(tarfile.TarInfo(name))
        told = content.getvalue()
        layer = Layer(Descriptor(LAYER, digest_of(told), len(told)), digest_of(told))
        parts.append(Part(layer, lambda told=told: iter([told])))  # type: ignore[misc]
    nothing = Image((), canonical({"rootfs": {"type": "layers", "diff_ids": []}}), b"")
    settings = {"Env": [f"PYTHON_VERSION={version}"]} if version else {}
    steps = [step] * len(parts)
    return make_image(
        nothing, parts, settings, platform=platform, history=steps, created="1980-01-01T00:00:00Z", annotations={}
    )


@pytest.mark.parametrize(
    ("layers", "found"),
    [
        ([["usr/bin/python3.11", "usr/lib/x86_64-linux-gnu/libc.so.6"]], "/usr/bin/python3.11"),
        ([["usr/bin/python3.11"], ["usr/local/bin/python3.11"]], "/usr/local/bin/python3.11"),
        ([["usr/local/bin/python3.11", "usr/bin/python3.11"], ["usr/local/bin/.wh.python3.11"]], "/usr/bin/python3.11"),
        ([["usr/bin/python3.11", "lib/x86_64-linux-gnu/libc-2.28.so"]], "/usr/bin/python3.11"),
        ([["usr/bin/python3.11", "lib/ld-musl-x86_64.so.1"], ["lib64/libc.so.6"]], "/usr/bin/python3.11"),
        ([["usr/local/bin/python3.11", "usr/bin/python3.11"], ["usr/local/.wh.bin"]], "/usr/bin/python3.11"),
        ([["usr/local/bin/python3.11", "usr/bin/python3.11"], ["usr/local/.wh..wh..opq"]], "/usr/bin/python3.11"),
        ([["usr/local/bin/python3.11"], [".wh..wh..opq", "usr/bin/python3.11"]], "/usr/bin/python3.11"),
        ([["opt/bin/python3.11"], ["usr/bin/python3.11", "usr/bin/.wh..wh..opq"]], "/usr/bin/python3.11"),
        ([["lib/ld-musl-x86_64.so.1", "usr/bin/python3.11"], [".wh.lib"]], "/usr/bin/python3.11"),
    ],
)
def test_where_its_python_is(layers: list[list[str]], found: str, tmp_path: Path) -> None:
    """In the uppermost layer that says something of it."""
    blobs = Blobs(tmp_path)
    assert find_interpreter(base(layers), "3.11", blobs, "mine") == found


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (["usr/bin/python3.12"], "has no Python 3.11"),
        (["usr/bin/python3.11", "lib/ld-musl-x86_64.so.1"], "has musl, and wheels are locked for glibc 2.28"),
        (
            ["usr/bin/python3.11", "lib64/libc-2.17.so"],
            "has glibc 2.17, and wheels are locked for",
        ),
    ],
)
def test_a_base_that_wheels_do_not_run_on(names: list[str], why: str, tmp_path: Path) -> None:
    """It is refused before an image is made that would not start."""
    blobs = Blobs(tmp_path)
    for _ in range(2):  # what was found is remembered
        with pytest.raises(PlanError, match=why):
            find_interpreter(base([names]), "3.11", blobs, "mine")


def test_official_images_say_it_themselves(tmp_path: Path) -> None:
    """Their layers are not read; those on Alpine are told by how they were made."""
    blobs = Blobs(tmp_path)
    assert find_interpreter(base([[]], "3.11.9"), "3.11", blobs, "x") == "/usr/local/bin/python3.11"
    alpine = base([["a"]], "3.11.9", "RUN apk add --no-cache tzdata # buildkit")
    with pytest.raises(PlanError, match="has musl"):
        find_interpreter(alpine, "3.11", blobs, "x")


@pytest.fixture
def plan(manifest: Make, bento: Callable[[Manifest], Path]) -> ImagePlan:
    """What is to be for linux/amd64."""
    return plan_bento(bento(manifest()))


class RegistryWith(Registries):
    """A registry that has one image under every name, or none."""

    def __init__(self, image: Image | None) -> None:
        super().__init__({})
        self.has = image

    def image(self, reference: Reference, platform: str, blobs: Blobs) -> Image:
        if self.has is None:
            raise RegistryError(f"there is no {reference}")
        return self.has


class EngineWith(Engine):
    """An engine that has one image under every name, and says or does not say what it is for."""

    def __init__(self, image: Image, platform: str | None) -> None:
        super().__init__(client=None, endpoint="", version="1")  # type: ignore[arg-type]
        object.__setattr__(self, "has", (image, platform))

    def inspect(self, reference: str) -> ImageFacts:
        image, platform = self.has  # type: ignore[attr-defined]
        return ImageFacts(id=image.config_descriptor.digest, digest=None, tags=(), size=1, platform=platform)

    def save(self, reference: str) -> Iterator[bytes]:
        image, _ = self.has  # type: ignore[attr-defined]
        archive = io.BytesIO()
        write_archive(image, archive, ["base:1"])
        yield archive.getvalue()


def for_platform(platform: str) -> Image:
    return base([["usr/bin/python3.11", platform]], platform=platform)


def test_a_base_out_of_an_archive_is_compressed(plan: ImagePlan, tmp_path: Path) -> None:
    """Once, however often it is read: what goes to a registry is as small as what comes from one."""
    blobs, image = Blobs(tmp_path / "blobs"), base([["usr/bin/python3.11"] * 500])
    with (tmp_path / "base.tar").open("wb") as file:
        write_archive(image, file, ["base:1"])
    read = [read_base(tmp_path / "base.tar", plan, blobs) for _ in range(2)]
    assert read[0].manifest == read[1].manifest
    [before], [after] = image.parts, read[0].parts
    assert (after.descriptor.media_type, after.layer.diff_id) == (LAYER_GZIP, before.layer.diff_id)
    assert after.descriptor.size < before.descriptor.size / 10
    assert gzip.decompress(b"".join(after.stream())) == b"".join(before.stream())
    assert json.loads(read[0].manifest)["layers"][0]["digest"] == after.descriptor.digest


ARM, AMD = "linux/arm64", "linux/amd64"


def test_a_base_of_another_platform_is_refused(plan: ImagePlan, tmp_path: Path) -> None:
    """Wherever it comes from: an image of its files would not start, whatever it says that it is for."""
    blobs, arm = Blobs(tmp_path / "blobs"), for_platform(ARM)
    with (tmp_path / "base.tar").open("wb") as file:
        write_archive(arm, file, ["base:1"])
    write_layout(arm, tmp_path / "layout", ["base:1"])
    with pytest.raises(PlanError, match=f"base.tar is for {ARM}, and the image is to be for {AMD}"):
        read_base(tmp_path / "base.tar", plan, blobs)
    with pytest.raises(ContentError, match=f"has no image for {AMD}"):
        read_base(tmp_path / "layout", plan, blobs)
    with pytest.raises(PlanError, match=f"is for {ARM}"):
        fetch_base(plan, blobs, RegistryWith(arm), None, Recorder())


@pytest.mark.parametrize("told", [ARM, None])
def test_an_engine_that_has_it_for_another_platform(told: str | None, plan: ImagePlan, tmp_path: Path) -> None:
    """The registry is asked then, whether the engine says so or its image does."""
    blobs, arm, amd = Blobs(tmp_path / "blobs"), for_platform(ARM), for_platform(AMD)
    engine = EngineWith(arm, told)
    for _ in range(2):  # what the engine handed out is remembered
        recorder = Recorder()
        found = fetch_base(plan, blobs, RegistryWith(amd), engine, recorder)
        assert found.config == amd.config
        assert any(f"for {ARM}: asking its registry" in each for each in recorder.steps)
    with pytest.raises(RegistryError):
        fetch_base(plan, blobs, RegistryWith(None), engine, Recorder())
    assert fetch_base(plan, blobs, RegistryWith(arm), EngineWith(amd, AMD), Recorder()).config == amd.config
