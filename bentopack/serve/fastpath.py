"""The short way of a prediction: from the HTTP parser to the workers and back, past uvicorn's ASGI cycle.

uvicorn stays the server. A ``POST`` to an API, alone on its connection and with a body of known length, is read here:
by one parser for all connections where it comes in one piece (``plain.py``), by its connection's own where it does not.
Whatever else comes is given to uvicorn as if nothing had looked at it. A client cannot tell them apart.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Iterable, Mapping
from math import inf
from typing import Any

from httptools import HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from bentopack.serve.asgi import overdue
from bentopack.serve.awake import Awake
from bentopack.serve.errors import error_body
from bentopack.serve.frames import Media
from bentopack.serve.plain import UNUSUAL, PlainReader
from bentopack.serve.poller import Poller
from bentopack.serve.request_ids import HEADER
from bentopack.serve.shared import LARGE
from bentopack.serve.turn import Prediction, Turn
from bentopack.serve.unsent import unsent
from bentopack.serve.upload import SmallPieces, Upload

_KEEP_ALIVE = 75.0  # seconds without a request; longer than the minute of common load balancers, which must close first
_HEAD_TOTAL = 15.0
_FROZEN = 2.0
FEW = 4
"""Connections that there must be for some to be read together: to be told of one by way of a second epoll is slower."""


class Watch:
    """A clock that costs nothing to read, being a tenth of a second late, and what it brings about."""

    def __init__(self) -> None:
        self.now = self._swept = time.monotonic()

    def sweep(self, connections: Iterable[FastProtocol]) -> bool:
        """Move on, and once a second close the connections whose clients keep them waiting; whether this was then."""
        before, self.now = self.now, time.monotonic()
        if self.now - before > _FROZEN:  # this process stood still, and what has come meanwhile is unread
            for connection in list(connections):
                connection.forgive(self.now - before)
        if self.now - self._swept < 1:
            return False
        self._swept = self.now
        for connection in list(connections):
            connection.sweep(self.now)
        return True


class FastProtocol(HttpToolsProtocol):
    """uvicorn's HTTP connection, with the short way for what ``apis`` has.

    Instead of a timer a request there is one sweep over all connections.
    """

    apis: Mapping[bytes, Prediction]
    """By the request line. Set on a subclass."""
    plain: PlainReader[Prediction]
    longest: int
    """Bytes of a body."""
    watch: Watch
    poller: Poller | None = None
    awake: Awake | None = None
    """Both are set while the loop runs, where there can be one."""

    # Objects of a class share the names of their attributes only as long as there are few: uvicorn has as many.
    __slots__ = (
        "_asked",
        "_between",
        "_body_since",
        "_head_since",
        "_length",
        "_paused",
        "_rest",
        "_socket",
        "_turn",
        "_unread",
        "url",
    )

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._turn = Turn(self)
        self._rest: Turn | None = self._turn
        """The same while the next request may be a plain one: it has nothing before it, and may be answered."""
        self._between = True
        """Whether the connection's own parser is between two requests."""
        self._paused = False
        """Whether the client does not read what it is sent."""
        self._unread = 0
        """Bytes of answers that the client did not take yet when it was last looked at."""
        self._head_since = self._body_since = inf
        self._length = 0
        """Bytes of the body of the current request."""
        self._asked: bytes | None = None
        """The id that it brings."""
        self._socket: socket.socket | None = None
        """What the transport reads from and writes to, where that can be done past it."""

    @classmethod
    def serving(cls, apis: Mapping[bytes, Prediction], longest: int, watch: Watch) -> type[FastProtocol]:
        """Return the class of the connections to a server."""
        plain = PlainReader(apis, longest)
        return type("Connection", (cls,), {"apis": apis, "plain": plain, "longest": longest, "watch": watch})

    @classmethod
    def begin(cls) -> None:
        """Read past the transports, and stay awake, on the loop that runs."""
        cls.awake = Awake()
        with contextlib.suppress(NotImplementedError, OSError):
            cls.poller = Poller(cls.plain)

    @classmethod
    def end(cls) -> None:
        """Leave all requests to uvicorn from now on: the server ends, and uvicorn says so in its answers."""
        cls.apis = {}
        cls.plain.end()

    def sweep(self, now: float) -> None:
        """Close the connection if its client keeps it waiting."""
        turn = self._turn
        unread = unsent(self.transport)
        if unread != self._unread:
            self._unread, turn.seen = unread, now  # it reads, if slowly
        silent = now - turn.seen
        if unread and silent > _KEEP_ALIVE:
            self.transport.abort()  # to close it would wait until all has been read
        elif not turn.response_complete:
            if not turn.submitted and (error := overdue(silent, now - self._body_since, turn.received)):
                self.give_up(error.status, error_body(error.message))
        elif self.transport.is_closing():
            return  # what it was sent last is on its way
        elif self._is_idle() and (now - self._head_since > _HEAD_TOTAL or silent > _KEEP_ALIVE):
            self.transport.close()

    def forgive(self, seconds: float) -> None:
        """Count so many seconds for nothing: it was not the client that took them."""
        self._turn.seen += seconds
        self._head_since += seconds
        self._body_since += seconds

    def arriving(self) -> tuple[float, int] | None:
        """When the body began that arrives now, and how many bytes of it are there; None where there is none."""
        turn = self._turn
        if turn.submitted or turn.response_complete:
            return None
        return self._body_since, turn.received

    def give_up(self, status: int, body: bytes) -> None:
        """Answer the request whose body arrives, and close."""
        turn = self._turn
        turn.keep_alive = False
        if turn.upload is not None:
            turn.upload.discard()
        turn.answered(status, Media.JSON, body)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._turn.write = transport.write
        if self.client:
            self._turn.client = self.client[0]

    def accepted(self, connection: socket.socket) -> None:
        """Take the socket of the transport that is to come, if it adds nothing to what is sent and received."""
        self._socket = connection

    def took_plain(self, media: int) -> None:
        """A plain request has come by the transport, and the one before it was plain."""
        count = len(self.connections)
        if count >= FEW:
            self._pass_transport()
        elif count == 1:  # nothing else can arrive in this turn of the loop
            self._turn.api.send(media)
            if self.awake is not None:
                self.awake.asked()

    def _pass_transport(self) -> None:
        """Read and write past the transport where that can be, unless something waits there."""
        if self.poller is None or self._socket is None or self.transport.get_write_buffer_size():
            return
        try:
            self.poller.add(self._socket, self._turn)
        except OSError:
            self._socket = None
        else:
            self._turn.socket = self._socket
            self.transport.pause_reading()

    def take_back(self) -> None:
        """Have the place at the transport again."""
        turn = self._turn
        if turn.socket is not None and self.poller is not None:
            self.poller.remove(turn.socket)
            turn.socket = None
            self.transport.resume_reading()
        if turn.alone:
            turn.alone = False
            self.transport.set_protocol(self)

    def stay_with_transport(self) -> None:
        """Have it for good: a client that reads slowly, or answers that are large, are what a transport is for."""
        self.take_back()
        self._socket = None

    def shutdown(self) -> None:
        self.take_back()
        super().shutdown()

    def data_received(self, data: bytes) -> None:
        self._turn.seen = self.watch.now
        turn = self._rest
        if turn is not None and len(data) < LARGE:
            plain = self.plain.read(data)
            if plain is not None:
                self._rest = None
                self.cycle = turn  # type: ignore[assignment]
                turn.alone = True  # until anything else comes
                self.transport.set_protocol(turn)
                turn.take(*plain)
                return
        self._rest = None
        super().data_received(data)
        turn = self._turn
        if turn.upload is not None and turn.upload.left and not turn.response_complete:
            self.transport.set_protocol(turn.upload)

    def piece_received(self, data: bytes) -> None:
        """Take the beginning of what follows a large body: most often another's head."""
        turn = self._rest
        begun = None if turn is None else self.plain.begin(data)
        if turn is not None and begun is not None and begun[4] >= LARGE and (slab := begun[0].slab_for(begun[4])):
            api, media, body, asked, length = begun
            self._rest = None
            turn.seen = self._body_since = self.watch.now
            self.cycle = turn  # type: ignore[assignment]
            turn.begin(api, media, asked)
            turn.upload = Upload(turn, slab, length)
            turn.upload.add(body)
            self.transport.set_protocol(turn.upload)
        else:
            self.transport.set_protocol(self)
            self.data_received(data)

    def uploaded(self, turn: Turn) -> None:
        """Go on after a body that did not come by the parser."""
        self.transport.set_protocol(SmallPieces(self))
        if not self._between:  # the parser has read its head, and waits for the body
            self._between = True
            self.parser = HttpRequestParser(self)
            with contextlib.suppress(AttributeError):  # as uvicorn does, where httptools has it
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        turn.complete()

    def seen(self) -> None:
        """Something has arrived."""
        self._turn.seen = self.watch.now

    def on_message_begin(self) -> None:
        # What uvicorn makes of a request for ASGI is made when it goes that way.
        self._between = False
        self._rest = None  # what came before it in the same bytes may have been answered already
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._head_since = self.watch.now

    def on_headers_complete(self) -> None:
        self._body_since, self._head_since = self._head_since, inf
        line = b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        api = self.apis.get(line)
        media = self._media(api) if api is not None else None
        if api is None or media is None:
            self._the_long_way()
            return
        turn = self._turn
        self.cycle = turn  # type: ignore[assignment]
        turn.begin(api, media, self._asked)
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
        self._between = True
        turn: object = self.cycle
        if isinstance(turn, Turn):
            turn.complete()
        else:
            super().on_message_complete()

    def pause_writing(self) -> None:
        self._paused = True
        self._rest = None
        super().pause_writing()

    def resume_writing(self) -> None:
        self._paused = False
        super().resume_writing()
        if self._is_idle():
            self._settle()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        turn = self._turn
        if not turn.response_complete:
            turn.disconnected = True
            if turn.submitted:
                turn.api.leave(turn)
            elif turn.upload is not None:
                turn.upload.discard()

    def go_on(self) -> None:
        """The turn has answered: the next request may come, if it has not come already."""
        if self.pipeline:
            super().on_response_complete()
        else:
            self._settle()

    def on_response_complete(self) -> None:
        self._turn.seen = self.watch.now
        if self.pipeline:
            super().on_response_complete()
            return
        # As uvicorn's, but for its timer.
        self.server_state.total_requests += 1
        if not self.transport.is_closing():
            self.flow.resume_reading()
        self._settle()

    def _settle(self) -> None:
        """All that has come is answered: the next request may be a plain one."""
        if self._between and not self._paused:
            self._rest = self._turn

    def _is_idle(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    def _media(self, api: Prediction) -> int | None:
        """Return the type of the body where the request can go the short way, or None."""
        if not self._is_idle() or self._paused:
            return None
        if not self.parser.should_keep_alive() or self.transport.is_closing():
            return None
        length, kind, asked = -1, None, None
        for name, value in self.headers:
            if name == b"content-length":
                if length >= 0 or not value.isdigit():
                    return None
                length = int(value)
            elif name == b"content-type":
                kind = value if kind is None else kind
            elif name == HEADER:
                asked = value if asked is None else asked
            elif name in UNUSUAL:
                return None
        self._length, self._asked = length, asked
        return api.media_of(kind or b"") if 0 <= length <= self.longest else None

    def _the_long_way(self) -> None:
        url, headers = self.url, self.headers
        expected = self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expected
        self.headers += headers
        super().on_headers_complete()
