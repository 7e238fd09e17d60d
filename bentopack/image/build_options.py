"""What a user may ask of the build of an image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bentopack.image.secrets import Secret


@dataclass(frozen=True)
class BuildOptions:
    """What the user asks of one build, beyond what the Bento says."""

    tags: tuple[str, ...]
    no_cache: bool = False
    cache_from: tuple[str, ...] = ()
    cache_to: tuple[str, ...] = ()
    build_args: tuple[str, ...] = ()
    secrets: tuple[Secret, ...] = ()
    ca_bundle: Path | None = None
    """Certificates that the build is to trust, and the image is not to hold."""
    syntax: str | None = None
    """The frontend that BuildKit is to fetch and build with."""
    epoch: int | None = None
    """When the image counts as made, in seconds since 1970."""
    labels: Mapping[str, str] = field(default_factory=dict)
