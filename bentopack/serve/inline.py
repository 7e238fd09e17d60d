"""A front-end process that holds the service itself, and calls it between two turns of its loop.

Nothing is handed to another process, which for models that answer in next to no time costs more than the model. But a
call keeps the process from everything else: while it lasts, no request is read and no answer sent.
"""

from __future__ import annotations

import asyncio
import faulthandler
import gc
from functools import partial

import msgspec

from bentopack.serve import child
from bentopack.serve.budget import Budget
from bentopack.serve.frontend import assemble
from bentopack.serve.here import Here, HerePool, OnLoop
from bentopack.serve.httpd import run_server
from bentopack.serve.lanes import Lane
from bentopack.serve.loading import load_service
from bentopack.serve.service import Service
from bentopack.serve.worker import hello_of

_OFTEN = 1.0  # seconds between two signs of life


async def watch(seconds: float) -> None:
    """End the process, with the tracebacks of its threads, where the loop stands still for so many seconds."""
    often = min(_OFTEN, seconds / 4)
    while True:
        faulthandler.dump_traceback_later(seconds + often, exit=True)  # by a thread that needs no lock of Python's
        await asyncio.sleep(often)


def serve(settings: child.ChildSettings, service: Service) -> None:
    """Load the model and answer HTTP until SIGTERM.

    Raises:
        ServeError: the model cannot be loaded.
    """
    hello = hello_of(service)
    timeout = settings.config.timeout or hello.timeout or 60.0
    config = msgspec.structs.replace(
        settings.config,
        front_ends=settings.config.workers or hello.workers,  # they share what one machine has
    )
    instance = service.instantiate()
    budget = Budget(config.max_requests, lambda: child.report(settings, child.Tired()))

    watching = []

    def here() -> Here:
        watching.append(asyncio.create_task(watch(config.watchdog or 2 * timeout)))
        lanes = [Lane(api) for api in service.apis]
        return Here(lanes, instance, OnLoop(lanes, instance), hello, budget)

    gate, connection, tick = assemble(config, partial(HerePool, here, hello, config.timeout))
    gc.collect()
    gc.freeze()  # the model lives as long as the process
    started = child.Started(len(service.apis), hello.workers)
    settings = msgspec.structs.replace(settings, config=config)
    run_server(settings, gate, http=connection, on_tick=tick, ws="none", started=started)


def main() -> None:
    """Run one process; the supervisor gives its settings."""
    settings = child.begin()
    with child.reporting(settings):
        serve(settings, load_service(settings))


if __name__ == "__main__":
    main()
