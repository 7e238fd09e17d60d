"""Compression on all cores, with bytes that do not depend on how many there are.

A gzip file is a header, deflated blocks and a checksum. Each mebibyte is deflated by itself and ends on a whole byte (a
full flush), so any number of threads may make them. The header is written here: libraries put time and system into it.
Other releases of a deflater give other bytes, so a compressor is named with its release.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

_PIECE = 1 << 20  # bytes
_LEVEL = 1  # a layer is made while somebody waits; level 6 takes three times as long for a twelfth less
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # deflate, no name, no time, an unknown system
_END = b"\x03\x00"  # an empty last block

COMPRESSOR = f"gzip-{_LEVEL} zlib {zlib.ZLIB_RUNTIME_VERSION}"
"""Names what makes the bytes: with the same one, the same tar is the same blob."""


def gzipped(pieces: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    """Yield a stream as gzip. At most a few pieces for each core are held."""
    cores = os.cpu_count() or 1
    checksum, size = 0, 0
    yield _HEADER
    with ThreadPoolExecutor(cores) as pool:  # zlib lets other threads run
        waiting: deque[Future[bytes]] = deque()
        for piece in _even(pieces):
            checksum, size = zlib.crc32(piece, checksum), size + len(piece)
            waiting.append(pool.submit(_deflated, piece))
            if len(waiting) > 2 * cores:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    yield _END + struct.pack("<II", checksum, size & 0xFFFFFFFF)


def _deflated(piece: bytes) -> bytes:
    deflater = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return deflater.compress(piece) + deflater.flush(zlib.Z_FULL_FLUSH)


def _even(pieces: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    """Cut a stream into pieces of one size, as the bytes depend on where it is cut."""
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) >= _PIECE:
            yield bytes(held[:_PIECE])
            del held[:_PIECE]
    if held:
        yield bytes(held)
