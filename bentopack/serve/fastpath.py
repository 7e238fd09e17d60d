"""The short way of a prediction: from the HTTP parser to the workers and back, past uvicorn's ASGI cycle.

uvicorn stays the server. A whole ``POST`` to an API, alone on its connection and with a body of known length, is read
here; whatever else comes is given to uvicorn as if nothing had looked at it. A client cannot tell the two apart.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterable
from math import inf
from typing import TYPE_CHECKING, Protocol

from httptools import HttpRequestParser
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from bentopack.serve.asgi import BODY_PAUSE, CLOSE, RETRY, Headers, stalled
from bentopack.serve.errors import INTERNAL_ERROR, error_body
from bentopack.serve.frames import TYPE_BYTES, Media
from bentopack.serve.gate import CLIENT_GONE
from bentopack.serve.shared import LARGE, Slab
from bentopack.serve.upload import Upload

if TYPE_CHECKING:
    from bentopack.serve.link import Link

_log = logging.getLogger("bentopack.serve")
_KEEP_ALIVE = 75.0  # seconds without a request; longer than the minute of common load balancers, which must close first
_HEAD_TOTAL = 15.0

_OTHERWISE = frozenset((b"transfer-encoding", b"content-encoding", b"expect", b"upgrade", b"http2-settings"))
"""Headers that make a request another than a plain one of known length."""


class Prediction(Protocol):
    """An API, as the short way sees it."""

    def media_of(self, content_type: bytes) -> int | None:
        """Sort a content type; None where the API does not take it."""

    def slab_for(self, length: int) -> Slab | None:
        """Shared memory for a body of so many bytes, or None where it is to be received as any other."""

    def submit(self, media: int, body: bytes | Upload, turn: Turn) -> tuple[Link, int] | None:
        """Send a request to a worker; None, with ``turn`` answered, where it is refused."""

    def discard(self, slab: Slab) -> None:
        """Take back the memory of a body that nobody will ask for."""

    def answered(self, turn: Turn, status: int) -> None:
        """Count an answer."""


class Turn:
    """One request on the short way, from its head to its answer. uvicorn sees it as the connection's current cycle."""

    __slots__ = (
        "api",
        "began",
        "body",
        "disconnected",
        "keep_alive",
        "media",
        "protocol",
        "response_complete",
        "sent",
        "submitted",
        "upload",
    )

    def __init__(self, protocol: FastProtocol, api: Prediction, media: int) -> None:
        self.protocol = protocol
        self.api = api
        self.media = media
        self.body: list[bytes] = []
        self.upload: Upload | None = None
        self.began = time.perf_counter()
        self.submitted = False
        self.sent: tuple[Link, int] | None = None
        self.keep_alive = True
        self.disconnected = False
        self.response_complete = False

    @property
    def message_event(self) -> Turn:
        return self

    def set(self) -> None:
        """uvicorn wakes a cycle that waits for the client; this one never waits."""

    def complete(self) -> None:
        """The whole request has arrived."""
        self.began = time.perf_counter()
        self.submitted = True
        body, self.body = self.body, []
        whole = self.upload or (body[0] if len(body) == 1 else b"".join(body))
        try:
            self.sent = self.api.submit(self.media, whole, self)
        except Exception:  # it would leave the parser as if the request were malformed
            _log.exception("a request could not be sent to a worker")
            self.answered(500, Media.JSON, INTERNAL_ERROR)

    def answered(self, status: int, media: int, body: bytes) -> None:
        """Send the answer to the client."""
        self.response_complete = True
        self.api.answered(self, status)
        if not self.disconnected:
            self.protocol.respond(self, status, media, body)


class Watch:
    """A clock that costs nothing to read, being a tenth of a second late, and what it brings about."""

    def __init__(self) -> None:
        self.now = self._swept = time.monotonic()

    def sweep(self, connections: Iterable[FastProtocol]) -> None:
        """Move on, and once a second close the connections whose clients keep them waiting."""
        self.now = time.monotonic()
        if self.now - self._swept >= 1:
            self._swept = self.now
            for connection in list(connections):
                connection.sweep(self.now)


