"""What a server takes of the machine: processor time and memory of a whole tree of processes, read from /proc."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import time
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_UNREADABLE = (FileNotFoundError, ProcessLookupError, PermissionError)


@dataclass(frozen=True)
class Process:
    """One line of ``/proc/PID/stat``."""

    pid: int
    parent: int
    session: int
    seconds: float
    """Of processor time, with that of children that have ended."""
    started: int
    """With the pid, one process of all times."""


class Tree:
    """The processes that a command started: what descends from it, and what is in its session.

    A process that was once in the tree stays in it, though its parent may have ended since.
    """

    def __init__(self, root: int) -> None:
        self._root = root
        self._known: dict[int, int] = {}

    def processes(self) -> list[Process]:
        """Those that live now."""
        everyone = {each.pid: each for each in map(_read, _pids()) if each is not None}
        members = {pid for pid, started in self._known.items() if pid in everyone and everyone[pid].started == started}
        members |= {each.pid for each in everyone.values() if self._root in (each.pid, each.session)}
        grown = True
        while grown:
            more = {each.pid for each in everyone.values() if each.parent in members} - members
            members |= more
            grown = bool(more)
        self._known = {pid: everyone[pid].started for pid in members}
        return [everyone[pid] for pid in members]

    def seconds(self) -> float:
        """Processor time so far."""
        return sum(each.seconds for each in self.processes())

    def memory(self) -> int:
        """Bytes, those that processes share counted once (PSS)."""
        return sum(_memory(each.pid) for each in self.processes())

    def kill(self) -> None:
        """End whatever of it lives."""
        for _ in range(20):  # a process may have forked while it was read
            living = self.processes()
            if not living:
                return
            for each in living:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(each.pid, signal.SIGKILL)
            time.sleep(0.05)


class Clock:
    """Processor time over a while: the server's, its load generator's, and what everything else on the machine took."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._began = time.monotonic(), _busy(), tree.seconds(), _children()

    def read(self) -> tuple[float, float]:
        """Seconds of the server, and the share of the machine that was others': what makes figures doubtful."""
        moment, busy, server, generator = self._began
        used = self._tree.seconds() - server
        others = _busy() - busy - used - (_children() - generator)
        passed = (time.monotonic() - moment) * (os.cpu_count() or 1)
        return used, max(0.0, others / passed)


def _busy() -> float:
    """Seconds that all processors have worked, or were kept from us by the machine's host."""
    fields = [int(each) for each in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    idle, waiting = fields[3:5]
    return (sum(fields) - idle - waiting) / _TICKS


def _children() -> float:
    """Seconds of our children that have ended: a load generator, when it has."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _pids() -> list[int]:
    return [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()]


def _read(pid: int) -> Process | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except _UNREADABLE:
        return None
    fields = text[text.rindex(")") + 2 :].split()  # a process may have a bracket in its name
    if fields[0] == "Z":
        return None
    ticks = sum(map(int, fields[11:15]))
    return Process(pid, int(fields[1]), int(fields[3]), ticks / _TICKS, int(fields[19]))


def _memory(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except _UNREADABLE:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
