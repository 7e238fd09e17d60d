"""The metrics of processes that have ended: added up, so that restarts neither lose counts nor pile up files.

Each process of a running service writes its own: ``<type>_<pid>.db``, and ``gauge_<mode>_<pid>.db`` for gauges.
"""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path

_log = logging.getLogger("bentopack.serve")
_SUMMED = ("counter", "histogram", "summary")


def fold_metrics(runtime: str, pid: int) -> None:
    """Add a dead process's counts to those of the dead before it, and forget its gauges."""
    folder = Path(runtime, "metrics")
    try:
        for gauge in folder.glob(f"gauge_*_{pid}.db"):
            gauge.unlink()
        for kind in _SUMMED:
            _fold(folder / f"{kind}_{pid}.db", folder / f"{kind}_dead.db")
    except Exception:  # metrics are no reason to give up a process
        _log.exception("the metrics of process %d are lost", pid)


def _fold(source: Path, total: Path) -> None:
    from prometheus_client.mmap_dict import MmapedDict

    if not source.exists():
        return
    counts: dict[str, float] = {}
    for path in (total, source):
        if path.exists():
            for key, value, *_ in MmapedDict.read_all_values_from_file(str(path)):  # type: ignore[no-untyped-call]
                counts[key] = counts.get(key, 0.0) + value
    fresh = total.with_suffix(".tmp")  # not a name that a scrape reads
    with contextlib.closing(MmapedDict(str(fresh))) as sums:  # type: ignore[no-untyped-call]
        for key, value in counts.items():
            sums.write_value(key, value, 0.0)  # type: ignore[no-untyped-call]
    # Next to each other, so that hardly a scrape sees the counts twice or not at all.
    source.unlink()
    fresh.rename(total)
