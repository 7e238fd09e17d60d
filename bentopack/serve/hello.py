"""What a worker tells a front end of itself, so that a front end never imports the user's code."""

from __future__ import annotations

import msgspec


class ApiRoute(msgspec.Struct, frozen=True, kw_only=True):
    """One API; its place in the list is its number on the wire. ``accepts`` are values of ``frames.Media``."""

    name: str
    route: str
    accepts: tuple[int, ...]


class Hello(msgspec.Struct, frozen=True, kw_only=True):
    """Sent once on every connection, when the model has loaded."""

    service: str
    workers: int
    """How many workers the service asks for, where the configuration does not say."""
    timeout: float | None
    """Seconds, from ``traffic.timeout``."""
    max_concurrency: int | None
    pid: int
    """The worker's process."""
    apis: tuple[ApiRoute, ...]
    openapi: msgspec.Raw
