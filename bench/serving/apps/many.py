"""One service with several models, each behind an API of its own."""

import os

import models

import bentopack


def api_of(number: int):
    model = models.make()

    @bentopack.api(
        batchable=True, one_row=True, max_batch_size=models.BATCH, name=f"model_{number}", route=f"/model/{number}"
    )
    def predict(self, x: list[list[float]]) -> list[dict]:
        return [{"y": y} for y in model.batch(x)]

    return predict


Models = type("Models", (), {f"model_{number}": api_of(number) for number in range(int(os.environ["BENCH_APIS"]))})


@bentopack.service(workers=models.WORKERS)
class Many(Models):
    """The APIs are the base's: how many is not known before it runs."""
