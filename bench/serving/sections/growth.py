"""Curves: what happens as connections, batches, bodies, workers and models become more."""

from __future__ import annotations

import dataclasses
import socket
import time
from contextlib import ExitStack
from functools import partial

from bench.serving.load import closed_loop
from bench.serving.results import Case
from bench.serving.running import Running, ServerError
from bench.serving.sections.closed import saturate
from bench.serving.servers import MANY, MOSEC, Server
from bench.serving.session import Session
from bench.serving.workloads import WORKLOADS, Workload, sized

_IDLE = 10_000
_PORTS = 20_000
"""Of one address of ours."""


def measure(session: Session) -> None:
    """All curves: ours and the tuned mosec, where it takes part."""
    servers = session.peer(MOSEC.name)
    for server in servers:
        _connections(session, server)
        for batch in session.points(1, 4, 16, 64, 256, 1024):
            _one(session, server, WORKLOADS["w2"], "batch", batch, 1024, {"BENCH_BATCH": str(batch)})
        for size in session.points(100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000):
            _one(session, server, sized(size), "payload", size, 16)
        for workers in session.points(1, 2, 3, 4):
            _one(session, server, WORKLOADS["w3"], "workers", workers, 256, {"BENCH_WORKERS": str(workers)})
    for apis in session.points(1, 2, 4, 8):
        _one(session, MANY, WORKLOADS["w1"], "models", apis, 256, {"BENCH_APIS": str(apis)})
    for server in (each for each in session.servers if each.name in ("bentopack", "asgi", MOSEC.name)):
        case = Case("growth", "w1", "idle connections", _IDLE)
        session.on(server, WORKLOADS["w1"], case, partial(_idle, session, server, case))


def _connections(session: Session, server: Server) -> None:
    """On one start of the server, as in life."""

    def curve(running: Running) -> None:
        closed_loop(running, 64, 1)
        for connections in session.points(1, 10, 100, 1_000, 10_000):
            case = Case("growth", "w1", "connections", connections)
            session.add(case, server, session.calm(partial(saturate, running, connections, session.seconds)))

    session.on(server, WORKLOADS["w1"], Case("growth", "w1", "connections", 1), curve)


def _one(
    session: Session,
    server: Server,
    workload: Workload,
    axis: str,
    point: int,
    connections: int,
    variables: dict[str, str] | None = None,
) -> None:
    """One point of a curve, for which the server starts anew."""
    case = Case("growth", workload.name, axis, point)

    def at_point(running: Running) -> None:
        if axis == "models":
            paths = tuple(f"/model/{number}" for number in range(point))
            running.target = dataclasses.replace(running.target, paths=paths)
        closed_loop(running, min(64, connections), 1)
        session.add(case, server, session.calm(lambda: saturate(running, connections, session.seconds)))

    session.on(server, workload, case, at_point, variables)


def _idle(session: Session, server: Server, case: Case, running: Running) -> None:
    """Memory for connections that have had an answer and wait for their next request."""
    closed_loop(running, 64, 1)
    running.settle()
    before = running.tree.memory()
    request = _request(running)
    with ExitStack() as stack:
        for number in range(_IDLE):
            source = (f"127.0.0.{1 + number // _PORTS}", 0)
            connection = socket.create_connection(("127.0.0.1", running.target.port), 10, source_address=source)
            stack.enter_context(connection)
            connection.sendall(request)
            if not (answer := connection.recv(4096)).startswith(b"HTTP/1.1 200"):
                raise ServerError(f"{server.name} answered connection {number} with {answer[:80]!r}")
        time.sleep(0.5)
        after = running.tree.memory()
    session.add(case, server, {"connection_kb": (after - before) / _IDLE / 1e3, "memory_mb": after / 1e6})


def _request(running: Running) -> bytes:
    body = running.target.body
    content = body.path.read_bytes()
    head = f"POST {running.target.paths[0]} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {body.content_type}\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content
