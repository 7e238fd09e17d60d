"""A front-end process: speaks HTTP, reads bodies, and lets the workers answer. It never imports the user's code."""

from __future__ import annotations

import time
from functools import lru_cache, partial
from pathlib import Path

from bentopack.errors import did_you_mean
from bentopack.serve import child
from bentopack.serve.asgi import Headers, Receive, Scope, Send, header, read_body, refuse, respond
from bentopack.serve.config import ServeConfig
from bentopack.serve.errors import ApiError
from bentopack.serve.frames import CONTENT_TYPES, Media, Reply
from bentopack.serve.gate import Gate
from bentopack.serve.hello import ApiRoute, Hello
from bentopack.serve.httpd import run_server
from bentopack.serve.link import Pool

_TYPES = {media: name.encode() for media, name in CONTENT_TYPES.items()}
_RETRY: Headers = [(b"retry-after", b"1")]
_CLOSE: Headers = [(b"connection", b"close")]


class FrontEnd:
    """The ASGI application in front of the workers."""

    def __init__(self, config: ServeConfig, pool_of: partial[Pool]) -> None:
        self._max_body = config.max_body
        self._max_concurrency: int | None = None
        self._in_flight = 0
        self._hello: Hello | None = None
        self._routes: dict[str, tuple[int, ApiRoute]] = {}
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

    def label(self, path: str) -> str:
        """Return the name of the API at a path, for the metrics."""
        found = self._routes.get(path)
        return found[1].name if found else "other"

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
            reply = await self._predict(*found, scope, receive)
            more = _RETRY if reply.status == 503 else None
            await respond(send, reply.status, reply.body, _TYPES[Media(reply.media)], more)

    async def _predict(self, number: int, api: ApiRoute, scope: Scope, receive: Receive) -> Reply:
        media = _media_of(header(scope, b"content-type"))
        if media not in api.accepts:
            raise _unsupported(api, header(scope, b"content-type"))
        if header(scope, b"content-encoding") not in (b"", b"identity"):
            raise ApiError(415, "compressed bodies are not read; send the body as it is")
        body = await read_body(scope, receive, self._max_body)
        # A client's slow upload is neither a request that waits nor one that is being answered.
        if self._max_concurrency is not None and self._in_flight >= self._max_concurrency:
            raise ApiError(503, f"busy: {self._max_concurrency} requests are being answered already")
        self._in_flight += 1
        try:
            link = self.pool.best()
            if link is None:
                raise ApiError(503, "no worker is ready")
            return await link.submit(number, media, body, time.monotonic())
        finally:
            self._in_flight -= 1

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
        self._max_concurrency = hello.max_concurrency
        self._routes = {api.route: (number, api) for number, api in enumerate(hello.apis)}

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        self.pool.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
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


def _unsupported(api: ApiRoute, content_type: bytes) -> ApiError:
    takes = " or ".join(CONTENT_TYPES[Media(kind)] for kind in api.accepts)
    return ApiError(415, f"{api.route} takes {takes}, not {content_type.decode('latin-1')}")


def _headers_of(error: ApiError) -> Headers | None:
    extra: dict[int, Headers] = {408: _CLOSE, 413: _CLOSE, 503: _RETRY, 405: [(b"allow", b"POST")]}
    return extra.get(error.status)


def main() -> None:
    """Run a front end; the supervisor gives its settings."""
    settings = child.begin()
    config = settings.config
    pool_of = partial(
        Pool,
        partial(child.worker_socket, settings.runtime),
        workers=config.workers or config.service.workers,
        timeout=config.timeout,
    )
    app = FrontEnd(config, pool_of)
    run_server(settings, Gate(app, waiting_for=app.waiting_for, label=app.label), ws="none")


if __name__ == "__main__":
    main()
