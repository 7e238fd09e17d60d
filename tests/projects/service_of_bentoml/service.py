import bentoml


@bentoml.service
class Iris:
    pass
