"""Reads images out of archives: what ``docker save`` and ``skopeo`` write, with or without an OCI layout in it."""

from __future__ import annotations

import json
import posixpath
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import IO, Any

from bentopack.oci.blobs import Blobs, Layer
from bentopack.oci.bounded import BoundedTar
from bentopack.oci.content import CONFIG as CONFIG_TYPE
from bentopack.oci.content import LAYER, LAYER_GZIP, LAYER_ZSTD, ContentError, Descriptor, describe, image_manifest
from bentopack.oci.image import Image, Part, pair_layers

_PIECE = 1 << 20
_SMALL = 1 << 20  # bytes; what may be a manifest or a configuration is held
_GZIP = b"\x1f\x8b"  # what its files begin with
_ZSTD = b"\x28\xb5\x2f\xfd"  # what its frames begin with


class Pieces:
    """Pieces of bytes, as a file that can only be read."""

    def __init__(self, pieces: Iterable[bytes | memoryview]) -> None:
        self._pieces = iter(pieces)
        self._left = memoryview(b"")

    def read(self, size: int) -> bytes:
        """Return exactly ``size`` bytes, or fewer at the end."""
        taken = []
        while size:
            if not self._left:
                piece = next(self._pieces, None)
                if piece is None:
                    break
                self._left = memoryview(piece)
            part, self._left = self._left[:size], self._left[size:]
            size -= len(part)
            taken.append(part)
        return b"".join(taken)


def read_archive(file: IO[bytes] | Pieces, blobs: Blobs) -> Image:
    """Read an image from a stream; its layers are kept among the blobs.

    Raises:
        ContentError: it is no such archive, or holds other layers than its configuration says.
    """
    small: dict[str, bytes] = {}
    large: dict[str, Descriptor] = {}
    links: dict[str, str] = {}
    try:
        with BoundedTar.open(fileobj=file, mode="r|*") as archive:  # type: ignore[call-overload]
            for member in archive:
                if member.issym() or member.islnk():
                    place = posixpath.dirname(member.name) if member.issym() else ""
                    links[member.name] = posixpath.normpath(posixpath.join(place, member.linkname))
                elif member.isfile():
                    _keep(member.name, archive.extractfile(member), member.size, blobs, small, large)
        told = json.loads(small["manifest.json"])[0]
        config = small[told["Config"]]
        names = [links.get(name, name) for name in told["Layers"]]
        layers = [large.get(name) or _kept(small[name], blobs) for name in names]
    except (tarfile.TarError, KeyError, ValueError, TypeError, IndexError) as error:
        raise ContentError(f"this is no archive of an image: {error}") from None
    parts = tuple(_part(each, blobs) for each in pair_layers(config, layers, "the archive's image"))
    return Image(parts, config, image_manifest(describe(CONFIG_TYPE, config), [each.descriptor for each in parts], {}))


def _keep(
    name: str, content: IO[bytes] | None, size: int, blobs: Blobs, small: dict[str, bytes], large: dict[str, Descriptor]
) -> None:
    if content is None:
        return
    if size <= _SMALL:
        small[name] = content.read()
        return
    large[name] = Descriptor(LAYER, *blobs.add(iter(lambda: content.read(_PIECE), b"")))


def _kept(content: bytes, blobs: Blobs) -> Descriptor:
    return Descriptor(LAYER, blobs.put(content), len(content))


def _part(told: Layer, blobs: Blobs) -> Part:
    layer, diff_id = told.descriptor, told.diff_id
    # Layers of `docker save` are plain; those of an OCI layout may be compressed.
    head = next(blobs.stream(layer.digest), b"")[:4]
    media_type = LAYER_GZIP if head[:2] == _GZIP else LAYER_ZSTD if head == _ZSTD else LAYER
    if media_type == LAYER and layer.digest != diff_id:
        raise ContentError(f"the archive's layer {layer.digest} should be {diff_id}")
    kept = Descriptor(media_type, layer.digest, layer.size)
    return Part(Layer(kept, diff_id), lambda: blobs.stream(layer.digest))


def plain_pieces(pieces: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    """Yield a layer without its compression, gzip or zstd; before Python 3.14 tarfile does not know the latter.

    Raises:
        ContentError: it is damaged.
        UsageError: it is compressed with zstd, and what reads that is not installed.
    """
    left = iter(pieces)
    first = next(left, b"")
    whole = chain([first], left)
    if first[:2] == _GZIP:
        yield from _ungzipped(whole)
    elif first[:4] == _ZSTD:
        yield from _unzstd(whole)
    else:
        yield from whole


def _ungzipped(pieces: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    import gzip  # bases are read once, and remembered

    try:
        with gzip.GzipFile(fileobj=Pieces(pieces)) as reader:  # type: ignore[call-overload]
            yield from iter(lambda: reader.read(_PIECE), b"")
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise ContentError(f"a layer cannot be read: {error}") from None


def _unzstd(pieces: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    from bentopack.oci.compress import zstandard

    library = zstandard()
    reader = library.ZstdDecompressor().stream_reader(Pieces(pieces), read_across_frames=True)
    try:
        yield from iter(lambda: reader.read(_PIECE), b"")
    except library.ZstdError as error:
        raise ContentError(f"a layer cannot be read: {error}") from None


def member_names(pieces: Iterable[bytes | memoryview]) -> Iterator[tuple[str, Any]]:
    """Yield what a layer holds, without its content.

    Raises:
        ContentError: it is no tar, or is compressed in a way that is not known here.
        UsageError: it is compressed with zstd, and what reads that is not installed.
    """
    try:
        with BoundedTar.open(fileobj=Pieces(plain_pieces(pieces)), mode="r|") as archive:  # type: ignore[call-overload]
            for member in archive:
                yield member.name.removeprefix("./"), member
    except tarfile.TarError as error:
        raise ContentError(f"a layer cannot be read: {error}") from None
