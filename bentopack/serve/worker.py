"""A worker process: holds the model and answers the requests that front ends send it over a Unix socket."""

from __future__ import annotations

import gc
import os
import socket

import msgspec

from bentopack.serve import child, lifeline, openapi
from bentopack.serve.budget import Budget
from bentopack.serve.hello import ApiRoute, Hello
from bentopack.serve.lanes import Lane
from bentopack.serve.loading import load_service
from bentopack.serve.service import Api, Service, worker_count
from bentopack.serve.sync_worker import SyncWorker


def hello_of(service: Service) -> Hello:
    """Describe a service for front ends."""
    options = service.options
    return Hello(
        service=options.name,
        workers=worker_count(options),
        timeout=options.traffic.get("timeout"),
        max_concurrency=options.traffic.get("max_concurrency"),
        pid=os.getpid(),
        apis=tuple(
            ApiRoute(
                name=api.options.name,
                route=api.options.route,
                accepts=tuple(sorted(api.codec.accepts)),
                max_latency=api.options.max_latency_ms / 1000,
                at_once=_at_once(api),
                max_concurrency=api.options.max_concurrency,
            )
            for api in service.apis
        ),
        openapi=msgspec.Raw(msgspec.json.encode(openapi.document(service))),
    )


def _at_once(api: Api) -> int | None:
    if api.batching is not None:
        return api.options.max_batch_size
    return None if api.is_async else 1


def serve(settings: child.ChildSettings, service: Service) -> None:
    """Load the model and answer front ends until SIGTERM, then until they have all left.

    Raises:
        ServeError: the model cannot be loaded.
    """
    # Never closed: closing it would remove the socket's file, which the supervisor keeps for the next worker.
    listener = socket.socket(fileno=settings.listener)
    lanes = [Lane(api) for api in service.apis]
    hello = hello_of(service)

    budget = Budget(settings.config.max_requests, lambda: child.report(settings, child.Tired()))

    def ready() -> None:
        gc.collect()
        gc.freeze()  # the model lives as long as the process: no collection need look at it again
        child.report(settings, child.Started(len(service.apis), worker_count(service.options)))

    if any(api.is_async for api in service.apis):
        # A fifth of a worker's start, which one without them has no use for.
        from bentopack.serve import loops
        from bentopack.serve.async_worker import AsyncWorker
        from bentopack.serve.model_thread import ModelThread

        thread = ModelThread()
        worker = AsyncWorker(lanes, thread.start(service.instantiate), hello, thread, budget)
        loops.run(worker.run(listener, ready))
        thread.stop()
    else:
        SyncWorker(lanes, service.instantiate(), hello, listener, budget).run(ready)


def main() -> None:
    """Run a worker; the supervisor gives its settings."""
    settings = child.begin()
    lifeline.die_at_once()
    with child.reporting(settings):
        serve(settings, load_service(settings))


if __name__ == "__main__":
    main()
