"""Three times as many requests as can be answered, at a rate that heeds no answer; and clients that give up."""

from __future__ import annotations

import asyncio

from bench.faults.client import Account, ClosedLoop, OpenLoop, post, quantile
from bench.faults.result import Result
from bench.faults.service import Service

_CALL = 0.010
_ROW = 0.000_02
_MOST = 16  # rows a call: 1,550 requests a second is all that one worker can
_LATENCY = 0.5
_SOURCE = f"""
import time
import bentopack

@bentopack.service
class Service:
    def __init__(self):
        self.given_up = 0

    @bentopack.api(batchable=True, one_row=True, max_batch_size={_MOST}, max_latency_ms={_LATENCY * 1000:.0f})
    {{how}} echo(self, x: list[int]) -> list[int]:
        self.given_up += sum(each < 0 for each in x)
        time.sleep({_CALL} + {_ROW} * len(x))
        return x

    @bentopack.api
    {{how}} executed(self, x: int) -> int:
        return self.given_up
"""
SYNC, ASYNC = _SOURCE.format(how="def"), _SOURCE.format(how="async def")


async def overload(seconds: float, *, front_ends: int = 1, source: str = SYNC) -> Result:
    """Three times the capacity for so long; before and after it clients that wait for their answers."""
    kind = "async def" if source == ASYNC else "def"
    result = Result(f"3x overload for {seconds:.0f} s, {front_ends} front end(s), {kind}")
    async with Service(source, front_ends=front_ends) as service:
        before = await _closed(service, 4.0)
        capacity = before.kinds["ok"] / 4.0
        flood = OpenLoop(service.port)
        await flood.run(3 * capacity, seconds)
        await flood.end()
        after = await _closed(service, 4.0)
        dropped = await _given_up(service)
        tracebacks = service.tracebacks
    account = flood.account
    goodput = account.kinds["ok"] / seconds
    refusals = [each.seconds for each in account.failures if each.kind == "503"]
    others = {kind: n for kind, n in account.kinds.items() if kind not in ("ok", "503")}
    result.counts = {
        **account.counts(),
        "capacity a second": capacity,
        "offered": account.sent / seconds,
        "client late, p99 s": quantile(flood.lags, 0.99),
    }
    result.check("every request is accounted for", account.adds_up, f"{account.sent} sent")
    result.check("each is answered 200 or 503", not others, f"others: {others or 0}")
    result.check(
        "as many are answered as can be", goodput >= 0.9 * capacity, f"{goodput:.0f} of {capacity:.0f} a second"
    )
    bound = _LATENCY + _CALL + _ROW * _MOST
    result.check(
        "what is accepted has waited no longer than max_latency_ms",
        account.quantile(0.99) <= bound,
        f"p99 {account.quantile(0.99) * 1000:.0f} ms, of {bound * 1000:.0f} ms with its call",
    )
    result.check(
        "what is refused is refused at once",
        quantile(refusals, 0.99) < 0.010,
        f"p50 {quantile(refusals, 0.5) * 1000:.1f} ms, p99 {quantile(refusals, 0.99) * 1000:.1f} ms",
    )
    result.check(
        "afterwards all is as before",
        set(after.kinds) == {"ok"} and after.kinds["ok"] > 0.9 * before.kinds["ok"],
        f"{before.kinds['ok'] / 4:.0f} → {after.kinds['ok'] / 4:.0f} a second, "
        f"p99 {before.quantile(0.99) * 1000:.0f} → {after.quantile(0.99) * 1000:.0f} ms, {dict(after.kinds)}",
    )
    result.check("what a client has given up is not executed", dropped <= _MOST, f"{dropped} of 250 executed")
    result.check("nothing unforeseen is logged", tracebacks == 0, f"{tracebacks} tracebacks")
    return result


async def _closed(service: Service, seconds: float) -> Account:
    async with ClosedLoop(service.port, 64) as load:
        await asyncio.sleep(seconds)
        await load.stop()
    return load.account


async def _given_up(service: Service) -> int:
    """Fill the queue, then send requests whose clients leave before their turn; return how many were executed."""
    asked = []
    for number in [*range(400), *[-1] * 250]:
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        asked.append((number, reader, writer))
    for number, _, writer in asked:
        writer.write(post("/echo", b'{"x": %d}' % number))
    await asyncio.sleep(0.1)
    for number, _, writer in asked:
        if number < 0:
            writer.close()
    for number, reader, writer in asked:
        if number >= 0:
            await reader.read(1000)
            writer.close()
    await asyncio.sleep(1)
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    writer.write(post("/executed", b'{"x": 0}'))
    told = await reader.read(1000)
    writer.close()
    return int(told.rpartition(b"\r\n\r\n")[2])
