"""Images in files."""

from __future__ import annotations

import io
import json
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from bentopack.errors import UsageError
from bentopack.oci.archive import Pieces, member_names, read_archive
from bentopack.oci.blobs import Blobs
from bentopack.oci.compress import zstd
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
    assert not list((tmp_path / "layout").rglob("*.writing"))


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
