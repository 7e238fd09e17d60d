"""In front of every application: counts and logs its requests, and answers the probes and the metrics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

import msgspec

from bentopack.serve import access, tallies
from bentopack.serve.asgi import App, ClientGone, Message, Receive, Scope, Send, header, respond
from bentopack.serve.request_ids import HEADER, request_id

CLIENT_GONE = 499
"""What nginx notes for a client that left before its answer; it is never sent."""


class Gate:
    """Wraps an ASGI application.

    Args:
        app: the application behind it.
        waiting_for: says what the service still waits for; nothing means ready.
        label: the API's name for a path, in the metrics.
    """

    def __init__(self, app: App, *, waiting_for: Callable[[], str], label: Callable[[str], str]) -> None:
        self._app = app
        self._waiting_for = waiting_for
        self._label = label
        self.in_flight = 0
        self._own = {
            "/livez": self._live,
            "/readyz": self._ready,
            "/healthz": self._ready,
            "/metrics": self._metrics,
        }

    def tell(self, connections: Iterable[object]) -> None:
        """Tell Prometheus what was counted; for an application, ten times a second."""
        tallies.in_flight.count = self.in_flight
        tallies.tell()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection's scope."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        own = self._own.get(scope["path"])
        if own is not None:
            await own(send)
            return
        await self._count(scope, receive, send)

    async def _count(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        status = 500
        identity = request_id(header(scope, HEADER))
        scope.setdefault("state", {})["request_id"] = identity.decode()

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = list(message.get("headers", ()))  # it may be read once only
                if all(name.lower() != HEADER for name, _ in headers):
                    headers.append((HEADER, identity))
                message = {**message, "headers": headers}
            await send(message)

        self.in_flight += 1
        try:
            await self._app(scope, receive, note)
        except ClientGone:  # there is nobody to tell
            status = CLIENT_GONE
        finally:
            self.in_flight -= 1
            seconds = time.perf_counter() - began
            tallies.tally_of(self._label(scope["path"])).seconds[status].append(seconds)
            client = (scope.get("client") or ("-",))[0]
            if access.is_on():
                access.note((client, f"{scope['method']} {_asked(scope)}", status, seconds, identity))

    async def _live(self, send: Send) -> None:
        await respond(send, 200, b'{"status":"live"}')

    async def _ready(self, send: Send) -> None:
        reason = self._waiting_for()
        if reason:
            await respond(send, 503, msgspec.json.encode({"status": "not ready", "reason": reason}))
        else:
            await respond(send, 200, b'{"status":"ready"}')

    async def _metrics(self, send: Send) -> None:
        metrics = await asyncio.to_thread(tallies.prepare)
        tallies.tell()
        body = await asyncio.to_thread(metrics.exposition)
        await respond(send, 200, body, metrics.CONTENT_TYPE.encode())


def _asked(scope: Scope) -> str:
    """The path as it was sent: a quoted newline or escape stays quoted, and cannot forge a line of the log."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.decode("ascii", "backslashreplace")
