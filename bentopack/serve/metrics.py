"""Prometheus metrics of all processes together.

Each process writes its own files in the folder that ``PROMETHEUS_MULTIPROC_DIR`` names (the supervisor sets it before
the process starts), and whichever front end is asked sums them. A service's own ``prometheus_client`` metrics are among
them.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from functools import lru_cache
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

_requests = Counter("bentopack_requests", "Requests answered, by API and HTTP status.", ["api", "status"])
_seconds = Histogram("bentopack_request_seconds", "Time from request to answer.", ["api"], buckets=_SECONDS)
_in_flight = Gauge("bentopack_requests_in_flight", "Requests being answered now.", multiprocess_mode="livesum")
_rows = Histogram("bentopack_batch_rows", "Rows in one call of the model.", ["api"], buckets=_ROWS)


@lru_cache(maxsize=4096)
def _counter(api: str, status: int) -> Counter:
    return _requests.labels(api, str(status))


@lru_cache(maxsize=4096)
def _histogram(api: str) -> Histogram:
    return _seconds.labels(api)


def in_flight(count: int) -> None:
    """Tell how many requests are being answered now."""
    _in_flight.set(count)


def request_ended(api: str, status: int, seconds: float) -> None:
    """Count an answer."""
    _counter(api, status).inc()
    _histogram(api).observe(seconds)


class Tally:
    """The answers of one API, added up here and told to Prometheus now and then: one by one they would cost more."""

    def __init__(self, api: str) -> None:
        self._api = api
        self._statuses: dict[int, int] = {}
        self._buckets = [0] * (len(_SECONDS) + 1)
        self._sum = 0.0
        _tallies.append(self)

    def add(self, status: int, seconds: float) -> None:
        """Count an answer."""
        self._statuses[status] = self._statuses.get(status, 0) + 1
        self._buckets[bisect_left(_SECONDS, seconds)] += 1
        self._sum += seconds

    def tell(self) -> None:
        """Give what was counted since the last time to Prometheus."""
        statuses, self._statuses = self._statuses, {}
        if not statuses:
            return
        buckets, self._buckets = self._buckets, [0] * len(self._buckets)
        for status, count in statuses.items():
            _counter(self._api, status).inc(count)
        histogram: Any = _histogram(self._api)
        for value, count in zip(histogram._buckets, buckets, strict=True):
            if count:
                value.inc(count)
        histogram._sum.inc(self._sum)
        self._sum = 0.0


_tallies: list[Tally] = []


def tell_tallies() -> None:
    """Give all that was added up to Prometheus."""
    for tally in _tallies:
        tally.tell()


@lru_cache(maxsize=4096)
def batch_rows(api: str) -> Histogram:
    """Return the histogram of rows in one call of an API."""
    return _rows.labels(api)


def exposition() -> bytes:
    """Write the metrics of all processes in Prometheus' text format."""
    try:
        return _collect()
    except FileNotFoundError:  # a process has ended, and its files were folded while they were read
        return _collect()


def _collect() -> bytes:
    if FOLDER_VARIABLE not in os.environ:  # this process is all there is
        return generate_latest()
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=os.environ[FOLDER_VARIABLE])  # type: ignore[no-untyped-call]
    return generate_latest(registry)
