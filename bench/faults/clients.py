"""Clients that behave badly, beside others that do not: the others see nothing of it, and nothing is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from dataclasses import dataclass

from bench.faults.client import Account, ClosedLoop, head, post
from bench.faults.result import Result
from bench.faults.service import ECHO, Sample, Service

_HEADS = 1000  # connections that send a head, a byte every second
_BODIES = 200  # that send a body of 200 kB, 100 bytes every second
_DEAF = 30  # that ask for more than the kernel's buffers take, and never read it
_RUSHED = 2000  # that ask and are gone
_ANSWER = 8 << 20
_SOURCE = (
    ECHO
    + f"""
    @bentopack.api
    def large(self) -> bytes:
        return bytes({_ANSWER})
"""
)
# Bytes that a process may keep: slabs for the next large bodies, and what glibc is told not to give back at once
# (MALLOC_TRIM_THRESHOLD_ in the supervisor; with 128 KiB there, a front end kept 8 MiB).
_MEMORY = (48 + 128) << 20
_SPELL = 6.0


@dataclass
class Bad:
    """Clients of one kind."""

    name: str
    sockets: list[socket.socket]

    def open(self, owned: dict[int, str]) -> int:
        """How many of their connections a front end still has, whatever the clients know of it."""
        return sum(each.getsockname()[1] in owned for each in self.sockets)

    def close(self) -> None:
        for each in self.sockets:
            each.close()


async def bad_clients(seconds: float) -> Result:
    """All kinds at once for so long, beside 16 clients that ask one request after the other."""
    result = Result(f"bad clients for {seconds:.0f} s beside 16 good ones")
    async with Service(_SOURCE, front_ends=1, workers=1) as service:
        await _good(service, 2)
        before = await _good(service, _SPELL)
        held = await asyncio.to_thread(service.sample)
        bad = await _connect(service)
        trickle = [asyncio.ensure_future(_trickle(each)) for each in bad[:2]]
        rushed = asyncio.ensure_future(_rush(service))
        during = await _good(service, seconds)
        most = await asyncio.to_thread(service.sample)
        owned = await asyncio.to_thread(service.owners)
        left = {each.name: each.open(owned) for each in bad}
        for task in (*trickle, rushed):
            task.cancel()
        for each in bad:
            each.close()
        await asyncio.sleep(2)
        after = await _good(service, _SPELL)
        await asyncio.sleep(1)
        kept = await asyncio.to_thread(service.sample)
        ready, tracebacks = service.readiness()[0], service.tracebacks
    result.counts = {f"{name}, still open": count for name, count in left.items()}
    for name, account in (("before", before), ("meanwhile", during), ("after", after)):
        result.check(
            f"good clients are answered {name}",
            set(account.kinds) == {"ok"} and account.adds_up,
            f"{account.kinds['ok']} ok, p99 {account.quantile(0.99) * 1000:.1f} ms, failed: "
            f"{ {kind: n for kind, n in account.kinds.items() if kind != 'ok'} or 0 }",
        )
    result.check(
        "they hardly wait longer",
        during.quantile(0.99) < 10 * before.quantile(0.99) + 0.05,
        f"p99 {before.quantile(0.99) * 1000:.1f} → {during.quantile(0.99) * 1000:.1f} ms",
    )
    result.check("heads that do not end are given up", left["heads"] == 0 or seconds < 20, f"{left['heads']} open")
    result.check("answers that nobody reads are given up", left["deaf"] == 0 or seconds < 100, f"{left['deaf']} open")
    for role in held:
        ours, worst, now = held[role], most[role], kept[role]
        result.check(
            f"{role} keeps nothing",
            now.descriptors <= ours.descriptors + 2 * 256 * (role != "supervisor") and _grown(ours, now) < _MEMORY,
            f"descriptors {ours.descriptors} → {worst.descriptors} → {now.descriptors}, "
            f"memory {ours.pss >> 20} → {worst.pss >> 20} → {now.pss >> 20} MiB",
        )
    result.check("it is ready", ready == 200, f"/readyz: {ready}")
    result.check("nothing unforeseen is logged", tracebacks == 0, f"{tracebacks} tracebacks")
    return result


def _grown(before: Sample, after: Sample) -> int:
    return after.pss - before.pss


async def _good(service: Service, seconds: float) -> Account:
    async with ClosedLoop(service.port, 16, pause=0.002) as load:
        await asyncio.sleep(seconds)
        await load.stop()
    return load.account


async def _connect(service: Service) -> list[Bad]:
    """Make the connections, each with the beginning of what it will never end."""
    small = await _sockets(service, _HEADS, b"POST /echo HTTP/1.1\r\nHost: h\r\nX-A: ")
    bodies = await _sockets(service, _BODIES, head("/echo", 200_000))
    deaf = await _sockets(service, _DEAF, post("/large", b"{}"), small=True)
    return [Bad("heads", small), Bad("bodies", bodies), Bad("deaf", deaf)]


async def _sockets(service: Service, count: int, first: bytes, *, small: bool = False) -> list[socket.socket]:
    made = []
    for number in range(count):
        each = socket.socket()
        if small:  # nothing of the answer is taken off the service's hands
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        each.settimeout(5)
        each.connect(("127.0.0.1", service.port))
        each.sendall(first)
        each.setblocking(False)
        made.append(each)
        if number % 50 == 0:
            await asyncio.sleep(0.01)
    return made


async def _trickle(bad: Bad) -> None:
    part = b"a" if bad.name == "heads" else b"1" * 100
    while True:
        await asyncio.sleep(1)
        for number, each in enumerate(bad.sockets):
            with contextlib.suppress(OSError):
                each.send(part)
            if number % 100 == 0:
                await asyncio.sleep(0)


async def _rush(service: Service) -> None:
    """Ask and leave, some in the middle of the request, some before the answer."""
    whole = post("/echo", json.dumps({"x": 1}).encode())
    large = head("/echo", 300_000) + b" " * 150_000
    for number in range(_RUSHED):
        each = socket.socket()
        each.setblocking(False)
        with contextlib.suppress(OSError):
            await asyncio.get_running_loop().sock_connect(each, ("127.0.0.1", service.port))
            each.send((whole, whole[:40], large)[number % 3])
        await asyncio.sleep(0.005)
        each.close()
