"""The whole service in one process: HTTP on plain asyncio, the model on a thread beside it.

For Windows, where there are no Unix sockets, and for debuggers. The same requests get the same answers; what needs
processes of its own is not there: several workers or front ends, the watchdog, replacement, restarts after a crash.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from itertools import count
from typing import Any, cast

import msgspec
import uvicorn

from bentopack.errors import BentopackError
from bentopack.serve import child, httpd, logs, loops, metrics
from bentopack.serve.apps import as_asgi
from bentopack.serve.config import ServeConfig
from bentopack.serve.frames import Media, Requests
from bentopack.serve.frontend import assemble
from bentopack.serve.gate import Gate
from bentopack.serve.hello import ApiKey, Hello
from bentopack.serve.lanes import Lane
from bentopack.serve.link import LATE, Link, Receiver
from bentopack.serve.listening import listen, url_of
from bentopack.serve.loading import load_target
from bentopack.serve.pool import Having, Pool
from bentopack.serve.runner import AsyncLane, ModelThread
from bentopack.serve.service import Service, describe
from bentopack.serve.shared import Slabs
from bentopack.serve.worker import hello_of

OnReady = Callable[[str], None]
_log = logging.getLogger("bentopack.serve")
_SWEEP = 0.1
_TIMEOUT = 60.0


class Here:
    """The model's end in this process: to a front end a link to a worker, and to a lane the place for its answers."""

    number = 0
    shares = False
    stride = 1
    owed = 0

    def __init__(self, lanes: list[Lane], instance: Any, thread: ModelThread, hello: Hello) -> None:
        self.numbers = hello.numbers()
        self.pending: dict[int, tuple[Receiver, float]] = {}
        self._ids = count()
        self._lanes = lanes
        self._loop = asyncio.get_running_loop()
        self._answers: deque[tuple[int, int, int, bytes]] = deque()
        thread.serve([lane for lane in lanes if not lane.api.is_async], instance)
        self._runners = [AsyncLane(lane, instance) if lane.api.is_async else thread for lane in lanes]

    def takes(self, api: int) -> bool:
        """Whether a request that comes now is taken: it always is, and may wait in vain."""
        return True

    def submit(self, api: int, media: int, body: bytes, receiver: Receiver) -> int:
        """Queue a request and return its id."""
        identity, now = next(self._ids), time.monotonic()
        self.pending[identity] = receiver, now
        self._lanes[api].put(Requests(api, media, now, (identity,), (body,)), self)
        self._runners[api].notify()
        return identity

    def drop(self, identity: int) -> None:
        """Nobody waits for this request any more."""
        self.pending.pop(identity, None)

    def forgets(self, ids: Sequence[int]) -> Collection[int]:
        """Say which of these need not be called."""
        return [each for each in ids if each not in self.pending]

    def put(self, identity: int, status: int, media: int, body: bytes) -> None:
        """Take an answer, on whichever thread."""
        self.put_all((identity,), status, media, (body,))

    def put_all(self, ids: Sequence[int], status: int, media: int, bodies: Sequence[bytes]) -> None:
        """Take several answers."""
        self._answers.extend([(each, status, media, body) for each, body in zip(ids, bodies, strict=True)])
        with contextlib.suppress(RuntimeError):  # the loop has ended before a call that took longer than the grace
            self._loop.call_soon_threadsafe(self._answer)

    def expire(self, before: float) -> None:
        """Answer 504 to requests that came ``before`` then."""
        for identity, (receiver, when) in list(self.pending.items()):
            if when < before:
                del self.pending[identity]
                status, body = LATE
                _give(receiver, status, Media.JSON, body)

    def _answer(self) -> None:
        while self._answers:
            identity, status, media, body = self._answers.popleft()
            if identity in self.pending:
                receiver, _ = self.pending.pop(identity)
                _give(receiver, status, media, body)


def _give(receiver: Receiver, status: int, media: int, body: bytes) -> None:
    try:
        receiver.answered(status, media, body)
    except Exception:  # the others have nothing to do with it
        _log.exception("an answer could not be given to its client")


class OnePool(Pool):
    """A pool whose one worker is this process."""

    def __init__(self, service: Service, timeout: float | None, on_hello: Callable[[Hello], None]) -> None:
        self.slabs = Slabs()
        self._seconds: float = timeout or service.options.traffic.get("timeout") or _TIMEOUT
        self._on_hello = on_hello
        self._lanes = [Lane(api) for api in service.apis]
        self._greeting = hello_of(service)
        self._thread = ModelThread()
        self._instance = self._thread.start(service.instantiate)
        self._here: Here | None = None
        self.greeted = asyncio.Event()

    def having(self, key: ApiKey) -> Having:
        """Return this process as the only worker."""
        found = Having(key)
        if self._here is not None:
            found.refill([cast(Link, self._here)])
        return found

    def start(self) -> None:
        """Begin to serve, on the loop that runs."""
        self._here = Here(self._lanes, self._instance, self._thread, self._greeting)
        self._on_hello(self._greeting)
        self.greeted.set()
        self._sweeping = asyncio.create_task(self._sweep())

    def close(self) -> None:
        """End the model's thread after the call that it is in."""
        self._sweeping.cancel()
        self._thread.stop()

    def not_ready(self) -> list[int]:
        """Return nothing once the service is there: it has loaded before."""
        return [] if self._here is not None else [0]

    async def _sweep(self) -> None:
        while self._here is not None:
            await asyncio.sleep(_SWEEP)
            self._here.expire(time.monotonic() - self._seconds)


class Server(httpd.Server):
    """uvicorn as it is everywhere: its own sockets and signals."""

    def __init__(self, config: uvicorn.Config, on_tick: Any, ready: Callable[[], None]) -> None:
        super().__init__(config, cast(Any, None), on_tick)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Run the application's startup and begin to accept."""
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
        server = _server(config, lambda: on_ready(f"Serving {config.service.name} on {url_of(listener)}"))
        loops.run(server.serve(sockets=[listener]))


def _server(config: ServeConfig, ready: Callable[[], None]) -> Server:
    target = config.service.target
    found = load_target(target)
    if config.service.kind == "app":
        gate = Gate(as_asgi(found, target), waiting_for=lambda: "", label=lambda path: "app")

        def tell(connections: Iterable[object]) -> None:
            metrics.in_flight(gate.in_flight)

        return Server(httpd.settings_of(config, gate, http="httptools", ws="auto"), tell, ready)
    gate, connection, tick = assemble(config, partial(OnePool, describe(found, target), config.timeout))
    return Server(httpd.settings_of(config, gate, http=connection, ws="none"), tick, ready)


def _reloaded(encoded: bytes) -> None:
    """What a process does that is started anew at each change."""
    try:
        serve(msgspec.json.decode(encoded, type=ServeConfig), on_ready=lambda line: print(line, flush=True))  # noqa: T201
    except BentopackError as error:
        print(f"error: {error}\nwaiting for a change", file=sys.stderr)  # noqa: T201
