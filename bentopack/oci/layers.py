"""Packs files into layers: compressed blobs, or, where they are large and dense already, plain tars."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from bentopack.oci.blobs import Blobs, Layer
from bentopack.oci.compress import GZIP, Compression
from bentopack.oci.content import LAYER, Descriptor
from bentopack.oci.tar import Entry, tar_stream


def pack(blobs: Blobs, entries: Iterable[Entry], *, time: int, compression: Compression = GZIP) -> Layer:
    """Pack entries into a compressed layer, in one pass over their files.

    Args:
        blobs: where the layer is kept.
        entries: what it holds.
        time: of every entry, in seconds since 1970.
        compression: what it is compressed with.
    """
    plain = hashlib.sha256()

    def hashed() -> Iterator[bytes | memoryview]:
        for piece in tar_stream(entries, time=time):
            plain.update(piece)
            yield piece

    digest, size = blobs.add(compression.compress(hashed()))
    return Layer(Descriptor(compression.media_type, digest, size), f"sha256:{plain.hexdigest()}")


def measure(entries: Iterable[Entry], *, time: int) -> Layer:
    """Return what entries are as a plain layer, which is written nowhere: it can be streamed from its files again."""
    digest, size = hashlib.sha256(), 0
    for piece in tar_stream(entries, time=time):
        digest.update(piece)
        size += len(piece)
    found = f"sha256:{digest.hexdigest()}"
    return Layer(Descriptor(LAYER, found, size), found)
