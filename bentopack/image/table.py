"""What is known of base images, as data. Each row says where the fact comes from, and when it was looked up.

A row is added when its image has been seen to exist: nothing here is made up out of a pattern.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PackageManager = Literal["apt", "apk", "microdnf"]

PYTHON_IMAGE = "python:{python}-slim-bookworm"
"""The official Python image on Debian 12. Source: https://hub.docker.com/_/python."""

PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
"""What bentopack's runtime runs on and each base below is published for."""

MICROMAMBA_IMAGE = "mambaorg/micromamba:2.8.1"
"""Installs conda's packages. Source: https://hub.docker.com/r/mambaorg/micromamba, seen 2026-11-24."""

UV_VERSION = "0.13.9"
"""Installs packages, and brings Python to bases that have none of their own."""

UV_HASHES = (
    "d7f459fe4fd247d830351c75686d3996ace3c6f3f728eb0e85a30b7ada0cef19",
    "2c45530751517d6c3bbc69a19473f6effe47cce047bede01ffd8af7ea7b36b25",
    "5435c5ce14a56431208ca0996416d310f1598e8c2c8ba707688985a16bb82dbe",
    "ecb6028d79dc96fbeafffe5c8af62a7099487ebc05a701e76714eebcffd06375",
)
"""SHA-256 of its wheels for linux/amd64 (glibc, musl) and linux/arm64, from https://pypi.org/simple/uv/ ."""


@dataclass(frozen=True)
class Distro:
    """A name that ``docker.distro`` may have. ``image`` may hold ``{python}``, and then brings that Python."""

    name: str
    image: str
    release: str
    """The release, as the table of system packages names it."""
    package_manager: PackageManager
    about: str
    source: str
    seen: str
    missing: tuple[str, ...] = ()
    """System packages that serving needs and the image lacks."""
    bare: str | None = None
    """The same release without Python and with glibc, where ``image`` brings one; conda brings its own."""


@dataclass(frozen=True)
class CudaRelease:
    """The last point release of a CUDA version, as NVIDIA publishes it in images.

    ``cudnn`` is the infix of a tag with cuDNN, ``distros`` are those that have such images, the preferred one first.
    """

    version: str
    cudnn: str
    distros: tuple[str, ...]

    @property
    def minor(self) -> str:
        """``12.4`` of ``12.4.1``."""
        return self.version.rpartition(".")[0]

    @property
    def major(self) -> str:
        """``12`` of ``12.4.1``."""
        return self.version.partition(".")[0]

    @property
    def cudnn_major(self) -> str:
        """The major version of its cuDNN."""
        return "8" if self.cudnn == "cudnn8" else "9"

    def image(
        self, kind: Literal["runtime", "devel"] = "runtime", *, cudnn: bool = True, distro: str | None = None
    ) -> str:
        """Name one of its images; ``base`` ones are left out, as they have none of the libraries that models call."""
        infix = f"{self.cudnn}-" if cudnn else ""
        return f"nvidia/cuda:{self.version}-{infix}{kind}-{distro or self.distros[0]}"


_PYTHON = "https://hub.docker.com/_/python"
_REDHAT = "https://catalog.redhat.com/software/containers/"

