"""The models that every server serves: ``make().batch(rows)`` returns a result for each row."""

from __future__ import annotations

import fcntl
import os
import struct
import threading
import time
from collections.abc import Sequence
from typing import Any

DEVICE_CALL = 0.010
"""Seconds that a call of the simulated accelerator takes, whatever its size."""
DEVICE_ROW = 20e-6
"""Seconds more for each row."""


class Echo:
    """Nothing: what is left is the server's own cost."""

    def batch(self, rows: Sequence[Any]) -> list[Any]:
        return list(rows)


class Accelerator:
    """A device that takes one batch at a time of the whole machine, and counts calls and rows in its file."""

    def __init__(self) -> None:
        self._threads = threading.Lock()
        self._file: int | None = None

    def batch(self, rows: Sequence[Any]) -> list[Any]:
        with self._threads:
            if self._file is None:  # not before: a process that forks would share its lock
                self._file = os.open(os.environ["BENCH_DEVICE"], os.O_RDWR | os.O_CREAT)
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                time.sleep(DEVICE_CALL + DEVICE_ROW * len(rows))
                calls, total = struct.unpack("<QQ", os.pread(self._file, 16, 0).ljust(16, b"\0"))
                os.pwrite(self._file, struct.pack("<QQ", calls + 1, total + len(rows)), 0)
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)
        return [row[0] for row in rows]

    def __reduce__(self) -> tuple[type[Accelerator], tuple[()]]:
        return type(self), ()  # a server may send its model to its workers


class Forest:
    """A small model of scikit-learn."""

    def __init__(self) -> None:
        from sklearn.datasets import load_breast_cancer
        from sklearn.ensemble import RandomForestClassifier

        data = load_breast_cancer()
        self._model = RandomForestClassifier(100, random_state=0).fit(data.data, data.target)

    def batch(self, rows: Sequence[Any]) -> list[Any]:
        import numpy as np

        result: list[Any] = self._model.predict_proba(np.asarray(rows, "float32")).tolist()
        return result


class Perceptron:
    """Three large matrices: long rows of JSON in front of heavy arithmetic."""

    def __init__(self) -> None:
        import numpy as np

        random = np.random.default_rng(0)
        sizes = [(512, 2048), (2048, 2048), (2048, 10)]
        self._layers = [random.standard_normal(size, dtype="float32") / np.float32(size[0] ** 0.5) for size in sizes]

    def batch(self, rows: Sequence[Any]) -> list[Any]:
        import numpy as np

        values = np.asarray(rows, "float32")
        for layer in self._layers[:-1]:
            values = np.maximum(values @ layer, 0)
        result: list[Any] = (values @ self._layers[-1]).tolist()
        return result


class Images:
    """The mean of ten parts of an image: what is left is moving its 600 KB."""

    def batch(self, rows: Sequence[bytes]) -> list[Any]:
        import numpy as np

        return [np.frombuffer(row, "<f4")[:150520].reshape(10, -1).mean(1).tolist() for row in rows]


class Sizes:
    """How long each body is."""

    def batch(self, rows: Sequence[bytes]) -> list[int]:
        return [len(row) for row in rows]


MODELS = {"w1": Echo, "w2": Accelerator, "w3": Forest, "w4": Perceptron, "w5": Images, "sizes": Sizes}

WORKLOAD = os.environ.get("BENCH_WORKLOAD", "w1")
RAW = WORKLOAD in ("w5", "sizes")
"""The body is the row itself, not JSON."""
WORKERS = int(os.environ.get("BENCH_WORKERS", "2"))
BATCH = int(os.environ.get("BENCH_BATCH", "256"))


def make() -> Any:
    """The model of the workload that the environment names."""
    return MODELS[WORKLOAD]()
