"""A front-end process that holds the service itself, and calls it between two turns of its loop.

Nothing is handed to another process, which for models that answer in next to no time costs more than the model. But a
call keeps the process from everything else: while it lasts, no request is read and no answer sent.
"""

from __future__ import annotations

import faulthandler
import gc
from collections.abc import Iterable
from functools import partial

import msgspec

from bentopack.serve import child
from bentopack.serve.budget import Budget
from bentopack.serve.fastpath import FastProtocol
from bentopack.serve.frontend import assemble
from bentopack.serve.here import Here, HerePool, OnLoop
from bentopack.serve.httpd import run_server
from bentopack.serve.lanes import Lane
from bentopack.serve.loading import load_target
from bentopack.serve.service import Service, describe
from bentopack.serve.worker import hello_of

_OFTEN = 10  # ticks between two signs of life


class Watchdog:
    """Ends the process, with the tracebacks of its threads, when it has shown no sign of life for so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ticks = 0

    def tick(self) -> None:
        """The loop turns: called ten times a second."""
        if self._ticks % _OFTEN == 0:
            faulthandler.dump_traceback_later(self._seconds, exit=True)  # by a thread that needs no lock of Python's
        self._ticks += 1


def serve(settings: child.ChildSettings, service: Service) -> None:
    """Load the model and answer HTTP until SIGTERM.

    Raises:
        ServeError: the model cannot be loaded.
    """
    hello = hello_of(service)
    count = settings.config.workers or hello.workers
    config = msgspec.structs.replace(settings.config, front_ends=count)  # they share what one machine has
    instance = service.instantiate()
    budget = Budget(config.max_requests, lambda: child.report(settings, child.Tired()))

    def here() -> Here:
        lanes = [Lane(api) for api in service.apis]
        return Here(lanes, instance, OnLoop(lanes, instance), hello, budget)

    gate, connection, tick = assemble(config, partial(HerePool, here, hello, config.timeout))
    timeout = config.timeout or hello.timeout or 60.0
    watchdog = Watchdog(config.watchdog or 2 * timeout)

    def on_tick(connections: Iterable[FastProtocol]) -> None:
        watchdog.tick()
        tick(connections)

    gc.collect()
    gc.freeze()  # the model lives as long as the process
    started = child.Started(len(service.apis), hello.workers)
    run_server(settings, gate, http=connection, on_tick=on_tick, ws="none", started=started)


def main() -> None:
    """Run one process; the supervisor gives its settings."""
    settings = child.begin()
    child.import_from_source(settings.config)
    with child.reporting(settings):
        target = settings.config.service.target
        serve(settings, describe(load_target(target), target))


if __name__ == "__main__":
    main()
