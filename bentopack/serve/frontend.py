"""A front-end process: speaks HTTP, reads bodies, and lets the workers answer. It never imports the user's code."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from pathlib import Path
from time import perf_counter
from urllib.parse import quote

from bentopack.errors import did_you_mean
from bentopack.serve import access, child, metrics
from bentopack.serve.asgi import CLOSE, RETRY, Headers, Receive, Scope, Send, header, read_body, refuse, respond
from bentopack.serve.config import ServeConfig
from bentopack.serve.errors import ApiError, error_body
from bentopack.serve.fastpath import FastProtocol, Watch
from bentopack.serve.frames import CONTENT_TYPES, TYPE_BYTES, Media
from bentopack.serve.gate import Gate
from bentopack.serve.held import FULL, Coming, default_of, relieve
from bentopack.serve.hello import ApiRoute, Hello
from bentopack.serve.httpd import run_server
from bentopack.serve.link import Link, Receiver
from bentopack.serve.pool import Pool
from bentopack.serve.shared import Slab
from bentopack.serve.turn import Turn
from bentopack.serve.upload import Upload

_log = logging.getLogger("bentopack.serve")
_ACQUAINTANCE = 1.0  # seconds, for workers that have loaded; one in a call is late
_NOT_READY = error_body("no worker is ready")
_BUSY = error_body("busy: more requests wait than could be called in time")


class Call:
    """One API in a front end."""

    def __init__(self, front_end: FrontEnd, route: ApiRoute) -> None:
        self.route = route
        self.in_flight = 0
        self._front_end = front_end
        self._workers = front_end.pool.having(route.key)
        self._tally = metrics.Tally(route.name)
        self._path = quote(route.route)

    def media_of(self, content_type: bytes) -> int | None:
        """Sort a content type; None where the API does not take it."""
        media = _media_of(content_type)
        return media if media in self.route.accepts else None

    def slab_for(self, length: int) -> Slab | None:
        """Shared memory for a body of so many bytes, or None where it goes by the socket."""
        return self._front_end.pool.slabs.take(length)

    def discard(self, slab: Slab) -> None:
        """Take back the memory of a body that nobody will ask for."""
        self._front_end.pool.slabs.give_back(slab)

    def submit(self, media: int, body: bytes | Upload, receiver: Turn | Waiting) -> tuple[Link, int] | None:
        """Send a request to the least loaded worker; None, with the receiver answered, where it is refused."""
        front_end = self._front_end
        self.in_flight += 1
        receiver.size = size = len(body)
        front_end.held += size
        most = front_end.max_concurrency
        most_here = self.route.max_concurrency
        if most is not None and front_end.in_flight > most:
            refusal = error_body(f"busy: {most} requests are being answered already")
        elif most_here is not None and self.in_flight > most_here:
            refusal = error_body(f"busy: {most_here} requests to {self.route.route} are being answered already")
        elif size < front_end.held > front_end.max_held:  # a lone request is always taken
            refusal = FULL
        elif (found := self._workers.least_loaded()) is None:
            refusal = _NOT_READY
        else:
            link, number = found
            if link.takes(number):
                if isinstance(body, bytes):
                    return link, link.submit(number, media, body, receiver)
                return link, _submit_upload(link, number, media, body, receiver)
            refusal = _BUSY
        if isinstance(body, Upload):
            body.discard()
        receiver.answered(503, Media.JSON, refusal)
        return None

    def answered(self, turn: Turn, status: int) -> None:
        """Count an answer."""
        seconds = perf_counter() - turn.began
        self.in_flight -= turn.submitted
        self._front_end.held -= turn.size
        self._tally.seconds[status].append(seconds)
        if status == 500 and turn.sent is not None:
            _tell(turn.id.decode(), *turn.sent)
        if access.is_on():
            client = turn.protocol.client
            access.note(client[0] if client else "-", "POST", self._path, status, seconds, turn.id)


def _submit_upload(link: Link, number: int, media: int, upload: Upload, receiver: Receiver) -> int:
    if link.shares:
        return link.submit_large(number, media, upload.slab, upload.length, receiver)
    body = upload.slab.memory[: upload.length]
    upload.discard()
    return link.submit(number, media, body, receiver)


class Waiting:
    """A request of the long way that waits for its answer."""

    def __init__(self, front_end: FrontEnd, call: Call) -> None:
        self.future: asyncio.Future[tuple[int, int, bytes]] = asyncio.get_running_loop().create_future()
        self._front_end = front_end
        self._call = call
        self.size = 0

    def answered(self, status: int, media: int, body: bytes) -> None:
        self._call.in_flight -= 1
        self._front_end.held -= self.size
        if not self.future.done():
            self.future.set_result((status, media, body))


class FrontEnd:
    """The ASGI application in front of the workers."""

    def __init__(self, config: ServeConfig, pool_of: Callable[..., Pool]) -> None:
        self._max_body = config.max_body
        self._most_at_once = self.max_concurrency = config.max_concurrency
        self.max_held = config.max_held or default_of(config.front_ends)
        self.held = 0
        """Bytes of bodies: of all that wait or are under way, and of those that arrive the long way."""
        self.calls: dict[bytes, Call] = {}
        """By the request line as it is sent."""
        self._hello: Hello | None = None
        self._routes: dict[str, Call] = {}
        self._page = Path(__file__).with_name("docs.html").read_bytes()
        self.pool = pool_of(on_hello=self._greeted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one scope: a request, or the server's lifespan."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        try:
            await self._answer(scope, receive, send)
        except ApiError as error:
            await refuse(send, error, _headers_of(error))

    @property
    def in_flight(self) -> int:
        """How many requests wait for their answer."""
        return sum(call.in_flight for call in self._routes.values())

    def label(self, path: str) -> str:
        """Return the name of the API at a path, for the metrics."""
        found = self._routes.get(path)
        return found.route.name if found else "other"

    def waiting_for(self) -> str:
        """Say which workers have not loaded; nothing when all have."""
        missing = self.pool.not_ready()
        return f"waiting for worker {', '.join(map(str, missing))} to load" if missing else ""

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._routes.get(scope["path"])
        if found is None:
            await self._other(scope["path"], scope["method"], send)
        elif scope["method"] != "POST":
            raise ApiError(405, f"{scope['path']} takes POST, not {scope['method']}")
        else:
            status, media, answer = await self._predict(found, scope, receive)
            await respond(send, status, answer, TYPE_BYTES[Media(media)], RETRY if status == 503 else None)

    async def _predict(self, call: Call, scope: Scope, receive: Receive) -> tuple[int, int, bytes]:
        media = call.media_of(header(scope, b"content-type"))
        if media is None:
            raise _unsupported(call.route, header(scope, b"content-type"))
        if header(scope, b"content-encoding") not in (b"", b"identity"):
            raise ApiError(415, "compressed bodies are not read; send the body as it is")
        # A client's slow upload is neither a request that waits nor one that is being answered.
        with Coming(self) as coming:
            body = await read_body(scope, receive, self._max_body, take=coming.take)
        waiting = Waiting(self, call)
        sent = call.submit(media, body, waiting)
        answer = await waiting.future
        if answer[0] == 500 and sent is not None:
            _tell(scope["state"]["request_id"], *sent)
        return answer

    async def _other(self, path: str, method: str, send: Send) -> None:
        if path == "/":
            await respond(send, 307, b"", b"text/plain", [(b"location", b"docs")])
        elif path == "/docs":
            await respond(send, 200, self._page, b"text/html; charset=utf-8")
        elif self._hello is None:
            raise ApiError(503, "no worker is ready yet")
        elif path == "/openapi.json":
            await respond(send, 200, bytes(self._hello.openapi))
        else:
            raise ApiError(404, f"there is no {path}{did_you_mean(path, self._routes)}")

    def _greeted(self, hello: Hello) -> None:
        self._hello = hello
        self.max_concurrency = self._most_at_once or hello.max_concurrency
        if {name: call.route for name, call in self._routes.items()} != {api.route: api for api in hello.apis}:
            self._routes = {api.route: Call(self, api) for api in hello.apis}
            self.calls.clear()
            self.calls |= {b"POST %s HTTP/1.1" % quote(route).encode(): call for route, call in self._routes.items()}

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        self.pool.start()
        with contextlib.suppress(asyncio.TimeoutError):  # before connections come, which others might take
            await asyncio.wait_for(self.pool.greeted.wait(), _ACQUAINTANCE)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        metrics.tell_tallies()
        self.pool.close()
        await send({"type": "lifespan.shutdown.complete"})


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


def _tell(request: str, link: Link, identity: int) -> None:
    """Say by which number the traceback of a request that failed is found: workers do not know its id."""
    _log.error("request %s failed: %08x in the log of worker %d", request, identity, link.number)


def _unsupported(api: ApiRoute, content_type: bytes) -> ApiError:
    takes = " or ".join(CONTENT_TYPES[Media(kind)] for kind in api.accepts)
    return ApiError(415, f"{api.route} takes {takes}, not {content_type.decode('latin-1')}")


def _headers_of(error: ApiError) -> Headers | None:
    extra: dict[int, Headers] = {408: [CLOSE], 413: [CLOSE], 503: RETRY, 405: [(b"allow", b"POST")]}
    return extra.get(error.status)


def assemble(
    config: ServeConfig, pool_of: Callable[..., Pool]
) -> tuple[Gate, type[FastProtocol], Callable[[Iterable[FastProtocol]], None]]:
    """Put a front end together: its application, the class of its connections, and what is done ten times a second."""
    app = FrontEnd(config, pool_of)
    gate = Gate(app, waiting_for=app.waiting_for, label=app.label)
    watch = Watch()
    connection = FastProtocol.serving(app.calls, config.max_body, watch)

    def tick(connections: Iterable[FastProtocol]) -> None:
        metrics.tell_tallies()
        metrics.in_flight(app.in_flight)
        if watch.sweep(connections):
            relieve(app, connections)

    return gate, connection, tick


def main() -> None:
    """Run a front end; the supervisor gives its settings."""
    settings = child.begin()
    config = settings.config
    pool_of = partial(
        Pool,
        partial(child.worker_socket, settings.runtime),
        workers=config.workers or config.service.workers,
        timeout=config.timeout,
        watchdog=config.watchdog,
        front_ends=config.front_ends,
    )
    gate, connection, tick = assemble(config, pool_of)
    gc.freeze()  # what has been made so far stays
    run_server(settings, gate, http=connection, on_tick=tick, ws="none")


if __name__ == "__main__":
    main()
