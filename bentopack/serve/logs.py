"""Logging of the runtime's own processes: one line an event, on standard error."""

from __future__ import annotations

import logging

_FORMAT = "%(asctime)s %(levelname)s [{role}] %(message)s"


def configure(role: str, *, access: bool = True) -> None:
    """Send what this process logs to standard error, each line marked with its role, such as ``worker 0``."""
    logging.basicConfig(level=logging.WARNING, format=_FORMAT.format(role=role))
    logging.getLogger("bentopack.serve").setLevel(logging.INFO)
    logging.getLogger("bentopack.serve.access").disabled = not access
