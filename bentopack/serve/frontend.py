"""A front-end process: speaks HTTP, reads bodies, and lets the workers answer. It never imports the user's code."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from urllib.parse import quote

from bentopack.errors import did_you_mean
from bentopack.serve import child, tallies
from bentopack.serve.asgi import CLOSE, RETRY, Headers, Receive, Scope, Send, header, read_body, refuse, respond
from bentopack.serve.call import Call, Waiting
from bentopack.serve.config import ServeConfig
from bentopack.serve.errors import ApiError
from bentopack.serve.fastpath import FastProtocol, Watch
from bentopack.serve.frames import CONTENT_TYPES, TYPE_BYTES, Media
from bentopack.serve.gate import Gate
from bentopack.serve.held import Coming, default_of, relieve
from bentopack.serve.hello import ApiRoute, Hello
from bentopack.serve.httpd import run_server
from bentopack.serve.pool import Pool

_log = logging.getLogger("bentopack.serve")
_ACQUAINTANCE = 1.0  # seconds, for workers that have loaded; one in a call is late


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
        self.on_other_calls: Callable[[], None] = lambda: None
        """Called when they have changed."""
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
        waiting = Waiting(call, scope["state"]["request_id"], len(body))
        call.submit(media, body, waiting)
        return await waiting.future

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
            before = self._routes
            self._routes = {api.route: _again(before.get(api.route), api) or Call(self, api) for api in hello.apis}
            self.calls.clear()
            self.calls |= {b"POST %s HTTP/1.1" % quote(route).encode(): call for route, call in self._routes.items()}
            self.on_other_calls()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        self.pool.start()
        with contextlib.suppress(asyncio.TimeoutError):  # before connections come, which others might take
            await asyncio.wait_for(self.pool.greeted.wait(), _ACQUAINTANCE)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.pool.close()
        await send({"type": "lifespan.shutdown.complete"})


def _again(call: Call | None, api: ApiRoute) -> Call | None:
    """An API's call where the API is what it was."""
    return call if call is not None and call.route == api else None


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
    app.on_other_calls = connection.plain.forget

    def tick(connections: Iterable[FastProtocol]) -> None:
        tallies.in_flight.count = app.in_flight
        tallies.tell()
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
