"""One child process and its replacements: started, watched, restarted with growing pauses, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from bentopack.errors import ServeError
from bentopack.serve.child import ChildSettings, Failed, Started, Status
from bentopack.serve.config import ServeConfig

_log = logging.getLogger("bentopack.serve")
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 30.0
_HEALTHY_AFTER = 10.0


@dataclass(eq=False)
class Slot:
    """A place for one process of a role.

    Args:
        module: what it runs, by ``python -m``.
        role: its name in messages, such as ``worker 0``.
        listener: the descriptor of the socket it serves; it outlives the process, so that nothing that connects in
            between is refused.
    """

    module: str
    role: str
    config: ServeConfig
    runtime: str
    listener: int
    lifeline: int
    environ: Mapping[str, str]
    _process: asyncio.subprocess.Process | None = None
    _keeper: asyncio.Task[None] | None = field(default=None, repr=False)

    async def start(self) -> Started:
        """Start the process, and keep one running from then on.

        Raises:
            ServeError: it cannot serve; nothing is left running.
        """
        started = await self._spawn()
        self._keeper = asyncio.create_task(self._keep())
        return started

    async def stop(self, grace: float) -> None:
        """Ask the process to finish what it has, and end it after ``grace`` seconds."""
        if self._keeper is not None:
            self._keeper.cancel()
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), grace)
        except asyncio.TimeoutError:
            _log.warning("%s did not end within %.0f s and was killed", self.role, grace)
            self.kill()
            await process.wait()

    def kill(self) -> None:
        """End the process at once."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def _keep(self) -> None:
        pause, clock = _FIRST_PAUSE, asyncio.get_running_loop().time
        began = clock()
        while self._process is not None:
            code = await self._process.wait()
            pause = _FIRST_PAUSE if clock() - began > _HEALTHY_AFTER else min(pause * 2, _LONGEST_PAUSE)
            self._forget(self._process.pid)
            if code != 0:  # 0 is a signal to the whole process group, which is about to end us as well
                _log.warning("%s %s; it is restarted in %.1f s", self.role, _how_it_ended(code), pause)
            await asyncio.sleep(pause)
            began = clock()
            try:
                await self._spawn()
                _log.info("%s is back", self.role)
            except ServeError as error:
                _log.error("%s", error)

    async def _spawn(self) -> Started:
        reading, writing = os.pipe()
        settings = ChildSettings(
            role=self.role,
            config=self.config,
            runtime=self.runtime,
            listener=self.listener,
            lifeline=self.lifeline,
            status=writing,
        )
        try:
            process = self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                self.module,
                msgspec.json.encode(settings).decode(),
                stdin=asyncio.subprocess.DEVNULL,
                cwd=self.config.source,
                env=self.environ,
                pass_fds=(self.listener, self.lifeline, writing),
            )
        finally:
            os.close(writing)
        status = await _read_status(reading, process)
        if isinstance(status, Started):
            return status
        if status is None:
            how = _how_it_ended(await process.wait())
            raise ServeError(f"{self.role} {how} while it was starting", hint="what it printed stands above")
        raise ServeError(f"{self.role}: {status.message}", hint=status.hint)

    def _forget(self, pid: int) -> None:
        """Remove a dead process from the gauges that show living ones."""
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(pid, os.path.join(self.runtime, "metrics"))  # type: ignore[no-untyped-call] # noqa: PTH118


async def _read_status(fd: int, process: asyncio.subprocess.Process) -> Status | None:
    """Return what the process reports, or None when it ends without a word."""
    stream = asyncio.StreamReader(limit=1 << 20)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(fd, "rb", buffering=0)
    )
    line = asyncio.ensure_future(stream.readline())
    ended = asyncio.ensure_future(process.wait())
    try:
        await asyncio.wait({line, ended}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({line}, timeout=0.5)  # its last word may still be on the way
        text = line.result() if line.done() else b""
    finally:
        ended.cancel()
        line.cancel()
        transport.close()
    status: Status | None = msgspec.json.decode(text, type=Started | Failed) if text else None
    return status


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name
    return f"was killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
