"""A large body on its way into shared memory: the kernel writes it there, past the HTTP parser."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bentopack.serve.shared import Slab

if TYPE_CHECKING:
    from bentopack.serve.fastpath import Turn


class Upload(asyncio.BufferedProtocol):
    """The rest of a body: what the parser has not read of it when its head was complete.

    It takes the connection's place at the transport until the last byte has come.
    """

    def __init__(self, turn: Turn, slab: Slab, length: int) -> None:
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
        """Where to write: never empty, since the last byte gives the connection back."""
        return self._view[self.length - self.left : self.length]

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes have been written."""
        self.left -= nbytes
        self._turn.protocol.seen()
        if not self.left:
            self._turn.protocol.uploaded(self._turn)

    def eof_received(self) -> None:
        self._turn.protocol.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._turn.protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        self._turn.protocol.pause_writing()

    def resume_writing(self) -> None:
        self._turn.protocol.resume_writing()
