"""What an array parameter has to look like, written in its type hint.

from bentopack.validators import DType, Shape

def classify(self, features: Annotated[np.ndarray, Shape((-1, 4)), DType("float32")]) -> np.ndarray: ...
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """The length of each dimension; ``-1`` or ``None`` takes any length."""

    dimensions: tuple[int | None, ...]

    def matches(self, shape: tuple[int, ...]) -> bool:
        """Whether an array of ``shape`` is allowed."""
        return len(shape) == len(self.dimensions) and all(
            wanted in (-1, None, found) for wanted, found in zip(self.dimensions, shape, strict=True)
        )

    def __str__(self) -> str:
        return f"({', '.join('*' if length in (-1, None) else str(length) for length in self.dimensions)})"


@dataclass(frozen=True)
class DType:
    """The element type, by numpy's name, such as ``float32``. Numbers that fit are converted to it."""

    dtype: str
