import bentopack
from bentopack import api


def prefix() -> str:
    return "/v1"


@bentopack.service(name="Iris Service", workers=0, worker=2)
class Iris:
    @api(route="predict")
    def one(self, text: str) -> str:
        return text

    @api(route="/metrics")
    def two(self, text: str) -> str:
        return text

    @api(route="/same")
    def three(self, text: str) -> str:
        return text

    @api(route="/same", name="three")
    def four(self, text: str) -> str:
        return text

    @api(route=prefix() + "/five", batchable="yes", max_batch_size=0, max_latency=3)
    def five(self, text: str) -> str:
        return text
