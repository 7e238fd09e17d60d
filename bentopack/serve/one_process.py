"""The whole service in one process: HTTP on plain asyncio, the model on a thread beside it.

For Windows, where there are no Unix sockets, and for debuggers. The same requests get the same answers; what needs
processes of its own is not there: several workers or front ends, the watchdog, replacement, restarts after a crash.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, cast

import msgspec
import uvicorn

from bentopack.errors import BentopackError
from bentopack.serve import child, httpd, logs, loops, orphans
from bentopack.serve.apps import as_asgi
from bentopack.serve.config import ServeConfig
from bentopack.serve.frontend import assemble
from bentopack.serve.gate import Gate
from bentopack.serve.here import BesideThread, Here, HerePool
from bentopack.serve.lanes import Lane
from bentopack.serve.listening import listen, url_of
from bentopack.serve.loading import load_target
from bentopack.serve.model_thread import ModelThread
from bentopack.serve.service import describe
from bentopack.serve.worker import hello_of

OnReady = Callable[[str], None]
_log = logging.getLogger("bentopack.serve")


class Server(httpd.Server):
    """uvicorn as it is everywhere: its own sockets and signals."""

    def __init__(self, config: uvicorn.Config, on_tick: Any, ready: Callable[[], None]) -> None:
        super().__init__(config, cast(Any, None), on_tick, child.Started())
        self._ready = ready
        self._reaping: object = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Run the application's startup and begin to accept."""
        self._reaping = orphans.begin()
        await uvicorn.Server.startup(self, sockets)
        if self.started:
            self._ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Answer what has been accepted after SIGTERM or Ctrl-C, and exit with 0; a second signal does not wait."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._signalled)
        yield

    def _signalled(self, number: int, frame: object) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True


def serve(config: ServeConfig, *, on_ready: OnReady) -> None:
    """Serve until SIGTERM or Ctrl-C; with ``reload`` in a process that is started anew when the source changes.

    Raises:
        ServeError: the address cannot be had, or the service cannot be loaded.
    """
    if config.reload:
        from watchfiles import run_process

        again = msgspec.json.encode(msgspec.structs.replace(config, reload=False))
        run_process(config.source, target=_reloaded, args=(again,), target_type="function")
        return
    logs.configure("service", access=config.access_log)
    if (config.workers or config.service.workers or 1) > 1 or config.front_ends > 1:
        _log.warning("the service runs in one process: there are no more workers or front ends than that")
    os.environ.update({name: value for name, value in config.envs.items() if name not in os.environ})
    with listen(config.host, config.port) as listener:
        os.chdir(config.source)
        child.import_from_source(config)
        url = url_of(listener, tls=config.speaks_tls)
        server = _server(config, lambda: on_ready(f"Serving {config.service.name} on {url}"))
        loops.run(server.serve(sockets=[listener]))


def _server(config: ServeConfig, ready: Callable[[], None]) -> Server:
    target = config.service.target
    found = load_target(target)
    if config.service.kind == "app":
        gate = Gate(as_asgi(found, target), waiting_for=lambda: "", label=lambda path: "app")
        return Server(httpd.settings_of(config, gate, http="httptools", ws="auto"), gate.tell, ready)
    service = describe(found, target)
    hello, thread = hello_of(service), ModelThread()
    instance = thread.start(service.instantiate)

    def here() -> Here:
        return BesideThread([Lane(api) for api in service.apis], instance, thread, hello)

    gate, connection, tick = assemble(config, partial(HerePool, here, hello, config.timeout))
    return Server(httpd.settings_of(config, gate, http=connection, ws="none"), tick, ready)


def _reloaded(encoded: bytes) -> None:
    """What a process does that is started anew at each change."""
    try:
        serve(msgspec.json.decode(encoded, type=ServeConfig), on_ready=lambda line: print(line, flush=True))  # noqa: T201
    except BentopackError as error:
        print(f"error: {error}\nwaiting for a change", file=sys.stderr)  # noqa: T201
