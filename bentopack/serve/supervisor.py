"""The first process: owns the address and the private folder, starts the others, and ends them in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bentopack.errors import ServeError
from bentopack.serve import leftovers, orphans, tls
from bentopack.serve.child import Started, worker_socket
from bentopack.serve.config import ServeConfig, patience_of
from bentopack.serve.listening import listen, url_of
from bentopack.serve.settings import check
from bentopack.serve.slot import Slot

_log = logging.getLogger("bentopack.serve")
_MALLOC = {"MALLOC_TRIM_THRESHOLD_": str(128 << 20), "MALLOC_MMAP_THRESHOLD_": str(32 << 20)}
"""For glibc, in bytes: it would give the memory of each large body back to the kernel, and ask for it anew."""
_FRONT_END = "bentopack.serve.frontend"
_WORKER = "bentopack.serve.worker"
_MEMORY = "/dev/shm"  # noqa: S108 - the folder in it is private

OnReady = Callable[[str], None]


def serve(config: ServeConfig, *, on_ready: OnReady = _log.info) -> None:
    """Serve until SIGTERM or Ctrl-C, then answer what has been accepted and return, with nothing left running.

    Args:
        config: what to serve, and how.
        on_ready: given one line with the URL, each time that all processes have started.

    Raises:
        ServeError: a setting or the address cannot be had, or the service cannot be loaded.
    """
    check(config)
    if config.reload and find_spec("watchfiles") is None:
        hint = "a Bento does not change: run its project, or the Bento with --env current"
        raise ServeError("--reload: the package watchfiles is not installed", hint=hint)
    missing = sorted(set(config.required_envs) - set(os.environ))
    if missing:
        _log.warning("the Bento needs values for the environment variables %s, which are not set", ", ".join(missing))
    if config.in_process or os.name == "nt":
        from bentopack.serve.one_process import serve as serve_here

        serve_here(config, on_ready=on_ready)
        return
    with listen(config.host, config.port) as listener, private_folder() as runtime, leftovers.claim(runtime):
        Path(runtime, "metrics").mkdir()
        asyncio.run(Supervisor(config, listener, runtime, on_ready).run())


def private_folder() -> tempfile.TemporaryDirectory[str]:
    """Make the folder of sockets and metrics, in memory where the whole file system is read-only.

    Raises:
        ServeError: there is no place for it.
    """
    for place in (None, _MEMORY):
        with contextlib.suppress(OSError):
            return tempfile.TemporaryDirectory(prefix=leftovers.PREFIX, dir=place, ignore_cleanup_errors=True)
    raise ServeError(
        "there is no folder for temporary files that this user can write to",
        hint="set TMPDIR to one; for a container, mount one: docker run --tmpfs /tmp",
    )


def environment(config: ServeConfig, runtime: str) -> dict[str, str]:
    """Return the environment of the processes: the Bento's variables, before which the real ones go."""
    found = {**_MALLOC, **config.envs, **os.environ}
    if Path(runtime).parent == Path(_MEMORY):
        found["TMPDIR"] = _MEMORY  # what had no place for our files has none for theirs
    # Read by prometheus_client when it is imported.
    return {**found, "PROMETHEUS_MULTIPROC_DIR": str(Path(runtime, "metrics"))}


