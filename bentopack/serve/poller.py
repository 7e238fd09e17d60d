"""Reads what has come by many connections at once, past their transports.

A transport reads from a socket and hands over what it has read, one connection after the other: the kernel's code, the
event loop's and Python's drive each other out of the processor's caches with each. Here everything that has come is
read first, and looked at then. Connections are here while nothing but plain requests comes by them; all else is left to
their transports, which have not seen what was read here.
"""

from __future__ import annotations

import asyncio
import logging
import select
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from bentopack.serve.plain import END, PlainReader
from bentopack.serve.shared import LARGE

if TYPE_CHECKING:
    import socket

    from bentopack.serve.turn import Prediction, Turn

_log = logging.getLogger("bentopack.serve")
_AT_ONCE = 1024  # connections, so that other events have their turn


class Poller:
    """The connections from which the running loop reads past their transports. Linux alone has what it needs."""

    def __init__(self, plain: PlainReader[Prediction]) -> None:
        if sys.platform != "linux":
            raise NotImplementedError("epoll is Linux's")
        self._plain = plain
        self._read_by: dict[int, tuple[Turn, Callable[[int], bytes]]] = {}
        self._epoll = select.epoll()
        # To be told once of what comes (EPOLLET) spares a look at each socket. What is more than data, as the end of a
        # connection or urgent bytes, is for the transport to read.
        self._data = select.EPOLLIN
        self._events = select.EPOLLIN | select.EPOLLPRI | select.EPOLLRDHUP | select.EPOLLET
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._epoll.fileno(), self._read)

    def add(self, connection: socket.socket, turn: Turn) -> None:
        """Read from a connection from now on; what has come already counts as coming.

        Raises:
            OSError: the kernel watches no more.
        """
        number = connection.fileno()
        self._epoll.register(number, self._events)
        self._read_by[number] = turn, connection.recv

    def remove(self, connection: socket.socket) -> None:
        """Leave a connection to its transport. It has not been closed yet."""
        number = connection.fileno()
        del self._read_by[number]
        self._epoll.unregister(number)

    def close(self) -> None:
        """Read no more, once all connections have been left to their transports."""
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()

    def _read(self) -> None:
        turns: list[Turn] = []
        came: list[bytes] = []
        for number, event in self._epoll.poll(0, _AT_ONCE):
            turn, receive = self._read_by[number]
            turns.append(turn)
            try:
                came.append(receive(LARGE) if event == self._data else b"")
            except BlockingIOError:  # it was read before it was told of
                turns.pop()
            except Exception:  # what is wrong with it is the transport's to find out
                came.append(b"")
        heads = self._plain.heads
        sending: list[tuple[Prediction, int]] = []
        last, kind = None, 0
        for turn, read in zip(turns, came, strict=True):
            try:
                # As the reader does, and Turn.take, without a call of a function for each: most requests come by here.
                start, _, body = read.partition(END)
                head = heads.get(start)
                more = len(read) >= LARGE  # perhaps: it would not be told of again
                if head is not None and len(body) == head[2] and turn.response_complete and not more:
                    api, media, turn.size = head
                    turn.api = api
                    turn.asked = turn.link = None
                    turn.response_complete = False
                    if api is not last or media != kind:
                        receivers, bodies, began = api.arriving(media)
                        sending.append((api, media))
                        last, kind = api, media
                    turn.began = began
                    receivers.append(turn)
                    bodies.append(body)
                elif read and not more:
                    turn.data_received(read)
                else:
                    turn.hand_over(read)
            except Exception:  # others have nothing to do with it
                turn.fail()
        for api, media in sending:
            try:
                api.send(media)
            except Exception:
                _log.exception("requests could not be sent to a worker")
