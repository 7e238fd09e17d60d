"""The wire between front end and worker."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bentopack.serve.frames import (
    FrameReader,
    Kind,
    Payload,
    Replies,
    Requests,
    pack_drop,
    pack_hello,
    pack_replies,
    pack_requests,
    pack_sign,
)

_u32 = st.integers(0, 2**32 - 1)
_u16 = st.integers(0, 2**16 - 1)
_seconds = st.floats(allow_nan=False)
_body = st.binary(max_size=40)
_columns = st.lists(st.tuples(_u32, _body)).map(lambda pairs: tuple(zip(*pairs, strict=True)) or ((), ()))


def _requests(api: int, media: int, arrived: float, columns: Any) -> Requests:
    return Requests(api, media, arrived, columns[0], list(columns[1]))


def _replies(status: int, media: int, took: float, columns: Any) -> Replies:
    return Replies(status, media, took, columns[0], list(columns[1]))


_frames = st.lists(
    st.one_of(
        st.builds(_requests, _u16, _u16, _seconds, _columns).map(
            lambda each: (Kind.REQUESTS, each, pack_requests(each))
        ),
        st.builds(_replies, _u16, _u16, st.floats(allow_nan=False), _columns).map(
            lambda each: (Kind.REPLIES, each, pack_replies(each))
        ),
        st.lists(_u32).map(lambda each: (Kind.DROP, tuple(each), pack_drop(each))),
        st.sampled_from([Kind.PING, Kind.RETIRE]).map(lambda kind: (kind, (), pack_sign(kind))),
        _body.map(lambda each: (Kind.HELLO, each, pack_hello(each))),
    ),
    max_size=5,
)


@given(_frames, st.lists(st.integers(0, 300), max_size=6))
def test_frames_come_through_split_anywhere(frames: list[tuple[Kind, Payload, bytes]], cuts: list[int]) -> None:
    """Whatever is packed is read back, in order, wherever the stream of bytes is split."""
    stream = b"".join(packed for _, _, packed in frames)
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    reader = FrameReader()
    found: list[tuple[Kind, Payload]] = []
    for start, end in pairwise(places):
        found += reader.feed(stream[start:end])
    assert found == [(kind, payload) for kind, payload, _ in frames]


def test_a_large_frame_is_read_in_linear_time() -> None:
    """A body of megabytes that arrives in thousands of pieces is put together once, not once a piece."""
    frame = pack_requests(Requests(0, 0, 0.0, [1], [bytes(8 << 20)]))
    reader = FrameReader()
    found: list[tuple[Kind, Payload]] = []
    for start in range(0, len(frame), 1024):
        assert not found
        found += reader.feed(frame[start : start + 1024])
    assert len(found) == 1
