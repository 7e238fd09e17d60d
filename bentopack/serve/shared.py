"""Memory that a front end shares with its workers: a large body is received into it, and crosses no socket again.

The memory is a file without a name (``memfd_create``), which a worker opens through the front end's entry in ``/proc``.
Where either is missing, bodies go by the socket.
"""

from __future__ import annotations

import mmap
import os
import socket
from struct import Struct

from bentopack.serve.errors import error_body
from bentopack.serve.frames import Media, Requests
from bentopack.serve.outbox import Outbox

LARGE = 64 << 10
"""Bytes from which on a body is shared: below, a copy is cheaper than looking after a slab."""
_MOST = 256 << 20  # bytes that one front end shares
_COUNT = 256  # slabs of one front end: each takes two of its descriptors
_UNREAD = error_body("the body could not be handed to a worker; try again")
_PLACE = Struct("<IQQ")
_CREDENTIALS = Struct("3i")


class Slab:
    """A piece of shared memory that holds one body at a time."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.descriptor = os.memfd_create("bentopack-slab", os.MFD_CLOEXEC)
        os.ftruncate(self.descriptor, size)
        self.memory = mmap.mmap(self.descriptor, size)

    def place(self, length: int) -> bytes:
        """What a worker needs to know to find a body of so many bytes in it."""
        return _PLACE.pack(self.descriptor, self.size, length)


class Slabs:
    """The slabs of a front end. They are kept for the next body, and never given back to the system."""

    def __init__(self) -> None:
        self._free: dict[int, list[Slab]] = {}
        self._count = 0
        self._left = _MOST if hasattr(os, "memfd_create") else 0

    def take(self, length: int) -> Slab | None:
        """Return a slab for a body of so many bytes, or None where there is none left."""
        size = 1 << (length - 1).bit_length()
        if free := self._free.get(size):
            return free.pop()
        if size > self._left or self._count == _COUNT:
            return None
        try:
            slab = Slab(size)
        except OSError:  # no descriptors or no memory: the socket will do
            return None
        self._left -= size
        self._count += 1
        return slab

    def give_back(self, slab: Slab) -> None:
        """Take a slab that no worker will read from any more."""
        self._free.setdefault(slab.size, []).append(slab)


class SharedMemory:
    """A front end's slabs, as the worker at the other end of a Unix socket sees them."""

    def __init__(self, connection: socket.socket) -> None:
        self._pid = _peer(connection)
        self._known: dict[tuple[int, int], mmap.mmap] = {}

    @property
    def is_there(self) -> bool:
        """Whether this process may open what the front end shares."""
        return os.access(f"/proc/{self._pid}/fd", os.R_OK | os.X_OK)

    def fetch(self, large: Requests, outbox: Outbox) -> Requests:
        """Return requests with their bodies, copied out of the slabs that a LARGE frame names.

        Where they cannot be read (the front end has gone, there are no descriptors left) they are answered 503, and
        nothing is returned of them.
        """
        try:
            return large._replace(bodies=tuple([self._read(place) for place in large.bodies]))
        except (OSError, ValueError):
            for identity in large.ids:
                outbox.put(identity, 503, Media.JSON, _UNREAD)
            return large._replace(ids=(), bodies=())

    def close(self) -> None:
        """Let go of the slabs: those of a front end that has gone would be kept until Python looks for cycles."""
        for memory in self._known.values():
            memory.close()
        self._known.clear()

    def _read(self, place: bytes) -> bytes:
        descriptor, size, length = _PLACE.unpack(place)
        memory = self._known.get((descriptor, size))
        if memory is None:
            opened = os.open(f"/proc/{self._pid}/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                memory = self._known[descriptor, size] = mmap.mmap(opened, size, prot=mmap.PROT_READ)
            finally:
                os.close(opened)
        return memory[:length]


def _peer(connection: socket.socket) -> int:
    """The process at the other end; 0 where the system does not tell."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return 0
    pid, _, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size))
    return int(pid)
