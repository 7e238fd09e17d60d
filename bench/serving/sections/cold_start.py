"""From the start of a server's process to its first good answer."""

from __future__ import annotations

from functools import partial

from bench.serving.results import Case
from bench.serving.running import Running
from bench.serving.servers import OURS, STEADY, Server
from bench.serving.session import Session
from bench.serving.workloads import WORKLOADS

_NAMES = (OURS.name, *STEADY)


def measure(session: Session) -> None:
    """Twice in the first round: the first start of all fills the disk's cache."""
    case = Case("cold-start", "w1", "start", 1)
    for server in (each for each in session.servers if each.name in _NAMES):
        if session.round == 0:
            session.on(server, WORKLOADS["w1"], case, lambda _: None)
        session.on(server, WORKLOADS["w1"], case, partial(_first, session, server, case))


def _first(session: Session, server: Server, case: Case, running: Running) -> None:
    session.add(case, server, {"first_answer_s": running.first_answer, "memory_mb": running.tree.memory() / 1e6})
