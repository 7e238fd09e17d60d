"""Binding the address that clients connect to, before anything is started."""

from __future__ import annotations

import errno
import socket

from bentopack.errors import ServeError

_BACKLOG = 2048


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address; port 0 takes a free one.

    Raises:
        ServeError: the port is taken or not allowed, or the host is not of this machine.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise ServeError(f"'{host}' is not an address to listen on: {error.strerror}") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)  # two sockets may bind one port; only one may listen
    except OSError as error:
        listener.close()
        raise _refused(error, host, port) from None
    return listener


def url_of(listener: socket.socket, *, tls: bool) -> str:
    """Return the URL of a listening socket."""
    scheme = "https" if tls else "http"
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _refused(error: OSError, host: str, port: int) -> ServeError:
    if error.errno == errno.EADDRINUSE:
        return ServeError(
            f"port {port} on {host} is in use by another process",
            hint="choose another with --port, or --port 0 for any free one",
        )
    if error.errno == errno.EACCES:
        return ServeError(
            f"this user may not listen on port {port}",
            hint="choose a port above 1023 with --port",
        )
    return ServeError(f"cannot listen on {host}:{port}: {error.strerror}", hint="choose another --host or --port")
