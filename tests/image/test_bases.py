"""The table of bases, and the choice from it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from bentopack.image.bases import choose_base
from bentopack.image.gpu import Packages
from bentopack.image.images import EngineImages
from bentopack.image.nvidia import cuda_release
from bentopack.image.plan import Base, BaseFacts
from bentopack.image.table import CUDA, DISTROS
from bentopack.image.validate import PlanError, image_reference
from bentopack.spec.manifest import ImageInfo


def base(
    *,
    variant: str = "cpu",
    python: str = "3.11",
    packages: Packages | None = None,
    override: str | None = None,
    **asked: Any,
) -> Base:
    return choose_base(ImageInfo(**asked), variant=variant, python=python, packages=packages or {}, override=override)


@pytest.mark.parametrize(
    ("asked", "image"),
    [
        ("11.8", "nvidia/cuda:11.8.0-cudnn8-runtime-ubuntu22.04"),
        ("default", "nvidia/cuda:12.6.3-cudnn-runtime-ubuntu22.04"),
        ("12.3", "nvidia/cuda:12.3.2-cudnn9-runtime-ubuntu22.04"),
        ("12.4", "nvidia/cuda:12.4.1-cudnn-runtime-ubuntu22.04"),
        ("12.4.0", "nvidia/cuda:12.4.1-cudnn-runtime-ubuntu22.04"),
        ("12.5", "nvidia/cuda:12.5.1-cudnn-runtime-ubuntu22.04"),
        ("13.0", "nvidia/cuda:13.0.3-cudnn-runtime-ubuntu22.04"),
    ],
)
def test_cuda_image(asked: str, image: str) -> None:
    """A CUDA version means its last point release, under the tag that NVIDIA gave it: others are deleted."""
    assert base(variant="gpu", cuda_version=asked).image == image


@pytest.mark.parametrize(
    ("asked", "cuda"), [("12.4", "12.4"), ("12.4.1", "12.4"), ("default", "12.6"), ("12.99", "12.99")]
)
def test_the_cuda_of_a_version(asked: str, cuda: str) -> None:
    """A lock is told which CUDA the gpu image has; one that only a base of the user's own has is taken at its word."""
    assert EngineImages({}).cuda(asked) == cuda


def test_cuda_reason() -> None:
    """The choice explains itself: the point release, the distribution, the driver that the host needs."""
    reason = "; ".join(base(variant="gpu", cuda_version="12.4").reasons)
    assert "12.4.1" in reason
    assert "ubuntu22.04" in reason
    assert "driver 525.60.13" in reason


def test_cuda_brings_no_python() -> None:
    """NVIDIA's images have no Python of the right version, so one is fetched in a stage of its own."""
    assert base(variant="gpu", cuda_version="12.4").interpreter_image == "python:3.11-slim-bookworm"
    assert base().interpreter_image is None


@pytest.mark.parametrize("version", ["11.6.2", "12.99", "1"])
def test_unknown_cuda(version: str) -> None:
    """A tag that does not exist is never named: an unknown version is refused."""
    with pytest.raises(PlanError):
        cuda_release(version)


def test_cuda_rows_follow_nvidias_grammar() -> None:
    """Every row gives ``X.Y.Z-cudnn[N]-runtime-ubuntuXX.04``, one row a minor version, oldest first."""
    for row in CUDA:
        assert re.fullmatch(r"nvidia/cuda:\d+\.\d+\.\d+-cudnn[89]?-runtime-ubuntu2[24]\.04", row.image())
    minors = [tuple(map(int, row.minor.split("."))) for row in CUDA]
    assert minors == sorted(set(minors))


def test_distro_rows() -> None:
    """Every row gives a valid image name and says where it comes from."""
    for row in DISTROS:
        assert image_reference(base(distro=row.name).image)
        assert row.source.startswith("https://")


def test_misspelt_distro() -> None:
    """A misspelt name gets the near one."""
    with pytest.raises(PlanError, match="did you mean 'debian'"):
        base(distro="debain")


def test_own_base_wins() -> None:
    """The command line's base wins over the bentofile's, which wins over the table; each says so."""
    given = base(base_image="mine:1", variant="gpu", cuda_version="12.4")
    assert (given.image, given.checked) == ("mine:1", True)
    assert "docker.base_image" in given.reasons[0]
    assert base(base_image="mine:1", override="yours:2").image == "yours:2"


def test_own_base_on_other_distro() -> None:
    """A base of the user's own may be of a distribution whose package manager is not known here."""
    assert base(distro="mine", override="mine:1").package_manager is None


def test_unsupported_python() -> None:
    """A Python that no base is published for is refused with those that are."""
    with pytest.raises(PlanError, match=r"Python 3\.8") as caught:
        base(python="3.8")
    assert "3.10" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("asked", "image"),
    [
        ({}, "debian:bookworm-slim"),
        ({"distro": "debian13"}, "debian:trixie-slim"),
        ({"distro": "ubuntu"}, "ubuntu:22.04"),
        ({"distro": "ubi9"}, "registry.access.redhat.com/ubi9/ubi-minimal:9.6"),
        ({"base_image": "mine:1"}, "mine:1"),
    ],
)
def test_with_conda_the_base_has_no_python(asked: dict[str, Any], image: str) -> None:
    """Conda's is the only one: nothing else brings one, and nobody looks for one."""
    chosen = base(conda=True, **asked)
    assert (chosen.image, chosen.interpreter_image, chosen.checked) == (image, None, False)
    assert chosen.conda_image


def test_conda_needs_glibc() -> None:
    """What runs on another C library is refused, whoever named it."""
    with pytest.raises(PlanError, match=r"conda: its packages need glibc, and python:3\.11-alpine"):
        base(conda=True, distro="alpine")
    with pytest.raises(PlanError, match="conda: its packages need glibc, and mine:1"):
        choose_base(
            ImageInfo(conda=True, base_image="mine:1"),
            variant="cpu",
            python="3.11",
            packages={},
            found=BaseFacts(python="3.11", package_manager="apk"),
        )


def test_conda_beside_cuda() -> None:
    """NVIDIA's image keeps its place; its Python is conda's too."""
    chosen = base(variant="gpu", cuda_version="12.6", conda=True)
    assert chosen.image == "nvidia/cuda:12.6.3-cudnn-runtime-ubuntu22.04"
    assert chosen.interpreter_image is None
