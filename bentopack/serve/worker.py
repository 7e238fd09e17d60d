"""A worker process: holds the model and answers the requests that front ends send it over a Unix socket."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from collections import deque
from typing import Any, cast

import msgspec

from bentopack.errors import ServeError
from bentopack.serve import child, forks, loops, openapi
from bentopack.serve.errors import INTERNAL_ERROR
from bentopack.serve.frames import FrameReader, Kind, Media, Reply, Request, pack_hello, pack_replies
from bentopack.serve.hello import ApiRoute, Hello
from bentopack.serve.lanes import Job, Lane
from bentopack.serve.loading import load_target
from bentopack.serve.runner import AsyncLane, ModelThread
from bentopack.serve.service import Service, describe, worker_count

_log = logging.getLogger("bentopack.serve")


class Worker:
    """One loaded service and the lanes of its APIs."""

    def __init__(self, service: Service, instance: Any, thread: ModelThread) -> None:
        self.hello = pack_hello(msgspec.json.encode(hello_of(service)))
        self.connections: set[Connection] = set()
        self._lanes = [Lane(api) for api in service.apis]
        thread.serve([lane for lane in self._lanes if not lane.api.is_async], instance)
        self._runners: list[ModelThread | AsyncLane] = [
            AsyncLane(lane, instance) if lane.api.is_async else thread for lane in self._lanes
        ]

    def submit(self, jobs: list[Job]) -> None:
        """Queue requests, and wake those who call the model for them."""
        numbers = set()
        for job in jobs:
            self._lanes[job.request.api].put(job)
            numbers.add(job.request.api)
        for number in numbers:
            self._runners[number].notify()

    async def drain(self) -> None:
        """Wait until every front end has left, and every accepted request has been answered.

        A signal to a whole process group or service unit reaches workers too; front ends then still need them.
        """
        while self.connections or not all(runner.idle for runner in self._runners):
            await asyncio.sleep(0.01)


class Connection(asyncio.Protocol):
    """One front end. Replies may come from the model's thread; they leave together, once a turn of the loop."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._loop = asyncio.get_running_loop()
        self._reader = FrameReader()
        self._jobs: dict[int, Job] = {}
        self._outbox: deque[Reply] = deque()
        self._scheduled = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._worker.connections.add(self)
        self._descriptor: int = transport.get_extra_info("socket").fileno()
        forks.guard(self._descriptor)
        self._transport.write(self._worker.hello)

    def data_received(self, data: bytes) -> None:
        for kind, payload in self._reader.feed(data):
            if kind == Kind.REQUESTS:
                jobs = [Job(request, self) for request in cast("list[Request]", payload)]
                self._jobs.update((job.request.id, job) for job in jobs)
                self._worker.submit(jobs)
            elif kind == Kind.DROP:
                self._drop(cast("list[int]", payload))

    def connection_lost(self, exc: Exception | None) -> None:
        forks.forget(self._descriptor)
        self._worker.connections.discard(self)
        self._drop(list(self._jobs))

    def reply(self, reply: Reply) -> None:
        """Send a reply; from any thread."""
        self._outbox.append(reply)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon_threadsafe(self._flush)

    def _flush(self) -> None:
        self._scheduled = False  # before emptying the box: what is put in from here on schedules its own turn
        replies = [self._outbox.popleft() for _ in range(len(self._outbox))]
        for reply in replies:
            self._jobs.pop(reply.id, None)
        if replies and not self._transport.is_closing():
            self._transport.write(_packed(replies))

    def _drop(self, ids: list[int]) -> None:
        for each in ids:
            job = self._jobs.pop(each, None)
            if job is not None:
                job.dropped = True


def _packed(replies: list[Reply]) -> bytes:
    """Write replies as one frame; one that has no place in it becomes a 500, so that its neighbours are sent."""
    try:
        return pack_replies(replies)
    except Exception:
        return pack_replies([_packable(reply) for reply in replies])


def _packable(reply: Reply) -> Reply:
    try:
        pack_replies([reply])
    except Exception as error:
        _log.error("a reply with status %r and %d bytes cannot be sent: %s", reply.status, len(reply.body), error)
        return Reply(reply.id, 500, Media.JSON, INTERNAL_ERROR)
    return reply


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
            ApiRoute(name=api.options.name, route=api.options.route, accepts=tuple(sorted(api.codec.accepts)))
            for api in service.apis
        ),
        openapi=msgspec.Raw(msgspec.json.encode(openapi.document(service))),
    )


def load(settings: child.ChildSettings, thread: ModelThread) -> tuple[Service, Any]:
    """Import the service and make its instance, on the model's thread.

    Raises:
        ServeError: the user's code cannot be loaded.
    """
    child.import_from_source(settings)
    target = settings.config.service.target
    service = describe(load_target(target), target)
    return service, thread.start(service.instantiate)


async def serve(settings: child.ChildSettings, worker: Worker, apis: int, workers: int) -> None:
    """Answer front ends until SIGTERM, then until they have all left."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    listener = socket.socket(fileno=settings.listener)
    # Never closed: closing it would remove the socket's file, which the supervisor keeps for the next worker.
    await loop.create_unix_server(lambda: Connection(worker), sock=listener)
    child.report(settings, child.Started(apis, workers))
    await stop.wait()
    await worker.drain()


def main() -> None:
    """Run a worker; the supervisor gives its settings."""
    settings = child.begin()
    thread = ModelThread()
    try:
        service, instance = load(settings, thread)
        worker = Worker(service, instance, thread)
    except ServeError as error:
        child.report_failure(settings, error)
        sys.exit(error.exit_code)
    gc.collect()
    gc.freeze()  # the model lives as long as the process: no collection need look at it again
    loops.run(serve(settings, worker, len(service.apis), worker_count(service.options)))
    thread.stop()


if __name__ == "__main__":
    main()
