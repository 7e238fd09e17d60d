"""How a lock may change."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Renewal:
    """How a lock may change.

    ``refuse``: not at all (``--locked``). ``upgrade``: everything to its newest; ``packages``: only these. By default
    what is locked stays where the inputs allow.
    """

    refuse: bool = False
    upgrade: bool = False
    packages: tuple[str, ...] = ()
    pin: bool = False
    """Ask again for the digest of a base that has none."""
