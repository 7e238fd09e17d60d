"""What is asked of every server: the bodies of the requests, and what an answer must look like."""

from __future__ import annotations

import array
import base64
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Form = Literal["row", "rows", "base64"]
"""A server takes one row as it is, a batch of one, or bytes in JSON."""


@dataclass(frozen=True)
class Body:
    """A request's body, in a file for the load generators."""

    path: Path
    content_type: str


@dataclass(frozen=True)
class Workload:
    """One model and the requests for it; ``apps/models.py`` has the model."""

    name: str
    title: str
    row: Callable[[], list[float] | bytes]
    values: int
    """Numbers in an answer."""
    connections: tuple[int, ...] = (256, 1024)
    workers: int = 2

    def body(self, form: Form, folder: Path) -> Body:
        """Write the body that a server takes."""
        row = self.row()
        if isinstance(row, bytes) and form != "base64":
            return _written(folder / f"{self.name}.bin", row, "application/octet-stream")
        value = base64.b64encode(row).decode() if isinstance(row, bytes) else [row] if form == "rows" else row
        content = json.dumps({"x": value}, separators=(",", ":")).encode()
        return _written(folder / f"{self.name}.{form}.json", content, "application/json")

    def is_answer(self, content: bytes) -> bool:
        """Whether this is an answer: a row of the right length, as ``y``, bare, or in a batch of one."""
        try:
            answer = json.loads(content)
        except ValueError:
            return False
        value = answer.get("y") if isinstance(answer, dict) else answer
        while isinstance(value, list) and len(value) == 1:
            value = value[0]
        row = value if isinstance(value, list) else [value]
        return len(row) == self.values and all(isinstance(each, int | float) for each in row)


def sized(size: int) -> Workload:
    """A body of so many bytes, answered with their count."""
    return Workload("sizes", f"{size} bytes", lambda: bytes(size), 1, connections=(16,))


def _written(path: Path, content: bytes, content_type: str) -> Body:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return Body(path, content_type)


def _normal(count: int) -> list[float]:
    source = random.Random(1)  # noqa: S311 - the same numbers in each run
    return [round(source.gauss(0, 1), 4) for _ in range(count)]


_ECHOED = [1.5, -2.25, 3.125, 0.5]
# The first row of scikit-learn's breast cancer data.
_TUMOUR = [17.99, 10.38, 122.8, 1001.0, 0.1184, 0.2776, 0.3001, 0.1471, 0.2419, 0.07871, 1.095, 0.9053, 8.589, 153.4]
_TUMOUR += [0.006399, 0.04904, 0.05373, 0.01587, 0.03003, 0.006193, 25.38, 17.33, 184.6, 2019.0, 0.1622, 0.6656]
_TUMOUR += [0.7119, 0.2654, 0.4601, 0.1189]

WORKLOADS = {
    each.name: each
    for each in (
        Workload("w1", "echo of 4 floats", lambda: _ECHOED, 4),
        Workload("w2", "accelerator, 10 ms + 20 µs a row", lambda: _ECHOED, 1, workers=1),
        Workload("w3", "random forest of 100 trees", lambda: _TUMOUR, 2),
        Workload("w4", "perceptron 512x2048x2048x10", lambda: _normal(512), 10),
        Workload(
            "w5", "images, 600 KB each", lambda: array.array("f", _normal(224 * 224 * 3)).tobytes(), 10, (64, 256)
        ),
    )
}
