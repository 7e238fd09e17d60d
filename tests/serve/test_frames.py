"""The wire between front end and worker."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bentopack.serve.frames import (
    FrameReader,
    Kind,
    Payload,
    Reply,
    Request,
    pack_drop,
    pack_hello,
    pack_replies,
    pack_requests,
)

_u32 = st.integers(0, 2**32 - 1)
_u16 = st.integers(0, 2**16 - 1)
_u8 = st.integers(0, 255)
_body = st.binary(max_size=40)
_requests = st.lists(st.builds(Request, _u32, _u16, _u8, st.floats(allow_nan=False), _body))
_replies = st.lists(st.builds(Reply, _u32, _u16, _u8, _body))
_frames = st.lists(
    st.one_of(
        _requests.map(lambda each: (Kind.REQUESTS, each, pack_requests(each))),
        _replies.map(lambda each: (Kind.REPLIES, each, pack_replies(each))),
        st.lists(_u32).map(lambda each: (Kind.DROP, each, pack_drop(each))),
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
