"""SIGTERM under load: everything that was accepted is answered."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import time
from collections import Counter

from bench.faults.client import ClosedLoop, Request, post, quantile
from bench.faults.result import Result
from bench.faults.service import ECHO, Service, kill, until

_GRACE = 8.0


async def sigterm(times: int) -> Result:
    """SIGTERM under the load of clients that keep their connections, beside some that connect for each request."""
    result = Result(f"SIGTERM under load, {times} times")
    codes: Counter[int | None] = Counter()
    took: list[float] = []
    failures: list[Request] = []
    fresh: Counter[str] = Counter()
    sent = 0
    async with Service(ECHO, workers=2, front_ends=2, grace=_GRACE) as service:
        for turn in range(times):
            if turn:
                await service.start()
            idle = socket.create_connection(("127.0.0.1", service.port))
            async with ClosedLoop(service.port, 48) as load, ClosedLoop(service.port, 8, pause=0.05) as slow:
                newcomers = asyncio.ensure_future(_newcomers(service.port, fresh))
                await asyncio.sleep(0.7 + turn * 0.0137)
                began = time.monotonic()
                kill(service.process.pid, signal.SIGTERM)
                with contextlib.suppress(TimeoutError):
                    await until(lambda: service.process.poll() is not None, 20)
                took.append(time.monotonic() - began)
                codes[service.process.poll()] += 1
                newcomers.cancel()
                await asyncio.gather(load.stop(1), slow.stop(1))
            idle.close()
            for account in (load.account, slow.account):
                sent += account.sent
                failures += account.failures
        left, tracebacks = len(list(service.temporary.iterdir())), service.tracebacks
    kinds = Counter(each.kind for each in failures)
    result.counts = {"sent": sent, **kinds, "exit codes": dict(codes), "new connections": dict(fresh)}
    unanswered = {kind: count for kind, count in kinds.items() if kind != "broken, kept connection"}
    result.check("every request on a new connection is answered 200", not unanswered, f"others: {unanswered or 0}")
    result.check(
        "one that met the close of a kept connection is the exception, as hardly any protocol can rule out",
        kinds["broken, kept connection"] <= times // 4,
        f"{kinds['broken, kept connection']} of {56 * times} connections",
    )
    result.check(
        "who connects is served or refused, never reset",
        set(fresh) <= {"ok", "refused"},
        str(dict(fresh)),
    )
    result.check(
        "it exits 0 within the grace",
        set(codes) == {0} and max(took) < _GRACE,
        f"{dict(codes)}, {quantile(took, 0.5):.2f} s, at most {max(took):.2f} s",
    )
    result.check("nothing unforeseen is logged", tracebacks == 0, f"{tracebacks} tracebacks")
    result.check("nothing is left in the temporary folder", left == 0, f"{left} left")
    return result


async def _newcomers(port: int, found: Counter[str]) -> None:
    """Connect, ask once and close, again and again; note how each went."""
    while True:
        found[await _once(port)] += 1
        await asyncio.sleep(0.001)


async def _once(port: int) -> str:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return "refused"
    except OSError as error:
        return f"not connected: {error}"
    try:
        writer.write(post("/echo", b'{"x": 7}'))
        status = (await reader.readline())[9:12].decode()
    except OSError:
        return "reset"
    finally:
        writer.close()
    return {"200": "ok", "": "closed without an answer"}.get(status, status)
