"""What is known of base images, as data. Each row says where the fact comes from.

A row is added when its image has been seen to exist: nothing here is made up out of a pattern.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PackageManager = Literal["apt", "apk"]

PYTHON_IMAGE = "python:{python}-slim-bookworm"
"""The official Python image on Debian 12. Source: https://hub.docker.com/_/python."""

PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
"""What bentopack's runtime runs on and each base below is published for."""

UV_VERSION = "0.13.9"
"""Brings Python to bases that have none of their own. Source: the package uv on PyPI."""


@dataclass(frozen=True)
class Distro:
    """A name that ``docker.distro`` may have. ``image`` may hold ``{python}``, and then brings that Python."""

    name: str
    image: str
    package_manager: PackageManager
    about: str
    source: str
    missing: tuple[str, ...] = ()
    """System packages that serving needs and the image lacks."""


@dataclass(frozen=True)
class CudaRelease:
    """The last point release of a CUDA version, as NVIDIA publishes it in images."""

    version: str
    cudnn: str
    """The infix of the tag; ``base`` images have no cuDNN, so a ``runtime`` one is what serving starts from."""
    distros: tuple[str, ...]
    """Those that have a cuDNN image, the preferred one first."""
    driver: str
    """The oldest driver on the host that it runs with."""

    @property
    def minor(self) -> str:
        """``12.4`` of ``12.4.1``."""
        return self.version.rpartition(".")[0]

    @property
    def image(self) -> str:
        return f"nvidia/cuda:{self.version}-{self.cudnn}-runtime-{self.distros[0]}"


DISTROS = (
    Distro(
        "debian", PYTHON_IMAGE, "apt", "the official Python image on Debian 12, slim", "https://hub.docker.com/_/python"
    ),
    Distro(
        "ubuntu",
        "ubuntu:22.04",
        "apt",
        "Ubuntu 22.04, which NVIDIA's images build on too",
        "https://hub.docker.com/_/ubuntu",
        missing=("ca-certificates",),
    ),
    Distro(
        "alpine",
        "python:{python}-alpine3.22",
        "apk",
        "the official Python image on Alpine; every package needs a musllinux wheel, or a compiler that is not there",
        "https://hub.docker.com/_/python",
    ),
)

# In BentoML's list, or asked for often, and not supported yet.
REFUSED_DISTROS = ("ubi8", "ubi9", "amazonlinux")

_UBUNTU_22 = ("ubuntu22.04",)
# 22.04 stays the preferred one: its package names are those that most bentofiles know; 24.04 renamed many (``t64``).
_UBUNTU_BOTH = ("ubuntu22.04", "ubuntu24.04")

DEFAULT_CUDA = "12.6"
"""What ``docker.cuda_version: default`` means: every PyTorch since 2.6 is built for it."""

# Tags: https://gitlab.com/nvidia/container-images/cuda/-/blob/master/doc/supported-tags.md. NVIDIA deletes a
# superseded point release after six months, so that only the last one is sure to be there. The infix is ``cudnn8`` up
# to 12.3.1, ``cudnn9`` for 12.3.2, and plain ``cudnn`` from 12.4.
# Drivers: https://docs.nvidia.com/cuda/cuda-toolkit-release-notes/, "CUDA Toolkit and Minimum Required Driver".
CUDA = (
    CudaRelease("11.8.0", "cudnn8", _UBUNTU_22, "450.80.02"),
    CudaRelease("12.1.1", "cudnn8", _UBUNTU_22, "525.60.13"),
    CudaRelease("12.2.2", "cudnn8", _UBUNTU_22, "525.60.13"),
    CudaRelease("12.3.2", "cudnn9", _UBUNTU_22, "525.60.13"),
    CudaRelease("12.4.1", "cudnn", _UBUNTU_22, "525.60.13"),
    CudaRelease("12.5.1", "cudnn", _UBUNTU_22, "525.60.13"),
    CudaRelease("12.6.3", "cudnn", _UBUNTU_BOTH, "525.60.13"),
    CudaRelease("12.8.1", "cudnn", _UBUNTU_BOTH, "525.60.13"),
    CudaRelease("12.9.1", "cudnn", _UBUNTU_BOTH, "525.60.13"),
    CudaRelease("13.0.2", "cudnn", _UBUNTU_BOTH, "580"),
)
