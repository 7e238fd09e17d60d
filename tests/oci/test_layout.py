"""Images in files."""

from __future__ import annotations

import io
import json
import sys
import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bentopack.errors import UsageError
from bentopack.oci.archive import Pieces, member_names, plain_pieces, read_archive
from bentopack.oci.blobs import Blobs
from bentopack.oci.compress import gzipped, zstd
from bentopack.oci.content import (
    CONFIG,
    LAYER,
    LAYER_GZIP,
    LAYER_ZSTD,
    ContentError,
    canonical,
    describe,
    image_manifest,
)
from bentopack.oci.image import Image, Part, make_image
from bentopack.oci.layers import measure, pack
from bentopack.oci.layout import read_layout, write_archive, write_layout
from bentopack.oci.tar import Entry, tar_stream

TIME = 315_532_800


def base_image() -> Image:
    """An image of nothing."""
    config = canonical({"config": {"Env": ["A=1"]}, "rootfs": {"type": "layers", "diff_ids": []}})
    return Image((), config, image_manifest(describe(CONFIG, config), [], {}))


@pytest.fixture
def image(tmp_path: Path) -> Image:
    """Two layers on nothing: one packed, one plain."""
    blobs = Blobs(tmp_path / "blobs")
    large = [Entry("model.bin", source=b"m" * 2_000_000)]
    packed, plain = pack(blobs, [Entry("a/b", source=b"x")], time=TIME), measure(large, time=TIME)
    parts = [
        Part(packed, lambda: iter([blobs.read(packed.descriptor.digest)])),
        Part(plain, lambda: tar_stream(large, time=TIME)),
    ]
    return make_image(
        base_image(),
        parts,
        {"User": "1"},
        platform="linux/arm64/v8",
        history=["a", "b"],
        created="1980-01-01T00:00:00Z",
        annotations={"k": "v"},
    )


def test_a_layout_is_read_as_it_was_written(image: Image, tmp_path: Path) -> None:
    """Manifest, configuration and every layer; for its platform alone where the index names some."""
    write_layout(image, tmp_path / "layout", ["example.org/x:1"])
    write_layout(image, tmp_path / "layout", ["example.org/x:1"])
    read = read_layout(tmp_path / "layout", "linux/arm64")
    assert (read.manifest, read.config) == (image.manifest, image.config)
    assert [b"".join(part.stream()) for part in read.parts] == [b"".join(part.stream()) for part in image.parts]
    assert {path.name for path in (tmp_path / "layout").iterdir()} == {"blobs", "index.json", "oci-layout"}


def test_an_archive_is_read_as_it_was_written(image: Image, tmp_path: Path) -> None:
    """The same bytes each time; what is compressed stays so."""
    one, other = io.BytesIO(), io.BytesIO()
    write_archive(image, one, ["x:1"])
    write_archive(image, other, ["x:1"])
    assert one.getvalue() == other.getvalue()
    one.seek(0)
    read = read_archive(one, Blobs(tmp_path / "read"))
    assert read.config == image.config
    assert [part.layer for part in read.parts] == [part.layer for part in image.parts]


def test_known_layers_are_left_out(image: Image) -> None:
    """What an engine has already is named, and not sent."""
    file = io.BytesIO()
    write_archive(image, file, ["x:1"], known={image.parts[1].layer.diff_id})
    assert len(file.getvalue()) < 100_000
    file.seek(0)
    with tarfile.open(fileobj=file) as archive:
        read = archive.extractfile("manifest.json")
        assert read is not None
        assert len(json.load(read)[0]["Layers"]) == 2


@pytest.mark.parametrize("content", [b"", b"no tar", b"\0" * 10240])
def test_what_is_no_archive(content: bytes, tmp_path: Path) -> None:
    """One error, whatever it is."""
    with pytest.raises(ContentError, match="no archive of an image"):
        read_archive(io.BytesIO(content), Blobs(tmp_path))


def test_what_is_no_layout(tmp_path: Path) -> None:
    """One error, whatever is missing."""
    with pytest.raises(ContentError, match="is no OCI layout"):
        read_layout(tmp_path, "linux/amd64")