class Supervisor:
    """Runs one configuration. ``runtime`` is a folder that only this user can enter."""

    def __init__(self, config: ServeConfig, listener: socket.socket, runtime: str, on_ready: OnReady) -> None:
        self._config = config
        self._listener = listener
        self._runtime = runtime
        self._on_ready = on_ready
        self._url = url_of(listener, tls=config.speaks_tls)
        self._lifeline, self._held = os.pipe()
        self._worker_listeners: list[socket.socket] = []
        self._front_ends: list[Slot] = []
        self._workers: list[Slot] = []
        self._stop = asyncio.Event()
        self._started = asyncio.Event()
        self._replacing: set[asyncio.Task[Any]] = set()
        self._worn: set[Slot] = set()
        """Those that have asked for a successor and wait for it."""
        self._renewing: asyncio.Task[None] | None = None
        self._outdated = False
        """Whether SIGHUP has come since the last renewal began."""
        self._one_at_a_time = asyncio.Lock()

    async def run(self) -> None:
        """Start, wait for a signal, end."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup means what it says
            closed = sys.stderr.isatty()  # the terminal that this runs in
            loop.add_signal_handler(signal.SIGHUP, self._signalled if closed else self._renew_soon)
        reaping = orphans.begin()
        try:
            if self._config.reload:
                await self._until_stopped(self._start_and_reload())
            else:
                await self._until_stopped(self._start())
                await self._stop.wait()
        finally:
            await self._end()
            if reaping is not None:
                reaping.cancel()

    async def _until_stopped(self, work: Coroutine[Any, Any, None]) -> None:
        """Await ``work``, but no longer than until a signal arrives."""
        task, stopped = asyncio.ensure_future(work), asyncio.ensure_future(self._stop.wait())
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if task.done():
            task.result()
            return
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def _start(self) -> None:
        service = self._config.service
        count = self._config.workers or service.workers
        if service.kind == "app":
            first = await self._start_all(partial(self._start_front_end, "bentopack.serve.apps"), count)
        elif self._config.inline:
            first = await self._start_all(partial(self._start_front_end, "bentopack.serve.inline"), count)
        else:
            first, _ = await asyncio.gather(
                self._start_all(self._start_worker, count),
                self._start_all(partial(self._start_front_end, _FRONT_END), self._config.front_ends),
            )
        self._started.set()
        apis = f" ({first.apis} API{'s' if first.apis > 1 else ''}, docs at /docs)" if first.apis else ""
        self._on_ready(f"Serving {service.name} on {self._url}{apis}")

    async def _start_all(self, start: Callable[[int], Awaitable[Started]], count: int | None) -> Started:
        """Start so many processes of a role; where nothing says how many, the first one to load does."""
        if count is None:
            first = await start(0)
            await _all(start(each) for each in range(1, first.workers))
            return first
        return (await _all(start(each) for each in range(count)))[0]

    async def _start_front_end(self, module: str, number: int) -> Started:
        slot = self._slot(module, f"front end {number}", self._listener)
        self._front_ends.append(slot)
        return await slot.start()

    async def _start_worker(self, number: int) -> Started:
        while len(self._worker_listeners) <= number:
            self._worker_listeners.append(_unix_listener(worker_socket(self._runtime, len(self._worker_listeners))))
        slot = self._slot(_WORKER, f"worker {number}", self._worker_listeners[number])
        self._workers.append(slot)
        return await slot.start()

    def _slot(self, module: str, role: str, listener: socket.socket) -> Slot:
        environ = environment(self._config, self._runtime)
        if module == _WORKER:
            environ.pop(tls.PASSWORD, None)  # it shows nobody a certificate
        return Slot(
            module=module,
            role=role,
            config=self._config,
            runtime=self._runtime,
            listener=listener.fileno(),
            lifeline=self._lifeline,
            environ=environ,
            # Python imports from the working directory first: a front end has no business with the user's modules.
            folder=self._runtime if module == _FRONT_END else self._config.source,
            on_tired=self._tired,
        )

    async def _start_and_reload(self) -> None:
        from bentopack.serve.reload import changes

        await self._start_or_tell()
        async for changed in changes(Path(self._config.source)):
            _log.info("%s changed: reloading", changed)
            await self._stop_all(grace=1.0)
            await self._start_or_tell()

    def _tired(self, slot: Slot) -> None:
        if slot in self._worn:  # it says so again each time that it has had as many requests
            return
        self._worn.add(slot)
        _log.info("%s has had its %s requests and is replaced", slot.role, self._config.max_requests)
        task = asyncio.create_task(self._replace_worn(slot))
        self._replacing.add(task)
        task.add_done_callback(self._replacing.discard)

    async def _replace_worn(self, slot: Slot) -> None:
        async with self._one_at_a_time:
            if slot in self._worn:  # else SIGHUP has replaced it meanwhile
                await self._replace(slot)

    async def _replace(self, slot: Slot) -> bool:
        """Replace one process; the others wait, so that no more than one loads at a time."""
        try:
            await slot.replace(patience_of(self._config) + 1)
        except ServeError as error:
            _log.error("%s\nthe process that was there serves on", error)
            return False
        finally:
            self._worn.discard(slot)
        return True

    def _renew_soon(self) -> None:
        self._outdated = True
        if not self._started.is_set():
            _log.info("SIGHUP: the processes with the service's code are replaced when they have started")
        if self._renewing is not None and not self._renewing.done():
            if self._started.is_set():
                _log.info("SIGHUP: what is being replaced now is replaced once more after it")
            return
        self._renewing = asyncio.create_task(self._renew())
        self._replacing.add(self._renewing)
        self._renewing.add_done_callback(self._replacing.discard)

    async def _renew(self) -> None:
        """Replace processes in turn; each leaves when its successor is there."""
        await self._started.wait()
        while self._outdated:
            self._outdated = False
            if self._workers and self._config.speaks_tls:
                await self._replace_all(self._front_ends, "certificate")
            await self._replace_all(self._workers or self._front_ends, "code")

    async def _replace_all(self, slots: list[Slot], what: str) -> None:
        """Replace the processes that have something, until one cannot be."""
        for slot in slots:
            async with self._one_at_a_time:
                if not await self._replace(slot):
                    return
        _log.info("SIGHUP: all processes with the service's %s have been replaced", what)

    async def _start_or_tell(self) -> None:
        try:
            await self._start()
        except ServeError as error:
            _log.error("%s\nwaiting for a change", error)

    async def _end(self) -> None:
        for task in self._replacing:
            task.cancel()
        self._listener.close()  # the kernel refuses new connections when the last front end has closed its copy
        await self._stop_all(self._config.grace)
        for listener in self._worker_listeners:
            listener.close()
        os.close(self._held)
        os.close(self._lifeline)

    async def _stop_all(self, grace: float) -> None:
        """End the front ends first, since the workers have to answer what these have accepted."""
        self._started.clear()
        await asyncio.gather(*(slot.stop(grace + 1) for slot in self._front_ends))
        await asyncio.gather(*(slot.stop(1.0) for slot in self._workers))
        self._front_ends, self._workers = [], []

    def _signalled(self) -> None:
        if self._stop.is_set():  # asked twice: do not wait
            for slot in (*self._front_ends, *self._workers):
                slot.kill()
        self._stop.set()


async def _all(starts: Any) -> list[Started]:
    """Start several at once; the first that fails ends the wait."""
    return list(await asyncio.gather(*starts))


def _unix_listener(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(path)
    except OSError as error:
        listener.close()
        raise ServeError(
            f"cannot make the socket {path}: {error}", hint="set TMPDIR to a short path of a local file system"
        ) from None
    listener.listen(128)
    return listener
