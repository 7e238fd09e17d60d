"""What an option is when the user does not give it: the same numbers for the reader of the syntax and the runtime.

Both the build (which writes them into the manifest) and the decorators (which serve by them) take them from here, so
that the two cannot drift apart.
"""

from __future__ import annotations

from typing import Final

WORKERS: Final = 1
"""Processes that execute one service."""

BATCHABLE: Final = False
ONE_ROW: Final = False
"""Whether a request to a batchable API carries one row."""

BATCH_DIM: Final = 0
"""The axis along which requests are joined."""

MAX_BATCH_SIZE: Final = 100
MAX_LATENCY_MS: Final = 60_000
ISOLATE_ERRORS: Final = True
"""Whether a batch that fails is called again in halves."""

MAX_CONCURRENCY: Final = None
"""Requests to one API that are under way at once."""

RESERVED_ROUTES: Final = frozenset({"/", "/livez", "/readyz", "/healthz", "/metrics", "/docs", "/openapi.json"})
"""What the runtime itself answers; no API may take one of these."""
