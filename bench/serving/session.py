"""One benchmark under way: what was asked for, and where its figures go."""

from __future__ import annotations

import http.client
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.serving.load import Figures
from bench.serving.results import Case, Results, Run
from bench.serving.running import Running, ServerError
from bench.serving.servers import Server
from bench.serving.workloads import Workload

_CALM = 0.1
"""The share of the machine that others may take before a measurement is made again."""


@dataclass
class Session:
    """Passed to every section."""

    out: Path
    servers: Sequence[Server]
    workloads: Sequence[Workload]
    rounds: int = 3
    seconds: float = 4
    """Of each measurement."""
    overload_seconds: float = 30
    attempts: int = 1
    """Of each measurement, where others take too much of the machine."""
    quick: bool = False
    """Only the ends of each curve."""
    results: Results = field(default_factory=Results)
    round: int = 0

    def on(
        self,
        server: Server,
        workload: Workload,
        case: Case,
        measure: Callable[[Running], None],
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """Start a server and measure it. One that fails is noted, and the benchmark goes on."""
        if workload.name not in (*server.workloads, "sizes"):
            return
        try:
            with Running(server, workload, variables) as running:
                measure(running)
        except (ServerError, OSError, http.client.HTTPException, subprocess.TimeoutExpired) as error:
            self.add(case, server, {}, str(error) or repr(error))

    def calm(self, measure: Callable[[], Figures]) -> Figures:
        """Measure until others leave us the machine, or often enough. The calmest counts, whatever its result."""
        calmest = measure()
        for _ in range(self.attempts - 1):
            if calmest["others"] <= _CALM:
                break
            calmest = min(calmest, measure(), key=lambda each: each["others"])
        return calmest

    def add(self, case: Case, server: Server, figures: Figures, error: str = "") -> None:
        """Keep and show one run."""
        run = Run(case, server.name, self.round, {name: round(value, 4) for name, value in figures.items()}, error)
        self.results.runs.append(run)
        self.results.write(self.out / "results.json")
        shown = error or " ".join(f"{name}={value:g}" for name, value in run.figures.items())
        where = f"{case.section} {case.workload} {case.axis}={case.point:g}"
        print(f"{time.strftime('%H:%M:%S')} round {self.round}: {where}: {server.name}: {shown}", file=sys.stderr)

    def points(self, *points: int) -> tuple[int, ...]:
        """The points of a curve that are measured."""
        return (points[0], points[-1]) if self.quick else points

    def peer(self, name: str) -> list[Server]:
        """Ours, and the peer of a name if it takes part."""
        return [each for each in self.servers if each.name in ("bentopack", name)]
