"""What a BentoML bentofile can say and bentopack does not honour yet.

Each row is refused by name, with the way out, so that nothing is ignored in silence. The release that honours a key
removes its row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from bentopack.errors import Problem
from bentopack.spec.document import Document, Path, spell
from bentopack.spec.scalars import plain


def _given(value: Any) -> bool:
    return value not in (None, "", [], {})


@dataclass(frozen=True)
class Row:
    """A key (``*`` stands for any key or position), the values that cannot be had, and what to do instead."""

    path: tuple[str, ...]
    way_out: str
    applies: Callable[[Any], bool] = _given


REFUSED = (
    Row(("models", "*", "filter"), "model filters are not supported yet; give the whole tag, such as iris:v2"),
    Row(
        ("envs", "*", "stage"),
        "variables for the build alone are not supported yet; set them in docker.setup_script",
        lambda value: value == "build",
    ),
)

WARNED = (
    Row(
        ("python", "lock_packages"),
        "has no effect: bentopack always locks, so that a Bento can be built again",
        lambda value: plain(value) is False,
    ),
    Row(
        ("python", "pack_git_packages"),
        "has no effect: packages from git are always built and bundled",
        lambda value: plain(value) is False,
    ),
    Row(("args",), "is kept in the Bento, but no service is given it yet"),
)


def refusals(document: Document) -> Iterator[Problem]:
    """Yield a problem for each value that cannot be honoured yet."""
    yield from _matches(REFUSED, document)


def warnings(document: Document) -> Iterator[Problem]:
    """Yield a problem for each value that is accepted and changes nothing."""
    yield from _matches(WARNED, document)


def _matches(rows: tuple[Row, ...], document: Document) -> Iterator[Problem]:
    for row in rows:
        for path, value in _select(document.data, row.path):
            if row.applies(value):
                yield document.places.problem(path, f"{spell(path)}: {row.way_out}")


def _select(value: Any, pattern: tuple[str, ...], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    if not pattern:
        yield path, value
        return
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    elif pattern == ("*",):
        # A single text stands for a list of one.
        yield path, value
    for key, item in items:
        if pattern[0] in ("*", key):
            yield from _select(item, pattern[1:], (*path, key))
