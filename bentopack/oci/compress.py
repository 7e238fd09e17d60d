"""Compression on all cores, with bytes that do not depend on how many there are, nor on the machine.

A gzip file is members, one after the other, each a header, deflated blocks and a checksum; a zstd file is frames. Here
each mebibyte is one, so any number of threads may make them. gzip's header is written here: libraries put time and
system into it. Other releases of a compressor give other bytes, so it is named with its release.
"""

from __future__ import annotations

import os
import struct
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import ModuleType

import deflate

from bentopack.errors import UsageError
from bentopack.oci.content import LAYER_GZIP, LAYER_ZSTD

_PIECE = 1 << 20  # bytes
_LEVEL = 1  # a layer is made while somebody waits; level 6 takes more than twice as long for a tenth less
_ZSTD_LEVEL = 3  # its own default: the time of gzip here, for an eighth less
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # deflate, no name, no time, an unknown system


@dataclass(frozen=True)
class Compression:
    """A way to compress layers: their media type, and what yields a stream compressed.

    ``compressor`` names what makes the bytes: with the same one, the same tar is the same blob.
    """

    media_type: str
    compressor: str
    compress: Callable[[Iterable[bytes | memoryview]], Iterator[bytes]]


def gzipped(pieces: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    """Yield a stream as gzip. At most a few pieces for each core are held."""
    return _on_all_cores(_member, _even(pieces))


GZIP = Compression(LAYER_GZIP, f"gzip-{_LEVEL} libdeflate of deflate {deflate.__version__}", gzipped)


def zstd() -> Compression:
    """Return zstd, of the library that is installed.

    Raises:
        UsageError: none is.
    """
    library = zstandard()

    def frame(piece: bytes) -> bytes:
        found: bytes = library.ZstdCompressor(level=_ZSTD_LEVEL, write_checksum=True).compress(piece)
        return found

    def compress(pieces: Iterable[bytes | memoryview]) -> Iterator[bytes]:
        return _on_all_cores(frame, _even(pieces))

    release = f"zstandard {library.__version__} libzstd {'.'.join(map(str, library.ZSTD_VERSION))}"
    return Compression(LAYER_ZSTD, f"zstd-{_ZSTD_LEVEL} {release}", compress)


def zstandard() -> ModuleType:
    """Return the library that reads and writes zstd.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import zstandard as library
    except ImportError:
        raise UsageError(
            "what reads and writes zstd layers is not installed", hint='install it: pip install "bentopack[zstd]"'
        ) from None
    return library


def _on_all_cores(work: Callable[[bytes], bytes], pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what work makes of each piece, in order."""
    cores = os.cpu_count() or 1
    with ThreadPoolExecutor(cores) as pool:  # both libraries let other threads run
        waiting: deque[Future[bytes]] = deque()
        for piece in pieces:
            waiting.append(pool.submit(work, piece))
            if len(waiting) > 2 * cores:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _member(piece: bytes) -> bytes:
    return b"".join(
        (_HEADER, deflate.deflate_compress(piece, _LEVEL), struct.pack("<II", deflate.crc32(piece), len(piece)))
    )


def _even(pieces: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    """Cut a stream into pieces of one size, as the bytes depend on where it is cut."""
    held, yielded = bytearray(), False
    for piece in pieces:
        held += piece
        while len(held) >= _PIECE:
            yield bytes(held[:_PIECE])
            yielded = True
            del held[:_PIECE]
    if held or not yielded:  # of nothing, too, there is a file
        yield bytes(held)
