"""The event loop: uvloop where it is installed, asyncio elsewhere."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any


def says_goodbye(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether a loop can be told how long a connection with TLS may take to end."""
    return sys.version_info >= (3, 11) or type(loop).__module__.startswith("uvloop")


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine to its end."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)
