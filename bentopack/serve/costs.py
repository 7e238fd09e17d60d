"""What calls cost: how much of their time each has, whatever is in it, and how much grows with what is in it."""

from __future__ import annotations

_TREND = 0.2


class Costs:
    """The calls of one method. Those of about one size, by powers of two, are remembered by their mean."""

    def __init__(self) -> None:
        self._means: dict[int, tuple[float, float]] = {}
        """How many requests, and seconds."""

    def fixed(self, requests: int, took: float) -> float:
        """Note a call, and return how much of its time is spared where it becomes part of a larger one, in seconds.

        Where none was smaller nothing is known: all of it.
        """
        if not requests:  # all were refused
            return 0.0
        size = requests.bit_length()
        many, long = self._means.get(size, (requests, took))
        many += (requests - many) * _TREND
        long += (took - long) * _TREND
        self._means[size] = many, long
        smaller = max(filter(size.__gt__, self._means), default=None)
        if smaller is None:
            return took
        few, short = self._means[smaller]
        return min(took, max(0.0, long - (long - short) / (many - few) * many))
