"""Watching a project's files, in development."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path


async def changes(folder: Path) -> AsyncIterator[str]:
    """Yield the name of one changed file each time that files below a folder have changed and settled."""
    from watchfiles import awatch

    async for found in awatch(folder, raise_interrupt=False):
        yield sorted(path for _, path in found)[0]
