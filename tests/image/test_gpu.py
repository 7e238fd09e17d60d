"""What packages need of CUDA, and what follows from the user's own wishes."""

from __future__ import annotations

import re
from typing import Any

import pytest

from bentopack.image.bases import choose_base
from bentopack.image.gpu import Packages, driver_of, read_needs
from bentopack.image.gpu_table import GPU_PACKAGES
from bentopack.image.nvidia import read_cuda_image, superseded
from bentopack.image.plan import Base
from bentopack.image.planner import plan_image
from bentopack.image.render import render_dockerfile
from bentopack.image.validate import PlanError
from bentopack.spec.manifest import ImageInfo

from .conftest import Make

TORCH: Packages = {"torch": "2.6.0", "nvidia-cuda-runtime-cu12": "12.4.127"}
ORT: Packages = {"onnxruntime-gpu": "1.22.0"}


def lock_of(packages: Packages) -> str:
    return "".join(f"{name}=={version}\n" for name, version in packages.items())


def gpu(packages: Packages, cuda: str | None = "default", **asked: Any) -> Base:
    return choose_base(ImageInfo(cuda_version=cuda, **asked), variant="gpu", python="3.11", packages=packages)


@pytest.mark.parametrize(
    ("packages", "brought"),
    [
        (TORCH, "12.4"),
        ({"torch": "2.6.0+cu126"}, "12.6"),
        ({"torch": "2.6.0+cu118"}, "11.8"),
        ({"torch": "2.6.0+cpu"}, None),
        ({"nvidia-cuda-runtime": "13.0.96", "nvidia-cuda-runtime-cu12": "12.9.79"}, "13.0"),
        # What only looks like it: their versions are their own, and some come without any GPU in mind.
        (
            {"nvidia-nccl-cu12": "2.27.3", "nvidia-ml-py": "13.6", "nvidia-nvjitlink": "13.5.37", "cuda-python": "12"},
            None,
        ),
        ({"torch": "https://example.org/cu121/torch-2.1.0%2Bcu121-cp311-cp311-linux_x86_64.whl"}, "12.1"),
        ({"x": "https://example.org/x-1.0.tar.gz"}, None),
    ],
)
def test_the_cuda_that_packages_bring(packages: Packages, brought: str | None) -> None:
    """It is that of the CUDA runtime's own package, else of the build; no other number is CUDA's."""
    assert read_needs(packages).brought == brought


def test_a_build_without_cuda_is_told() -> None:
    """PyTorch's cpu build in the gpu variant uses no GPU."""
    assert "no package of the gpu variant is known to use a GPU" in gpu({"torch": "2.6.0+cpu"}).warnings


def test_an_address_is_of_no_version() -> None:
    """A package by its address counts where the row is for every version, and nowhere else."""
    address = "https://example.org/x.tar.gz"
    assert [need.row.name for need in read_needs({"torch": address, "onnxruntime-gpu": address}).found] == ["torch"]


def test_another_cuda_than_a_package_was_built_for() -> None:
    """It is an error with both ways out: the other CUDA, or the package that brings its own."""
    with pytest.raises(
        PlanError, match=r"onnxruntime-gpu 1\.22\.0 needs CUDA 12 with cuDNN 9, docker\.cuda_version is 11\.8"
    ) as caught:
        gpu(ORT, "11.8")
    assert "set docker.cuda_version:" in str(caught.value.hint)
    assert "onnxruntime-gpu[cuda,cudnn]" in str(caught.value.hint)


def test_what_no_image_has() -> None:
    """Packages for two majors of CUDA cannot share a base; both are named."""
    with pytest.raises(PlanError, match="no image of NVIDIA's has all") as caught:
        gpu({"onnxruntime-gpu": "1.18.0", "ctranslate2": "4.8.5"})
    assert "onnxruntime-gpu 1.18.0 needs CUDA 11" in caught.value.message
    assert "ctranslate2 4.8.5 needs CUDA 12" in caught.value.message


def test_two_cudas_are_told() -> None:
    """Where a package calls CUDA of the base and torch brings another one, the user is warned, unless they are one."""
    [warning] = gpu({**TORCH, **ORT}, "12.6").warnings
    assert "the base has CUDA 12.6, and the packages bring 12.4" in warning
    base = gpu({**TORCH, **ORT})
    assert (base.image, base.warnings) == ("nvidia/cuda:12.4.1-cudnn-runtime-ubuntu22.04", ())


def test_another_major_than_was_asked_for() -> None:
    """Packages that bring another major version of CUDA than docker.cuda_version need another driver."""
    assert "the packages bring CUDA 12.4, docker.cuda_version is 13.0" in gpu(TORCH, "13.0").warnings[0]
    assert gpu(TORCH, "12.8").warnings == ()


