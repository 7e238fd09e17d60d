"""Workers that are replaced under load: since they leak, on SIGHUP, since they hang; and a model that cannot load."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import time
from collections import Counter

from bench.faults.client import ClosedLoop, quantile
from bench.faults.result import Result
from bench.faults.service import ECHO, Service, kill, until

# Loads for three seconds, in which the old worker has its requests once more, and more than once.
LEAK = (
    ECHO.replace("time.sleep(0.002)\n", "LEAKED.append(bytearray(b'x' * (1 << 20)))\n")
    + "\nLEAKED = []\ntime.sleep(3 * os.path.exists('slow'))\n"
)
HANG = ECHO.replace(
    "time.sleep(0.002)\n", "time.sleep(3600 if os.path.exists('hang') and not os.remove('hang') else 0.002)\n"
)
LOADS = ECHO.replace(
    "    @bentopack.api",
    """    def __init__(self):
        with open("loads", "a") as loads:
            print(time.time(), os.getpid(), file=loads, flush=True)
        if os.path.exists("broken"):
            raise RuntimeError("no weights")
        if os.path.exists("slow"):
            time.sleep(60)

    @bentopack.api""",
    1,
)
_MAX_REQUESTS = 1000


async def leak(requests: int) -> Result:
    """A model that keeps a megabyte a call, with ``--max-requests``."""
    result = Result(f"a model that leaks 1 MB a call, --max-requests {_MAX_REQUESTS}")
    most, seen = 0, set[int]()
    async with Service(LEAK, workers=2, max_requests=_MAX_REQUESTS) as service:
        (service.folder / "slow").touch()
        async with ClosedLoop(service.port, 16) as load:
            while load.account.sent < requests:
                await asyncio.sleep(0.2)
                workers = [each.pid for each in await asyncio.to_thread(service.processes, "worker")]
                seen.update(workers)
                samples = await asyncio.to_thread(service.sample)
                most = max(most, *(each.rss for role, each in samples.items() if role.startswith("worker")))
            await load.stop()
        account = load.account
        all_calls = int(await asyncio.to_thread(_calls, service)) << 20
        await asyncio.sleep(8)  # the last replacements come to their end
        replaced = service.output.count("and is replaced")
        processes = set(service.processes("worker"))
        await asyncio.sleep(8)
        idle = len(set(service.processes("worker")) - processes)
        left = len(service.processes("worker"))
    result.counts = {**account.counts(), "replacements": replaced, "worker processes seen": len(seen)}
    result.check("no request fails", set(account.kinds) == {"ok"}, str(dict(account.kinds)))
    result.check(
        "workers are replaced once they have had their requests, and only then",
        replaced >= 1 and idle == 0,
        f"{replaced} times for {account.sent} requests, of {_MAX_REQUESTS} each; {idle} without any load",
    )
    result.check(
        "memory is bounded",
        0 < most < all_calls // 2,
        f"at most {most >> 20} MiB a worker, of {all_calls >> 20} leaked",
    )
    result.check("two workers are there afterwards", left == 2, f"{left}")
    return result


def _calls(service: Service) -> float:
    """How many calls of the model there were, all processes together."""
    with socket.create_connection(("127.0.0.1", service.port), 5) as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        told = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    return float(told.partition('bentopack_batch_rows_count{api="echo"} ')[2].split()[0])


async def sighup(times: int) -> Result:
    """SIGHUP under load, each time to another version of the code; twice in a row at times."""
    result = Result(f"SIGHUP under load, {times} times")
    took = []
    async with Service(_version(0), workers=2, front_ends=2) as service, ClosedLoop(service.port) as load:
        await asyncio.sleep(1)
        before = await asyncio.to_thread(service.sample)
        for turn in range(1, times + 1):
            service.write(_version(turn))
            began = time.monotonic()
            kill(service.process.pid, signal.SIGHUP)
            if turn % 4 == 0:  # another version while the last one is being loaded: what counts is the last signal
                await until(lambda: f"version {turn} " in service.output, 20)  # noqa: B023 - called within the turn
                service.write(_version(-turn))
                kill(service.process.pid, signal.SIGHUP)
            wanted = f"version {turn if turn % 4 else -turn} "
            with contextlib.suppress(TimeoutError):
                await until(lambda: service.output.count(wanted) == 2, 20)  # noqa: B023 - called within the turn
                await until(lambda: len(service.processes("worker")) == 2, 20)
                took.append(time.monotonic() - began)
        await load.stop()
        account = load.account
        after, tracebacks = await asyncio.to_thread(service.sample), service.tracebacks
    grown = {role: after[role].descriptors - before[role].descriptors for role in before if role in after}
    result.counts = {**account.counts(), "versions served": len(took)}
    result.check("no request fails", set(account.kinds) == {"ok"}, str(dict(account.kinds)))
    result.check(
        "each version is served",
        len(took) == times,
        f"{len(took)} of {times}, after {quantile(took, 0.5):.2f} s",
    )
    result.check("nobody waits long", account.slow == 0, f"slowest {max(account.seconds, default=0):.2f} s")
    result.check("nothing unforeseen is logged", tracebacks == 0, f"{tracebacks} tracebacks")
    result.check("no descriptor is kept", max(grown.values()) <= 2, str(grown))
    return result


def _version(number: int) -> str:
    return ECHO + f'\n    def __init__(self):\n        print("version {number} ", flush=True)\n'


async def hang(times: int) -> Result:
    """A call without an end in one of two workers; what waits behind it, and what comes meanwhile."""
    timeout, watchdog = 1.0, 2.0
    result = Result(f"a worker that hangs, {times} times (--timeout {timeout:g}, --watchdog {watchdog:g})")
    back: list[float] = []
    gaps: list[float] = []
    async with (
        Service(HANG, workers=2, timeout=timeout, watchdog=watchdog) as service,
        ClosedLoop(service.port) as load,
    ):
        for turn in range(times):
            await asyncio.sleep(1)
            (service.folder / "hang").touch()
            ended = service.output.count("is ended")
            began, answered, longest = time.monotonic(), load.account.last_ok, 0.0
            while service.output.count("is back") <= turn and time.monotonic() - began < 30:
                await asyncio.sleep(0.02)
                if load.account.last_ok != answered:
                    answered = load.account.last_ok
                longest = max(longest, time.monotonic() - answered)
            back.append(time.monotonic() - began)
            gaps.append(longest)
            if service.output.count("is ended") == ended:
                back[-1] = float("inf")
            await asyncio.sleep(9.5)  # or it would be taken to crash at once
        await load.stop()
    account = load.account
    failed = [each.seconds for each in account.failures]
    result.counts = account.counts()
    strange = {kind: n for kind, n in account.kinds.items() if kind not in ("ok", "503", "504")}
    result.check("what it had is answered 503 or 504, nothing else fails", not strange, f"others: {strange or 0}")
    result.check(
        "nobody waits longer than the timeout",
        max(failed, default=0.0) < timeout + 1.0 and max(account.seconds) < timeout + 1.0,
        f"failures after {quantile(failed, 0.5):.2f} s, at most {max(failed, default=0):.2f} s",
    )
    result.check("it is ended and replaced", max(back) < watchdog + 6, f"at most {max(back):.2f} s after the hang")
    result.check(
        "the other worker serves on",
        max(gaps) < timeout + 1.0,
        f"at most {max(gaps):.2f} s without any success",
    )
    return result


async def cannot_load(seconds: float) -> Result:
    """A worker that dies and whose model then cannot be loaded; one killed while it loads; SIGHUP to broken code."""
    result = Result("a model that cannot be loaded")
    async with Service(LOADS) as service:
        broken, slow, loads = (service.folder / name for name in ("broken", "slow", "loads"))

        broken.touch()
        async with ClosedLoop(service.port, 8) as load:
            kill(service.process.pid, signal.SIGHUP)
            await until(lambda: "serves on" in service.output, 30)
            await asyncio.sleep(1)
            await load.stop()
        kinds = dict(load.account.kinds)
        result.check("SIGHUP to what cannot be loaded: the old workers serve on", set(kinds) == {"ok"}, str(kinds))

        began = _count(loads)
        kill(service.processes("worker")[0].pid)
        readiness: Counter[str] = Counter()
        answers: Counter[str] = Counter()
        end = time.monotonic() + seconds
        async with ClosedLoop(service.port, 2, pause=0.2) as load:
            while time.monotonic() < end:
                status, told = await asyncio.to_thread(service.readiness)
                readiness[f"{status} {told}"] += 1
                await asyncio.sleep(0.5)
            await load.stop()
            answers = load.account.kinds
        tries = _count(loads) - began
        says_why = set(readiness) - {'200 {"status":"ready"}'} == {
            '503 {"status":"not ready","reason":"waiting for worker 0 to load"}'
        }  # ready: asked before anybody could know
        result.check("readiness says what is waited for", says_why, str(dict(readiness)))
        result.check(
            "requests get an answer at once",
            set(answers) <= {"503", "ok"} and load.account.slow == 0,
            str(dict(answers)),
        )
        result.check("the log says why", "no weights" in service.output, "no weights")
        result.check(f"it is tried again, ever less often, in {seconds:.0f} s", 2 <= tries <= 9, f"{tries} times")

        broken.unlink()
        back = await until(lambda: service.readiness()[0] == 200, 40, 0.1)
        result.check("it serves when the model can be loaded again", back < 40, f"after {back:.1f} s")

        await asyncio.sleep(11)  # it has been healthy
        slow.touch()
        for _ in range(3):
            began = _count(loads)
            for each in service.processes("worker"):
                kill(each.pid)
            await until(lambda: _count(loads) > began, 30, 0.05)  # noqa: B023 - called within the turn
            await asyncio.sleep(0.3)
        slow.unlink()
        for each in service.processes("worker"):
            kill(each.pid)
        await until(lambda: _count(loads) > began + 1, 30, 0.05)
        back = await until(lambda: service.readiness()[0] == 200, 40, 0.1)
        result.check("killed three times while it loads, it comes back", back < 40, f"after {back:.1f} s")
        left = len(service.processes("worker"))
        result.check("no process is left over", left == 1, f"{left} workers")
    return result


def _count(path: object) -> int:
    from pathlib import Path

    return len(Path(str(path)).read_text().splitlines())
