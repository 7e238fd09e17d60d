"""The main loop of a worker whose methods are all ordinary ones: one thread that reads, calls and answers in turn.

No request changes threads, so that none waits for the interpreter's lock. While the model is called nothing is read:
what arrives meanwhile lies in the sockets, and becomes the next batch.
"""

from __future__ import annotations

import contextlib
import logging
import math
import select
import signal
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from bentopack.serve import forks, tallies
from bentopack.serve.awake import SOON, give_way
from bentopack.serve.budget import Budget
from bentopack.serve.frames import Kind, pack_sign
from bentopack.serve.gathering import LastCall
from bentopack.serve.hello import Hello
from bentopack.serve.inbox import Inbox
from bentopack.serve.lanes import Lane, oldest
from bentopack.serve.outbox import Outbox
from bentopack.serve.runner import call

_log = logging.getLogger("bentopack.serve")
_CHUNK = 1 << 18
_MORE = 1 << 16  # bytes at once that let expect more
_PAUSE = 0.05  # seconds without descriptors
_PUSH = 0.5  # seconds, for a front end to read


class Watch:
    """What to do when a socket can be read. For the few that a worker has ``poll`` is the shortest way to ask."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._acts: dict[int, Callable[[], object]] = {}

    def add(self, watched: socket.socket, act: Callable[[], object], *, writes: bool = False) -> None:
        """Watch a socket, or watch it for something else."""
        self._acts[watched.fileno()] = act
        self._poll.register(watched, select.POLLIN | select.POLLOUT if writes else select.POLLIN)

    def remove(self, watched: socket.socket) -> None:
        """Watch it no longer."""
        self._poll.unregister(watched)
        del self._acts[watched.fileno()]

    def wait(self, seconds: float | None) -> list[Callable[[], object]]:
        """Return what to do now, or wait so long for something to do."""
        found = self._poll.poll(None if seconds is None else math.ceil(seconds * 1000))
        return [self._acts[each] for each, _ in found]


class SyncWorker:
    """Serves lanes to the front ends that connect to a listening Unix socket, until it is told to stop."""

    def __init__(self, lanes: list[Lane], instance: Any, hello: Hello, listener: socket.socket, budget: Budget) -> None:
        self.lanes = lanes
        self.budget = budget
        self.watch = Watch()
        self.connections: set[Connection] = set()
        self._instance = instance
        self._hello = hello
        self._listener = listener
        self._stopping = self._retiring = False
        self._last = LastCall()
        self._awake_until = 0.0
        """Until when the next request is looked for without sleeping."""
        self._tell_at: float | None = None
        """When the metrics are told of the calls since the last time, where there were any."""

    def run(self, ready: Callable[[], None]) -> None:
        """Serve; after SIGTERM until every front end has left, and every accepted request has been answered.

        SIGUSR1 asks them to leave, since another process serves the socket.
        """
        self._listener.setblocking(False)
        self.watch.add(self._listener, self._accept)
        with self._signals():
            ready()
            while self.connections or not self._stopping:
                if self._retiring:
                    self._retire()
                if oldest(self.lanes) is None:
                    self._wait()
                else:
                    self._read(0)
                if (lane := oldest(self.lanes)) is not None:
                    self._gather(lane)
                    self._call(lane)
                self._tell()
        tallies.tell_last()

    def _quiet(self) -> float | None:
        """How long nothing has to be done where no request comes."""
        return None if self._tell_at is None else max(0.0, self._tell_at - time.monotonic())

    def _tell(self) -> None:
        if self._tell_at is not None and time.monotonic() >= self._tell_at:
            self._tell_at = None if tallies.tell() else time.monotonic() + tallies.TELLING

    def _wait(self) -> None:
        """Read what arrives next: awake, where it is likely to come soon."""
        while time.monotonic() < self._awake_until:
            give_way()
            if self._read(0):
                return
        self._read(self._quiet())

    def _read(self, seconds: float | None) -> bool:
        """Read what has arrived, or wait so long for something to arrive; whether anything has."""
        found = self.watch.wait(seconds)
        for act in found:
            act()
        return bool(found)

    def _retire(self) -> None:
        """Let another process have the socket, and the front ends leave."""
        self._retiring = False
        if self._stopping:
            return
        self._stopping = True
        self.watch.remove(self._listener)
        for connection in list(self.connections):
            connection.send(pack_sign(Kind.RETIRE))

    def _gather(self, lane: Lane) -> None:
        while (seconds := self._last.patience(lane)) > 0:
            self._read(seconds)

    def _call(self, lane: Lane) -> None:
        before, self._last = self._last.ended, call(lane, self._instance, self._flush)
        soon = self._last.answered == 1 and self._last.began - before < SOON
        self._awake_until = self._last.ended + SOON if soon else 0.0
        self._tell_at = self._tell_at or self._last.ended + tallies.TELLING

    def _flush(self, took: float) -> None:
        for connection in list(self.connections):
            connection.flush(took)

    @contextlib.contextmanager
    def _signals(self) -> Any:
        """Let SIGTERM wake the loop: it is noted here, and acted on between two calls."""
        woken, waker = socket.socketpair()
        with woken, waker:
            for end in (woken, waker):
                end.setblocking(False)
                forks.guard(end.fileno())
            signal.signal(signal.SIGTERM, lambda *_: setattr(self, "_stopping", True))
            signal.signal(signal.SIGUSR1, lambda *_: setattr(self, "_retiring", True))
            signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
            self.watch.add(woken, lambda: woken.recv(4096))
            try:
                yield
            finally:
                signal.set_wakeup_fd(-1)

    def _accept(self) -> None:
        try:
            connected, _ = self._listener.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError as error:
            _log.error("a front end's connection cannot be accepted: %s", error)
            time.sleep(_PAUSE)  # it is asked for again at once, and there may be a descriptor then
            return
        Connection(self, connected, self._hello)


class Connection:
    """One front end."""

    def __init__(self, worker: SyncWorker, connected: socket.socket, hello: Hello) -> None:
        self._worker = worker
        self._socket = connected
        self._outbox = Outbox()
        self._inbox = Inbox(
            connected,
            self._outbox,
            worker.lanes,
            worker.budget,
            lends=True,
            queued=lambda number: None,  # the loop looks into the lanes anyway
            pinged=lambda: self.send(pack_sign(Kind.PING)),
        )
        self._unsent: deque[memoryview] = deque()
        self._blocked = False
        self._writable = select.poll()
        self._writable.register(connected, select.POLLOUT)
        connected.setblocking(False)
        forks.guard(connected.fileno())
        worker.connections.add(self)
        worker.watch.add(connected, self._ready)
        self.send(hello.frame(shares=self._inbox.memory.is_there))

    def flush(self, took: float) -> None:
        """Send the replies that wait, of a call that took so many seconds."""
        self._inbox.memory.settle()
        if frames := self._outbox.take(took):
            self.send(frames)

    def _ready(self) -> None:
        if self._unsent:
            self._push()
        size = _CHUNK
        while size >= _MORE:
            try:
                data = self._socket.recv(_CHUNK)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._close()
                return
            size = len(data)
            self._inbox.feed(data)

    def send(self, data: bytes) -> None:
        """Send bytes after those that could not be sent yet."""
        if self._unsent:
            self._unsent.append(memoryview(data))
            return
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._close()
            return
        if sent < len(data):
            self._unsent.append(memoryview(data)[sent:])
            self._push()

    def _push(self) -> None:
        """Send what waits. A front end reads at any time, so what fills the socket is soon gone, and is waited for."""
        until = time.monotonic() + _PUSH
        try:
            while self._unsent:
                try:
                    sent = self._socket.send(self._unsent[0])
                except BlockingIOError:
                    if time.monotonic() > until:
                        break
                    self._writable.poll(5)
                    continue
                self._unsent[0] = self._unsent[0][sent:]
                if not self._unsent[0]:
                    self._unsent.popleft()
        except OSError:
            self._close()
            return
        if self._blocked is not bool(self._unsent):
            self._blocked = not self._blocked
            self._worker.watch.add(self._socket, self._ready, writes=self._blocked)

    def _close(self) -> None:
        if self not in self._worker.connections:
            return
        self._worker.connections.discard(self)
        self._worker.watch.remove(self._socket)
        forks.forget(self._socket.fileno())
        self._socket.close()
        self._inbox.close()
        self._outbox.close()
