"""What is locked in a Bento, as its own file says."""

from __future__ import annotations

from pathlib import Path

from bentopack.errors import IntegrityError
from bentopack.spec.manifest import Manifest


def read_requirements(bento: Path, manifest: Manifest, variant: str) -> str:
    """Return the text of a variant's hashed requirements.

    Raises:
        IntegrityError: the file is missing.
    """
    path = bento / manifest.variants[variant].requirements
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise IntegrityError(f"{bento} has no {path.relative_to(bento)}: it is not a whole Bento") from None