def test_a_plain_base_may_be_of_any_distro() -> None:
    """Where CUDA comes with the packages, docker.distro is honoured; NVIDIA's images are not made of every one."""
    assert gpu(TORCH, distro="ubi9").image.startswith("registry.access.redhat.com/ubi9/")
    with pytest.raises(PlanError, match=r"NVIDIA has no image of CUDA 12\.6\.3 for 'ubi9'"):
        gpu(ORT, distro="ubi9")
    assert gpu(ORT, distro="ubuntu24.04").image.endswith("-ubuntu24.04")
    with pytest.raises(PlanError, match=r"NVIDIA has no image of CUDA 12\.4\.1 for 'ubuntu24\.04'"):
        gpu({"onnxruntime-gpu": "1.20"}, "12.4", distro="ubuntu24.04")


def test_libraries_are_found_by_name(manifest: Make) -> None:
    """What opens libraries by name finds those of other packages: the image's environment says where they lie."""
    packages = {**ORT, "nvidia-cuda-runtime-cu12": "12.6.77", "nvidia-cudnn-cu12": "9.5", "nvidia-cublas-cu12": "12.6"}
    site = "/opt/venv/lib/python3.11/site-packages/nvidia"
    folders = (f"{site}/cublas/lib", f"{site}/cuda_runtime/lib", f"{site}/cudnn/lib")
    # Whatever the base is: a plain one, the user's own, or NVIDIA's for the sake of another package.
    for more, base_image in (({}, None), ({}, "mine:1"), ({"cupy-cuda12x": "13.4"}, None)):
        plan = plan_image(manifest(), lock_of({**packages, **more}), variant="gpu", base_image=base_image)
        assert plan.library_folders == folders
        before_the_bases = f'ENV LD_LIBRARY_PATH="{":".join(folders)}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"'
        assert before_the_bases in render_dockerfile(plan).splitlines()
    assert plan_image(manifest(), lock_of(TORCH), variant="gpu").library_folders == ()


def test_the_users_own_library_path_wins(manifest: Make) -> None:
    """And it is told what has to be in it."""
    packages = {**ORT, "nvidia-cuda-runtime-cu12": "12.6.77", "nvidia-cudnn-cu12": "9.5", "nvidia-cublas-cu12": "12.6"}
    image = ImageInfo(cuda_version="12.6", env={"LD_LIBRARY_PATH": "/mine"})
    plan = plan_image(manifest(image=image), lock_of(packages), variant="gpu")
    assert plan.library_folders == ()
    assert any("nvidia/cudnn/lib" in note for note in plan.notes)


@pytest.mark.parametrize(
    "image",
    [
        "nvidia/cuda",
        "nvidia/cuda:latest",
        "nvidia/cuda:12.4",
        "nvidia/cuda:12.4.1-cudnn-base-ubuntu22.04",
        "docker.io/nvidia/cuda:12.4.1",
    ],
)
def test_tags_that_nvidia_never_had(image: str) -> None:
    """There is no latest, no tag of two numbers, and no base image with cuDNN."""
    with pytest.raises(PlanError, match="NVIDIA has no image") as caught:
        read_cuda_image(image)
    assert re.search(r"such as nvidia/cuda:\d+\.\d+\.\d+-cudnn-runtime-ubuntu22\.04", str(caught.value.hint))


def test_tags_that_are_no_ones() -> None:
    """Other images, and one that is named by its digest alone, are the user's own affair."""
    assert read_cuda_image("mine/cuda:latest") is None
    assert read_cuda_image(f"nvidia/cuda@sha256:{'0' * 64}") is None


def test_a_base_of_nvidias_that_the_user_chose() -> None:
    """A superseded point, a base without the libraries that are needed, and another CUDA than torch's are told."""
    tag = read_cuda_image("nvidia/cuda:12.4.0-base-ubuntu22.04")
    assert tag is not None
    assert superseded(tag) == "12.4.1"
    warnings = gpu(ORT, base_image="nvidia/cuda:12.4.0-base-ubuntu22.04").warnings
    assert "12.4.1 is the last one" in warnings[0]
    assert "a base image of NVIDIA's has none" in warnings[1]
    assert "has none" in gpu(ORT, base_image="nvidia/cuda:12.4.1-runtime-ubuntu22.04").warnings[0]
    assert "bring 12.4" in gpu(TORCH, base_image="nvidia/cuda:12.6.3-runtime-ubuntu22.04").warnings[0]
    assert gpu(TORCH, base_image="nvidia/cuda:12.4.1-runtime-ubuntu22.04").warnings == ()


@pytest.mark.parametrize(
    ("cuda", "driver"), [("11.8", "450.80.02"), ("12.4", "525.60.13"), ("13.5", "580"), ("14.0", "580")]
)
def test_drivers(cuda: str, driver: str) -> None:
    """Each major version of CUDA has the oldest driver that it runs with."""
    assert driver_of(cuda) == driver


def test_rows_say_where_they_come_from() -> None:
    """Every row has a source and a date, and what needs the system's CUDA says which."""
    for row in GPU_PACKAGES:
        assert row.source.startswith("https://")
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", row.seen)
        assert (
            row.cuda or row.needs in ("driver", "nothing") or row.name in ("deepspeed", "flashinfer-python", "pycuda")
        )
