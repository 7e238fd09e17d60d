"""Heads of responses, made once a second: only the date changes."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from bentopack.serve.asgi import RETRY, Headers
from bentopack.serve.frames import TYPE_BYTES, Media

_heads: dict[tuple[int, int, int], bytes] = {}
_made_of: list[tuple[bytes, bytes]] | None = None
_MOST = 1000


def response_head(defaults: list[tuple[bytes, bytes]], status: int, media: int, length: int) -> bytes:
    """What stands before the id of a request with a body of so many bytes; made anew when the date changes."""
    global _made_of  # noqa: PLW0603 - one server a process
    if defaults is not _made_of or len(_heads) > _MOST:
        _heads.clear()
        _made_of = defaults
    found = _heads.get((status, media, length))
    if found is None:
        found = _heads[status, media, length] = b"%s%scontent-type: %s\r\ncontent-length: %d\r\n%sx-request-id: " % (
            STATUS_LINE[status],
            _lines(defaults),
            TYPE_BYTES[Media(media)],
            length,
            _lines(RETRY) if status == 503 else b"",
        )
    return found


def _lines(headers: Headers) -> bytes:
    return b"".join(b"%s: %s\r\n" % pair for pair in headers)
