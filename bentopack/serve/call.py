"""One API in a front end: lets its requests in, and sends those of one turn of the loop to the workers together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import lru_cache
from time import perf_counter
from typing import Protocol, cast
from urllib.parse import quote

from bentopack.serve import access, tallies
from bentopack.serve.asking import Receiver, WorkerLink, give
from bentopack.serve.errors import INTERNAL_ERROR, error_body
from bentopack.serve.frames import Media
from bentopack.serve.gate import CLIENT_GONE
from bentopack.serve.heads import heads_of
from bentopack.serve.held import FULL, Holder
from bentopack.serve.hello import ApiRoute
from bentopack.serve.plain import END
from bentopack.serve.pool import Pool
from bentopack.serve.request_ids import next_id, request_id
from bentopack.serve.shared import Slab
from bentopack.serve.turn import Turn, write_all
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
        self._arrived: dict[int, tuple[list[Receiver], list[bytes], float]] = {}
        """The requests of this turn of the loop, by the type of their bodies, and when the first was read."""
        self._tally = tallies.tally_of(route.name)
        self._most = route.max_concurrency
        self._asked = f"POST {quote(route.route)}"
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
        if media not in self._arrived:
            self._loop.call_soon(self.send, media)
        receivers, bodies, receiver.began = self.arriving(media)
        receivers.append(receiver)
        bodies.append(body)

    def arriving(self, media: int) -> tuple[list[Receiver], list[bytes], float]:
        """Return where requests go that ``send`` is to take, and their bodies, and when the first was read."""
        arrived = self._arrived.get(media)
        if arrived is None:
            arrived = self._arrived[media] = ([], [], perf_counter())
        return arrived

    def submit_large(self, media: int, upload: Upload, receiver: Receiver) -> None:
        """Send a request whose body is in shared memory, at once."""
        refusal = self._refusal(1, len(upload))
        found = self._workers.share(1) if refusal is None else []
        if not found:
            upload.discard()
            receiver.answered(503, Media.JSON, refusal or self._refusal_of_workers())
            return
        link, number, _ = found[0]
        if link.submit_large is not None:
            link.submit_large(number, media, upload.slab, len(upload), receiver)
        else:
            body = upload.slab.memory[: len(upload)]
            upload.discard()
            link.submit(number, media, [body], [receiver])
        self._begun(1, len(upload))

    def leave(self, turn: Turn) -> None:
        """The client has gone: its request, which may not have been sent yet, needs no answer."""
        if turn.link is not None:
            turn.link.drop(turn.identity)
        else:
            for receivers, bodies, _ in self._arrived.values():
                if turn in receivers:
                    del bodies[receivers.index(turn)]
                    receivers.remove(turn)
        turn.id = request_id(turn.asked)
        self.answered(turn, CLIENT_GONE)

    def ended(self, receiver: Receiver) -> None:
        """A request waits no more."""
        if receiver.link is not None:
            self._begun(-1, -receiver.size)

    def answered(self, turn: Turn, status: int) -> None:
        """Count the answer to a request of the short way, or its end without one."""
        seconds = perf_counter() - turn.began
        self.ended(turn)
        self._tally.seconds[status].append(seconds)
        if status == 500:
            _tell(turn.id.decode(), turn)
        if self._is_logged:
            access.note((turn.client, self._asked, status, seconds, turn.id))

    def answer(self, receivers: Sequence[Receiver | None], status: int, media: int, bodies: Sequence[bytes]) -> None:
        """Give answers that have come together to those who wait; most ask this API."""
        if status != 200:
            for receiver, body in zip(receivers, bodies, strict=True):
                if receiver is not None:
                    give(receiver, status, media, body)
            return
        now, logged = perf_counter(), self._is_logged
        keep = self._tally.seconds[status].append
        heads = None
        turns: list[Turn] = []
        answers: list[bytes] = []
        count = size = 0
        for turn, body in zip(cast("Sequence[Turn | None]", receivers), bodies, strict=True):
            if turn is None:
                continue
            if not turn.alone or turn.api is not self or turn.asked is not None:
                give(turn, status, media, body)
                continue
            # What Turn.answered does, where nothing is unusual, without a call of a function for each.
            if heads is None:
                heads = heads_of(turn.state.default_headers, status, media)
                seen = turn.watch.now
            count += 1
            size += turn.size
            turn.response_complete = True
            turn.seen = seen
            seconds = now - turn.began
            keep(seconds)
            made = next_id()
            try:
                answers.append(heads[len(body)] + made + END + body)
                turns.append(turn)
            except Exception:  # one that is too large for the memory; others have nothing to do with it
                turn.fail()
            if logged:
                access.note((turn.client, self._asked, status, seconds, made))
        self._begun(-count, -size)
        write_all(turns, answers)

    def _begun(self, count: int, size: int) -> None:
        """So many requests, with so many bytes of bodies, wait more than before."""
        self.in_flight += count
        self._door.held += size

    def _refusal(self, count: int, size: int) -> bytes | None:
        """Why so many more requests, with so many bytes in all, are not let in; None where they are."""
        door = self._door
        most = door.max_concurrency
        if most is not None and door.in_flight + count > most:
            return error_body(f"busy: {most} requests are being answered already")
        if self._most is not None and self.in_flight + count > self._most:
            return error_body(f"busy: {self._most} requests to {self.route.route} are being answered already")
        if door.held + size > door.max_held and (door.held or count > 1):  # a lone request is always taken
            return FULL
        return None

    def _let_in(self, receivers: list[Receiver], bodies: list[bytes]) -> tuple[list[Receiver], list[bytes]]:
        """Refuse the requests that there is no room for, and return the others."""
        if self._refusal(len(bodies), sum(map(len, bodies))) is None:
            return receivers, bodies
        let_in: tuple[list[Receiver], list[bytes]] = ([], [])
        size = 0
        for receiver, body in zip(receivers, bodies, strict=True):
            refusal = self._refusal(len(let_in[1]) + 1, size + len(body))
            if refusal is None:
                let_in[0].append(receiver)
                let_in[1].append(body)
                size += len(body)
            else:
                give(receiver, 503, Media.JSON, refusal)
        return let_in

    def send(self, media: int) -> None:
        """Send the requests that have arrived to the workers."""
        if media not in self._arrived:  # others have taken them along
            return
        receivers, bodies, _ = self._arrived.pop(media)
        receivers, bodies = self._let_in(receivers, bodies)
        start, status = 0, 503
        try:
            for link, number, count in self._workers.share(len(bodies)):
                end = start + count
                link.submit(number, media, bodies[start:end], receivers[start:end])
                self._begun(count, sum(map(len, bodies[start:end])))
                start = end
            refusal = b"" if start == len(bodies) else self._refusal_of_workers()
        except Exception:
            _log.exception("%d requests could not be sent to a worker", len(bodies) - start)
            status, refusal = 500, INTERNAL_ERROR
        for receiver in receivers[start:]:
            receiver.link = None  # for the worker it was none
            give(receiver, status, Media.JSON, refusal)

    def _refusal_of_workers(self) -> bytes:
        """Why the workers take no more."""
        return _BUSY if self._workers else _NOT_READY


class Waiting:
    """A request of the long way that waits for its answer."""

    alone = False  # as a turn that is answered one by one
    began = 0.0  # counted and logged it is elsewhere

    def __init__(self, api: Call, request: str, size: int) -> None:
        self.future: asyncio.Future[tuple[int, int, bytes]] = asyncio.get_running_loop().create_future()
        self.link: WorkerLink | None = None
        self.identity = 0
        self.api = api
        self.size = size
        self._request = request

    def answered(self, status: int, media: int, body: bytes) -> None:
        """Take the answer."""
        self.api.ended(self)
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
