"""What a process counts: kept in lists, and told to Prometheus now and then, since one by one it would cost more.

Prometheus' library takes a good part of a process's start to be imported. That is left to a thread, once there is
something to tell.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict, deque
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

_log = logging.getLogger("bentopack.serve")

TELLING = 0.5
"""Seconds between two times that a worker tells of its calls."""


class Tally:
    """The answers of one API."""

    @property
    def has_news(self) -> bool:
        """Whether there is anything that Prometheus has not been told."""
        return bool(self.seconds)

    def __init__(self, api: str) -> None:
        self._api = api
        self.seconds: defaultdict[int, list[float]] = defaultdict(list)
        """How long requests took, by their status."""
        _tallies.append(self)

    def tell(self, metrics: ModuleType) -> None:
        """Give what was kept since the last time to Prometheus."""
        if self.seconds:
            answers, self.seconds = self.seconds, defaultdict(list)
            metrics.answered(self._api, answers)


class CallTally:
    """The calls of one API. One thread may keep while another tells."""

    @property
    def has_news(self) -> bool:
        """Whether there is anything that Prometheus has not been told."""
        return bool(self.rows)

    def __init__(self, api: str) -> None:
        self._api = api
        self.rows: deque[int] = deque()
        """How many rows each call had."""
        _tallies.append(self)

    def tell(self, metrics: ModuleType) -> None:
        """Give what was kept since the last time to Prometheus."""
        if rows := [self.rows.popleft() for _ in range(len(self.rows))]:
            metrics.called(self._api, rows)


class InFlight:
    """How many requests are being answered now."""

    has_news = False  # until one has been answered

    def __init__(self) -> None:
        self.count: int | None = None  # where nothing is answered: in a worker
        _tallies.append(self)

    def tell(self, metrics: ModuleType) -> None:
        """Give it to Prometheus."""
        if self.count is not None:
            metrics.in_flight(self.count)


_tallies: list[Tally | CallTally | InFlight] = []
in_flight = InFlight()


@lru_cache(maxsize=4096)
def tally_of(api: str) -> Tally:
    """Return the tally of an API's answers."""
    return Tally(api)


class _Prometheus:
    """The module that tells Prometheus, once it is imported."""

    def __init__(self) -> None:
        self.metrics: ModuleType | None = None
        self._thread: threading.Thread | None = None

    def get(self) -> ModuleType:
        """Return it, and wait for it."""
        from bentopack.serve import metrics

        self.metrics = metrics
        return metrics

    def ask(self) -> None:
        """Have it imported, without waiting."""
        if self._thread is None:
            self._thread = threading.Thread(target=self.get, name="prometheus", daemon=True)
            self._thread.start()


_prometheus = _Prometheus()


def tell() -> bool:
    """Give what was kept to Prometheus, on the thread that keeps; False where that has to be tried again later."""
    metrics = _prometheus.metrics
    if metrics is None:
        if any(tally.has_news for tally in _tallies):
            _prometheus.ask()
        return False
    for tally in list(_tallies):
        try:
            tally.tell(metrics)
        except Exception:  # its file has no place on the disk: no reason to stop serving
            _log.exception("the metrics of an API could not be told")
    return True


def tell_last() -> None:
    """Give what was kept to Prometheus, at the end of the process."""
    if any(tally.has_news for tally in _tallies):
        _prometheus.get()
    tell()


def prepare() -> ModuleType:
    """Wait until Prometheus can be told, and return the module that does."""
    return _prometheus.get()
