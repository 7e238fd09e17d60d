"""Where this user's Bentos, models and environments lie; the one place that reads ``$BENTOPACK_HOME``."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """Return ``$BENTOPACK_HOME``, or ``~/.bentopack``."""
    configured = os.environ.get("BENTOPACK_HOME")
    return Path(configured).expanduser().absolute() if configured else Path.home() / ".bentopack"


def bento_home() -> Path:
    """Return the folder of this user's Bentos."""
    return home() / "bentos"


def model_home() -> Path:
    """Return the folder of this user's models."""
    return home() / "models"
