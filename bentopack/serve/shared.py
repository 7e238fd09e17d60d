"""Memory that a front end shares with its workers: a large body is received into it, and crosses no socket again.

The memory is a file without a name (``memfd_create``), which a worker opens through the front end's entry in ``/proc``.
Where either is missing, bodies go by the socket.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import socket
from struct import Struct
from sys import getrefcount

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
_MAP_FIXED = 0x10


class Slab:
    """A piece of shared memory that holds one body at a time."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.descriptor = os.memfd_create("bentopack-slab", os.MFD_CLOEXEC)
        try:
            os.ftruncate(self.descriptor, size)
            self.memory = mmap.mmap(self.descriptor, size)
        except BaseException:
            os.close(self.descriptor)
            raise

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


class Mapped:
    """A slab in a worker. Nothing but this and the views of it may refer to ``memory``."""

    def __init__(self, descriptor: int, size: int) -> None:
        self.memory = mmap.mmap(descriptor, size, prot=mmap.PROT_READ)
        self._alone = getrefcount(self.memory)

    @property
    def is_viewed(self) -> bool:
        """Whether there is any view of it, or a part of one."""
        return getrefcount(self.memory) > self._alone

    def part(self) -> None:
        """Leave the slab to others: put a copy of what it holds in its place, under the views that there are."""
        copy = os.memfd_create("bentopack-kept", os.MFD_CLOEXEC)
        try:
            os.ftruncate(copy, len(self.memory))
            with mmap.mmap(copy, len(self.memory)) as target, memoryview(self.memory) as view:
                target[:] = view
            _map_over(_address(self.memory), len(self.memory), copy)
        finally:
            os.close(copy)


class Loan:
    """A body that a method reads where it lies. Its slab is another's as soon as it is answered."""

    __slots__ = ("_length", "_lent", "_mapped")

    def __init__(self, mapped: Mapped, length: int, lent: list[Mapped]) -> None:
        self._mapped = mapped
        self._length = length
        self._lent = lent

    def __len__(self) -> int:
        return self._length

    def view(self) -> memoryview:
        """The body."""
        self._lent.append(self._mapped)
        return memoryview(self._mapped.memory)[: self._length]


class SharedMemory:
    """A front end's slabs, as the worker at the other end of a Unix socket sees them.

    Args:
        lends: whether bodies are read where they lie, by a worker that calls ``settle`` before it sends answers.
    """

    def __init__(self, connection: socket.socket, *, lends: bool = False) -> None:
        self._pid = _peer(connection)
        self._lends = lends
        self._known: dict[tuple[int, int], Mapped] = {}
        self._lent: list[Mapped] = []

    @property
    def is_there(self) -> bool:
        """Whether this process may open what the front end shares."""
        return os.access(f"/proc/{self._pid}/fd", os.R_OK | os.X_OK)

    def fetch(self, large: Requests, outbox: Outbox) -> Requests:
        """Return requests with their bodies, out of the slabs that a LARGE frame names: lent, or copied.

        Where they cannot be read (the front end has gone, there are no descriptors left) they are answered 503, and
        nothing is returned of them.
        """
        # What reads JSON may be a library's, and takes far longer than a copy.
        read = self._lend if self._lends and large.media != Media.JSON else self._copy
        try:
            return large._replace(bodies=tuple([read(place) for place in large.bodies]))
        except (OSError, ValueError, MemoryError):
            for identity in large.ids:
                outbox.put(identity, 503, Media.JSON, _UNREAD)
            return large._replace(ids=(), bodies=())

    def settle(self) -> None:
        """Answers are about to be sent: whoever still has a view of what was lent gets a copy under it."""
        lent, self._lent[:] = self._lent[:], []
        for mapped in lent:
            if mapped.is_viewed:
                mapped.part()
                self._known = {place: each for place, each in self._known.items() if each is not mapped}

    def close(self) -> None:
        """Let go of the slabs: those of a front end that has gone would be kept until Python looks for cycles."""
        self._known.clear()
        self._lent.clear()

    def _copy(self, place: bytes) -> bytes:
        mapped, length = self._find(place)
        return mapped.memory[:length]

    def _lend(self, place: bytes) -> Loan:
        return Loan(*self._find(place), self._lent)

    def _find(self, place: bytes) -> tuple[Mapped, int]:
        descriptor, size, length = _PLACE.unpack(place)
        mapped = self._known.get((descriptor, size))
        if mapped is None:
            opened = os.open(f"/proc/{self._pid}/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                mapped = self._known[descriptor, size] = Mapped(opened, size)
            finally:
                os.close(opened)
        return mapped, length


def _peer(connection: socket.socket) -> int:
    """The process at the other end; 0 where the system does not tell."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return 0
    pid, _, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size))
    return int(pid)


def _address(memory: mmap.mmap) -> int:
    buffer = (ctypes.c_void_p * 16)()  # larger than a Py_buffer, which begins with the address
    ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(memory), buffer, 0)
    ctypes.pythonapi.PyBuffer_Release(buffer)
    return buffer[0] or 0


def _map_over(address: int, size: int, descriptor: int) -> None:
    """Map a file where something else is mapped, in one step."""
    function = ctypes.CDLL(None, use_errno=True).mmap
    function.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    function.restype = ctypes.c_void_p
    found = function(address, size, mmap.PROT_READ, mmap.MAP_SHARED | _MAP_FIXED, descriptor, 0)
    if found != address:
        raise OSError(ctypes.get_errno(), "a body that was kept could not be copied")
