"""Every run of a benchmark, and what several rounds of them say together."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.serving.load import Figures


@dataclass(frozen=True)
class Case:
    """What was measured: one point on one axis of one section."""

    section: str
    workload: str
    axis: str = "connections"
    point: float = 0


@dataclass(frozen=True)
class Run:
    """One measurement of one server. Figures of different rounds are not compared."""

    case: Case
    server: str
    round: int
    figures: Figures
    error: str = ""


@dataclass
class Results:
    """All runs, with what they were made on."""

    machine: dict[str, str | int] = field(default_factory=dict)
    versions: dict[str, dict[str, str]] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)

    def write(self, path: Path) -> None:
        """Write everything; a benchmark that is stopped leaves what it had."""
        fresh = path.with_suffix(".part")
        fresh.write_text(json.dumps(asdict(self), indent=1))
        fresh.replace(path)

    @staticmethod
    def read(path: Path) -> Results:
        """Read what was written."""
        found = json.loads(path.read_text())
        runs = [Run(**{**each, "case": Case(**each["case"])}) for each in found["runs"]]
        return Results(found["machine"], found["versions"], runs)

    def cases(self, section: str, axis: str | None = None) -> list[Case]:
        """Those of a section, in the order they were measured."""
        found = (each.case for each in self.runs if each.case.section == section)
        return list(dict.fromkeys(each for each in found if axis in (None, each.axis)))

    def servers(self, cases: Iterable[Case]) -> list[str]:
        """Those that were measured in any of some cases."""
        wanted = set(cases)
        return list(dict.fromkeys(each.server for each in self.runs if each.case in wanted))

    def middle(self, case: Case, server: str, figure: str) -> float | None:
        """The median of the rounds, or None where there is none."""
        values = [each.figures[figure] for each in self._of(case, server) if figure in each.figures]
        return statistics.median(values) if values else None

    def error(self, case: Case, server: str) -> str:
        """Why a server has no figures."""
        return next((each.error for each in self._of(case, server) if each.error), "")

    def compared(
        self,
        case: Case,
        figure: str,
        peers: Iterable[str],
        relate: Callable[[float, float], float],
        best: Callable[[Iterable[float]], float] = max,
        ours: Iterable[str] = ("bentopack",),
    ) -> float | None:
        """Relate the best of our figures to the best of some peers in each round; the median of that."""
        found = [each for each in self.runs if each.case == case and figure in each.figures]
        sides = set(ours), set(peers)
        related = []
        for number in dict.fromkeys(each.round for each in found):
            of_round = [each for each in found if each.round == number]
            us, them = ([each.figures[figure] for each in of_round if each.server in side] for side in sides)
            if us and them:
                related.append(relate(best(us), best(them)))
        return statistics.median(related) if related else None

    def _of(self, case: Case, server: str) -> list[Run]:
        return [each for each in self.runs if each.case == case and each.server == server]
