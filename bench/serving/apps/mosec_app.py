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
        inputs = data if models.BATCH > 1 else [data]  # mosec gives a worker without batches one request
        results = [{"y": y} for y in self.model.batch([self.row(each) for each in inputs])]
        return results if models.BATCH > 1 else results[0]

    def row(self, request):
        return request["x"]


class Tuned(Plain):
    def deserialize(self, data):
        return orjson.loads(data)

    def serialize(self, data):
        return orjson.dumps(data)


class Raw(Tuned):
    def deserialize(self, data):
        return data

    def row(self, request):
        return request


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