class FastProtocol(HttpToolsProtocol):
    """uvicorn's HTTP connection, with the short way for what ``apis`` has.

    Instead of a timer a request there is one sweep over all connections.
    """

    apis: dict[bytes, Prediction]
    """By the path as it is sent. Set on a subclass."""
    longest: int
    """Bytes of a body."""
    watch: Watch
    _turn: Turn | None = None
    _seen = 0.0
    """When anything arrived or was answered."""
    _unread = 0
    """Bytes of answers that the client did not take yet when it was last looked at."""
    _head_since = inf
    _length = 0
    """Bytes of the body of the current request."""

    def sweep(self, now: float) -> None:
        """Close the connection if its client keeps it waiting."""
        unread = self.transport.get_write_buffer_size()
        if unread != self._unread:
            self._unread, self._seen = unread, now  # it reads, if slowly
        if unread and now - self._seen > _KEEP_ALIVE:
            self.transport.abort()  # to close it would wait until all has been read
            return
        turn = self._turn
        if turn is not None and not turn.response_complete:
            if turn.sent is None and now - self._seen > BODY_PAUSE:
                turn.keep_alive = False
                if turn.upload is not None:
                    turn.upload.discard()
                error = stalled(BODY_PAUSE)
                turn.answered(error.status, Media.JSON, error_body(error.message))
        elif now - self._head_since > _HEAD_TOTAL or (self._is_idle() and now - self._seen > _KEEP_ALIVE):
            self.transport.close()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._seen = self.watch.now
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._seen = self.watch.now
        super().data_received(data)
        turn = self._turn
        if turn is not None and turn.upload is not None and turn.upload.left and not turn.response_complete:
            self.transport.set_protocol(turn.upload)

    def uploaded(self, turn: Turn) -> None:
        """Go on after a body that did not come by the parser."""
        self.transport.set_protocol(self)
        self.parser = HttpRequestParser(self)
        with contextlib.suppress(AttributeError):  # as uvicorn does, where httptools has it
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        turn.complete()

    def seen(self) -> None:
        """Something has arrived."""
        self._seen = self.watch.now

    def on_message_begin(self) -> None:
        # What uvicorn makes of a request for ASGI is made when it goes that way.
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._head_since = self.watch.now

    def on_headers_complete(self) -> None:
        self._head_since = inf
        api = self.apis.get(self.url)
        media = self._media(api) if api is not None else None
        if api is None or media is None:
            self._the_long_way()
            return
        turn = Turn(self, api, media)
        self.cycle = self._turn = turn  # type: ignore[assignment]
        if self._length >= LARGE and (slab := api.slab_for(self._length)):
            turn.upload = Upload(turn, slab, self._length)

    def on_body(self, body: bytes) -> None:
        turn: object = self.cycle
        if isinstance(turn, Turn):
            if turn.upload is None:
                turn.body.append(body)
            else:
                turn.upload.add(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        turn: object = self.cycle
        if isinstance(turn, Turn):
            turn.complete()
        else:
            super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        turn, self._turn = self._turn, None
        if turn is not None and not turn.response_complete:
            turn.disconnected = True
            if turn.upload is not None and not turn.submitted:
                turn.upload.discard()
            if turn.sent is not None:
                link, identity = turn.sent
                link.drop(identity)
                turn.api.answered(turn, CLIENT_GONE)

    def respond(self, turn: Turn, status: int, media: int, body: bytes) -> None:
        """Write a response in one piece, and let the connection go on."""
        head, more = _head(self.server_state.default_headers, status, media)
        if not turn.keep_alive:
            more += b"connection: close\r\n"
        self.transport.write(b"%s%d\r\n%s\r\n%s" % (head, len(body), more, body))
        if not turn.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def on_response_complete(self) -> None:
        self._seen = self.watch.now
        if self.pipeline:
            super().on_response_complete()
            return
        # As uvicorn's, but for its timer.
        self.server_state.total_requests += 1
        if not self.transport.is_closing():
            self.flow.resume_reading()

    def _is_idle(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return not self.pipeline and (cycle is None or cycle.response_complete)

    def _media(self, api: Prediction) -> int | None:
        """Return the type of the body where the request can go the short way, or None."""
        if not self._is_idle() or self.flow.write_paused or CLOSE in self.server_state.default_headers:
            return None  # the last: the server ends, and uvicorn says so in its answer
        if self.parser.get_method() != b"POST" or self.parser.get_http_version() != "1.1":
            return None
        if not self.parser.should_keep_alive() or self.transport.is_closing():
            return None
        length, kind = -1, b""
        for name, value in self.headers:
            if name == b"content-length":
                if length >= 0 or not value.isdigit():
                    return None
                length = int(value)
            elif name == b"content-type":
                kind = value
            elif name in _OTHERWISE:
                return None
        self._length = length
        return api.media_of(kind) if 0 <= length <= self.longest else None

    def _the_long_way(self) -> None:
        url, headers = self.url, self.headers
        expected = self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expected
        self.headers += headers
        super().on_headers_complete()


_heads: dict[tuple[int, int], tuple[bytes, bytes]] = {}
_made_of: list[tuple[bytes, bytes]] | None = None


def _head(defaults: list[tuple[bytes, bytes]], status: int, media: int) -> tuple[bytes, bytes]:
    """What stands before the length of a body and after it; made anew when the date in ``defaults`` changes."""
    global _made_of  # noqa: PLW0603 - one server a process
    if defaults is not _made_of:
        _heads.clear()
        _made_of = defaults
    found = _heads.get((status, media))
    if found is None:
        head = b"%s%scontent-type: %s\r\ncontent-length: " % (
            STATUS_LINE[status],
            _lines(defaults),
            TYPE_BYTES[Media(media)],
        )
        found = _heads[status, media] = head, _lines(RETRY) if status == 503 else b""
    return found


def _lines(headers: Headers) -> bytes:
    return b"".join(b"%s: %s\r\n" % pair for pair in headers)
