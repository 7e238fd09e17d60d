"""Faults under load, counted: python -m bench.faults [SCENARIO …] [--json FILE]

Each scenario starts a service of its own on a free port of the loopback, breaks something while clients ask, and
accounts for every request. It signals no process but those that it started. Exits 1 where a promise was not kept.
"""

from __future__ import annotations

import argparse
import asyncio
import inspect
import json
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from bench.faults import clients, ending, kills, overload, replacing, soak
from bench.faults.result import Result, table

Scenario = Callable[[], Awaitable[Result]]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.faults", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("only", nargs="*", metavar="SCENARIO", help="default: all but the soak")
    parser.add_argument("--kills", type=int, default=100, help="of workers and front ends; the others in proportion")
    parser.add_argument("--soak", type=float, default=0.0, metavar="SECONDS", help="how long the soak takes")
    parser.add_argument("--json", type=Path, help="write all that was counted to this file")
    options = parser.parse_args()
    scenarios = scenarios_of(options)
    unknown = sorted(set(options.only) - set(scenarios))
    if unknown:
        parser.error(f"no scenario {', '.join(unknown)}; there are {', '.join(scenarios)}")
    results = []
    for name in options.only or [each for each in scenarios if each != "soak" or options.soak]:
        began = time.monotonic()
        result = asyncio.run(run(scenarios[name]))
        print(f"{name}: {'kept' if result.kept else 'NOT KEPT'} ({time.monotonic() - began:.0f} s)", file=sys.stderr)
        results.append(result)
        if options.json:
            options.json.write_text(json.dumps([each.as_json() for each in results], indent=1))
    print(table(results))
    sys.exit(0 if all(each.kept for each in results) else 1)


def scenarios_of(options: argparse.Namespace) -> dict[str, Scenario]:
    few = max(2, options.kills // 10)
    return {
        "kill": partial(kills.each_process, options.kills),
        "kill-only": partial(kills.the_only_one, few),
        "kill-supervisor": partial(kills.the_supervisor, few),
        "sigterm": partial(ending.sigterm, max(3, options.kills // 5)),
        "sighup": partial(replacing.sighup, max(4, options.kills // 5)),
        "leak": partial(replacing.leak, 200 * options.kills),
        "hang": partial(replacing.hang, max(2, options.kills // 20)),
        "cannot-load": partial(replacing.cannot_load, 20.0),
        "bad-clients": partial(clients.bad_clients, max(20.0, 1.2 * options.kills)),
        "overload": partial(overload.overload, 0.3 * options.kills),
        "overload-2": partial(overload.overload, 0.1 * options.kills, front_ends=2),
        "overload-async": partial(overload.overload, 0.1 * options.kills, source=overload.ASYNC),
        "soak": partial(soak.soak, options.soak or 180.0),
    }


async def run(scenario: Scenario) -> Result:
    """Run one; what goes wrong in it is a promise that was not kept."""
    try:
        return await scenario()
    except Exception as error:
        result = Result(inspect.getdoc(getattr(scenario, "func", scenario)) or "")
        result.check("the scenario comes to its end", kept=False, found=repr(error))
        return result


if __name__ == "__main__":
    main()
