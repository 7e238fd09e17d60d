"""What the conveniences cost that can be switched off: each server once with and once without."""

from __future__ import annotations

from functools import partial

from bench.serving.load import closed_loop
from bench.serving.results import Case
from bench.serving.running import Running
from bench.serving.sections.closed import saturate
from bench.serving.servers import LOGGING, OURS, Server
from bench.serving.session import Session
from bench.serving.workloads import WORKLOADS

VARIANTS = (OURS, LOGGING)
"""Metrics are always on, and in both."""


def measure(session: Session) -> None:
    """The echo, since its own cost is all a request has there."""
    case = Case("extras", "w1", point=256)
    # Each round begins with another: what a machine does to the later one is not the same one's to pay.
    for server in VARIANTS if session.round % 2 == 0 else VARIANTS[::-1]:
        session.on(server, WORKLOADS["w1"], case, partial(_rate, session, server, case))


def _rate(session: Session, server: Server, case: Case, running: Running) -> None:
    closed_loop(running, 64, 1)
    session.add(case, server, session.calm(lambda: saturate(running, int(case.point), session.seconds)))
