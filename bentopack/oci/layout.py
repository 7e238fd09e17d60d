"""Images in files: an OCI layout in a folder, or one archive that ``docker load``, ``podman load`` and skopeo read."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from bentopack._fs import EPOCH, alone_in, pieces_of, scratch_dir, write_atomic
from bentopack.oci.archive import Pieces
from bentopack.oci.content import (
    INDEXES,
    ContentError,
    Descriptor,
    canonical,
    checked,
    image_index,
)
from bentopack.oci.image import Image, Index, Part, pair_layers, platform_name, platform_of, without_variant
from bentopack.oci.reference import parse_reference

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
    with scratch_dir(folder) as scratch:
        for descriptor, stream in contents:
            path = blobs / descriptor.digest.removeprefix("sha256:")
            if not (path.exists() and path.stat().st_size == descriptor.size):
                unfinished = scratch / path.name
                with unfinished.open("wb") as file:
                    for piece in stream:
                        file.write(piece)
                unfinished.replace(path)


def _write_index(folder: Path, descriptor: Descriptor, tags: Sequence[str]) -> None:
    """Add an image to those of a layout; one that has its name is there no more."""
    path = folder / "index.json"
    with alone_in(folder, waiting=lambda: None):
        told = _read_index(path) if path.exists() else {}
        ours = json.loads(_index(descriptor, tags))
        names = {_named(each) for each in ours["manifests"]}
        others = [each for each in told.get("manifests", ()) if _named(each) not in names]
        write_atomic(folder / "oci-layout", _LAYOUT)
        write_atomic(path, canonical({**told, **ours, "manifests": [*ours["manifests"], *others]}))


def _read_index(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_bytes())
        if all(isinstance(each, dict) for each in told["manifests"]):
            return dict(told)
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise ContentError(f"{path} is no index of an OCI layout", hint="write into another folder")


def _named(entry: dict[str, Any]) -> str:
    """What an entry of an index is looked for by; without a name it is the digest."""
    annotations = entry.get("annotations")
    told = annotations if isinstance(annotations, dict) else {}
    # The first is a tag alone, and images of several repositories may have the same.
    return str(told.get(_FULL_NAME) or told.get(_NAME) or entry.get("digest"))


def write_archive(image: Image, file: BinaryIO, tags: Sequence[str], *, known: Collection[str] = ()) -> None:
    """Write an image as one tar: an OCI layout, with the ``manifest.json`` by which Docker loads.

    Args:
        image: what is written.
        file: where to.
        tags: its names; without a tag they are ``latest``.
        known: diff ids of layers that who reads it has already, one on the other, and that are left out.
    """
    with tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        layers = [_blob(part.descriptor) for part in image.parts]
        told = {"Config": _blob(image.config_descriptor), "RepoTags": [tagged(each) for each in tags], "Layers": layers}
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
        ContentError: it is none, has no image for the platform, or what lies under a digest is something else. Of a
            layer that is known once it was read to its end.
    """
    try:
        for descriptor in _manifests(folder, _read_index(folder / "index.json"), platform):
            image = _image(folder, _read(folder, descriptor))
            if platform_of(image.config) in ("", without_variant(platform)):
                return image
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ContentError(f"{folder} is no OCI layout: {error}") from None
    raise ContentError(f"{folder} has no image for {platform}")


def _manifests(folder: Path, index: dict[str, Any], platform: str) -> Iterator[Descriptor]:
    """Yield what may be for a platform: first what an index says is, then that of which it says nothing."""
    found = [Descriptor.from_json(each) for each in index["manifests"]]
    for certain in (True, False):
        for each in found:
            told = each.platform or {}
            said = platform_name(told.get("os"), told.get("architecture"))
            if said == (without_variant(platform) if certain else ""):
                if each.media_type in INDEXES:
                    yield from _manifests(folder, json.loads(_read(folder, each)), platform)
                else:
                    yield each


def _image(folder: Path, manifest: bytes) -> Image:
    told = json.loads(manifest)
    config = _read(folder, Descriptor.from_json(told["config"]))
    layers = [Descriptor.from_json(each) for each in told["layers"]]
    parts = tuple(
        Part(layer, partial(_checked, folder, layer.descriptor)) for layer in pair_layers(config, layers, str(folder))
    )
    return Image(parts, config, manifest)


def _read(folder: Path, descriptor: Descriptor) -> bytes:
    return b"".join(_checked(folder, descriptor))


def _checked(folder: Path, descriptor: Descriptor) -> Iterator[bytes]:
    path = folder / _blob(descriptor)
    return checked(pieces_of(path), descriptor.digest, f"{path} holds other bytes than those of its name")


def _contents(image: Image) -> Iterator[tuple[Descriptor, Iterable[bytes | memoryview]]]:
    """Every blob of an image once, the small ones first."""
    yield image.descriptor, [image.manifest]
    yield image.config_descriptor, [image.config]
    seen = set()
    for part in image.parts:
        if part.descriptor.digest not in seen:
            seen.add(part.descriptor.digest)
            yield part.descriptor, part.stream()


def tagged(name: str) -> str:
    """A name with a tag, as those who load archives need it: ``latest`` where it has none."""
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def _full(name: str) -> str:
    """A name as containerd has it: with its registry, and a tag."""
    found = parse_reference(name)
    registry = "docker.io" if found.registry == "registry-1.docker.io" else found.registry
    return f"{registry}/{found.repository}:{found.tag}"


def _index(top: Descriptor, tags: Sequence[str]) -> bytes:
    """The layout's index; each tag is an entry, as skopeo and containerd look for them."""
    named = [replace(top, annotations={_NAME: tagged(tag).rpartition(":")[2], _FULL_NAME: _full(tag)}) for tag in tags]
    return image_index(named or [top])


def _blob(descriptor: Descriptor) -> str:
    return f"blobs/sha256/{descriptor.digest.removeprefix('sha256:')}"


def _header(name: str, size: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.size, header.mtime, header.mode = size, EPOCH, 0o644
    return header


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    archive.addfile(_header(name, len(content)), Pieces([content]))  # type: ignore[arg-type]
