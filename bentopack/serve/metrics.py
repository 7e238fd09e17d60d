"""Prometheus metrics of all processes together.

Each process writes its own files in the folder that ``PROMETHEUS_MULTIPROC_DIR`` names (the supervisor sets it before
the process starts), and whichever front end is asked sums them. A service's own ``prometheus_client`` metrics are among
them.
"""

from __future__ import annotations

import os
from functools import lru_cache

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


def request_began() -> None:
    """Count a request as being answered."""
    _in_flight.inc()


def request_ended(api: str, status: int, seconds: float) -> None:
    """Count an answer."""
    _in_flight.dec()
    _counter(api, status).inc()
    _histogram(api).observe(seconds)


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
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=os.environ[FOLDER_VARIABLE])  # type: ignore[no-untyped-call]
    return generate_latest(registry)
