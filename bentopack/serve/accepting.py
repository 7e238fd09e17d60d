"""Accepting connections: many at once, where an event loop's own server takes one a turn.

When a thousand clients come together, one a turn means that the last of them waits for a thousand turns, each of which
has all the others' requests to read first.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Mapping
from functools import partial

from bentopack.serve import loops

_AT_ONCE = 128
_HANDSHAKE = {"ssl_handshake_timeout": 15.0}  # as for the head of a request
_PATIENCE = {**_HANDSHAKE, "ssl_shutdown_timeout": 3600.0}  # who reads slowly gets all of what it was sent last
_PAUSE = 0.1  # seconds without accepting, when there are no descriptors left


class Acceptor:
    """A server on a listening socket; ends as ``asyncio.Server`` does."""

    def __init__(
        self, listener: socket.socket, protocol: Callable[[socket.socket], asyncio.Protocol], tls: ssl.SSLContext | None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._protocol = protocol
        self._tls = tls
        self._patience: Mapping[str, float] = {}
        if tls is not None:
            self._patience = _PATIENCE if loops.says_goodbye(self._loop) else _HANDSHAKE
        self.beginning: set[asyncio.Task[None]] = set()
        """What has been accepted and is no connection yet."""
        self._open = True
        listener.setblocking(False)
        self._loop.add_reader(listener.fileno(), self._accept)

    def close(self) -> None:
        """Accept what has come, which closing the socket would reset, and then no more connections."""
        self._open = False
        self._loop.remove_reader(self._listener.fileno())
        while self._accept():
            pass
        self._listener.close()  # at once: what comes between the two is reset

    async def wait_closed(self) -> None:
        """Wait for nothing: connections are their protocols' own."""

    def _accept(self) -> bool:
        """Accept what has come, but not too much at once; return whether there may be more."""
        for _ in range(_AT_ONCE):
            try:
                accepted, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return False
            except OSError:
                self._loop.remove_reader(self._listener.fileno())
                self._loop.call_later(_PAUSE, self._resume)
                return False
            accepted.setblocking(False)
            task = self._loop.create_task(self._begin(accepted))
            self.beginning.add(task)
            task.add_done_callback(self.beginning.discard)
        return True

    def _resume(self) -> None:
        if self._open:
            self._loop.add_reader(self._listener.fileno(), self._accept)

    async def _begin(self, accepted: socket.socket) -> None:
        with contextlib.suppress(OSError):  # a client that has gone, or that cannot speak TLS
            await self._loop.connect_accepted_socket(
                partial(self._protocol, accepted), accepted, ssl=self._tls, **self._patience
            )
