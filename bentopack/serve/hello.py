"""What a worker tells a front end of itself, so that a front end never imports the user's code."""

from __future__ import annotations

import msgspec

from bentopack.serve.frames import pack_hello

ApiKey = tuple[str, tuple[int, ...]]
"""What a front end knows an API by: its route, and the types of body that it takes."""


class ApiRoute(msgspec.Struct, frozen=True, kw_only=True):
    """One API; its place in the list is its number on the wire. ``accepts`` are values of ``frames.Media``."""

    name: str
    route: str
    accepts: tuple[int, ...]
    max_latency: float
    """Seconds that a request may wait for its call."""
    at_once: int | None
    """How many requests one call takes; None where calls go on side by side."""
    max_concurrency: int | None = None
    """How many requests may be under way at once in one front end."""

    @property
    def key(self) -> ApiKey:
        """What a front end knows it by."""
        return self.route, self.accepts


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
    shares: bool = False
    """Whether it can read what a front end shares (``shared.py``)."""

    def numbers(self) -> dict[ApiKey, int]:
        """The number of each API on the wire to this worker; another release of the service may count otherwise."""
        return {api.key: number for number, api in enumerate(self.apis)}

    def frame(self, *, shares: bool) -> bytes:
        """Write it for one front end."""
        return pack_hello(msgspec.json.encode(msgspec.structs.replace(self, shares=shares)))
