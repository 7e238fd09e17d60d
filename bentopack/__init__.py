"""bentopack: from a model and a class to a reproducible Bento and its container image.

The public names are imported on first use, so that ``import bentopack`` costs nothing in a serving process, and a
Bento's runtime holds only what serving needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from bentopack import models as models
    from bentopack.errors import BentopackError as BentopackError
    from bentopack.models import model as model
    from bentopack.models import save_model as save_model
    from bentopack.serve.declare import api as api
    from bentopack.serve.declare import service as service
    from bentopack.serve.errors import ApiError as ApiError

_PUBLIC = {
    "service": "bentopack.serve.declare",
    "api": "bentopack.serve.declare",
    "ApiError": "bentopack.serve.errors",
    "model": "bentopack.models",
    "save_model": "bentopack.models",
    "BentopackError": "bentopack.errors",
}

__all__ = [
    "ApiError",
    "BentopackError",
    "__version__",
    "api",
    "model",
    "models",
    "save_model",
    "service",
]


def __getattr__(name: str) -> Any:
    if name == "models":
        return import_module("bentopack.models")
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'bentopack' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
