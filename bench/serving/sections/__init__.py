"""What is measured, in the order it is done."""

from collections.abc import Callable

from bench.serving.sections import closed, cold_start, extras, growth, open_loop, overload
from bench.serving.session import Session

SECTIONS: dict[str, Callable[[Session], None]] = {
    "throughput": closed.throughput,
    "latency": closed.latency,
    "open-loop": open_loop.measure,
    "growth": growth.measure,
    "overload": overload.measure,
    "cold-start": cold_start.measure,
    "extras": extras.measure,
}
"""Each measures one round."""
