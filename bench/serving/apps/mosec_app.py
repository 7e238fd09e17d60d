"""The workloads in mosec; tuned, it reads and writes JSON with orjson and waits 1 ms for a batch."""

import os

import models
import orjson
from mosec import Server, Worker

TUNED = os.environ.get("BENCH_TUNED") == "1"


class Plain(Worker):
    def __init__(self):
        self.model = models.make()

    def forward(self, data):
        return [{"y": y} for y in self.model.batch([each["x"] for each in data])]


class Tuned(Plain):
    def deserialize(self, data):
        return orjson.loads(data)

    def serialize(self, data):
        return orjson.dumps(data)


class Raw(Tuned):
    def deserialize(self, data):
        return data

    def forward(self, data):
        return [{"y": y} for y in self.model.batch(data)]


if __name__ == "__main__":
    server = Server()
    server.append_worker(
        Raw if models.RAW else Tuned if TUNED else Plain,
        num=models.WORKERS,
        max_batch_size=models.BATCH,
        max_wait_time=1 if TUNED else 10,
        timeout=60,
        route="/predict",
    )
    server.run()
