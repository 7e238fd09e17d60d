"""How much of what a client was sent has not reached it."""

from __future__ import annotations

import asyncio
import contextlib
import struct


def unsent(transport: asyncio.Transport) -> int:
    """Return the bytes that wait to be taken by the client; what is on its way counts where TLS is spoken.

    A transport of TLS hands all that it is given to the one below, and says that nothing waits. The kernel knows.
    """
    held = transport.get_write_buffer_size()
    if held or transport.get_extra_info("sslcontext") is None:
        return held
    with contextlib.suppress(ImportError, OSError, ValueError):  # on Windows; a connection that has just ended
        from fcntl import ioctl
        from termios import TIOCOUTQ

        (queued,) = struct.unpack("i", ioctl(transport.get_extra_info("socket").fileno(), TIOCOUTQ, bytes(4)))
        return int(queued)
    return 0
