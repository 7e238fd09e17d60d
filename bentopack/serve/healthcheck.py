"""``python -m bentopack.serve.healthcheck``: exit 0 when the service on ``$PORT`` is ready, 1 when it is not.

For images without curl. It imports little, since an engine runs it every few seconds.
"""

from __future__ import annotations

import os
import socket
import sys

_REQUEST = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def is_ready(port: int, *, host: str = "127.0.0.1", timeout: float = 3.0, tls: bool = False) -> bool:
    """Whether ``/readyz`` on this machine answers 200; with TLS whatever the certificate, which is for another name."""
    try:
        with socket.create_connection((host, port), timeout) as connection:
            stream = _secured(connection) if tls else connection
            stream.sendall(_REQUEST)
            status = stream.makefile("rb").readline().split()
    except (OSError, OverflowError):
        return False
    return status[1:2] == [b"200"]


def _secured(connection: socket.socket) -> socket.socket:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(connection)


def main() -> int:
    """Return the exit code."""
    own = os.environ.get("BENTOPACK_PORT", "")
    name = "BENTOPACK_PORT" if own and "://" not in own else "PORT"
    port = os.environ.get(name) or "3000"
    if not port.isdecimal():
        print(f"error: ${name}: expected a number from 0 to 65535, found '{port}'", file=sys.stderr)  # noqa: T201
        return 1
    # What else the service was told on its command line is not known here.
    return 0 if is_ready(int(port)) or is_ready(int(port), tls=True) else 1


if __name__ == "__main__":
    sys.exit(main())
