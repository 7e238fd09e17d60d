"""Calls the model once, with what waits in a lane."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any

from bentopack.serve.batching import drive
from bentopack.serve.gathering import LastCall
from bentopack.serve.lanes import Lane


def call(lane: Lane, instance: Any, flush: Callable[[float], None] = lambda took: None) -> LastCall:
    """Take what waits in a lane, call its method, and answer; return when that was, and for how many requests.

    ``flush`` is told how many seconds it took, and sends the answers before anything else is done.
    """
    method = getattr(instance, lane.api.method)
    codec = lane.api.codec
    called = 0
    began = monotonic()
    groups = lane.take()
    full = lane.waiting > 0
    for group in groups:
        called += len(group.rows)
        try:
            lane.finish(group, drive(lane.steps(group), lambda arguments: codec.call(method, arguments)))
        except Exception as error:  # as in AsyncLane
            lane.finish(group, [error] * len(group.rows))
    ended = monotonic()
    lane.took = ended - began
    flush(lane.took)
    return LastCall(lane, began, ended, called, full, lane.costs.fixed(called, lane.took))
