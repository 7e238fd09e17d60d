"""Private folders whose services were killed as a whole (the machine's memory, ``docker kill``): nobody was left to
remove them, and a container that is started again keeps its temporary folder.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

PREFIX = "bentopack-"
_LOCK = "lock"


@contextlib.contextmanager
def claim(folder: str) -> Iterator[None]:
    """Mark a private folder as in use while this process lives, and remove those beside it whose process has gone."""
    import fcntl  # not on Windows, which has this module all the same

    fresh = Path(folder, "lock.new")
    with fresh.open("wb") as lock:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fresh.rename(fresh.with_name(_LOCK))  # only now: nobody finds it unlocked
            _remove_others(Path(folder))
        yield


def _remove_others(folder: Path) -> None:
    import fcntl

    for lock in folder.parent.glob(f"{PREFIX}*/{_LOCK}"):
        with contextlib.suppress(OSError):
            status = os.lstat(lock.parent)
            if lock.parent == folder or not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
                continue
            with lock.open("rb") as held:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock.parent, ignore_errors=True)
