"""Gives each layer of a plan its key: what has the same key need not be made again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Literal

from bentopack._fs import FileEntry
from bentopack.image.plan import ImagePlan, Layer, LayerKind
from bentopack.image.table import MICROMAMBA_IMAGE, UV_VERSION

# Files are copied alone, and lie as well on one base as on another; what runs a program depends on where it runs.
_RUNS: frozenset[LayerKind] = frozenset({"system", "python", "setup"})
_COPIES_FILES: frozenset[LayerKind] = frozenset({"model", "manifest", "source"})


def with_keys(plan: ImagePlan, files: Iterable[FileEntry]) -> ImagePlan:
    """Return a plan whose layers know their keys, and the sizes of what they copy.

    Args:
        plan: the plan of a Bento's image.
        files: that Bento's files.
    """
    return replace(plan, layers=tuple(_keyed(plan, sorted(files))))


def _keyed(plan: ImagePlan, files: list[FileEntry]) -> Iterator[Layer]:
    # A template of the user's own may change any layer.
    below = [plan.base.reference, plan.base.builder_image, plan.platform, plan.python, plan.template]
    for layer in plan.layers:
        held = [file for file in files if any(_within(file.path, path) for path in layer.paths)]
        recipe = [
            layer.kind,
            layer.target,
            *layer.packages,
            *([UV_VERSION, plan.python, plan.platform] if layer.kind == "interpreter" else []),
            *([MICROMAMBA_IMAGE, plan.python, plan.platform] if layer.kind == "conda" else []),
            *(["x" if file.executable else "-", file.path, file.sha256] for file in held),
            *(below if layer.kind in _RUNS else []),
            *([plan.installer] if layer.kind == "python" else []),
            *([*plan.environment, *plan.library_folders] if layer.kind == "setup" else []),
        ]
        key = hashlib.sha256(json.dumps(recipe).encode()).hexdigest()
        below.append(key)
        yield replace(layer, key=key, size=sum(file.size for file in held) if layer.kind in _COPIES_FILES else None)


def _within(path: str, top: str) -> bool:
    return path == top or path.startswith(f"{top}/")


Reuse = Literal["reused", "linked", "made anew"]
"""What a rebuild makes of a layer. ``linked`` is one of the same files above another one that is made anew."""


def reuse(plan: ImagePlan, before: ImagePlan) -> list[Reuse]:
    """Return what a rebuild makes of each layer, after another image was built."""
    made, whole = {layer.key for layer in before.layers}, plan.base.reference == before.base.reference
    found: list[Reuse] = []
    for layer in plan.layers:
        same = layer.key in made
        found.append(("reused" if whole else "linked") if same else "made anew")
        whole = whole and same
    return found
