"""In what a project differs from what its lock was made of, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from bentopack.lock.conda import CONDA
from bentopack.lock.lockfile import LockedModel

# Inputs with names of their own in them, by which a change is told more closely.
_NAMED = frozenset({CONDA, "indexes", "python.lockfile", "python.wheels", "requirements files"})


def changed_inputs(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Name the inputs that differ, in alphabetical order."""
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))


def told_change(name: str, old: Any, new: Any) -> str:
    """Say of an input that it changed, and what of it where that has a name."""
    if isinstance(old, list) and isinstance(new, list):
        details = [f"+ {each}" for each in new if each not in old] + [f"- {each}" for each in old if each not in new]
    elif name in _NAMED and isinstance(old or {}, dict) and isinstance(new or {}, dict):
        details = changed_inputs(old or {}, new or {})
    else:
        details = []
    return f"{name} changed: {', '.join(details)}" if details else f"{name} changed"


def changed_models(old: Sequence[LockedModel], new: Sequence[LockedModel]) -> Iterator[str]:
    """Say which models differ: by the name that the project uses where that now means another one."""
    before = {spelling: model.tag for model in old for spelling in model.spellings}
    now = {spelling: model.tag for model in new for spelling in model.spellings}
    told = set()
    for spelling in sorted(before.keys() & now.keys()):
        if before[spelling] != now[spelling]:
            told |= {before[spelling], now[spelling]}
            yield f"{spelling} is {now[spelling]} now, locked was {before[spelling]}"
    for tag in sorted({model.tag for model in (*old, *new) if (model in old) != (model in new)} - told):
        was, is_ = (any(model.tag == tag for model in models) for models in (old, new))
        yield f"the model {tag} {'changed' if was and is_ else 'is new' if is_ else 'is gone'}"
