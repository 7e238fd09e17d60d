"""A pipe that no process writes to: when its one writing end closes, the supervisor has gone, however it died."""

from __future__ import annotations

import os
import threading


def die_with(fd: int) -> None:
    """End this process as soon as the other end of the pipe ``fd`` closes."""
    threading.Thread(target=_wait, args=(fd,), name="lifeline", daemon=True).start()


def _wait(fd: int) -> None:
    while os.read(fd, 1):
        pass
    os._exit(1)  # there is nobody left to drain for
