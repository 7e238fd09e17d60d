"""The figures in Markdown: what was claimed first, then all medians."""

from __future__ import annotations

from collections.abc import Iterator

from bench.serving.results import Case, Results
from bench.serving.targets import Claim, claims

_LOAD = {
    "rate": "requests/s",
    "p50_ms": "p50 (ms)",
    "p99_ms": "p99 (ms)",
    "cpu_us": "server CPU (µs a request)",
    "memory_mb": "memory (MB)",
    "others": "others' share of the machine",
}
_COLUMNS: dict[str, dict[str, str]] = {
    "throughput": {**_LOAD, "batch": "rows a call", "device_share": "of the device's ceiling", "not_200": "not 200"},
    "latency": _LOAD,
    "open-loop": {
        "rate": "requests/s",
        "served_p50_ms": "p50 (ms)",
        "served_p99_ms": "p99 (ms)",
        "unanswered_share": "share unanswered",
        "lag_p99_ms": "sent late, p99 (ms)",
        "cpu_us": "server CPU (µs a request)",
        "others": "others' share of the machine",
    },
    "growth": {**_LOAD, "connection_kb": "KB a connection", "not_200": "not 200", "broken": "broken"},
    "overload": {
        "maximum": "maximum (requests/s)",
        "goodput": "goodput (requests/s)",
        "served_p50_ms": "answered, p50 (ms)",
        "served_p99_ms": "answered, p99 (ms)",
        "refused_share": "share refused",
        "refused_p50_ms": "refused, p50 (ms)",
        "refused_p99_ms": "refused, p99 (ms)",
        "failed_share": "share neither",
        "recovered_s": "as before after (s)",
        "lag_p99_ms": "sent late, p99 (ms)",
        "others": "others' share of the machine",
    },
    "cold-start": {"first_answer_s": "first answer (s)", "memory_mb": "memory (MB)"},
    "extras": _LOAD,
}


def markdown(results: Results) -> str:
    """The whole report."""
    return "\n".join([*_header(results), *_claims(claims(results)), *_sections(results)]) + "\n"


def _header(results: Results) -> Iterator[str]:
    yield "# Serving, beside its peers"
    yield ""
    yield ", ".join(f"{name}: {value}" for name, value in results.machine.items())
    yield ""
    for name, packages in results.versions.items():
        yield f"- {name}: {', '.join(f'{package} {version}' for package, version in packages.items())}"
    rounds = 1 + max((each.round for each in results.runs), default=0)
    yield ""
    yield f"Medians of {rounds} rounds. Ratios are made within a round, and are the medians of those."
    yield ""


def _claims(claimed: list[Claim]) -> Iterator[str]:
    if not claimed:
        return
    yield "## Targets"
    yield ""
    yield "| | measured | target | |"
    yield "|---|---|---|---|"
    for each in claimed:
        found = "-" if each.value is None else f"{number(each.value)}{each.unit}"
        yield f"| {each.text} | {found} | {'≤' if each.at_most else '≥'} {each.target:g}{each.unit} | {each.verdict} |"
    yield ""


def _sections(results: Results) -> Iterator[str]:
    for section, columns in _COLUMNS.items():
        cases = results.cases(section)
        if not cases:
            continue
        used = {each for run in results.runs if run.case.section == section for each in run.figures}
        shown = {figure: title for figure, title in columns.items() if figure in used}
        yield f"## {section.capitalize()}"
        yield ""
        yield f"| | server | {' | '.join(shown.values())} |"
        yield "|---|---|" + "---|" * len(shown)
        for case in cases:
            yield from _rows(results, case, list(shown))
        yield ""


def _rows(results: Results, case: Case, figures: list[str]) -> Iterator[str]:
    for server in results.servers([case]):
        cells = [results.middle(case, server, figure) for figure in figures]
        if all(each is None for each in cells):
            yield f"| {_place(case)} | {server} | {results.error(case, server)[:160].replace('|', '/')} |"
        else:
            shown = " | ".join("" if each is None else number(each) for each in cells)
            yield f"| {_place(case)} | {server} | {shown} |"


def _place(case: Case) -> str:
    return f"{case.workload}, {case.axis} {case.point:g}"


def number(value: float) -> str:
    """Four digits or so, which is more than is certain."""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"
