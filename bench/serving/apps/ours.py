"""The workloads as bentopack's services."""

import os

import models

import bentopack

LATENCY = int(os.environ.get("BENCH_MAX_LATENCY_MS", "60000"))

if models.RAW:

    @bentopack.service(workers=models.WORKERS)
    class Ours:
        def __init__(self) -> None:
            self.model = models.make()

        @bentopack.api(batchable=True, one_row=True, max_batch_size=models.BATCH, max_latency_ms=LATENCY)
        def predict(self, x: list[memoryview]) -> list[dict]:
            return [{"y": y} for y in self.model.batch(x)]

else:

    @bentopack.service(workers=models.WORKERS)
    class Ours:
        def __init__(self) -> None:
            self.model = models.make()

        @bentopack.api(batchable=True, one_row=True, max_batch_size=models.BATCH, max_latency_ms=LATENCY)
        def predict(self, x: list[list[float]]) -> list[dict]:
            return [{"y": y} for y in self.model.batch(x)]
