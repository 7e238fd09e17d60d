"""Images in files: an OCI layout in a folder, or one archive that ``docker load``, ``podman load`` and skopeo read."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

from bentopack._fs import EPOCH, pieces_of, write_atomic
from bentopack.oci.archive import Pieces
from bentopack.oci.blobs import Layer
from bentopack.oci.content import (
    INDEXES,
    ContentError,
    Descriptor,
    canonical,
    image_index,
)
from bentopack.oci.image import Image, Index, Part, read_config

_LAYOUT = canonical({"imageLayoutVersion": "1.0.0"})
_NAME = "org.opencontainers.image.ref.name"
_FULL_NAME = "io.containerd.image.name"


def write_layout(image: Image, folder: Path, tags: Sequence[str]) -> None:
    """Write an image into a folder as an OCI layout; blobs that are there already are left."""
    _write_blobs(folder, _contents(image))
    _write_index(folder, image.descriptor, tags)


def write_index_layout(index: Index, folder: Path, tags: Sequence[str]) -> None:
    """Write the images of several platforms into one layout."""
    for image in index.images:
        _write_blobs(folder, _contents(image))
    _write_blobs(folder, [(index.descriptor, [index.content])])
    _write_index(folder, index.descriptor, tags)


def _write_blobs(folder: Path, contents: Iterable[tuple[Descriptor, Iterable[bytes | memoryview]]]) -> None:
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    for descriptor, stream in contents:
        path = blobs / descriptor.digest.removeprefix("sha256:")
        if not (path.exists() and path.stat().st_size == descriptor.size):
            unfinished = path.with_suffix(".writing")
            with unfinished.open("wb") as file:
                for piece in stream:
                    file.write(piece)
            unfinished.replace(path)


def _write_index(folder: Path, descriptor: Descriptor, tags: Sequence[str]) -> None:
    write_atomic(folder / "oci-layout", _LAYOUT)
    write_atomic(folder / "index.json", _index(descriptor, tags))


def write_archive(image: Image, file: BinaryIO, tags: Sequence[str], *, known: Collection[str] = ()) -> None:
    """Write an image as one tar: an OCI layout, with the ``manifest.json`` by which Docker loads.

    Args:
        image: what is written.
        file: where to.
        tags: its names.
        known: diff ids of layers that who reads it has already, one on the other, and that are left out.
    """
    with tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        layers = [_blob(part.descriptor) for part in image.parts]
        told = {"Config": _blob(image.config_descriptor), "RepoTags": list(tags), "Layers": layers}
        _add(archive, "oci-layout", _LAYOUT)
        _add(archive, "index.json", _index(image.descriptor, tags))
        _add(archive, "manifest.json", canonical([told]))
        left_out = {part.descriptor.digest for part in image.parts if part.layer.diff_id in known}
        for descriptor, stream in _contents(image):
            if descriptor.digest not in left_out:
                archive.addfile(_header(_blob(descriptor), descriptor.size), Pieces(stream))  # type: ignore[arg-type]


def read_layout(folder: Path, platform: str) -> Image:
    """Read an image from an OCI layout; its layers stay where they are.

    Raises:
        ContentError: it is none, or has no image for the platform.
    """
    try:
        index = json.loads((folder / "index.json").read_bytes())
        descriptor = _choose([Descriptor.from_json(each) for each in index["manifests"]], platform, folder)
        while descriptor.media_type in INDEXES:
            nested = json.loads(_read(folder, descriptor.digest))["manifests"]
            descriptor = _choose([Descriptor.from_json(each) for each in nested], platform, folder)
        manifest = _read(folder, descriptor.digest)
        told = json.loads(manifest)
        config = _read(folder, Descriptor.from_json(told["config"]).digest)
        layers = [Descriptor.from_json(each) for each in told["layers"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ContentError(f"{folder} is no OCI layout: {error}") from None
    diff_ids = read_config(config)["rootfs"]["diff_ids"]
    parts = tuple(
        Part(Layer(layer, str(diff_id)), partial(pieces_of, folder / _blob(layer)))
        for layer, diff_id in zip(layers, diff_ids, strict=True)
    )
    return Image(parts, config, manifest)


def _choose(found: Sequence[Descriptor], platform: str, folder: Path) -> Descriptor:
    system, _, architecture = platform.partition("/")
    for each in found:
        told = each.platform
        if told is None or (told.get("os"), told.get("architecture")) == (system, architecture.partition("/")[0]):
            return each
    raise ContentError(f"{folder} has no image for {platform}")


def _read(folder: Path, digest: str) -> bytes:
    return (folder / "blobs" / "sha256" / digest.removeprefix("sha256:")).read_bytes()


def _contents(image: Image) -> Iterator[tuple[Descriptor, Iterable[bytes | memoryview]]]:
    """Every blob of an image once, the small ones first."""
    yield image.descriptor, [image.manifest]
    yield image.config_descriptor, [image.config]
    seen = set()
    for part in image.parts:
        if part.descriptor.digest not in seen:
            seen.add(part.descriptor.digest)
            yield part.descriptor, part.stream()


def _index(top: Descriptor, tags: Sequence[str]) -> bytes:
    """The layout's index; each tag is an entry, as skopeo and containerd look for them."""
    named = [
        replace(top, annotations={_NAME: tag.rpartition("/")[2].partition(":")[2] or "latest", _FULL_NAME: tag})
        for tag in tags
    ]
    return image_index(named or [top])


def _blob(descriptor: Descriptor) -> str:
    return f"blobs/sha256/{descriptor.digest.removeprefix('sha256:')}"


def _header(name: str, size: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.size, header.mtime, header.mode = size, EPOCH, 0o644
    return header


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    archive.addfile(_header(name, len(content)), Pieces([content]))  # type: ignore[arg-type]
