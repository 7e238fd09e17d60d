"""Requests that fit each other, as columns: they become one call."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

import msgspec

from bentopack.serve.waiting import READ, Sender, Several

Column = Sequence[Any]
"""One parameter's values, one a request: a list, or an array that has them as its rows."""


class Group(msgspec.Struct, gc=False):
    """Who asks, with what arguments, and how many rows each has."""

    several: list[Several]
    columns: Sequence[Column]
    rows: list[int]

    def asked(self) -> Iterator[tuple[Sender, int]]:
        """Yield where each answer goes, and under which number."""
        return ((each.sender, identity) for each in self.several for identity in each.ids)

    def add(self, other: Group) -> None:
        """Join with requests that fit these."""
        self.several += other.several
        self.rows += other.rows
        self.columns = [_extended(mine, more) for mine, more in zip(self.columns, other.columns, strict=True)]

    def fitting(self, room: int) -> int:
        """Count the first requests that fit into so many rows."""
        return bisect_right(list(accumulate(self.rows)), room)

    def cut(self, count: int) -> list[Several]:
        """Keep so many requests, and return the others with what was read of them."""
        arguments = list(zip(*(column[count:] for column in self.columns), strict=True))
        self.columns = [column[:count] for column in self.columns]
        del self.rows[count:]
        kept, others = [], []
        for each in self.several:
            mine = min(count, len(each.ids))
            count -= mine
            if mine:
                kept.append(each.part(0, mine))
            if ids := each.ids[mine:]:
                bodies, arguments = arguments[: len(ids)], arguments[len(ids) :]
                others.append(Several(each.sender, READ, each.arrived, ids, bodies))
        self.several = kept
        return others


def _extended(column: Column, more: Column) -> list[Any]:
    extended = column if isinstance(column, list) else list(column)
    extended.extend(more)
    return extended
