"""scikit-learn estimators and pipelines, through joblib, which stores their arrays compactly."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

PACKAGES = ("scikit-learn",)
_FILE = "model.joblib"


def owns(obj: object) -> bool:
    # Whoever holds an estimator has imported sklearn: nothing is imported to find out.
    base = sys.modules.get("sklearn.base")
    return base is not None and isinstance(obj, base.BaseEstimator)


def save(obj: Any, folder: Path) -> None:
    import joblib

    from bentopack.models.picklable import refuse_main

    refuse_main(obj)  # such as a FunctionTransformer over a function of the training script
    joblib.dump(obj, folder / _FILE)


def load(folder: Path) -> Any:
    import joblib

    return joblib.load(folder / _FILE)
