"""Three times what the accelerator can take: what is answered, how fast the rest is refused, and the time after."""

from __future__ import annotations

import http.client
import statistics
import threading
import time
from dataclasses import dataclass, field

from bench.serving.load import Figures, closed_loop, open_loop
from bench.serving.results import Case
from bench.serving.running import Running
from bench.serving.sections.closed import saturate
from bench.serving.servers import OURS
from bench.serving.session import Session
from bench.serving.workloads import WORKLOADS

TIMES = 3
BATCH = 32
"""So small that the accelerator is what there is too little of, not the processors, which the clients need as well."""
LATENCY_MS = 500
"""The service's ``max_latency_ms``."""
_WATCHED = 10.0
"""Seconds after the overload in which the service should be as before."""


@dataclass
class Probe:
    """One client beside the many, that asks every now and then."""

    running: Running
    answers: list[tuple[float, int, float]] = field(default_factory=list)
    """When it asked, the status, seconds."""

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> Probe:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._stop.wait(0.02):
            began = time.monotonic()
            try:
                status = self.running.ask()[0]
            except (OSError, http.client.HTTPException):
                status = 0
            self.answers.append((began, status, time.monotonic() - began))

    def recovered(self, since: float, limit: float) -> float:
        """Seconds until the first of five good answers in a row; what was watched where there are none."""
        row: list[float] = []
        for began, status, seconds in self.answers:
            if began < since:
                continue
            row = [*row, began] if status == 200 and seconds < limit else []
            if len(row) == 5:
                return row[0] - since
        return _WATCHED


def measure(session: Session) -> None:
    """One round, on our service."""
    case = Case("overload", "w2", "times our maximum", TIMES)
    variables = {"BENCH_BATCH": str(BATCH), "BENCH_MAX_LATENCY_MS": str(LATENCY_MS)}
    session.on(
        OURS,
        WORKLOADS["w2"],
        case,
        lambda running: session.add(case, OURS, _overload(session, running)),
        variables,
    )


def _overload(session: Session, running: Running) -> Figures:
    closed_loop(running, 4 * BATCH, 1)
    maximum = session.calm(lambda: saturate(running, 4 * BATCH, session.seconds))
    running.settle()
    quiet = statistics.median(_timed(running) for _ in range(20))
    connections = min(8000, round(2 * maximum["rate"] * LATENCY_MS / 1e3) + 1000)
    with Probe(running) as probe:
        found = open_loop(
            running,
            TIMES * maximum["rate"],
            session.overload_seconds,
            connections=connections,
            grace=LATENCY_MS / 1e3 + 3,
        )
        time.sleep(max(0.0, found["measured_to"] + _WATCHED - time.monotonic()) if not session.quick else 2)
    asked = max(1.0, found["offered"])
    return {
        **found,
        "maximum": maximum["rate"],
        "device_share": maximum["device_share"],
        "goodput_share": found["goodput"] / maximum["rate"],
        "refused_share": found["refused_count"] / asked,
        "failed_share": 1 - (found["served_count"] + found["refused_count"]) / asked,
        "quiet_ms": quiet * 1e3,
        "recovered_s": probe.recovered(found["measured_to"], 2 * quiet + 0.02),
    }


def _timed(running: Running) -> float:
    began = time.monotonic()
    running.ask()
    return time.monotonic() - began
