"""Open loops: latency at a rate that does not wait for the server, the same rate for all."""

from __future__ import annotations

from functools import partial

from bench.serving.load import Figures, closed_loop, open_loop
from bench.serving.results import Case
from bench.serving.running import Running
from bench.serving.sections.closed import saturate
from bench.serving.servers import OURS, STEADY, Server
from bench.serving.session import Session
from bench.serving.workloads import Workload

SHARES = (0.5, 0.8)
"""Of the most that ours answers in a closed loop."""
_AXIS = "share of our maximum"


def measure(session: Session) -> None:
    """At two shares of our own maximum, which is measured first, in the same round."""
    for workload in session.workloads:
        maximum: list[float] = []
        top = Case("open-loop", workload.name, _AXIS, 1)
        session.on(OURS, workload, top, partial(_maximum, session, workload, maximum))
        if maximum:
            for server in (each for each in session.servers if each.name in (OURS.name, *STEADY)):
                session.on(server, workload, top, partial(_at_shares, session, server, workload, maximum[0]))


def _maximum(session: Session, workload: Workload, maximum: list[float], running: Running) -> None:
    connections = workload.connections[0]
    closed_loop(running, connections, 1)
    figures = session.calm(lambda: saturate(running, connections, session.seconds))
    session.add(Case("open-loop", workload.name, _AXIS, 1), OURS, figures)
    maximum.append(figures["rate"])


def _at_shares(session: Session, server: Server, workload: Workload, maximum: float, running: Running) -> None:
    closed_loop(running, 64, 1)
    for share in SHARES:
        figures = session.calm(partial(_open, running, maximum * share, session.seconds, workload.connections[0] * 2))
        unanswered = 1 - figures["served_count"] / max(1.0, figures["offered"])
        for figure, most in (("served_p50_ms", 0.5), ("served_p99_ms", 0.01)):
            if unanswered > most:  # the one in the middle, or in the last hundredth, was never answered
                del figures[figure]
        figures["unanswered_share"] = unanswered
        session.add(Case("open-loop", workload.name, _AXIS, share), server, figures)


def _open(running: Running, rate: float, seconds: float, connections: int) -> Figures:
    running.settle()
    return open_loop(running, rate, seconds, connections=connections)
