import os

import bentopack

NAME = "iris"


@bentopack.service
class Iris:
    first = bentopack.model("iris latest")
    second = bentopack.model(os.environ["MODEL"])
    third = bentopack.model(3)
    fourth = bentopack.model()

    @bentopack.api
    def predict(self, text: str) -> str:
        return text
