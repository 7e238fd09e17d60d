"""The workloads in LitServe; it takes JSON alone, so images come in base64."""

import base64
import os

import litserve
import models


class Api(litserve.LitAPI):
    def setup(self, device):
        self.model = models.make()

    def decode_request(self, request):
        return base64.b64decode(request["x"]) if models.RAW else request["x"]

    def batch(self, inputs):
        return list(inputs)

    def predict(self, rows):
        return self.model.batch(rows)

    def unbatch(self, output):
        return output

    def encode_response(self, output):
        return {"y": output}


if __name__ == "__main__":
    server = litserve.LitServer(
        Api(max_batch_size=models.BATCH, batch_timeout=0.005),
        accelerator="cpu",
        workers_per_device=models.WORKERS,
        timeout=120,
        fast_queue=True,
    )
    server.run(
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        num_api_servers=2,
        generate_client_file=False,
        log_level="warning",
        access_log=False,
    )
