"""The one interface of a framework: which objects are its own, how they are saved and loaded."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from bentopack.errors import BentopackError


class Framework(Protocol):
    """A module of this room that saves and loads one framework's objects."""

    PACKAGES: tuple[str, ...]
    """Distributions without which the artifact cannot be loaded."""

    def owns(self, obj: object) -> bool:
        """Whether the object is one of this framework's."""

    def save(self, obj: Any, folder: Path) -> None:
        """Write the artifact into an empty folder."""

    def load(self, folder: Path) -> Any:
        """Read what ``save`` wrote."""


# The order is the order in which ``framework_of`` asks; what takes anything stands last.
FRAMEWORKS: Mapping[str, str] = {
    "sklearn": "bentopack.models.sklearn",
    "picklable": "bentopack.models.picklable",
}


def framework_of(obj: object) -> str:
    """Return the name of the framework that saves ``obj``."""
    return next(name for name in FRAMEWORKS if framework(name).owns(obj))


def framework(name: str) -> Framework:
    """Return a framework by its name.

    Raises:
        BentopackError: this release does not know it.
    """
    if name not in FRAMEWORKS:
        raise BentopackError(
            f"the framework '{name}' is not known to this bentopack", hint=f"known: {', '.join(FRAMEWORKS)}"
        )
    module: Framework = import_module(FRAMEWORKS[name])
    return module


def installed_versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Return the installed versions of those distributions that are installed."""
    from importlib.metadata import PackageNotFoundError, version  # serving needs it not, and it takes long to import

    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
