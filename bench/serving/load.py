"""The two load generators: wrk in a closed loop, our own in an open one."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

from bench.serving.environments import HERE, compiled
from bench.serving.measure import Clock
from bench.serving.running import Running, ServerError, Target

Figures = dict[str, float]


def closed_loop(running: Running, connections: int, seconds: float) -> Figures:
    """As many requests as the server answers, each connection sending its next when it has its answer."""
    tree = running.tree
    clock = Clock(tree)
    found = _wrk(running.target, connections, seconds)
    used, others = clock.read()
    answers = max(1.0, found["requests"] - found["not_200"])
    return {
        "rate": (found["requests"] - found["not_200"]) / found["seconds"],
        "p50_ms": found["p50_ms"],
        "p99_ms": found["p99_ms"],
        "cpu_us": used / answers * 1e6,
        "memory_mb": tree.memory() / 1e6,
        "others": others,
        "not_200": found["not_200"],
        "broken": found["broken"],
    }


def _wrk(target: Target, connections: int, seconds: float) -> Figures:
    threads = min(2, connections)
    command = ["wrk", f"-t{threads}", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "60s"]
    command += ["--latency", "-s", str(HERE / "native/post.lua"), f"http://127.0.0.1:{target.port}{target.paths[0]}"]
    environment = {
        **os.environ,
        "BENCH_BODY": str(target.body.path),
        "BENCH_CONTENT_TYPE": target.body.content_type,
        "BENCH_PATHS": ",".join(target.paths),
    }
    found: Figures = _last_line(command, environment, seconds + 120, "stderr")
    return found


def open_loop(
    running: Running,
    rate: float,
    seconds: float,
    *,
    connections: int = 512,
    warm_up: float = 1.0,
    grace: float = 5.0,
) -> Figures:
    """Requests at a rate that does not depend on the answers; latency counts from when a request was due."""
    target = running.target
    clock = Clock(running.tree)
    command = [str(compiled("open_loop")), "-p", str(target.port), "-u", target.paths[0], "-b", str(target.body.path)]
    command += ["-t", target.body.content_type, "-r", f"{rate:.3f}", "-c", str(connections), "-d", str(seconds)]
    command += ["-w", str(warm_up), "-g", str(grace)]
    found = _last_line(command, dict(os.environ), seconds + warm_up + grace + 60, "stdout")
    flat: Figures = {}
    for name, value in found.items():
        if isinstance(value, dict):
            flat.update({f"{name}_{each}": number for each, number in value.items()})
        else:
            flat[name] = value
    used, others = clock.read()
    return {"rate": rate, **flat, "cpu_us": used / max(1.0, rate * (seconds + warm_up)) * 1e6, "others": others}


def _last_line(command: list[str], environment: dict[str, str], timeout: float, stream: str) -> Any:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout, check=False)
    said = (done.stderr if stream == "stderr" else done.stdout).strip()
    try:
        return json.loads(said.rpartition("\n")[2])
    except ValueError:
        raise ServerError(f"{command[0]} failed: {done.stdout}{done.stderr}") from None
