"""A pipe that no process writes to: when its one writing end closes, its holder has gone, however it died."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import threading

_PR_SET_PDEATHSIG = 1


def die_with(fd: int, *, private: str | None = None) -> None:
    """End this process as soon as the other end of the pipe ``fd`` closes.

    Args:
        fd: the reading end.
        private: the supervisor's private folder, which is removed then, since it cannot do so itself.
    """
    threading.Thread(target=_wait, args=(fd, private), name="lifeline", daemon=True).start()


def die_at_once() -> None:
    """Let Linux end this process with its parent: a call that keeps the interpreter's lock keeps the pipe unread.

    For a process that leaves it to others to remove the private folder.
    """
    with contextlib.suppress(OSError, AttributeError):  # another system
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _wait(fd: int, private: str | None) -> None:
    while os.read(fd, 1):
        pass
    if private is not None:
        shutil.rmtree(private, ignore_errors=True)
    os._exit(1)  # there is nobody left to drain for
