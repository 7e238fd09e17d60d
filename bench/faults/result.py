"""What a scenario has found: counts, and promises with what speaks for or against each."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Result:
    """One scenario. Whether a promise was kept is computed from what was counted, by who calls ``check``."""

    name: str
    counts: dict[str, Any] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)

    def check(self, promise: str, kept: bool, found: str) -> None:
        self.checks.append(Check(promise, bool(kept), found))

    @property
    def kept(self) -> bool:
        return bool(self.checks) and all(each.kept for each in self.checks)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "kept": self.kept}


@dataclass(frozen=True)
class Check:
    """A promise, whether it was kept, and the figures."""

    promise: str
    kept: bool
    found: str


def table(results: list[Result]) -> str:
    """Write results as a Markdown table: a line a promise."""
    lines = ["| scenario | promise | kept | found |", "|---|---|---|---|"]
    for each in results:
        counts = ", ".join(f"{name}: {_short(value)}" for name, value in each.counts.items())
        lines.append(f"| **{each.name}** | | {'yes' if each.kept else '**no**'} | {counts} |")
        lines += [f"| | {one.promise} | {'yes' if one.kept else '**no**'} | {one.found} |" for one in each.checks]
    return "\n".join(lines)


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
