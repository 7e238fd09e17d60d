"""The plan of an image: pure data.

Everything that renders or builds an image reads the plan and nothing else of the Bento. Its layers stand in the order
in which they lie in the image, from what changes least to what changes most.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bentopack.image.table import PackageManager

VENV = "/opt/venv"
CONDA = "/opt/conda-env"
"""Where conda's packages lie, in every stage: they have the path in them."""
INTERPRETER = "/opt/python"
"""Where a Python lies that the base does not have; the same in every stage, as the venv points to it."""
BENTO = "/bento"
PORT = 3000
# Above the ids that distributions give to people and services. Group 0, as OpenShift runs any image under a random
# uid with that group.
USER = "10001:0"

# What uv takes its platform of Linux to be; a wheel that needs a newer one is not locked.
# https://docs.astral.sh/uv/reference/cli/#uv-pip-compile--python-platform
LOCKED_GLIBC = (2, 28)

LayerKind = Literal["interpreter", "system", "conda", "python", "runtime", "setup", "model", "manifest", "source"]


@dataclass(frozen=True)
class BaseFacts:
    """What a base image of the user's own was found to have.

    ``python`` is the version of one with venv and a pip that is new enough, ``glibc`` that of its C library;
    ``names_index`` says whether it tells pip of an index; ``release`` is its distribution's, such as ``debian12``.
    """

    python: str | None = None
    glibc: tuple[int, int] | None = None
    package_manager: PackageManager | None = None
    names_index: bool = False
    release: str | None = None


@dataclass(frozen=True)
class Base:
    """The image to start from.

    ``reasons`` lead to it, one after the other; ``warnings`` are what the user should know of it before the build.
    ``release`` is the distribution's, where it is known. ``interpreter_image`` is set where the base has no Python of
    the right version: a stage of that image fetches one, and it is copied over. ``conda_image`` is set where
    Python and libraries come from conda instead: it installs them. ``builder_image`` is set where packages
    are compiled with more than the base has. Of a base of the user's own, ``checked`` says that the build first looks
    whether the right Python is in it, ``user_may_differ`` that it may begin as a user who may install nothing, and
    ``names_index`` that it may tell pip, and nobody else, of the index to use.
    ``digest`` pins the image to the bytes that it had when it was locked, where its name does not.
    """

    image: str
    reasons: tuple[str, ...]
    package_manager: PackageManager | None = "apt"
    release: str | None = None
    missing: tuple[str, ...] = ()
    interpreter_image: str | None = None
    conda_image: str | None = None
    builder_image: str | None = None
    checked: bool = False
    user_may_differ: bool = False
    names_index: bool = False
    digest: str | None = None
    warnings: tuple[str, ...] = ()
    library_folders: tuple[str, ...] = ()
    """Folders of ``site-packages`` in which the loader is to look for libraries."""

    @property
    def reference(self) -> str:
        """What FROM names: the image, by its digest where that is known."""
        return f"{self.image.partition('@')[0]}@{self.pinned}" if self.pinned else self.image

    @property
    def pinned(self) -> str | None:
        """The digest that pins the image: the one in its name, or that of the lock; None where neither has one."""
        return self.image.partition("@")[2] or self.digest


@dataclass(frozen=True)
class Layer:
    """One layer above the base.

    ``paths`` are the files and folders of the Bento that it is made from, and so what decides whether a rebuild can
    reuse it; ``packages`` are the system packages that it installs; ``target`` is where it lands in the image.
    ``key`` and ``size`` (bytes) are known once the Bento's files are (``bentopack.image.keys``); what is installed has
    no size before it is.
    """

    kind: LayerKind
    holds: str
    paths: tuple[str, ...] = ()
    target: str = ""
    packages: tuple[str, ...] = ()
    key: str | None = None
    size: int | None = None


@dataclass(frozen=True)
class HealthCheck:
    """How the engine asks whether the container serves. Times are in seconds."""

    command: tuple[str, ...]
    interval: int = 30
    timeout: int = 5
    start_period: int = 120
    """Failures do not count so long: a large model takes its time to load."""
    retries: int = 3


@dataclass(frozen=True)
class ImagePlan:
    """All that an image is to be. Strings in it have been checked (``bentopack.image.validate``)."""

    base: Base
    variant: str
    platform: str
    python: str
    layers: tuple[Layer, ...]
    environment: tuple[tuple[str, str], ...]
    labels: tuple[tuple[str, str], ...]
    port: int
    health_check: HealthCheck
    user: str = USER
    workdir: str = f"{BENTO}/src"
    entrypoint: tuple[str, ...] = (f"{VENV}/bin/python", "-m", "bentopack", "serve", BENTO)
    stop_signal: str = "SIGTERM"
    library_folders: tuple[str, ...] = ()
    """Folders that are set before those in the base's ``LD_LIBRARY_PATH``."""
    installer: Literal["uv", "pip"] = "pip"
    """uv is several times as fast, and is itself a package of PyPI's: an index of the project's own may lack it."""
    template: str | None = None
    """The text of the user's own template, which extends ours."""
    notes: tuple[str, ...] = ()
    """What the user should know before the build."""

    def of(self, *kinds: LayerKind) -> tuple[Layer, ...]:
        """The layers of these kinds, in their order."""
        return tuple(layer for layer in self.layers if layer.kind in kinds)

    @property
    def interpreter(self) -> str:
        """The Python that the virtual environment is made with."""
        if self.base.conda_image:
            return f"{CONDA}/bin/python3"
        return f"{INTERPRETER}/current/bin/python3" if self.base.interpreter_image else "python3"

    @property
    def foundation(self) -> tuple[Layer, ...]:
        """The layers that both the building and the running of packages may need."""
        return self.of("interpreter", "system", "conda")
