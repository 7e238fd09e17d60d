"""A long time at half of what can be answered, with everything that clients do: does anything grow?"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import time
from collections import Counter
from itertools import combinations

from bench.faults.client import SLOW, ClosedLoop, OpenLoop, head, post, quantile
from bench.faults.result import Result
from bench.faults.service import Sample, Service

_SOURCE = """
import time
import bentopack

@bentopack.service
class Service:
    @bentopack.api(batchable=True, one_row=True, max_batch_size=64)
    def echo(self, x: list[int]) -> list[int]:
        time.sleep(0.005 + 0.0001 * len(x))
        return x

    @bentopack.api
    def length(self, body: bytes) -> int:
        return len(body)

    @bentopack.api
    def fails(self) -> int:
        raise bentopack.ApiError(404, "as it should")
"""
_WARM = 0.25  # of the time is not looked at: caches fill, and the allocator finds its size
_GROWTH = 0.05  # of a process's memory over the rest of the time, or
_LEAST = 4 << 20  # bytes, whichever is more
_PAIRS = 20_000
_SLABS = 2 * 16  # descriptors of shared memory, and what a scrape has open
_THREADS = 6  # of a front end: those that gather metrics


async def soak(seconds: float, *, every: float = 2.0) -> Result:
    """Half load for so long, measured every few seconds."""
    result = Result(f"soak: half load for {seconds:.0f} s")
    random.seed(1)
    async with Service(_SOURCE, workers=2, front_ends=2) as service:
        async with ClosedLoop(service.port, 64) as load:
            await asyncio.sleep(5)
            await load.stop()
        rate = load.account.kinds["ok"] / 5 / 2
        processes, began = service.processes(), time.monotonic()
        first = await asyncio.to_thread(service.sample)
        steady, odd = OpenLoop(service.port), Counter[str]()
        others = asyncio.ensure_future(_others(service.port, odd))
        flow = asyncio.ensure_future(steady.run(rate, seconds))
        samples: list[tuple[float, dict[str, Sample]]] = []
        while not flow.done():
            await asyncio.sleep(every)
            samples.append((time.monotonic() - began, await asyncio.to_thread(service.sample)))
        await steady.end()
        others.cancel()
        await asyncio.sleep(2)
        last = await asyncio.to_thread(service.sample)
        same, tracebacks = processes == service.processes(), service.tracebacks
    account = steady.account
    result.counts = {
        **account.counts(),
        "a second": rate,
        "beside them": dict(odd),
        "client late, p99 s": quantile(steady.lags, 0.99),
        "at most": max(steady.lags),
    }
    result.check(
        "every request is answered",
        set(account.kinds) == {"ok"} and account.adds_up,
        f"p50 {account.quantile(0.5) * 1000:.1f} ms, p99 {account.quantile(0.99) * 1000:.1f} ms",
    )
    # Who stood still himself for as long cannot tell whether anybody else did.
    stood_still = max(steady.lags) > SLOW
    result.check(
        "nobody waits long",
        account.slow == 0 or stood_still,
        f"{account.slow} slow" + (f"; the client stood still for {max(steady.lags):.1f} s" if stood_still else ""),
    )
    result.check("odd requests are answered as they should be", set(odd) == {"right"}, str(dict(odd)))
    result.check("nothing dies", same, "the same processes before and after" if same else "other processes")
    result.check("nothing unforeseen is logged", tracebacks == 0, f"{tracebacks} tracebacks")
    for role in first:
        seen = [(at, each[role]) for at, each in samples[int(len(samples) * _WARM) :] if role in each]
        _judge(result, role, seen, first[role], last[role])
    return result


def _judge(result: Result, role: str, samples: list[tuple[float, Sample]], first: Sample, last: Sample) -> None:
    """Memory may not grow under load: the median slope between two samples, over the time that was looked at."""
    span = samples[-1][0] - samples[0][0]
    pairs = list(combinations(samples, 2))
    if len(pairs) > _PAIRS:
        pairs = random.sample(pairs, _PAIRS)
    slope = statistics.median((two.pss - one.pss) / (later - at) for (at, one), (later, two) in pairs)
    size = samples[0][1].pss
    result.check(
        f"{role} does not grow",
        slope * span < max(_LEAST, _GROWTH * size)
        and last.descriptors <= first.descriptors + _SLABS
        and last.threads <= first.threads + _THREADS,
        f"memory {size / 2**20:.1f} → {samples[-1][1].pss / 2**20:.1f} MiB, {slope * span / 2**20:+.2f} MiB in "
        f"{span:.0f} s; descriptors {first.descriptors} → {last.descriptors}, threads {first.threads} → {last.threads}",
    )


async def _others(port: int, found: Counter[str]) -> None:
    """Beside the steady flow: bodies that go by shared memory, errors, odd requests, and clients that leave early."""
    large = [os.urandom(size) for size in (70_000, 200_000, 900_000)]
    while True:
        body = random.choice(large)  # noqa: S311 - no secret
        for request, status, answer in (
            (head("/length", len(body), "a/b") + body, "200", str(len(body)).encode()),
            (post("/fails", b"{}"), "404", b'{"error":"as it should"}'),
            (post("/echo", b'{"x": "a"}'), "422", b""),
            (post("/echo", b"not json"), "400", b""),
            (b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n", "200", b""),
        ):
            told = await _ask(port, request)
            right = told[9:12].decode() == status and told.endswith(answer)
            found["right" if right else told[:12].decode() or "no answer"] += 1
        await _ask(port, head("/length", len(body), "a/b") + body[:60_000], leave=True)
        await _ask(port, post("/echo", b'{"x": 1}'), leave=True)
        await asyncio.sleep(0.05)


async def _ask(port: int, request: bytes, *, leave: bool = False) -> bytes:
    """Send a request on a connection of its own, and read a piece of the answer unless the client leaves first."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        if leave:
            await asyncio.sleep(0.002)
            return b""
        return await reader.read(1 << 16)
    except OSError:
        return b""
    finally:
        writer.close()
