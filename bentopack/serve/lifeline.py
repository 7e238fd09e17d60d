"""A pipe that no process writes to: when its one writing end closes, its holder has gone, however it died."""

from __future__ import annotations

import os
import shutil
import threading


def die_with(fd: int, *, private: str | None = None) -> None:
    """End this process as soon as the other end of the pipe ``fd`` closes.

    Args:
        fd: the reading end.
        private: the supervisor's private folder, which is removed then, since it cannot do so itself.
    """
    threading.Thread(target=_wait, args=(fd, private), name="lifeline", daemon=True).start()


def _wait(fd: int, private: str | None) -> None:
    while os.read(fd, 1):
        pass
    if private is not None:
        shutil.rmtree(private, ignore_errors=True)
    os._exit(1)  # there is nobody left to drain for
