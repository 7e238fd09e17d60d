"""One child process and its replacements: started, watched, restarted with growing pauses, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from bentopack.errors import ServeError
from bentopack.serve.child import ChildSettings, Started, Status
from bentopack.serve.config import ServeConfig
from bentopack.serve.dead_metrics import fold_metrics

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
    folder: str
    """Its working directory, which Python also imports from."""
    on_tired: Callable[[Slot], None] = lambda slot: None
    """Called when the process asks for a successor."""
    _process: asyncio.subprocess.Process | None = None
    _leaving: asyncio.subprocess.Process | None = None
    """Whose successor is there, or on its way."""
    _keeper: asyncio.Task[None] | None = field(default=None, repr=False)
    _hearing: asyncio.Task[None] | None = field(default=None, repr=False)
    _ending: bool = False

    async def start(self) -> Started:
        """Start the process, and keep one running from then on.

        Raises:
            ServeError: it cannot serve; nothing is left running.
        """
        started = await self._spawn()
        if not self._ending:
            self._keeper = asyncio.create_task(self._keep())
        return started

    async def replace(self, grace: float) -> None:
        """Start another process beside this one, and let this one leave once the other is ready.

        Nothing is refused in between: the two share the socket. Where the new one cannot serve, the old one stays.

        Args:
            grace: seconds that it may take to leave, which SIGUSR1 tells it to.

        Raises:
            ServeError: the new process cannot serve.
        """
        old, keeper = self._process, self._keeper
        if old is None or keeper is None or self._ending:
            return
        keeper.cancel()
        self._leaving = old
        try:
            await self._spawn()
        except BaseException:
            if self._process is not None and self._process is not old:
                self._kill(self._process)
                fold_metrics(self.runtime, self._process.pid)
            self._process, self._leaving = old, None
            raise
        finally:
            if not self._ending:
                self._keeper = asyncio.create_task(self._keep())
        await self._finish(old, grace, signal.SIGUSR1)
        self._leaving = None

    async def stop(self, grace: float) -> None:
        """Ask the process to finish what it has, and end it after ``grace`` seconds."""
        self._ending = True
        if self._keeper is not None:
            self._keeper.cancel()
        there = [each for each in (self._process, self._leaving) if each is not None]
        await asyncio.gather(*(self._finish(each, grace) for each in there))

    async def _finish(
        self, process: asyncio.subprocess.Process, grace: float, farewell: signal.Signals = signal.SIGTERM
    ) -> None:
        if process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(farewell)
        try:
            await asyncio.wait_for(process.wait(), grace)
        except asyncio.TimeoutError:
            _log.warning("%s did not end within %.0f s and was killed", self.role, grace)
            self._kill(process)
            await process.wait()
        fold_metrics(self.runtime, process.pid)

    def kill(self) -> None:
        """End the process at once, for good."""
        self._ending = True
        self._kill(self._process)
        self._kill(self._leaving)

    @staticmethod
    def _kill(process: asyncio.subprocess.Process | None) -> None:
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()

    async def _keep(self) -> None:
        pause, clock = _FIRST_PAUSE, asyncio.get_running_loop().time
        began = clock()
        while self._process is not None:
            code = await self._process.wait()
            if self._ending:
                return
            fold_metrics(self.runtime, self._process.pid)
            pause = _FIRST_PAUSE if clock() - began > _HEALTHY_AFTER else min(pause * 2, _LONGEST_PAUSE)
            _log.warning("%s %s; it is restarted in %.1f s", self.role, _how_it_ended(code), pause)
            await asyncio.sleep(pause)
            await self._replace()
            began = clock()  # after the start: one that takes long to load and then dies has not been healthy

    async def _replace(self) -> None:
        try:
            await self._spawn()
            _log.info("%s is back", self.role)
        except ServeError as error:
            _log.error("%s", error)
        except Exception:  # whatever it is, the next try may go better: a slot is never given up
            _log.exception("%s cannot be started", self.role)

    async def _spawn(self) -> Started:
        try:
            process, reading = await self._execute()
        except OSError as error:
            raise ServeError(f"{self.role} cannot be started: {error}") from None
        if self._ending:  # it was stopped while this process was being made
            process.kill()
        stream = await _open(reading)
        status = await _read_status(stream, process)
        if isinstance(status, Started):
            self._hearing = asyncio.create_task(self._hear(stream))
            return status
        if status is None:
            how = _how_it_ended(await process.wait())
            raise ServeError(f"{self.role} {how} while it was starting", hint="what it printed stands above")
        raise ServeError(f"{self.role}: {status.message}", hint=status.hint)

    async def _hear(self, stream: asyncio.StreamReader) -> None:
        """Wait for what the process says later, and for its end."""
        while await stream.readline():
            self.on_tired(self)

    async def _execute(self) -> tuple[asyncio.subprocess.Process, int]:
        """Start the process; the descriptor is where it reports."""
        reading, writing = os.pipe()
        settings = ChildSettings(
            role=self.role,
            # The environment carries them; arguments are seen by every user of the machine.
            config=msgspec.structs.replace(self.config, envs={}),
            runtime=self.runtime,
            listener=self.listener,
            lifeline=self.lifeline,
            status=writing,
        )
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                self.module,
                msgspec.json.encode(settings).decode(),
                stdin=asyncio.subprocess.DEVNULL,
                cwd=self.folder,
                env=self.environ,
                pass_fds=(self.listener, self.lifeline, writing),
                start_new_session=True,  # Ctrl-C and a closed terminal reach the supervisor alone
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        return self._process, reading


async def _open(fd: int) -> asyncio.StreamReader:
    stream = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(fd, "rb", buffering=0)
    )
    return stream


async def _read_status(stream: asyncio.StreamReader, process: asyncio.subprocess.Process) -> Status | None:
    """Return what the process reports, or None when it ends without a word."""
    line = asyncio.ensure_future(stream.readline())
    ended = asyncio.ensure_future(process.wait())
    try:
        await asyncio.wait({line, ended}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({line}, timeout=0.5)  # its last word may still be on the way
        text = line.result() if line.done() else b""
    finally:
        ended.cancel()
        line.cancel()
    status: Status | None = msgspec.json.decode(text, type=Status) if text else None
    return status


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:  # the kernel has more signals than Python names
        name = f"signal {-code}"
    return f"was killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
