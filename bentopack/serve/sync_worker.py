"""The main loop of a worker whose methods are all ordinary ones: one thread that reads, calls and answers in turn.

No request changes threads, so that none waits for the interpreter's lock. While the model is called nothing is read:
what arrives meanwhile lies in the sockets, and becomes the next batch.
"""

from __future__ import annotations

import contextlib
import select
import selectors
import signal
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from bentopack.serve import forks
from bentopack.serve.budget import Budget
from bentopack.serve.frames import Kind, pack_sign
from bentopack.serve.gathering import LastCall
from bentopack.serve.hello import Hello
from bentopack.serve.inbox import Inbox
from bentopack.serve.lanes import Lane, oldest
from bentopack.serve.outbox import Outbox
from bentopack.serve.runner import call

_READ = selectors.EVENT_READ
_BOTH = selectors.EVENT_READ | selectors.EVENT_WRITE
_CHUNK = 1 << 18
_MORE = 1 << 16  # bytes at once that let expect more
_PUSH = 0.5  # seconds, for a front end to read


class SyncWorker:
    """Serves lanes to the front ends that connect to a listening Unix socket, until it is told to stop."""

    def __init__(self, lanes: list[Lane], instance: Any, hello: Hello, listener: socket.socket, budget: Budget) -> None:
        self.lanes = lanes
        self.budget = budget
        self.selector = selectors.DefaultSelector()
        self.connections: set[Connection] = set()
        self._instance = instance
        self._hello = hello
        self._listener = listener
        self._stopping = self._retiring = False
        self._last = LastCall()

    def run(self, ready: Callable[[], None]) -> None:
        """Serve; after SIGTERM until every front end has left, and every accepted request has been answered.

        SIGUSR1 asks them to leave, since another process serves the socket.
        """
        self._listener.setblocking(False)
        self.selector.register(self._listener, _READ, self._accept)
        with self._signals():
            ready()
            while self.connections or not self._stopping:
                if self._retiring:
                    self._retire()
                self._read(None if oldest(self.lanes) is None else 0)
                if (lane := oldest(self.lanes)) is not None:
                    self._gather(lane)
                    self._call(lane)

    def _read(self, seconds: float | None) -> None:
        """Read what has arrived, or wait so long for something to arrive."""
        for key, _ in self.selector.select(seconds):
            key.data()

    def _retire(self) -> None:
        """Let another process have the socket, and the front ends leave."""
        self._retiring = False
        if self._stopping:
            return
        self._stopping = True
        self.selector.unregister(self._listener)
        for connection in list(self.connections):
            connection.send(pack_sign(Kind.RETIRE))

    def _gather(self, lane: Lane) -> None:
        until, enough = self._last.until(lane)
        while lane.waiting < enough and (left := until - time.monotonic()) > 0:
            self._read(left)

    def _call(self, lane: Lane) -> None:
        began = time.monotonic()
        answered = call(lane, self._instance)
        ended = time.monotonic()
        self._last = LastCall(began, ended, answered)
        for connection in list(self.connections):
            connection.flush(ended - began)

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
            self.selector.register(woken, _READ, lambda: woken.recv(4096))
            try:
                yield
            finally:
                signal.set_wakeup_fd(-1)

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            connected, _ = self._listener.accept()
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
        self._registered = _READ
        self._writable = select.poll()
        self._writable.register(connected, select.POLLOUT)
        connected.setblocking(False)
        forks.guard(connected.fileno())
        worker.connections.add(self)
        worker.selector.register(connected, _READ, self._ready)
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
        waited = bool(self._unsent)
        self._unsent.append(memoryview(data))
        if not waited:
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
        wanted = _BOTH if self._unsent else _READ
        if wanted != self._registered:
            self._registered = wanted
            self._worker.selector.modify(self._socket, wanted, self._ready)

    def _close(self) -> None:
        if self not in self._worker.connections:
            return
        self._worker.connections.discard(self)
        self._worker.selector.unregister(self._socket)
        forks.forget(self._socket.fileno())
        self._socket.close()
        self._inbox.close()
        self._outbox.close()
