"""The workloads in BentoML, with adaptive batching; a raw body cannot be batched there."""

import bentoml
import models


@bentoml.service(
    workers=models.WORKERS,
    traffic={"timeout": 120, "max_concurrency": 4096},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
)
class Theirs:
    def __init__(self) -> None:
        self.model = models.make()

    if models.RAW:

        @bentoml.api(route="/predict")
        def predict(self, x: bytes, /) -> list[float]:
            return self.model.batch([x])[0]

    else:

        @bentoml.api(route="/predict", batchable=True, max_batch_size=models.BATCH, max_latency_ms=20000)
        def predict(self, x: list[list[float]]) -> list:
            return self.model.batch(x)
