"""Closed loops: how much a server answers at most, and how fast it answers one client."""

from __future__ import annotations

from functools import partial

from bench.serving.load import Figures, closed_loop
from bench.serving.results import Case
from bench.serving.running import Running
from bench.serving.sections.device import ceiling, counted
from bench.serving.servers import Server
from bench.serving.session import Session
from bench.serving.workloads import Workload

_WARM_UP = 2.0


def throughput(session: Session) -> None:
    """Many connections, each sending its next request when it has its answer."""
    for workload in session.workloads:
        for server in session.servers:
            case = Case("throughput", workload.name, point=workload.connections[0])
            session.on(server, workload, case, partial(_throughput, session, server, workload))


def _throughput(session: Session, server: Server, workload: Workload, running: Running) -> None:
    closed_loop(running, 64, min(_WARM_UP, session.seconds))
    for connections in workload.connections:
        figures = session.calm(partial(saturate, running, connections, session.seconds))
        session.add(Case("throughput", workload.name, point=connections), server, figures)


def saturate(running: Running, connections: int, seconds: float) -> Figures:
    """A closed loop; of the accelerator also how large its batches were, and what it could have done with those."""
    running.settle()
    calls, rows = counted(running.device)
    figures = closed_loop(running, connections, seconds)
    later_calls, later_rows = counted(running.device)
    if later_calls > calls:
        mean = (later_rows - rows) / (later_calls - calls)
        figures |= {"batch": mean, "device_share": figures["rate"] / ceiling(mean)}
    return figures


def latency(session: Session) -> None:
    """One connection: a request is alone in the server."""
    for workload in session.workloads:
        case = Case("latency", workload.name, point=1)
        for server in session.servers:
            session.on(server, workload, case, partial(_latency, session, server, case))


def _latency(session: Session, server: Server, case: Case, running: Running) -> None:
    closed_loop(running, 1, 1)
    session.add(case, server, session.calm(lambda: closed_loop(running, 1, session.seconds)))