def test_the_members_of_a_layer(image: Image) -> None:
    """Compressed or not."""
    assert [name for name, _ in member_names(image.parts[0].stream())] == ["a", "a/b"]
    assert [name for name, _ in member_names(image.parts[1].stream())] == ["model.bin"]
    with pytest.raises(ContentError, match="cannot be read"):
        list(member_names([b"\x28\xb5\x2f\xfd" * 1000]))


def test_the_members_of_a_zstd_layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several frames; what is missing to read them is said."""
    blobs = Blobs(tmp_path / "blobs")
    layer = pack(blobs, [Entry("model.bin", source=b"m" * 3_000_000)], time=TIME, compression=zstd())
    assert layer.descriptor.media_type == LAYER_ZSTD
    digest = layer.descriptor.digest
    assert [name for name, _ in member_names(blobs.stream(digest))] == ["model.bin"]
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(UsageError, match="zstd layers is not installed"):
        list(member_names(blobs.stream(digest)))


@pytest.mark.parametrize("way", ["gzip", "zstd", "none"])
def test_a_layer_without_its_compression(way: str) -> None:
    """In pieces of any length, of several members or frames; one that breaks off is damaged."""
    plain = b"".join(tar_stream([Entry("model.bin", source=b"m" * 3_000_000)], time=TIME))
    ways: dict[str, Callable[[list[bytes]], Iterator[bytes]]] = {
        "gzip": gzipped,
        "zstd": zstd().compress,
        "none": iter,
    }
    packed = b"".join(ways[way]([plain]))
    for size in (4, 1000, len(packed)):
        assert b"".join(plain_pieces(packed[at : at + size] for at in range(0, len(packed), size))) == plain
    if way == "gzip":
        with pytest.raises(ContentError, match="cannot be read"):
            b"".join(plain_pieces([packed[:-9]]))


def test_pieces_are_read_in_any_length() -> None:
    """A file of pieces gives what is asked for until there is no more."""
    file = Pieces([b"abc", memoryview(b"def"), b"g"])
    assert [file.read(2), file.read(4), file.read(9), file.read(1)] == [b"ab", b"cdef", b"g", b""]


def test_the_configuration(image: Image) -> None:
    """What containers run with, what is below, and a variant of the architecture."""
    told = json.loads(image.config)
    assert told["config"] == {"Env": ["A=1"], "User": "1"}
    assert (told["architecture"], told["variant"], told["os"]) == ("arm64", "v8", "linux")
    assert [each["created_by"] for each in told["history"]] == ["a", "b"]
    assert json.loads(image.manifest)["annotations"] == {"k": "v"}


def test_what_docker_calls_a_layer(image: Image) -> None:
    """On a base whose manifest is Docker's, all layers of the manifest have OCI's names, and each its digest."""
    docker = "application/vnd.docker.image.rootfs.diff.tar.gzip"
    packed = image.parts[0]
    named = replace(packed.layer, descriptor=replace(packed.descriptor, media_type=docker))
    base = replace(image, parts=(replace(packed, layer=named), *image.parts[1:]))
    made = make_image(base, [], {}, platform="linux/amd64", history=[], created="1980-01-01T00:00:00Z", annotations={})
    told = json.loads(made.manifest)["layers"]
    assert [each["mediaType"] for each in told] == [LAYER_GZIP, LAYER]
    assert [each["digest"] for each in told] == [part.descriptor.digest for part in image.parts]


def below(config: dict[str, object], parts: tuple[Part, ...] = ()) -> Image:
    """An image with this in its configuration."""
    content = canonical({"rootfs": {"type": "layers", "diff_ids": [part.layer.diff_id for part in parts]}, **config})
    return Image(parts, content, b"")


def above(base: Image, platform: str = "linux/amd64") -> dict[str, Any]:
    """The configuration of an image of one layer on a base."""
    part = Part(measure([Entry("a", source=b"")], time=TIME), lambda: iter(()))
    made = make_image(
        base, [part], {"User": "1"}, platform=platform, history=["ours"], created="1980-01-01T00:00:00Z", annotations={}
    )
    return dict(json.loads(made.config))


def test_a_base_that_says_nothing() -> None:
    """Null is as good as nothing, wherever a configuration may have it."""
    told = above(below({"config": None, "history": None}))
    assert (told["config"], [each["created_by"] for each in told["history"]]) == ({"User": "1"}, ["ours"])


@pytest.mark.parametrize("wrong", [{"config": [1]}, {"config": "x"}, {"history": [1]}, {"history": {"a": 1}}])
def test_what_is_no_configuration(wrong: dict[str, object]) -> None:
    """One error, whatever is wrong."""
    with pytest.raises(ContentError, match="configuration is none"):
        above(below(wrong))


def test_what_is_not_inherited() -> None:
    """What concerned the build or the container of the base; what runs in it stays."""
    gone = {
        "OnBuild": ["RUN x"],
        "ArgsEscaped": True,
        "Image": "sha256:1",
        "Hostname": "a",
        "Domainname": "b",
        "Shell": ["c"],
    }
    told = above(below({"config": {**gone, "Env": ["A=1"], "Volumes": {"/data": {}}}}))
    assert told["config"] == {"Env": ["A=1"], "Volumes": {"/data": {}}, "User": "1"}


@pytest.mark.parametrize(
    ("steps", "kept"),
    [
        ([], ["the base", "the base", "ours"]),
        (["x"], ["x", "the base", "ours"]),
        (["x", "y"], ["x", "y", "ours"]),
        (["x", "y", "z"], ["the base", "the base", "ours"]),
    ],
)
def test_each_layer_has_a_step_that_made_it(image: Image, steps: list[str], kept: list[str]) -> None:
    """buildah refuses an image whose history tells of more or fewer layers; steps that made none stay."""
    empty = {"created_by": "ENV", "empty_layer": True}
    told = above(below({"history": [*[{"created_by": each} for each in steps], empty]}, image.parts))
    assert [each["created_by"] for each in told["history"] if not each.get("empty_layer")] == kept
    assert (empty in told["history"]) == (len(steps) <= 2)


def test_a_variant_is_the_bases() -> None:
    """Where the plan does not say one of its own."""
    base = below({"architecture": "arm64", "variant": "v8"})
    assert above(base, "linux/arm64")["variant"] == "v8"
    assert above(base, "linux/arm64/v9")["variant"] == "v9"
    assert "variant" not in above(base, "linux/amd64")


def test_layers_that_the_configuration_does_not_tell_of(image: Image, tmp_path: Path) -> None:
    """One error, in a layout as in an archive."""
    short = {**json.loads(image.config), "rootfs": {"type": "layers", "diff_ids": [image.parts[0].layer.diff_id]}}
    config = canonical(short)
    layers = [part.descriptor for part in image.parts]
    damaged = Image(image.parts, config, image_manifest(describe(CONFIG, config), layers, {}))
    write_layout(damaged, tmp_path / "layout", ["x:1"])
    with pytest.raises(ContentError, match="has 2 layers, and its configuration tells of 1"):
        read_layout(tmp_path / "layout", "linux/arm64")
    archive = io.BytesIO()
    write_archive(damaged, archive, ["x:1"])
    archive.seek(0)
    with pytest.raises(ContentError, match="has 2 layers, and its configuration tells of 1"):
        read_archive(archive, Blobs(tmp_path / "read"))


def names_in(layout: Path) -> dict[str, str]:
    """The digest of each name in a layout."""
    told = json.loads((layout / "index.json").read_bytes())
    return {each["annotations"]["io.containerd.image.name"]: each["digest"] for each in told["manifests"]}


def test_a_layout_holds_several_images(image: Image, tmp_path: Path) -> None:
    """Under their names; one that is written again takes the place of its own alone, and what others noted stays."""
    layout, other = tmp_path / "layout", replace(image, manifest=canonical({**json.loads(image.manifest), "x": 1}))
    write_layout(image, layout, ["example.org/x:1"])
    write_layout(image, layout, ["example.org/x:2"])
    index = json.loads((layout / "index.json").read_bytes())
    (layout / "index.json").write_text(json.dumps({**index, "annotations": {"by": "others"}}))
    write_layout(other, layout, ["example.org/x:2"])
    assert names_in(layout) == {
        "example.org/x:1": image.descriptor.digest,
        "example.org/x:2": other.descriptor.digest,
    }
    assert json.loads((layout / "index.json").read_bytes())["annotations"] == {"by": "others"}
    (layout / "index.json").write_text("[]")
    with pytest.raises(ContentError, match="is no index"):
        write_layout(image, layout, ["x:1"])


def test_images_of_one_tag_in_a_layout(image: Image, tmp_path: Path) -> None:
    """An image takes the place of one of its whole name, not of another repository's with the same tag."""
    layout = tmp_path / "layout"
    for name in ("example.org/x:1", "example.org/y:1", "example.org/x:1"):
        write_layout(image, layout, [name])
    told = json.loads((layout / "index.json").read_bytes())["manifests"]
    names = [each["annotations"]["io.containerd.image.name"] for each in told]
    assert names == ["example.org/x:1", "example.org/y:1"]


