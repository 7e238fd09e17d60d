"""Draw a results.json: one SVG a question. Runs in an environment that has matplotlib."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt

from bench.serving.results import Case, Results

mpl.rcParams["svg.hashsalt"] = "bentopack"  # else the names of parts differ each time
Panels = tuple[tuple[str, str], ...]
"""Figures and what they are called."""

_PANELS: Panels = (("rate", "requests/s"), ("p99_ms", "p99 (ms)"))


def draw(results: Results, folder: Path) -> list[Path]:
    """Draw what was measured and return the files."""
    made = []
    panels: Panels
    for workload in dict.fromkeys(each.workload for each in results.cases("throughput")):
        cases = [each for each in results.cases("throughput") if each.workload == workload]
        made.append(_bars(results, f"throughput-{workload}", cases, _PANELS, folder))
    if cases := results.cases("latency"):
        made.append(_bars(results, "latency", cases, (("p50_ms", "p50 (ms)"), ("p99_ms", "p99 (ms)")), folder))
    if cases := [each for each in results.cases("open-loop") if each.point < 1]:
        panels = (("served_p50_ms", "p50 (ms)"), ("served_p99_ms", "p99 (ms)"))
        made.append(_bars(results, "open-loop", cases, panels, folder))
    for axis in dict.fromkeys(each.axis for each in results.cases("growth")):
        if axis == "idle connections":
            panels = (("connection_kb", "KB a connection"),)
            made.append(_bars(results, "growth-idle", results.cases("growth", axis), panels, folder))
        else:
            made.append(_curves(results, axis, folder))
    if cases := results.cases("cold-start"):
        made.append(_bars(results, "cold-start", cases, (("first_answer_s", "first answer (s)"),), folder))
    return made


def _curves(results: Results, axis: str, folder: Path) -> Path:
    cases = sorted(results.cases("growth", axis), key=lambda each: each.point)
    figure, panels = plt.subplots(1, 2, figsize=(11, 4))
    for panel, (name, title) in zip(panels, _PANELS, strict=True):
        for server in results.servers(cases):
            found = [(each.point, results.middle(each, server, name)) for each in cases]
            known = [(point, value) for point, value in found if value is not None]
            panel.plot([each[0] for each in known], [each[1] for each in known], marker="o", label=server)
        if cases[-1].point > 10:
            panel.set_xscale("log")
        panel.set(xlabel=axis, ylabel=title, title=f"{cases[0].workload}: {title}")
        values = [value for line in panel.lines for value in line.get_ydata()]
        if values and max(values) > 50 * min(values):
            panel.set_yscale("log")
        else:
            panel.set_ylim(bottom=0)
        panel.grid(alpha=0.3)
    panels[0].legend()
    return _saved(figure, folder / f"growth-{axis}.svg")


def _bars(results: Results, name: str, cases: list[Case], shown: Panels, folder: Path) -> Path:
    servers = results.servers(cases)
    figure, panels = plt.subplots(1, len(shown), figsize=(5.5 * len(shown), 1.5 + 0.3 * len(servers)), squeeze=False)
    height = 0.8 / len(cases)
    for panel, (key, title) in zip(panels[0], shown, strict=True):
        for at, case in enumerate(cases):
            values = [results.middle(case, server, key) or 0.0 for server in servers]
            places = [row + at * height for row in range(len(servers))]
            panel.barh(places, values, height, label=f"{case.workload}, {case.axis} {case.point:g}")
        panel.set_yticks([row + 0.4 - height / 2 for row in range(len(servers))], servers)
        panel.invert_yaxis()
        panel.set(xscale="log", xlabel=title)
        panel.grid(alpha=0.3, axis="x")
    panels[0][-1].legend(fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
    return _saved(figure, folder / f"{name}.svg")


def _saved(figure: Any, path: Path) -> Path:
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    return path


if __name__ == "__main__":
    for each in draw(Results.read(Path(sys.argv[1])), Path(sys.argv[2])):
        print(each)
