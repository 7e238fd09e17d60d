"""Writes a Bento directory from values that are all known by then: nothing is decided here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bentopack._fs import copy_normalised, link_or_copy, normalise, walk_files
from bentopack.bento.digest import write_sums
from bentopack.bento.models import HashedModel
from bentopack.spec.manifest import MANIFEST_NAME, Manifest, to_yaml


@dataclass(frozen=True)
class Contents:
    """Everything that goes into a Bento."""

    manifest: Manifest
    sources: tuple[tuple[str, Path], ...]
    """POSIX path below ``src`` and where it lies now."""
    models: tuple[HashedModel, ...]
    copied: Mapping[str, Path]
    """Other files by their path in the Bento: wheels, a setup script."""
    written: Mapping[str, bytes]
    """Files that bentopack makes, by their path in the Bento."""


def assemble(contents: Contents, folder: Path) -> str:
    """Write the Bento into an empty folder and return its digest, ``sha256:<hex>``."""
    for relative, source in contents.sources:
        copy_normalised(source, folder / "src" / relative)
    for relative, source in contents.copied.items():
        copy_normalised(source, folder / relative)
    for relative, data in {MANIFEST_NAME: to_yaml(contents.manifest), **contents.written}.items():
        _write(folder / relative, data)
    for model in contents.models:
        for relative, source in walk_files(model.stored.path):
            link_or_copy(source, folder / model.info.path / relative)
    digest = write_sums(folder, known=[file for model in contents.models for file in model.files])
    # A linked model's file is normalised already, so touching it again changes nothing in its store.
    normalise(folder)
    return digest


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
