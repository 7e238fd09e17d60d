"""Requests that fit each other, as columns: they become one call."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

import msgspec

from bentopack.serve.waiting import Sender, Several

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

    def part(self, start: int, end: int) -> list[Several]:
        """Return the requests from ``start`` to ``end`` as they came."""
        return _split(_split(self.several, end)[0], start)[1]

    def fitting(self, room: int) -> int:
        """Count the first requests that fit into so many rows."""
        return len(self.rows) if sum(self.rows) <= room else bisect_right(list(accumulate(self.rows)), room)

    def cut(self, count: int) -> list[Several]:
        """Keep so many requests, and return the others with what was read of them."""
        others = _split(read_of(self.several, self.columns), count)[1]
        self.several = _split(self.several, count)[0]
        self.columns = [column[:count] for column in self.columns]
        del self.rows[count:]
        return others


def read_of(several: list[Several], columns: Sequence[Column]) -> list[Several]:
    """Return requests with their arguments beside their bodies."""
    arguments = list(zip(*columns, strict=True))
    read, start = [], 0
    for each in several:
        end = start + len(each.ids)
        read.append(Several(each.sender, each.media, each.arrived, each.ids, each.bodies, arguments[start:end]))
        start = end
    return read


def _split(several: list[Several], count: int) -> tuple[list[Several], list[Several]]:
    first, rest = [], []
    for each in several:
        mine = max(0, min(count, len(each.ids)))
        count -= len(each.ids)
        if mine:
            first.append(each.part(0, mine))
        if mine < len(each.ids):
            rest.append(each.part(mine))
    return first, rest


def _extended(column: Column, more: Column) -> list[Any]:
    extended = column if isinstance(column, list) else list(column)
    extended.extend(more)
    return extended
