"""Logging of the runtime's own processes: one line an event, on standard error."""

from __future__ import annotations

import logging

_FORMAT = "%(asctime)s %(levelname)s [{role}] %(message)s"


def configure(role: str, *, access: bool = True) -> None:
    """Send what the runtime logs to standard error, each line marked with the process's role, such as ``worker 0``.

    The root logger is left to the service: ``logging.basicConfig`` works in it as in any program.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(_FORMAT.format(role=role)))
    for name, level in (("bentopack.serve", logging.INFO), ("uvicorn.error", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level)
        logger.propagate = False
    logging.getLogger("bentopack.serve.access").disabled = not access
