"""Heads of responses, made once a second: only the date changes."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from bentopack.serve.asgi import RETRY, Headers
from bentopack.serve.frames import TYPE_BYTES, Media

_MOST = 1000


class Heads(dict[int, bytes]):
    """What stands before the id of a request, by the length of the body: for answers that share all else.

    Args:
        defaults: headers of every answer.
    """

    def __init__(self, defaults: Headers, status: int, media: int) -> None:
        self._before = b"%s%scontent-type: %s\r\n" % (STATUS_LINE[status], _lines(defaults), TYPE_BYTES[Media(media)])
        self._after = b"%sx-request-id: " % (_lines(RETRY) if status == 503 else b"")

    def __missing__(self, length: int) -> bytes:
        if len(self) >= _MOST:
            self.clear()
        made = self[length] = b"%scontent-length: %d\r\n%s" % (self._before, length, self._after)
        return made


_made: dict[tuple[int, int], Heads] = {}
_made_of: Headers | None = None


def heads_of(defaults: Headers, status: int, media: int) -> Heads:
    """Return the heads of answers with a status and a type of body; other ones when the date changes."""
    global _made_of  # noqa: PLW0603 - one server a process
    if defaults is not _made_of:
        _made.clear()
        _made_of = defaults
    found = _made.get((status, media))
    if found is None:
        found = _made[status, media] = Heads(defaults, status, media)
    return found


def _lines(headers: Headers) -> bytes:
    return b"".join(b"%s: %s\r\n" % pair for pair in headers)
