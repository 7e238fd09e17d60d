"""A request on the short way, from its head to its answer."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

from bentopack.serve.asgi import CLOSE
from bentopack.serve.errors import INTERNAL_ERROR
from bentopack.serve.frames import Media
from bentopack.serve.heads import heads_of
from bentopack.serve.plain import Takes
from bentopack.serve.request_ids import request_id
from bentopack.serve.shared import LARGE, Slab
from bentopack.serve.upload import Upload

if TYPE_CHECKING:
    from bentopack.serve.asking import Receiver, WorkerLink
    from bentopack.serve.fastpath import FastProtocol

_log = logging.getLogger("bentopack.serve")


class Prediction(Takes, Protocol):
    """An API, as the short way sees it."""

    def slab_for(self, length: int) -> Slab | None:
        """Shared memory for a body of so many bytes, or None where it is to be received as any other."""

    def arriving(self, media: int) -> tuple[list[Receiver], list[bytes], float]:
        """Return where requests go that ``send`` is to take, and their bodies, and when the first was read."""

    def send(self, media: int) -> None:
        """Send the requests that have arrived to the workers."""

    def submit(self, media: int, body: bytes, turn: Turn) -> None:
        """Send a request to a worker; ``turn`` gets the answer or the refusal."""

    def submit_large(self, media: int, upload: Upload, turn: Turn) -> None:
        """The same, with a body in shared memory."""

    def answer(self, receivers: Sequence[Receiver | None], status: int, media: int, bodies: Sequence[bytes]) -> None:
        """Give answers that have come together."""

    def leave(self, turn: Turn) -> None:
        """The client of a request that was submitted has gone."""

    def discard(self, slab: Slab) -> None:
        """Take back the memory of a body that nobody will ask for."""

    def answered(self, turn: Turn, status: int) -> None:
        """Count an answer."""


class Turn(asyncio.Protocol):
    """A connection's request on the short way, one after the other: each ends before the next begins.

    uvicorn sees it as the connection's current cycle. As long as nothing but plain requests comes it also has the
    connection's place at the transport: it is a small part of what uvicorn keeps of one.
    """

    __slots__ = (
        "alone",
        "api",
        "asked",
        "began",
        "body",
        "client",
        "disconnected",
        "id",
        "identity",
        "keep_alive",
        "link",
        "media",
        "plain",
        "protocol",
        "response_complete",
        "seen",
        "size",
        "socket",
        "state",
        "submitted",
        "upload",
        "watch",
        "write",
    )

    def __init__(self, protocol: FastProtocol) -> None:
        self.protocol = protocol
        self.alone = False
        """Whether it has the connection's place."""
        self.socket: socket.socket | None = None
        """The connection's, while it is read from and written to past the transport."""
        self.plain = protocol.plain
        self.write: Callable[[bytes], None]
        self.client = "-"
        """Its address."""
        self.state = protocol.server_state
        self.watch = protocol.watch
        self.seen = self.watch.now
        """When anything arrived or was answered."""
        self.id: bytes
        """Known when it is answered."""
        self.asked: bytes | None
        """The id that it brought."""
        self.api: Prediction
        self.media: int
        self.body: list[bytes] = []
        self.upload: Upload | None = None
        self.began = 0.0
        self.submitted = True
        """Whether the request has arrived to its end."""
        self.size = 0
        self.link: WorkerLink | None = None
        self.identity = 0
        self.keep_alive = True
        self.disconnected = False
        self.response_complete = True

    def data_received(self, data: bytes) -> None:
        plain = self.plain.read(data) if self.response_complete and len(data) < LARGE else None
        if plain is None:
            self.hand_over(data)
            return
        self.take(*plain)
        if self.socket is None:
            self.protocol.took_plain(plain[1])

    def hand_over(self, data: bytes) -> None:
        """Give the connection its place back, and what was read for it: nothing where the rest is the transport's."""
        self.protocol.take_back()
        if data:
            self.protocol.data_received(data)

    def write_rest(self, data: memoryview) -> None:
        """Leave to the transport what the socket does not take; it learns of a broken connection, too."""
        self.protocol.stay_with_transport()
        self.protocol.transport.write(data)

    def fail(self) -> None:
        """Tell of the exception that is being handled, and let no answer follow one that was not written whole."""
        _log.exception("a connection has failed")
        self.protocol.transport.abort()

    def eof_received(self) -> None:
        self.protocol.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self.protocol.take_back()
        self.protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        self.protocol.take_back()
        self.protocol.pause_writing()

    @property
    def message_event(self) -> Turn:
        return self

    def set(self) -> None:
        """uvicorn wakes a cycle that waits for the client; this one never waits."""

    @property
    def received(self) -> int:
        """How many bytes of the body have come."""
        return self.upload.length - self.upload.left if self.upload else sum(map(len, self.body))

    def begin(self, api: Prediction, media: int, asked: bytes | None) -> None:
        """A request's head has arrived, and its body is to follow."""
        self.api = api
        self.media = media
        self.asked = asked
        self.began = perf_counter()
        self.link = None
        self.submitted = self.response_complete = False

    def complete(self) -> None:
        """The rest of a request has arrived."""
        self.submitted = True
        upload, self.upload = self.upload, None
        if upload is None:
            body, self.body = self.body, []
            self.take(self.api, self.media, body[0] if len(body) == 1 else b"".join(body), self.asked)
            return
        self.size = len(upload)
        try:
            self.api.submit_large(self.media, upload, self)
        except Exception:  # it would leave the parser as if the request were malformed
            _log.exception("a request could not be sent to a worker")
            self.answered(500, Media.JSON, INTERNAL_ERROR)

    def take(self, api: Prediction, media: int, body: bytes, asked: bytes | None) -> None:
        """A whole request has arrived."""
        self.api = api
        self.asked = asked
        self.link = None
        self.size = len(body)
        self.response_complete = False
        api.submit(media, body, self)

    def answered(self, status: int, media: int, body: bytes) -> None:
        """Send the answer to the client."""
        self.response_complete = True
        self.id = request_id(self.asked)
        self.seen = self.watch.now
        self.api.answered(self, status)
        if self.disconnected:
            return
        defaults = self.state.default_headers
        head = heads_of(defaults, status, media)[len(body)]
        goodbye = b"" if self.keep_alive or CLOSE in defaults else b"connection: close\r\n"
        write_all([self], [b"%s%s\r\n%s\r\n%s" % (head, self.id, goodbye, body)])
        if not self.keep_alive:
            self.protocol.transport.close()
        elif not self.alone:
            self.protocol.go_on()


def write_all(turns: Sequence[Turn], answers: Sequence[bytes]) -> None:
    """Send answers, each to its client."""
    for turn, answer in zip(turns, answers, strict=True):
        try:
            connection = turn.socket
            if connection is None:
                turn.write(answer)
                continue
            try:
                sent = connection.send(answer)
            except OSError:
                sent = 0
            if sent != len(answer):
                turn.write_rest(memoryview(answer)[sent:])
        except Exception:  # others have nothing to do with it
            turn.fail()