DISTROS = (
    Distro(
        "debian",
        PYTHON_IMAGE,
        "debian12",
        "apt",
        "the official Python image on Debian 12, slim",
        _PYTHON,
        "2026-11-23",
        bare="debian:bookworm-slim",
    ),
    Distro(
        "debian13",
        "python:{python}-slim-trixie",
        "debian13",
        "apt",
        "the official Python image on Debian 13, slim",
        _PYTHON,
        "2026-11-23",
        bare="debian:trixie-slim",
    ),
    Distro(
        "ubuntu",
        "ubuntu:22.04",
        "ubuntu22.04",
        "apt",
        "Ubuntu 22.04, which NVIDIA's images build on too",
        "https://hub.docker.com/_/ubuntu",
        "2026-11-23",
        missing=("ca-certificates",),
    ),
    Distro(
        "ubuntu24.04",
        "ubuntu:24.04",
        "ubuntu24.04",
        "apt",
        "Ubuntu 24.04",
        "https://hub.docker.com/_/ubuntu",
        "2026-11-23",
        missing=("ca-certificates",),
    ),
    Distro(
        "alpine",
        "python:{python}-alpine3.22",
        "alpine3.22",
        "apk",
        "the official Python image on Alpine; every package needs a musllinux wheel, or a compiler that is not there",
        _PYTHON,
        "2026-11-23",
    ),
    Distro(
        "ubi8",
        "registry.access.redhat.com/ubi8/ubi-minimal:8.10",
        "ubi8",
        "microdnf",
        "Red Hat's universal base image 8, minimal",
        f"{_REDHAT}ubi8/ubi-minimal",
        "2026-11-23",
    ),
    Distro(
        "ubi9",
        "registry.access.redhat.com/ubi9/ubi-minimal:9.6",
        "ubi9",
        "microdnf",
        "Red Hat's universal base image 9, minimal",
        f"{_REDHAT}ubi9/ubi-minimal",
        "2026-11-23",
    ),
    Distro(
        "amazonlinux",
        "amazonlinux:2023-minimal",
        "amazonlinux2023",
        "microdnf",
        "Amazon Linux 2023, minimal",
        "https://hub.docker.com/_/amazonlinux",
        "2026-11-23",
    ),
)

_UBUNTU_22 = ("ubuntu22.04",)
# 22.04 stays the preferred one: its package names are those that most bentofiles know; 24.04 renamed many (``t64``).
_UBUNTU_BOTH = ("ubuntu22.04", "ubuntu24.04")

DEFAULT_CUDA = "12.6"
"""What ``docker.cuda_version: default`` means: every PyTorch since 2.6 is built for it."""

DRIVERS = {"11": "450.80.02", "12": "525.60.13", "13": "580"}
"""The oldest driver of the host for each major version of CUDA (minor versions are compatible with each other).

Source: https://docs.nvidia.com/cuda/cuda-toolkit-release-notes/, "CUDA Toolkit and Minimum Required Driver".
"""

ARCHITECTURES = (("Hopper (sm_90)", "11.8", "2.0.1"), ("Blackwell (sm_100, sm_120)", "12.8", "2.7"))
"""Generations of GPUs, and the oldest CUDA and PyTorch that know them, the older first.

Source: https://docs.nvidia.com/cuda/cuda-toolkit-release-notes/ and https://github.com/pytorch/pytorch/releases.
"""

# Tags: https://gitlab.com/nvidia/container-images/cuda/-/blob/master/doc/supported-tags.md. NVIDIA deletes a
# superseded point release after six months, so that only the last one is sure to be there; 12.8.1 is here since 12.8.2
# has no image with cuDNN. The infix is ``cudnn8`` up to 12.3.1, ``cudnn9`` for 12.3.2, and plain ``cudnn`` from 12.4.
CUDA = (
    CudaRelease("11.8.0", "cudnn8", _UBUNTU_22),
    CudaRelease("12.1.1", "cudnn8", _UBUNTU_22),
    CudaRelease("12.2.2", "cudnn8", _UBUNTU_22),
    CudaRelease("12.3.2", "cudnn9", _UBUNTU_22),
    CudaRelease("12.4.1", "cudnn", _UBUNTU_22),
    CudaRelease("12.5.1", "cudnn", _UBUNTU_22),
    CudaRelease("12.6.3", "cudnn", _UBUNTU_BOTH),
    CudaRelease("12.8.1", "cudnn", _UBUNTU_BOTH),
    CudaRelease("12.9.1", "cudnn", _UBUNTU_BOTH),
    CudaRelease("13.0.3", "cudnn", _UBUNTU_BOTH),
    CudaRelease("13.1.2", "cudnn", _UBUNTU_BOTH),
    CudaRelease("13.2.1", "cudnn", _UBUNTU_BOTH),
)
"""The oldest first; looked up on 2026-11-23."""
