"""The wire between a front end and a worker: many messages in one frame, bodies as raw bytes.

    frame = head (kind: u8, count: u32, size: u64, a: u16, b: u16, when: f64) + size bytes
    size bytes = count ids (u32) + count lengths (u32) + the bodies in the same order

What the messages of a frame share stands in its head, what is their own in columns, so that a frame of a thousand is
read and written by a handful of calls. Both ends are processes of one machine and of one release, on a socket in a
private folder: there is no version, no checksum and no pickle.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from itertools import accumulate, pairwise
from struct import Struct, pack, unpack_from
from typing import Any, NamedTuple


class Kind(IntEnum):
    """What a frame carries."""

    HELLO = 1
    """Worker to front end, once: a JSON document that says what the worker serves."""
    REQUESTS = 2
    REPLIES = 3
    DROP = 4
    """Front end to worker: ids of requests that nobody waits for any more."""
    PING = 5
    """Front end to worker: say that you live; answered by a PING between two calls."""
    LARGE = 7
    """Front end to worker: requests whose bodies lie in shared memory; their places stand for them (``shared.py``)."""
    RETIRE = 6
    """Worker to front end: send no more, another worker is there; what was sent is answered."""


class Media(IntEnum):
    """The types of body that the two ends tell apart."""

    JSON = 0
    NPY = 1
    TEXT = 2
    OTHER = 3


CONTENT_TYPES = {
    Media.JSON: "application/json",
    Media.NPY: "application/x-npy",
    Media.TEXT: "text/plain; charset=utf-8",
    Media.OTHER: "application/octet-stream",
}


TYPE_BYTES = {media: name.encode() for media, name in CONTENT_TYPES.items()}
"""The same, as headers carry them."""


class Requests(NamedTuple):
    """Requests for one API that arrived together.

    ``ids`` are the front end's, unique on its connection; ``api`` counts in the order of the HELLO; ``arrived`` is
    ``time.monotonic()``, which all processes of a machine share. ``bodies`` are bytes, or in a worker loans of them.
    """

    api: int
    media: int
    arrived: float
    ids: Sequence[int]
    bodies: Sequence[Any]


class Replies(NamedTuple):
    """The answers to the requests with the same ids that share an HTTP status and a type of body.

    ``took`` is how many seconds the call took that made them, or 0 where they are not of one call.
    """

    status: int
    media: int
    took: float
    ids: Sequence[int]
    bodies: Sequence[bytes]


Payload = bytes | Requests | Replies | Sequence[int]

_HEAD = Struct("<BIQHHd")
_HEAD_SIZE = _HEAD.size
_KINDS = {int(kind): kind for kind in Kind}
_WITH_BODIES = (Kind.REQUESTS, Kind.REPLIES, Kind.LARGE)


def pack_hello(document: bytes) -> bytes:
    """Write a HELLO frame."""
    return _HEAD.pack(Kind.HELLO, 0, len(document), 0, 0, 0.0) + document


def pack_requests(requests: Requests, kind: Kind = Kind.REQUESTS) -> bytes:
    """Write requests as one frame, REQUESTS or LARGE."""
    api, media, arrived, ids, bodies = requests
    return _pack(kind, api, media, arrived, ids, bodies)


def pack_replies(replies: Replies) -> bytes:
    """Write replies as one frame."""
    status, media, took, ids, bodies = replies
    return _pack(Kind.REPLIES, status, media, took, ids, bodies)


def pack_drop(ids: Iterable[int]) -> bytes:
    """Write a DROP frame."""
    return _pack(Kind.DROP, 0, 0, 0.0, list(ids), ())


def pack_sign(kind: Kind) -> bytes:
    """Write a frame that says nothing but what it is."""
    return _HEAD.pack(kind, 0, 0, 0, 0, 0.0)


class FrameReader:
    """Cuts a stream of bytes, which may arrive split anywhere, into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[tuple[Kind, Payload]]:
        """Take the next bytes and return the frames that are complete with them."""
        if self._buffer:
            self._buffer += data
            data = bytes(self._buffer) if self._complete() else b""
        frames: list[tuple[Kind, Payload]] = []
        start, length = 0, len(data)
        while length - start >= _HEAD_SIZE:
            kind, count, size, a, b, when = _HEAD.unpack_from(data, start)
            end = start + _HEAD_SIZE + size
            if length < end:
                break
            frames.append(_unpack(kind, count, a, b, when, data, start + _HEAD_SIZE, end))
            start = end
        if start < length or (data and self._buffer):
            self._buffer[:] = data[start:]
        return frames

    def _complete(self) -> bool:
        """Whether the buffer holds a whole frame: while a large one arrives, it is not copied at each piece."""
        if len(self._buffer) < _HEAD_SIZE:
            return False
        size: int = _HEAD.unpack_from(self._buffer)[2]
        return len(self._buffer) >= _HEAD_SIZE + size


def _pack(kind: Kind, a: int, b: int, when: float, ids: Sequence[int], bodies: Sequence[bytes]) -> bytes:
    count, lengths = len(ids), list(map(len, bodies))
    columns = pack(f"<{count + len(lengths)}I", *ids, *lengths)
    size = len(columns) + sum(lengths)
    return b"".join((_HEAD.pack(kind, count, size, a, b, when), columns, *bodies))


def _unpack(
    kind: int, count: int, a: int, b: int, when: float, data: bytes, start: int, end: int
) -> tuple[Kind, Payload]:
    known = _KINDS[kind]
    if known is Kind.HELLO:
        return known, data[start:end]
    if known not in _WITH_BODIES:
        return known, unpack_from(f"<{count}I", data, start)
    columns = unpack_from(f"<{2 * count}I", data, start)
    ids, lengths = columns[:count], columns[count:]
    bodies = [data[at:to] for at, to in pairwise(accumulate(lengths, initial=start + 8 * count))]
    if known is Kind.REPLIES:
        return known, Replies(a, b, when, ids, bodies)
    return known, Requests(a, b, when, ids, bodies)
