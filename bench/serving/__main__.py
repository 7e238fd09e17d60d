"""The command line of the benchmark."""

from __future__ import annotations

import argparse
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from bench.serving.environments import ROOT, install_programs, interpreter, machine, versions
from bench.serving.report import markdown
from bench.serving.results import Results
from bench.serving.sections import SECTIONS
from bench.serving.servers import FAMILIES, chosen
from bench.serving.session import Session
from bench.serving.workloads import WORKLOADS

_FILES = 40_000
"""Open at once: both ends of 10,000 connections, and more."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, then write results.json, report.md and the plots."""
    options = _parse(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an exception, so that no server is left behind
    options.out.mkdir(parents=True, exist_ok=True)
    if not options.report:
        _raise_limits()
        install_programs()
        _measure(options)
    results = Results.read(options.out / "results.json")
    text = markdown(results)
    (options.out / "report.md").write_text(text)
    print(text)
    if options.plots:
        command = [interpreter("plots"), "-m", "bench.serving.plots", options.out / "results.json", options.out]
        subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=sys.stderr, check=True)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/serving/bench.py", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results"), help="the folder to write to")
    parser.add_argument("--peers", type=_names_of(FAMILIES), default=[*FAMILIES], help=f"of {','.join(FAMILIES)}")
    parser.add_argument("--only", type=_names_of(SECTIONS), default=[*SECTIONS], help=f"of {','.join(SECTIONS)}")
    parser.add_argument("--workloads", type=_names_of(WORKLOADS), default=[*WORKLOADS], help="of w1,w2,w3,w4,w5")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4, help="of each measurement; wrk takes whole ones")
    parser.add_argument("--overload-seconds", type=float, default=30)
    parser.add_argument("--attempts", type=int, default=1, help="at a measurement, while others use the machine too")
    parser.add_argument("--quick", action="store_true", help="the ends of each curve alone")
    parser.add_argument("--no-plots", dest="plots", action="store_false")
    parser.add_argument("--report", action="store_true", help="measure nothing: write the report of --out anew")
    return parser.parse_args(arguments)


def _names_of(known: Iterable[str]) -> Callable[[str], list[str]]:
    def names(text: str) -> list[str]:
        found = [each for each in text.split(",") if each]
        if unknown := [each for each in found if each not in known]:
            raise argparse.ArgumentTypeError(f"'{unknown[0]}' is none of {', '.join(known)}")
        return found

    return names


def _measure(options: argparse.Namespace) -> None:
    servers = chosen(options.peers)
    environments = dict.fromkeys(each.environment or each.family for each in servers)
    session = Session(
        out=options.out,
        servers=servers,
        workloads=[WORKLOADS[each] for each in options.workloads],
        rounds=options.rounds,
        seconds=options.seconds,
        overload_seconds=options.overload_seconds,
        attempts=options.attempts,
        quick=options.quick,
        results=Results(machine(), {each: versions(each) for each in environments}),
    )
    for session.round in range(options.rounds):
        for name in options.only:
            SECTIONS[name](session)


def _raise_limits() -> None:
    """Let this process and the servers have many connections, as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, _FILES), max(hard, _FILES)))
    except (OSError, ValueError):  # not root
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    main()
