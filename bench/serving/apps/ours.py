"""The workloads as bentopack's services."""

import os

import models

import bentopack

LATENCY = int(os.environ.get("BENCH_MAX_LATENCY_MS", "60000"))
APIS = int(os.environ.get("BENCH_APIS", "1"))

if models.RAW:

    @bentopack.service(workers=models.WORKERS)
    class Ours:
        def __init__(self) -> None:
            self.model = models.make()

        @bentopack.api(batchable=True, one_row=True, max_batch_size=models.BATCH, max_latency_ms=LATENCY)
        def predict(self, x: list[bytes]) -> list[dict]:
            return [{"y": y} for y in self.model.batch(x)]

else:

    @bentopack.service(workers=models.WORKERS)
    class Ours:
        def __init__(self) -> None:
            self.model = models.make()

        @bentopack.api(batchable=True, one_row=True, max_batch_size=models.BATCH, max_latency_ms=LATENCY)
        def predict(self, x: list[list[float]]) -> list[dict]:
            return [{"y": y} for y in self.model.batch(x)]


def _model_of(number: int):
    """An API with a model of its own."""
    model = models.make()

    @bentopack.api(
        batchable=True, one_row=True, max_batch_size=models.BATCH, name=f"model_{number}", route=f"/model/{number}"
    )
    def predict(self, x: list[list[float]]) -> list[dict]:
        return [{"y": y} for y in model.batch(x)]

    return predict


Many = bentopack.service(workers=models.WORKERS)(
    type("Many", (), {f"model_{number}": _model_of(number) for number in range(APIS)})
)
