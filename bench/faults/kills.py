"""Processes that are killed under load: each of those that serve, in turn; the supervisor; all at once."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field

from bench.faults.client import ClosedLoop, Request, quantile
from bench.faults.result import Result
from bench.faults.service import ECHO, Process, Service, kill, sample, until

_HEALTHY = 10.5  # seconds between two kills of one place: what dies sooner is taken to crash, and waits ever longer
_NOTICED = 0.1  # seconds within which front ends know of a worker's end
_AT_ONCE = 1.0  # seconds; a machine that is busy with other things takes its time


@dataclass
class Kill:
    """A process that was killed, what it had at that moment, and what failed until the next."""

    process: Process
    at: float
    in_flight: set[int]
    ports: set[int]
    """The clients whose connections a killed front end had."""
    failures: list[Request] = field(default_factory=list)
    back: float = float("inf")
    """Seconds until its place was filled and the service ready."""

    @property
    def is_worker(self) -> bool:
        return self.process.role.startswith("worker")

    def explains(self, request: Request) -> bool:
        """Whether the killed process had this request, or was sent it just then, and it was lost as is promised."""
        if self.is_worker:
            sent = request.number in self.in_flight or request.sent - self.at < _NOTICED
            return request.kind == "503" and b"crashed" in request.told and sent
        return request.kind.startswith(("broken", "cut")) and request.port in self.ports


async def each_process(kills: int) -> Result:
    """``kill -9`` of every process but the supervisor, in turn, under the load of 64 clients."""
    result = Result(f"kill -9 of 2 workers and 3 front ends in turn, {kills} times")
    async with Service(ECHO, workers=2, front_ends=3) as service:
        async with ClosedLoop(service.port):
            await asyncio.sleep(1)
        before, files = sample(service.process.pid), _files(service)
        load, done = await _kill_in_turn(service, 5, kills)
        await asyncio.sleep(1)
        after = sample(service.process.pid)
        _judge(result, load, done)
        result.check(
            "the supervisor keeps nothing of the dead",
            after.descriptors <= before.descriptors + 3 and after.pss < before.pss + (8 << 20),
            f"descriptors {before.descriptors} → {after.descriptors}, "
            f"memory {before.pss >> 20} → {after.pss >> 20} MiB",
        )
        result.check("no file is left of the dead", _files(service) <= files + 4, f"{files} → {_files(service)} files")
    return result


async def the_only_one(kills: int) -> Result:
    """The same with one worker and one front end, where nobody else can answer meanwhile."""
    result = Result(f"kill -9 of the only worker and the only front end in turn, {kills} times")
    async with Service(ECHO) as service:
        load, done = await _kill_in_turn(service, 2, kills)
        account = load.account
        result.counts = account.counts()
        lost = [each for one in done for each in one.failures if not one.explains(each)]
        refused = [each for each in lost if each.kind == "503" and b"no worker is ready" in each.told]
        others = Counter(each.kind for each in lost if each not in refused)
        result.counts["503 while no worker was there"] = len(refused)
        result.check("every request is accounted for", account.adds_up, f"{account.sent} sent")
        result.check(
            "what the killed process had is lost, and no more; while there is no worker requests get a 503",
            not others and account.kinds["wrong"] == 0,
            f"others: {dict(others)}",
        )
        result.check("connecting is never refused", account.refused == 0, f"{account.refused} refused")
        back = [each.back for each in done]
        result.check("it serves again", max(back) < 30, f"after {quantile(back, 0.5):.2f} s, at most {max(back):.2f} s")
    return result


async def _kill_in_turn(service: Service, places: int, kills: int) -> tuple[ClosedLoop, list[Kill]]:
    done: list[Kill] = []
    spent: dict[str, float] = {}
    async with ClosedLoop(service.port) as load:
        await asyncio.sleep(1)
        for turn in range(kills):
            victims = [each for each in await asyncio.to_thread(service.processes) if each.role != "supervisor"]
            victim = victims[turn % places]
            await asyncio.sleep(max(0.0, spent.get(victim.role, 0.0) + _HEALTHY - time.monotonic()))
            done.append(await _kill(service, load, victim))
            spent[victim.role] = time.monotonic()
            await asyncio.sleep(0.3)
        await load.stop()
    for request in load.account.failures:
        last = [each for each in done if each.at <= request.ended]
        if last:
            last[-1].failures.append(request)
    return load, done


async def _kill(service: Service, load: ClosedLoop, victim: Process) -> Kill:
    """Kill a process and wait until another is in its place."""
    front_end = victim.role.startswith("front end")
    owners = await asyncio.to_thread(service.owners) if front_end else {}
    ports = {port for port, role in owners.items() if role == victim.role}
    killed = Kill(victim, time.monotonic(), set(load.account.in_flight), ports)
    kill(victim.pid)

    def is_back() -> bool:
        return any(each.role == victim.role and each.pid != victim.pid for each in service.processes())

    await until(is_back, 60)
    await until(lambda: service.readiness()[0] == 200, 60, 0.05)
    killed.back = time.monotonic() - killed.at
    return killed


def _judge(result: Result, load: ClosedLoop, done: list[Kill]) -> None:
    account = load.account
    result.counts = account.counts()
    workers, front_ends = [k for k in done if k.is_worker], [k for k in done if not k.is_worker]
    result.check("every request is accounted for", account.adds_up, f"{account.sent} sent")
    for what, those in (("worker", workers), ("front end", front_ends)):
        lost = [each for one in those for each in one.failures]
        strange = [each for one in those for each in one.failures if not one.explains(each)]
        late = [each.ended - one.at for one in those for each in one.failures]
        after = sum(each.sent > one.at for one in those for each in one.failures)
        how = "its requests get a 503 at once" if what == "worker" else "its own connections break"
        result.check(
            f"a killed {what} loses what it had and no more: {how}",
            not strange and max(late, default=0.0) < _AT_ONCE,
            f"{len(those)} kills, {len(lost)} lost ({len(lost) / max(1, len(those)):.1f} a kill, at the latest "
            f"{max(late, default=0.0) * 1000:.0f} ms after, {after} of them sent after the kill), "
            f"not its own: {dict(Counter(each.kind for each in strange)) or 0}",
        )
    back = [each.back for each in done]
    result.check("no answer is another's", account.kinds["wrong"] == 0, f"{account.kinds['wrong']} wrong")
    result.check("connecting is never refused", account.refused == 0, f"{account.refused} refused")
    result.check("nobody waits long", account.slow == 0, f"slowest success {max(account.seconds, default=0):.2f} s")
    result.check("its place is filled again", max(back) < 10, f"{quantile(back, 0.5):.2f} s, at most {max(back):.2f} s")


async def the_supervisor(kills: int) -> Result:
    """SIGKILL of the supervisor, which cannot end the others then; and of all at once, when nobody cleans up."""
    result = Result(f"kill -9 of the supervisor, {kills} times, and of all processes at once, {kills} times")
    gone, orphans = [], 0
    async with Service(ECHO, workers=2, front_ends=2) as service:
        for turn in range(kills):
            if turn:
                await service.start()
            async with ClosedLoop(service.port, 16) as load:
                await asyncio.sleep(0.5 + turn * 0.037)
                kill(service.process.pid)
                try:
                    gone.append(await until(lambda: not service.processes(), 10))
                except TimeoutError:
                    orphans += len(service.processes())
                await load.stop(0.5)
            service.process.wait()
        left = _folders(service)
        for _ in range(kills):
            await service.start()
            for each in service.processes():
                kill(each.pid)
            await until(lambda: not service.processes(), 10)
            service.process.wait()
        piled = _folders(service)
        await service.start()
        running = _folders(service)
        result.counts = {"ended after, s": quantile(gone, 0.5), "at most": max(gone, default=float("inf"))}
        result.check(
            "every other process has ended within 2 s",
            orphans == 0 and len(gone) == kills and max(gone) < 2,
            f"{quantile(gone, 0.5):.2f} s, at most {max(gone, default=0):.2f} s, {orphans} orphans",
        )
        result.check("a killed supervisor's folder is removed by the others", left == 0, f"{left} folders left")
        result.check(
            "folders of services that were killed whole do not pile up",
            piled <= 1 and running <= 1,
            f"{piled} after {kills} kills, {running} while the next one serves",
        )
    return result


def _folders(service: Service) -> int:
    return len([each for each in service.temporary.iterdir() if each.name.startswith("bentopack-")])


def _files(service: Service) -> int:
    return sum(1 for each in service.temporary.rglob("*") if each.is_file())
