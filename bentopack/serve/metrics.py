"""Prometheus metrics of all processes together.

Each process writes its own files in the folder that ``PROMETHEUS_MULTIPROC_DIR`` names (the supervisor sets it before
the process starts), and whichever front end is asked sums them. A service's own ``prometheus_client`` metrics are among
them.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import chain, pairwise
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


def answered(api: str, answers: Mapping[int, Sequence[float]]) -> None:
    """Count answers: how many seconds each took, by their status."""
    for status, seconds in answers.items():
        _counter(api, status).inc(len(seconds))
    _observe(_histogram(api), _SECONDS, list(chain.from_iterable(answers.values())))


def called(api: str, rows: Sequence[int]) -> None:
    """Count calls: how many rows each had."""
    _observe(_rows.labels(api), _ROWS, rows)


def _observe(histogram: Any, bounds: Sequence[float], values: Sequence[float]) -> None:
    ordered = sorted(values)
    ends = [0, *(bisect_right(ordered, bound) for bound in bounds), len(ordered)]
    for bucket, (start, end) in zip(histogram._buckets, pairwise(ends), strict=True):
        if end > start:
            bucket.inc(end - start)
    histogram._sum.inc(sum(ordered))


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