def test_a_layout_that_is_written_by_two(image: Image, tmp_path: Path) -> None:
    """Each finds its image there, whole."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: write_layout(image, tmp_path / "layout", [f"x:{number}"]), range(8)))
    assert len(names_in(tmp_path / "layout")) == 8
    assert [b"".join(part.stream()) for part in read_layout(tmp_path / "layout", "linux/arm64").parts]


def test_a_layout_that_breaks_off(image: Image, tmp_path: Path) -> None:
    """Nothing that is no blob stays."""

    def breaking() -> Iterator[bytes]:
        yield b"some"
        raise OSError("gone")

    broken = replace(image, parts=(replace(image.parts[0], stream=breaking),))
    with pytest.raises(OSError, match="gone"):
        write_layout(broken, tmp_path / "layout", ["x:1"])
    left = {path.name for path in (tmp_path / "layout").rglob("*") if path.is_file()}
    assert left == {each.digest.removeprefix("sha256:") for each in (image.descriptor, image.config_descriptor)}


@pytest.mark.parametrize("part", ["manifest", "configuration", "layer"])
def test_a_layout_whose_bytes_are_others(image: Image, tmp_path: Path, part: str) -> None:
    """Whatever does not have its digest is not taken from there."""
    write_layout(image, tmp_path, ["x:1"])
    named = {"manifest": image.descriptor, "configuration": image.config_descriptor, "layer": image.parts[1].descriptor}
    blob = tmp_path / "blobs/sha256" / named[part].digest.removeprefix("sha256:")
    blob.write_bytes(blob.read_bytes()[:-1] + b" ")
    with pytest.raises(ContentError, match="holds other bytes"):
        for each in read_layout(tmp_path, "linux/arm64").parts:
            b"".join(each.stream())


def test_a_layout_of_several_platforms(image: Image, tmp_path: Path) -> None:
    """Of images of which the index says nothing, the one for the platform is found by its configuration."""
    other = replace(image, config=canonical({**json.loads(image.config), "architecture": "amd64"}))
    layers = [part.descriptor for part in image.parts]
    other = replace(other, manifest=image_manifest(other.config_descriptor, layers, {}))
    for number, each in enumerate((image, other, image)):
        write_layout(each, tmp_path, [f"x:{number}"])
    assert read_layout(tmp_path, "linux/amd64").config == other.config
    assert read_layout(tmp_path, "linux/arm64").config == image.config
    with pytest.raises(ContentError, match="has no image for linux/s390x"):
        read_layout(tmp_path, "linux/s390x")


@pytest.mark.parametrize(
    ("name", "loaded", "full"),
    [
        ("iris", "iris:latest", "docker.io/library/iris:latest"),
        ("team/iris:1", "team/iris:1", "docker.io/team/iris:1"),
        ("registry.example/team/iris", "registry.example/team/iris:latest", "registry.example/team/iris:latest"),
        ("localhost:5000/iris", "localhost:5000/iris:latest", "localhost:5000/iris:latest"),
        ("localhost:5000/iris:2", "localhost:5000/iris:2", "localhost:5000/iris:2"),
    ],
)
def test_names_in_an_archive(image: Image, name: str, loaded: str, full: str) -> None:
    """Docker loads none without a tag; containerd wants the registry too."""
    file = io.BytesIO()
    write_archive(image, file, [name])
    file.seek(0)
    with tarfile.open(fileobj=file) as archive:
        manifest, index = (archive.extractfile(each) for each in ("manifest.json", "index.json"))
        assert manifest
        assert index
        assert json.load(manifest)[0]["RepoTags"] == [loaded]
        assert json.load(index)["manifests"][0]["annotations"] == {
            "org.opencontainers.image.ref.name": loaded.rpartition(":")[2],
            "io.containerd.image.name": full,
        }
