"""What is locked in a Bento, as its own files say."""

from __future__ import annotations

from pathlib import Path

from bentopack.errors import IntegrityError
from bentopack.lock.requirements import locked_versions
from bentopack.spec.manifest import Manifest


def read_packages(bento: Path, manifest: Manifest, variant: str) -> dict[str, str]:
    """Return the version (or address) of each package that is locked for a variant, by its normalised name.

    Raises:
        IntegrityError: the file that says so is missing.
    """
    path = bento / manifest.variants[variant].requirements
    try:
        return locked_versions(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise IntegrityError(f"{bento} has no {path.relative_to(bento)}: it is not a whole Bento") from None
