"""uvicorn, on a socket that the supervisor has bound, told when to stop by the supervisor alone."""

from __future__ import annotations

import asyncio
import contextlib
import math
import signal
import socket
import sys
from collections.abc import Iterator
from typing import Literal

import uvicorn

from bentopack.serve import child, loops
from bentopack.serve.asgi import App


class Server(uvicorn.Server):
    """Reports to the supervisor when it accepts connections, and drains on SIGTERM."""

    def __init__(self, config: uvicorn.Config, settings: child.ChildSettings) -> None:
        super().__init__(config)
        self._settings = settings

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Run the application's startup and begin to accept."""
        await super().startup(sockets)
        if self.started:
            child.report(self._settings, child.Started())

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave SIGINT to the supervisor."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._stop)
        yield

    def _stop(self) -> None:
        self.should_exit = True


def run_server(settings: child.ChildSettings, app: App, *, ws: Literal["none", "auto"]) -> None:
    """Serve an application until SIGTERM, then answer what has been accepted; exits 3 if its startup fails."""
    config = uvicorn.Config(
        app,
        http="httptools",
        ws=ws,
        lifespan="auto",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=settings.config.service.kind == "app",
        timeout_graceful_shutdown=max(1, math.ceil(settings.config.grace)),
    )
    server = Server(config, settings)
    # It is the supervisor's as well, which listens on while this process is replaced.
    with socket.socket(fileno=settings.listener) as listener:
        loops.run(server.serve(sockets=[listener]))
    if not server.started:
        sys.exit(3)
