"""What we want to be true, held against what was measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench.serving.results import Case, Results
from bench.serving.sections.overload import LATENCY_MS, TIMES
from bench.serving.servers import FAMILIES, OURS, PEERS, STEADY, TUNED


@dataclass(frozen=True)
class Claim:
    """One comparison with its target."""

    text: str
    value: float | None
    """None where it was not measured."""
    target: float
    at_most: bool = False
    unit: str = "x"

    @property
    def verdict(self) -> str:
        """In words."""
        if self.value is None:
            return "not measured"
        met = self.value <= self.target if self.at_most else self.value >= self.target
        return "met" if met else "NOT MET"


_RATES: dict[str, dict[str, tuple[float, ...]]] = {
    # Times as many requests a second as a family's best, at the lower and the higher number of connections.
    "w1": {"mosec": (2,), "bentoml": (50,), "fastapi": (7,), "c": (0.75,)},
    "w2": {"flask": (100, 150), "mosec": (1,)},
    "w3": {"mosec": (1.5,), "flask": (60,), "bentoml": (18,)},
    "w4": {"mosec": (1.2,), "bentoml": (9,)},
    "w5": {"any peer": (2,)},
}
_DEVICE_SHARE = 0.9
_ASGI_MS = 0.1


def claims(results: Results) -> list[Claim]:
    """Those of the sections that were measured."""
    found = _throughput, _latency, _open_loop, _overload, _cold_start, _extras
    return [claim for each in found for claim in each(results)]


def _throughput(results: Results) -> Iterator[Claim]:
    connections: dict[str, list[Case]] = {}
    for case in results.cases("throughput"):
        connections.setdefault(case.workload, []).append(case)
    for workload, cases in connections.items():
        for at, case in enumerate(cases):
            where = f"{workload}, {case.point:g} connections: "
            for family, targets in _RATES[workload].items():
                beside, target = f"{where}requests/s beside {_best(family)}", targets[min(at, len(targets) - 1)]
                yield Claim(beside, results.compared(case, "rate", _names(family), _times), target)
                tuned = results.compared(case, "rate", _names(family), _times, ours=_names("bentopack"))
                yield Claim(f"{beside}, both at their best", tuned, target)
            if workload == "w2":
                for text, ours in (("", [OURS.name]), (", by our best", _names("bentopack"))):
                    shares = [results.middle(case, each, "device_share") for each in ours]
                    share = max((each for each in shares if each is not None), default=None)
                    yield Claim(f"{where}share of the device's ceiling{text}", share, _DEVICE_SHARE, unit="")


def _latency(results: Results) -> Iterator[Claim]:
    for case in results.cases("latency"):
        where = f"{case.workload}, 1 connection: "
        peers = [("the best mosec", _names("mosec"), 0.0)]
        if case.workload == "w1":
            peers.append(("bare ASGI", ["asgi"], _ASGI_MS))
        for peer, names, most in peers:
            more = f"{where}p50 more than {peer}'s"
            for text, ours in ((more, [OURS.name]), (f"{more}, both at their best", _names("bentopack"))):
                value = results.compared(case, "p50_ms", names, _more, min, ours)
                yield Claim(text, value, most, at_most=True, unit=" ms")


def _open_loop(results: Results) -> Iterator[Claim]:
    for case in results.cases("open-loop"):
        for peer in STEADY if case.point < 1 else ():
            text = f"{case.workload}, open loop at {case.point:.0%} of our maximum: p99 beside {peer}"
            value = results.compared(case, "served_p99_ms", [peer], _times, min)
            steady = results.middle(case, OURS.name, "served_p99_ms") is not None
            if value is None and steady and (results.middle(case, peer, "unanswered_share") or 0) > 0.01:
                text, value = f"{text}, which left some unanswered", 0.0
            yield Claim(text, value, 1, at_most=True)


def _cold_start(results: Results) -> Iterator[Claim]:
    for case in results.cases("cold-start"):
        for peer in STEADY:
            value = results.compared(case, "first_answer_s", [peer], _times, min)
            yield Claim(f"start to first answer beside {peer}", value, 1, at_most=True)


def _overload(results: Results) -> Iterator[Claim]:
    for case in results.cases("overload"):
        where = f"{case.workload}, {TIMES} times the maximum: "

        def middle(figure: str, case: Case = case) -> float | None:
            return results.middle(case, "bentopack", figure)

        yield Claim(f"{where}goodput beside the maximum", middle("goodput_share"), 0.9, unit="")
        yield Claim(f"{where}p99 of what is answered", middle("served_p99_ms"), LATENCY_MS, at_most=True, unit=" ms")
        yield Claim(f"{where}p99 of a refusal", middle("refused_p99_ms"), 10, at_most=True, unit=" ms")
        yield Claim(f"{where}share neither answered nor refused", middle("failed_share"), 0, at_most=True, unit="")
        after = LATENCY_MS / 1e3 + 0.5
        yield Claim(f"{where}as before, after it has ended", middle("recovered_s"), after, at_most=True, unit=" s")


def _extras(results: Results) -> Iterator[Claim]:
    for case in results.cases("extras"):
        value = results.compared(case, "rate", ["bentopack, access log"], lambda ours, logging: 1 - logging / ours)
        yield Claim("w1, 256 connections: requests/s that the access log costs", value, 0.15, at_most=True, unit="")


def _names(family: str) -> list[str]:
    if family == "bentopack":
        return [each.name for each in (OURS, *TUNED)]
    families = FAMILIES if family == "any peer" else (family,)
    skipped = {"asgi"}  # compared by latency alone: it has neither a framework nor a model
    return [each.name for each in PEERS if each.family in families and each.name not in skipped]


def _best(family: str) -> str:
    return "the best peer" if family == "any peer" else f"the best {family}" if len(_names(family)) > 1 else family


def _times(ours: float, theirs: float) -> float:
    return ours / theirs if theirs else float("inf")


def _more(ours: float, theirs: float) -> float:
    return ours - theirs
