"""A large body on its way into shared memory: the kernel writes it there, past the HTTP parser.

A transport reads as much as has come, and most of a large body would have come by the parser before its head is
understood. Who has sent one is therefore read in small pieces until the next is known to be another.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bentopack.serve.shared import Slab

if TYPE_CHECKING:
    from bentopack.serve.fastpath import FastProtocol
    from bentopack.serve.turn import Turn

_piece = memoryview(bytearray(8192))  # whatever is in it is taken out at once


class StandIn(asyncio.BufferedProtocol):
    """Takes a connection's place at its transport, and leaves to it all but what arrives."""

    def __init__(self, connection: FastProtocol) -> None:
        self._connection = connection

    def eof_received(self) -> None:
        self._connection.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.connection_lost(exc)

    def pause_writing(self) -> None:
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        self._connection.resume_writing()


class Upload(StandIn):
    """The rest of a body: what the parser had not read of it when its head was complete, to the last byte."""

    def __init__(self, turn: Turn, slab: Slab, length: int) -> None:
        super().__init__(turn.protocol)
        self.slab = slab
        self.length = length
        self.left = length
        self._turn = turn
        self._view = memoryview(slab.memory)

    def __len__(self) -> int:
        return self.length

    def add(self, part: bytes) -> None:
        """Take a part that the parser has read."""
        at = self.length - self.left
        self._view[at : at + len(part)] = part
        self.left -= len(part)

    def discard(self) -> None:
        """Give the memory back: nobody will ask for the body."""
        self._turn.api.discard(self.slab)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to write: a byte more than is left, as what fills a buffer is taken to have more to come."""
        return self._view[self.length - self.left : self.length + 1]

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes have been written."""
        self.left -= nbytes
        connection = self._connection
        connection.seen()
        if self.left <= 0:
            more = bytes(self._view[self.length : self.length - self.left])
            self.left = 0
            connection.uploaded(self._turn)
            if more and not connection.transport.is_closing():
                connection.piece_received(more)


class SmallPieces(StandIn):
    """Gives a connection a request's head and no more than the beginning of its body."""

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to write."""
        return _piece

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes have been written."""
        self._connection.piece_received(bytes(_piece[:nbytes]))
