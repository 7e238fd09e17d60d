"""uvicorn, on a socket that the supervisor has bound, told when to stop by the supervisor alone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

import uvicorn

from bentopack.serve import access, child, loops, tallies, tls
from bentopack.serve.accepting import Acceptor
from bentopack.serve.asgi import CLOSE, App
from bentopack.serve.config import ServeConfig, patience_of
from bentopack.serve.fastpath import FastProtocol
from bentopack.serve.unsent import unsent

_log = logging.getLogger("bentopack.serve")
_TICKS = 10  # a second
_GOODBYE = 1.0  # seconds, at the end, for clients to ask once more on connections that they keep


class Server(uvicorn.Server):
    """Reports to the supervisor when it accepts connections, and drains on SIGTERM and SIGUSR1."""

    def __init__(
        self,
        config: uvicorn.Config,
        settings: child.ChildSettings,
        on_tick: Callable[[Iterable[Any]], None] | None,
        started: child.Started,
    ) -> None:
        super().__init__(config)
        self._settings = settings
        self._started = started
        self._on_tick = on_tick

    async def on_tick(self, counter: int) -> bool:
        """Called every tenth of a second."""
        try:
            access.write()
            if self.config.is_ssl and counter % _TICKS == 0:
                self._hang_up()
            if self._on_tick is not None:
                self._on_tick(self.server_state.connections)
        except Exception:  # it would end the server
            _log.exception("what is done every tenth of a second has failed")
        return await super().on_tick(counter)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Run the application's startup and begin to accept."""
        await super().startup([])
        if self.started:
            if issubclass(self.config.http_protocol_class, FastProtocol):
                self.config.http_protocol_class.begin()
            self.servers = [Acceptor(each, self._connection, self.config.ssl) for each in sockets or ()]  # type: ignore[misc]
            child.report(self._settings, self._started)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more, tell each client with its next answer that its connection closes, and then end.

        A client may be about to ask again on a connection that is idle: where its request crosses the close, it cannot
        know whether that was executed.
        """
        acceptors, self.servers = self.servers, []
        for acceptor in acceptors:
            acceptor.close()
        for each in sockets or ():
            each.close()
        kind = self.config.http_protocol_class
        if issubclass(kind, FastProtocol):
            kind.end()
        self.server_state.default_headers = [*self.server_state.default_headers, CLOSE]
        for connection in list(self.server_state.connections):
            cycle = getattr(connection, "cycle", None)
            if cycle is not None and not cycle.response_complete:  # begun with the headers of before
                connection.shutdown()
        grace = self.config.timeout_graceful_shutdown or 1
        goodbye = min(_GOODBYE, grace / 2)
        end = time.monotonic() + goodbye
        while time.monotonic() < end:
            await asyncio.sleep(0.02)  # what has just been accepted becomes a connection
            if not self.server_state.connections and not any(getattr(each, "beginning", ()) for each in acceptors):
                break
        self.config.timeout_graceful_shutdown = max(1, math.ceil(grace - goodbye))
        hanging_up = asyncio.create_task(self._hang_up_often())
        await super().shutdown()
        hanging_up.cancel()
        if issubclass(kind, FastProtocol) and kind.poller is not None:
            kind.poller.close()

    async def _hang_up_often(self) -> None:
        while self.config.is_ssl:
            await asyncio.sleep(_GOODBYE / 2)
            self._hang_up()

    def _hang_up(self) -> None:
        """End connections that were closed and wait for the client's own goodbye alone: with TLS many never say one."""
        for connection in list(self.server_state.connections):
            transport = connection.transport
            if transport.is_closing() and not unsent(transport):
                transport.abort()

    def _connection(self, accepted: socket.socket) -> asyncio.Protocol:
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        if isinstance(made, FastProtocol) and not self.config.is_ssl:
            made.accepted(accepted)
        return made

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave SIGINT to the supervisor."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop)
        loop.add_signal_handler(signal.SIGUSR1, self._leave)
        yield

    def _stop(self) -> None:
        self.should_exit = True

    def _leave(self) -> None:
        """A successor is there: nobody waits for this process, and what it has may take its time."""
        self.config.timeout_graceful_shutdown = math.ceil(patience_of(self._settings.config))
        self.should_exit = True


def settings_of(
    config: ServeConfig, app: App, *, http: type[asyncio.Protocol] | Literal["httptools"], ws: Literal["none", "auto"]
) -> uvicorn.Config:
    """Return how uvicorn is to serve an application; ``http`` is the class of a connection.

    Raises:
        ServeError: the certificate cannot be used.
    """
    return uvicorn.Config(
        app,
        http=http,
        ws=ws,
        lifespan="auto",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=config.service.kind == "app",
        timeout_graceful_shutdown=max(1, math.ceil(config.grace)),
        **tls.options_of(config),
    )


def run_server(
    settings: child.ChildSettings,
    app: App,
    *,
    ws: Literal["none", "auto"],
    http: type[asyncio.Protocol] | Literal["httptools"] = "httptools",
    on_tick: Callable[[Iterable[Any]], None] | None = None,
    started: child.Started | None = None,
) -> None:
    """Serve an application until SIGTERM, then answer what has been accepted; exits 3 if its startup fails.

    Args:
        http: the class of a connection.
        on_tick: called every tenth of a second with all connections.
        started: what the supervisor is told when connections are accepted.
    """
    with child.reporting(settings):
        config = settings_of(settings.config, app, http=http, ws=ws)
    server = Server(config, settings, on_tick, started or child.Started())
    # It is the supervisor's as well, which listens on while this process is replaced.
    with socket.socket(fileno=settings.listener) as listener:
        loops.run(server.serve(sockets=[listener]))
    access.write()
    tallies.tell_last()
    if not server.started:
        sys.exit(3)
