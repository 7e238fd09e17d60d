"""How a project is built, as the command line or a caller says."""

from __future__ import annotations

from dataclasses import dataclass, field

from bentopack.lock.renewal import Renewal


@dataclass(frozen=True)
class BuildOptions:
    """How a project is built.

    ``version`` overrides the bentofile's; by default it is derived from the digest. ``platform`` is the image's, which
    the requirements are locked for. With ``strict``, files that look like secrets are errors. ``allow_unpinned`` lets a
    lock that must not change name a base without its digest.
    """

    platform: str
    version: str | None = None
    strict: bool = False
    renewal: Renewal = field(default_factory=Renewal)
    allow_unpinned: bool = False
