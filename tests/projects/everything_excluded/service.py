import bentopack


@bentopack.service
class Iris:
    @bentopack.api
    def predict(self, text: str) -> str:
        return text
