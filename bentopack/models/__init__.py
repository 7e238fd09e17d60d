"""The model store: what training leaves behind, and what a service declares that it needs.

    bentopack.save_model("iris", estimator, labels={"stage": "dev"})
    bentopack.models.get("iris:latest").load()

A model is a folder ``<name>/<version>/`` with the artifact and a ``model.yaml``; its version is derived from the
digest of both, so saving the same artifact twice stores it once.
"""

from __future__ import annotations

from bentopack.models.reference import Model, bind, model
from bentopack.models.store import StoredModel, delete, get, list_models, read_model, save_model
from bentopack.models.store import list_models as list  # the public spelling: bentopack.models.list()

__all__ = [
    "Model",
    "StoredModel",
    "bind",
    "delete",
    "get",
    "list",
    "list_models",
    "model",
    "read_model",
    "save_model",
]
