"""Gives each layer of a plan its key: what has the same key need not be made again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace

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
    below = [plan.base.reference, plan.base.builder_image, plan.platform, plan.python]
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
            *(plan.environment if layer.kind == "setup" else []),
        ]
        key = hashlib.sha256(json.dumps(recipe).encode()).hexdigest()
        below.append(key)
        yield replace(layer, key=key, size=sum(file.size for file in held) if layer.kind in _COPIES_FILES else None)


def _within(path: str, top: str) -> bool:
    return path == top or path.startswith(f"{top}/")
