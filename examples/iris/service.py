"""Serve the iris classifier. Requests that wait at the same time are joined into one call of the model."""

from typing import Annotated

import numpy as np

import bentopack
from bentopack.validators import DType, Shape

SPECIES = np.array(["setosa", "versicolor", "virginica"])
Flowers = Annotated[np.ndarray, Shape((-1, 4)), DType("float64")]


@bentopack.service(traffic={"timeout": 30})
class IrisClassifier:
    model = bentopack.model("iris:latest")

    @bentopack.api(batchable=True, max_batch_size=256, max_latency_ms=1000)
    def classify(self, flowers: Flowers) -> list[str]:
        """Name the species of each flower, from sepal length and width, petal length and width, in cm."""
        return SPECIES[self.model.predict(flowers)].tolist()

    @bentopack.api(batchable=True, max_batch_size=256, max_latency_ms=1000)
    def probabilities(self, flowers: Flowers) -> np.ndarray:
        """The probability of each of the three species, for each flower."""
        return self.model.predict_proba(flowers)
