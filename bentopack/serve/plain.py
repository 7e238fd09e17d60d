"""Reads plain requests: a ``POST`` to an API that has come in one piece, alone, with nothing unusual in its head.

Nearly every prediction is one. The parser that reads them belongs to no connection, and calls functions of the
interpreter alone, so that no line of Python runs for a header. A head that has come before, byte for byte, is not read
again. What is anything but plain leaves no trace: the same bytes then go to the connection's own parser.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Generic, NamedTuple, Protocol, TypeVar

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from bentopack.serve.request_ids import HEADER

UNUSUAL = frozenset((b"transfer-encoding", b"content-encoding", b"expect", b"upgrade", b"http2-settings"))
"""Headers that make a request another than a plain one of known length."""

END = b"\r\n\r\n"
"""Of a head."""
_MOST = 1000  # shapes, and heads, that are remembered
_LONGEST = 2048  # bytes of a head that is
_ARMED = None


class Takes(Protocol):
    """An API: sorts content types."""

    def media_of(self, content_type: bytes) -> int | None:
        """Sort a content type; None where the API does not take it."""


A = TypeVar("A", bound=Takes)


class Shape(NamedTuple):
    """What the names of a request's headers say, as the client spells them."""

    length: bytes
    content_type: bytes | None
    connection: bytes | None
    request_id: bytes | None


Head = tuple[A, int, int]
"""What was read in a head: the API, the type of body, and how many bytes it has."""


class PlainReader(Generic[A]):
    """Reads plain requests, one a call.

    Args:
        apis: by the request line; ``forget`` is to be called when it changes.
        longest: bytes of a body.
    """

    def __init__(self, apis: Mapping[bytes, A], longest: int) -> None:
        self._apis = apis
        self._longest = longest
        self._shapes: dict[tuple[bytes, ...], Shape] = {}
        self.heads: dict[bytes, Head[A]] = {}
        """The heads of plain requests with a body that have come before, by their bytes up to the empty line."""
        self._start()

    def read(self, data: bytes) -> tuple[A, int, bytes, bytes | None] | None:
        """Return the API, the type of body, the body and the id it brings; None where it is not one plain request."""
        start, _, body = data.partition(END)
        head = self.heads.get(start)
        if head is not None:
            api, media, length = head
            return (api, media, body, None) if len(body) == length else None
        found = self._parse(data, len(start), whole=True)
        return found and found[:4]

    def forget(self) -> None:
        """Read again what has come before."""
        self.heads.clear()

    def end(self) -> None:
        """Read nothing any more."""
        self._apis = {}
        self.forget()

    def begin(self, data: bytes) -> tuple[A, int, bytes, bytes | None, int] | None:
        """Return the same, and the length of a body of which more is to come; None where it is not that."""
        start, end, body = data.partition(END)
        head = self.heads.get(start) if end else None
        if head is not None:
            api, media, length = head
            if len(body) < length:
                return api, media, body, None, length
        found = self._parse(data, len(start), whole=False) if end else None
        self._start()  # it waits for the rest
        return found

    def _parse(self, data: bytes, at: int, *, whole: bool) -> tuple[A, int, bytes, bytes | None, int] | None:
        line = data[: data.find(b"\r\n")]
        api = self._apis.get(line)
        if api is None:
            return None
        headers = self._headers
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self._start()
            return None
        if bool(self._complete) is whole:  # what has been called has taken one out
            self._start()
            return None
        self._begin.append(_ARMED)
        self._complete.append(_ARMED)
        names = tuple(headers)
        shape = self._shapes.get(names) or self._learn(names)
        body = self._bodies.pop() if self._bodies else b""
        # A line for each header, the request line and the empty one: no header came twice.
        lines = data.count(b"\r\n", 0, len(data) - len(body))
        found = None
        if shape is not None and lines == len(headers) + 2 and (size := int(headers[shape.length])) <= self._longest:
            _, kind, connection, named = shape
            if connection is None or headers[connection].lower() == b"keep-alive":
                media = api.media_of(b"" if kind is None else headers[kind])
                if media is not None:
                    found = api, media, body, None if named is None else headers[named], size
                    # An id makes each head another, and a head without its end looks like one without a body.
                    if named is None and size and at <= _LONGEST:
                        self._remember(data[:at], (api, media, size))
        if found is None:
            self._start()
        else:
            headers.clear()
        return found

    def _start(self) -> None:
        """Take a new parser, whose callbacks are functions of C; ``pop`` fails when it is called a second time."""
        self._headers: dict[bytes, bytes] = {}
        self._bodies: list[bytes] = []
        self._begin, self._complete = [_ARMED], [_ARMED]
        self._parser = HttpRequestParser(
            SimpleNamespace(
                on_message_begin=self._begin.pop,
                on_header=self._headers.setdefault,
                on_body=self._bodies.append,
                on_message_complete=self._complete.pop,
            )
        )

    def _remember(self, data: bytes, head: Head[A]) -> None:
        if len(self.heads) >= _MOST:
            self.forget()
        self.heads[data] = head

    def _learn(self, names: tuple[bytes, ...]) -> Shape | None:
        shape = _shape(names)
        if shape is not None:
            if len(self._shapes) >= _MOST:
                self._shapes.clear()
            self._shapes[names] = shape
        return shape


def _shape(names: tuple[bytes, ...]) -> Shape | None:
    """Sort the names of headers; None where a request with them may not be plain."""
    spelled = {name.lower(): name for name in names}
    if len(spelled) < len(names) or b"content-length" not in spelled or UNUSUAL & spelled.keys():
        return None
    names = (b"content-type", b"connection", HEADER)
    return Shape(spelled[b"content-length"], *map(spelled.get, names))
