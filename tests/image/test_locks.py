"""The base that real projects get, from what they lock: no guess, and no library twice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from bentopack.image.bases import choose_base
from bentopack.image.plan import Base
from bentopack.lock.requirements import locked_versions
from bentopack.spec.manifest import ImageInfo

LOCKS = Path(__file__).with_name("locks")
SLIM = "python:3.11-slim-bookworm"


@dataclass(frozen=True)
class Row:
    """A lock, the base of its gpu variant, and words of the reason and of a warning."""

    lock: str
    base: str
    why: str
    warning: str = ""
    builder: str | None = None


def nvidia(tag: str) -> str:
    return f"nvidia/cuda:{tag}-ubuntu22.04"


TABLE = (
    # What brings CUDA gets a plain base.
    Row("torch-2.1", SLIM, "the packages bring CUDA 12.1: the host needs driver 525.60.13"),
    Row("torch-2.6", SLIM, "does not know Blackwell (sm_100, sm_120): CUDA 12.8, torch 2.7 do"),
    Row("torch-2.9", SLIM, "the packages bring CUDA 12.8"),
    Row("torch-newest", SLIM, "the packages bring CUDA 13.2: the host needs driver 580"),
    Row("ultralytics", SLIM, "torch 2.5.1 brings the CUDA libraries"),
    Row("sentence-transformers", SLIM, "torch 2.5.1 brings the CUDA libraries"),
    Row("transformers-bitsandbytes", SLIM, "torch 2.6.0 brings the CUDA libraries"),
    Row("diffusers-xformers", SLIM, "torch 2.6.0 brings the CUDA libraries"),
    Row("openai-whisper", SLIM, "torch 2.5.1 brings the CUDA libraries"),
    Row("vllm-0.6", SLIM, "uses the CUDA libraries that torch brings", "add gcc and libc6-dev"),
    Row("vllm-0.8", SLIM, "uses the CUDA libraries that torch brings", "add gcc and libc6-dev"),
    Row("tensorflow-cuda-2.15", SLIM, "tensorflow 2.15.1: what it needs of CUDA is brought by"),
    Row("tensorflow-cuda-newest", SLIM, "what it needs of CUDA is brought by"),
    Row("jax-cuda12-0.4", SLIM, "jax-cuda12-plugin 0.4.30: what it needs of CUDA is brought by"),
    Row("jax-cuda13", SLIM, "jax-cuda13-plugin 0.10.2: what it needs of CUDA is brought by"),
    Row("keras-jax-cuda12", SLIM, "jax-cuda12-plugin 0.5.3: what it needs of CUDA is brought by"),
    Row("onnxruntime-gpu-extras-1.22", SLIM, "LD_LIBRARY_PATH says where"),
    Row("cupy-cuda12x-ctk", SLIM, "cupy-cuda12x 14.2.0: what it needs of CUDA is brought by"),
    Row("faiss-gpu-cu12", SLIM, "faiss-gpu-cu12 1.9.0.post1 brings"),
    Row("cudf-cuml-cu12-newest", SLIM, "cudf-cu12 26.10.2 brings"),
    Row("dali", SLIM, "nvidia-dali-cuda120 1.53.0 brings"),
    Row("xgboost", SLIM, "takes NCCL from its own package"),
    Row("catboost", SLIM, "needs the driver alone"),
    # What calls CUDA of the system gets the image of NVIDIA's that has it.
    Row("onnxruntime-gpu-1.18", nvidia("11.8.0-cudnn8-runtime"), "calls CUDA 11 and cuDNN 8"),
    Row("onnxruntime-gpu-1.22", nvidia("12.6.3-cudnn-runtime"), "calls CUDA 12 and cuDNN 9"),
    Row("onnxruntime-gpu-newest", nvidia("13.2.1-cudnn-runtime"), "calls CUDA 13 and cuDNN 9"),
    Row("insightface", nvidia("12.6.3-cudnn-runtime"), "onnxruntime-gpu 1.20.2 calls CUDA 12 and cuDNN 9"),
    Row("faster-whisper", nvidia("12.6.3-runtime"), "ctranslate2 4.8.5 calls cuBLAS 12"),
    Row("faster-whisper-ct2-4.4", nvidia("12.2.2-cudnn8-runtime"), "ctranslate2 4.4.0 calls cuBLAS 12 and cuDNN 8"),
    Row("whisperx", nvidia("12.2.2-cudnn8-runtime"), "ctranslate2 4.4.0 calls", "the packages bring 13.2"),
    Row("tensorflow-plain-2.15", nvidia("12.2.2-cudnn8-runtime"), "tensorflow 2.15.1 calls CUDA 12 and cuDNN 8"),
    Row("tensorflow-plain-2.19", nvidia("12.6.3-cudnn-runtime"), "calls CUDA 12.5 or newer and cuDNN 9.3"),
    Row("cupy-cuda11x", nvidia("11.8.0-runtime"), "cupy-cuda11x 13.3.0 calls CUDA 11"),
    Row("cupy-cuda12x", nvidia("12.1.1-runtime"), "cupy-cuda12x 13.4.1 calls CUDA 12"),
    Row("cupy-cuda13x", nvidia("13.2.1-cudnn-devel"), "needs its headers"),
    Row("paddlepaddle-gpu", nvidia("11.8.0-cudnn8-runtime"), "paddlepaddle-gpu 2.6.2 calls CUDA 11 and cuDNN 8"),
    # What compiles CUDA code while it serves gets the compiler too, of the CUDA that torch brings.
    Row("jax-cuda12-local", nvidia("12.6.3-cudnn-devel"), "ptxas of the system"),
    Row("deepspeed", nvidia("12.4.1-cudnn-devel"), "deepspeed 0.16.3 compiles CUDA code when it is first used"),
    Row("vllm-newest", nvidia("13.0.3-cudnn-devel"), "flashinfer-python 0.7.0.post1 compiles CUDA code"),
    Row("sglang-0.4", nvidia("12.6.3-cudnn-devel"), "compiles CUDA code when it is first used"),
    Row("pycuda", nvidia("12.6.3-cudnn-devel"), "pycuda 2024.1.2 compiles CUDA code when it is called"),
    # What is compiled while it is installed: in a stage that does not stay.
    Row("flash-attn", "ubuntu:22.04", "in a stage that does not stay", builder=nvidia("12.4.1-cudnn-devel")),
    Row("mamba", "ubuntu:22.04", "mamba-ssm 2.2.4", builder=nvidia("12.4.1-cudnn-devel")),
    # What uses no GPU is told.
    Row("lightgbm", nvidia("12.6.3-cudnn-runtime"), "is not known", "lightgbm 4.5.0 has no CUDA in its wheel"),
    Row("onnxruntime-cpu", nvidia("12.6.3-cudnn-runtime"), "is not known", "onnxruntime-gpu uses a GPU"),
    Row("sklearn", nvidia("12.6.3-cudnn-runtime"), "is not known", "no package of the gpu variant is known to use"),
)


def base_of(lock: str, *, variant: str = "gpu", cuda: str = "default") -> Base:
    packages = locked_versions(LOCKS.joinpath(f"{lock}.txt").read_text())
    return choose_base(ImageInfo(cuda_version=cuda), variant=variant, python="3.11", packages=packages)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.lock)
def test_the_base_of_a_real_project(row: Row) -> None:
    """Each project gets the base that it needs and no more, says why, and warns of what the user should know."""
    base = base_of(row.lock)
    assert (base.image, base.builder_image) == (row.base, row.builder)
    assert row.why in "\n".join(base.reasons)
    assert row.warning in "\n".join(base.warnings)
    assert bool(row.warning) == bool(base.warnings)


def test_every_lock_has_its_row() -> None:
    """No lock lies here that nothing is expected of."""
    assert sorted(path.stem for path in LOCKS.glob("*.txt")) == sorted(row.lock for row in TABLE)


@pytest.mark.parametrize("lock", ["sklearn", "onnxruntime-cpu", "lightgbm", "xgboost", "catboost"])
def test_the_cpu_variant_is_plain(lock: str) -> None:
    """Without a GPU the lock changes nothing about the base."""
    base = base_of(lock, variant="cpu")
    assert (base.image, base.warnings) == (SLIM, ())


def test_cuda_in_the_cpu_variant_is_told() -> None:
    """A cpu variant that brings gigabytes of CUDA does so for nothing, and its user may not know."""
    [warning] = base_of("torch-2.6", variant="cpu").warnings
    assert "the packages of the cpu variant bring CUDA 12.4, which nothing there uses" in warning
