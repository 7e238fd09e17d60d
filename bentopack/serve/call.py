"""One API in a front end: lets its requests in, and sends those of one turn of the loop to the workers together."""

from __future__ import annotations

import asyncio
import logging
from functools import lru_cache
from time import perf_counter
from typing import Protocol
from urllib.parse import quote

from bentopack.serve import access, metrics
from bentopack.serve.errors import INTERNAL_ERROR, error_body
from bentopack.serve.frames import Media
from bentopack.serve.gate import CLIENT_GONE
from bentopack.serve.held import FULL, Holder
from bentopack.serve.hello import ApiRoute
from bentopack.serve.link import Link, Receiver, give
from bentopack.serve.pool import Pool
from bentopack.serve.request_ids import request_id
from bentopack.serve.shared import Slab
from bentopack.serve.turn import Turn
from bentopack.serve.upload import Upload

_log = logging.getLogger("bentopack.serve")
_NOT_READY = error_body("no worker is ready")
_BUSY = error_body("busy: more requests wait than could be called in time")


class Door(Holder, Protocol):
    """A front end: what it lets in, of all APIs together."""

    pool: Pool
    max_concurrency: int | None

    @property
    def in_flight(self) -> int:
        """How many requests wait for their answer."""


class Call:
    """One API in a front end. Made on the loop."""

    def __init__(self, door: Door, route: ApiRoute) -> None:
        self.route = route
        self.in_flight = 0
        self._door = door
        self._workers = door.pool.having(route.key)
        self._loop = asyncio.get_running_loop()
        self._arrived: dict[int, tuple[list[Receiver], list[bytes]]] = {}
        """The requests of this turn of the loop, by the type of their bodies."""
        self._tally = metrics.Tally(route.name)
        self._most = route.max_concurrency
        self._path = quote(route.route)
        self._is_logged = access.is_on()

    def media_of(self, content_type: bytes) -> int | None:
        """Sort a content type; None where the API does not take it."""
        media = _media_of(content_type)
        return media if media in self.route.accepts else None

    def slab_for(self, length: int) -> Slab | None:
        """Shared memory for a body of so many bytes, or None where it goes by the socket."""
        return self._door.pool.slabs.take(length)

    def discard(self, slab: Slab) -> None:
        """Take back the memory of a body that nobody will ask for."""
        self._door.pool.slabs.give_back(slab)

    def submit(self, media: int, body: bytes, receiver: Receiver) -> None:
        """Send a request to a worker at the end of this turn of the loop; ``receiver`` gets the answer or a refusal."""
        refusal = self._let_in(len(body))
        if refusal is not None:
            receiver.answered(503, Media.JSON, refusal)
            return
        arrived = self._arrived.get(media)
        if arrived is None:
            arrived = self._arrived[media] = ([], [])
            self._loop.call_soon(self._send, media)
        arrived[0].append(receiver)
        arrived[1].append(body)

    def submit_large(self, media: int, upload: Upload, receiver: Receiver) -> None:
        """Send a request whose body is in shared memory, at once."""
        refusal = self._let_in(len(upload))
        found = self._workers.share(1) if refusal is None else []
        if not found:
            upload.discard()
            receiver.answered(503, Media.JSON, refusal or self._refusal_of_workers())
            return
        link, number, _ = found[0]
        if link.shares:
            link.submit_large(number, media, upload.slab, len(upload), receiver)
        else:
            body = upload.slab.memory[: len(upload)]
            upload.discard()
            link.submit(number, media, [body], [receiver])

    def leave(self, turn: Turn) -> None:
        """The client has gone: its request, which may not have been sent yet, needs no answer."""
        if turn.link is not None:
            turn.link.drop(turn.identity)
        else:
            for receivers, bodies in self._arrived.values():
                if turn in receivers:
                    del bodies[receivers.index(turn)]
                    receivers.remove(turn)
        turn.id = request_id(turn.asked)
        self.answered(turn, CLIENT_GONE)

    def ended(self, size: int) -> None:
        """A request that was submitted with a body of so many bytes waits no more."""
        self.in_flight -= 1
        self._door.held -= size

    def answered(self, turn: Turn, status: int) -> None:
        """Count the answer to a request of the short way, or its end without one."""
        seconds = perf_counter() - turn.began
        if turn.submitted:
            self.ended(turn.size)
        self._tally.seconds[status].append(seconds)
        if status == 500:
            _tell(turn.id.decode(), turn)
        if self._is_logged:
            client = turn.protocol.client
            access.note(client[0] if client else "-", "POST", self._path, status, seconds, turn.id)

    def _let_in(self, size: int) -> bytes | None:
        """Count a request with a body of so many bytes until it has ended; return why it is refused, or None."""
        door = self._door
        self.in_flight += 1
        door.held += size
        most = door.max_concurrency
        if most is not None and door.in_flight > most:
            return error_body(f"busy: {most} requests are being answered already")
        if self._most is not None and self.in_flight > self._most:
            return error_body(f"busy: {self._most} requests to {self.route.route} are being answered already")
        if size < door.held > door.max_held:  # a lone request is always taken
            return FULL
        return None

    def _send(self, media: int) -> None:
        receivers, bodies = self._arrived.pop(media)
        start, status = 0, 503
        try:
            for link, number, count in self._workers.share(len(bodies)):
                end = start + count
                link.submit(number, media, bodies[start:end], receivers[start:end])
                start = end
            refusal = self._refusal_of_workers()
        except Exception:
            _log.exception("%d requests could not be sent to a worker", len(bodies) - start)
            status, refusal = 500, INTERNAL_ERROR
        for receiver in receivers[start:]:
            give(receiver, status, Media.JSON, refusal)

    def _refusal_of_workers(self) -> bytes:
        """Why the workers take no more."""
        return _BUSY if self._workers else _NOT_READY


class Waiting:
    """A request of the long way that waits for its answer."""

    def __init__(self, call: Call, request: str, size: int) -> None:
        self.future: asyncio.Future[tuple[int, int, bytes]] = asyncio.get_running_loop().create_future()
        self.link: Link | None = None
        self.identity = 0
        self._call = call
        self._request = request
        self._size = size

    def answered(self, status: int, media: int, body: bytes) -> None:
        """Take the answer."""
        self._call.ended(self._size)
        if status == 500:
            _tell(self._request, self)
        if not self.future.done():
            self.future.set_result((status, media, body))


def _tell(request: str, receiver: Receiver) -> None:
    """Say by which number the traceback of a request that failed is found: workers do not know its id."""
    if receiver.link is not None:
        number = receiver.link.number
        _log.error("request %s failed: %08x in the log of worker %d", request, receiver.identity, number)


@lru_cache(maxsize=256)
def _media_of(content_type: bytes) -> Media:
    """Sort a content type; a body without one is taken for JSON."""
    kind, *options = (part.strip() for part in content_type.decode("latin-1").lower().split(";"))
    if kind in ("", "application/json") or (kind.startswith("application/") and kind.endswith("+json")):
        return Media.JSON
    if kind == "application/x-npy":
        return Media.NPY
    charsets = {option.removeprefix("charset=").strip('"') for option in options if option.startswith("charset=")}
    return Media.TEXT if kind == "text/plain" and charsets <= {"utf-8", "utf8", "us-ascii"} else Media.OTHER
