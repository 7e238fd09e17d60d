"""Says how many layers an image's content becomes: as many as are worth it, and no more than an image may have."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bentopack.image.plan import ImagePlan, Layer
from bentopack.image.validate import PlanError
from bentopack.oci.tar import Entry, complete

_MOST = 127  # layers of an image: engines that unpack each one into an overlay take no more
_SHARE = 1 << 30  # bytes of a model in one layer; several are sent and fetched at once
_SHARES = 8  # what larger models aim at: more are sent and fetched at once by nobody

SPARE = 64
"""How many more layers than one each models may have where nothing else is in an image."""

Share = tuple[Entry, ...]


def spare_layers(plan: ImagePlan, below: int) -> int:
    """Return how many layers there may be beside those of the base and one for each of the plan.

    Raises:
        PlanError: even these are too many.
    """
    least = below + len(plan.layers)
    if least > _MOST:
        models = len(plan.of("model"))
        raise PlanError(
            f"the image would have {least} layers, {_MOST} are possible: {below} are the base's, {models} are models",
            hint="start from a base of fewer layers, or save models that belong together as one",
        )
    return _MOST - least


def split_models(
    models: Iterable[Layer], entries_of: Callable[[Layer], Iterable[Entry]], spare: int
) -> dict[Layer, list[Share]]:
    """Return the shares of each large model, of which each is a layer; one for which too few are left stays whole.

    Args:
        models: their layers, with their sizes.
        entries_of: lists what a layer holds.
        spare: layers that there may be more.
    """
    found = {}
    for layer in models:
        size = layer.size or 0
        shares = _shares(entries_of(layer), max(_SHARE, -(-size // _SHARES))) if size > _SHARE else []
        if 1 < len(shares) <= spare + 1:
            found[layer] = shares
            spare -= len(shares) - 1
    return found


def _shares(entries: Iterable[Entry], most: int) -> list[Share]:
    """Cut entries, in the order of their paths, where their files would be more than so many bytes together.

    Small files beside a large one make no share: none has less than a sixteenth of that.
    """
    sized = [(entry, entry.size) for entry in complete(entries)]
    found: list[list[Entry]] = [[]]
    held, left, least = 0, sum(size for _, size in sized), most // 16
    for entry, size in sized:
        if held + size > most and min(held, left) > least:
            found.append([])
            held = 0
        found[-1].append(entry)
        held += size
        left -= size
    return [tuple(share) for share in found]
