"""The wire between a front end and a worker: many messages in one frame, bodies as raw bytes.

    frame = head (kind: u8, count: u32, size: u64) + size bytes
    size bytes = count fixed records, then every body in the same order

Both ends are processes of one machine and of one release, on a socket in a private folder: there is no version, no
checksum and no pickle. A front end writes all it has gathered in one turn of its loop as one frame, so that the cost of
a system call is shared.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from struct import Struct
from typing import NamedTuple


class Kind(IntEnum):
    """What a frame carries."""

    HELLO = 1
    """Worker to front end, once: a JSON document that says what the worker serves."""
    REQUESTS = 2
    REPLIES = 3
    DROP = 4
    """Front end to worker: ids of requests that nobody waits for any more."""


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


class Request(NamedTuple):
    """``id`` is the front end's, unique on its connection; ``api`` counts in the order of the HELLO.

    ``arrived`` is ``time.monotonic()``, which all processes of a machine share.
    """

    id: int
    api: int
    media: int
    arrived: float
    body: bytes


class Reply(NamedTuple):
    """The answer to the request with the same id; ``status`` is the HTTP status."""

    id: int
    status: int
    media: int
    body: bytes


Payload = bytes | list[Request] | list[Reply] | list[int]

_HEAD = Struct("<BIQ")
_REQUEST = Struct("<IHBdI")
_REPLY = Struct("<IHBI")
_DROP = Struct("<I")


def pack_hello(document: bytes) -> bytes:
    """Write a HELLO frame."""
    return _HEAD.pack(Kind.HELLO, 0, len(document)) + document


def pack_requests(requests: Sequence[Request]) -> bytes:
    """Write requests as one frame."""
    records = [_REQUEST.pack(*request[:4], len(request.body)) for request in requests]
    return _pack(Kind.REQUESTS, records, [request.body for request in requests])


def pack_replies(replies: Sequence[Reply]) -> bytes:
    """Write replies as one frame."""
    records = [_REPLY.pack(*reply[:3], len(reply.body)) for reply in replies]
    return _pack(Kind.REPLIES, records, [reply.body for reply in replies])


def pack_drop(ids: Iterable[int]) -> bytes:
    """Write a DROP frame."""
    return _pack(Kind.DROP, [_DROP.pack(each) for each in ids], [])


class FrameReader:
    """Cuts a stream of bytes, which may arrive split anywhere, into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[tuple[Kind, Payload]]:
        """Take the next bytes and return the frames that are complete with them."""
        self._buffer += data
        frames: list[tuple[Kind, Payload]] = []
        start = 0
        while len(self._buffer) - start >= _HEAD.size:
            kind, count, size = _HEAD.unpack_from(self._buffer, start)
            end = start + _HEAD.size + size
            if len(self._buffer) < end:
                break
            with memoryview(self._buffer) as view:
                content = bytes(view[start + _HEAD.size : end])
            frames.append((Kind(kind), _unpack(kind, count, content)))
            start = end
        del self._buffer[:start]
        return frames


def _pack(kind: Kind, records: list[bytes], bodies: list[bytes]) -> bytes:
    size = sum(map(len, records)) + sum(map(len, bodies))
    return b"".join((_HEAD.pack(kind, len(records), size), *records, *bodies))


def _unpack(kind: int, count: int, content: bytes) -> Payload:
    if kind == Kind.REQUESTS:
        return _unpack_requests(count, content)
    if kind == Kind.REPLIES:
        return _unpack_replies(count, content)
    if kind == Kind.DROP:
        return [each for (each,) in _DROP.iter_unpack(content)]
    return content


def _unpack_requests(count: int, content: bytes) -> list[Request]:
    at = count * _REQUEST.size
    requests = []
    for identity, api, media, arrived, length in _REQUEST.iter_unpack(content[:at]):
        requests.append(Request(identity, api, media, arrived, content[at : at + length]))
        at += length
    return requests


def _unpack_replies(count: int, content: bytes) -> list[Reply]:
    at = count * _REPLY.size
    replies = []
    for identity, status, media, length in _REPLY.iter_unpack(content[:at]):
        replies.append(Reply(identity, status, media, content[at : at + length]))
        at += length
    return replies
