"""What packages need of CUDA, as data. Each row says where the fact comes from, and when it was looked up.

A package that is not here and brings no CUDA is taken to need none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Needs = Literal["driver", "runtime", "cudnn", "devel", "nothing"]


@dataclass(frozen=True)
class GpuPackage:
    """What releases of one package need of the image, besides the host's driver.

    ``driver``: nothing else, the wheel or its dependencies bring CUDA's libraries. ``runtime``: those libraries.
    ``cudnn``: cuDNN too. ``devel``: headers and compiler besides, while it serves. ``nothing``: not even the driver, as
    it cannot use a GPU.
    """

    name: str
    needs: Needs
    about: str
    """Follows the name and version in a sentence."""
    source: str
    versions: str = ""
    """The releases that the row is true of, as a specifier; all where empty."""
    cuda: str = ""
    """The major version of CUDA that it was built for."""
    cudnn: str = ""
    """That of cuDNN."""
    least: str = ""
    """The oldest CUDA that will do, where not every one of that major version does."""
    most: str = ""
    """The newest."""
    unless: tuple[str, ...] = ()
    """Packages that bring all of it, where each of them is installed too."""
    instead: str = ""
    """What to ask for in place of it, where that makes a better image."""
    opens: bool = False
    """Whether it opens those libraries by name, and so has to be told where other packages bring them."""
    needs_cc: bool = False
    """Whether it needs a C compiler while it serves: https://github.com/pytorch/pytorch/issues/116696."""
    compiles: bool = False
    """Whether it is CUDA code that has to be compiled while it is installed."""
    seen: str = "2026-11-23"


_PYPI = "https://pypi.org/project/"
"""Where a fact was read from what a release declares (``Requires-Dist``), or from the libraries in its wheel."""

_CU12 = ("nvidia-cublas-cu12",)
_CU12_CUDNN = ("nvidia-cublas-cu12", "nvidia-cudnn-cu12")
_ORT = f"{_PYPI}onnxruntime-gpu/ (libraries that libonnxruntime_providers_cuda.so needs)"
_CT2 = f"{_PYPI}ctranslate2/ (libraries that it opens)"
_TF = f"{_PYPI}tensorflow/ (Requires-Dist of its extra and-cuda)"
_OWN = "brings the CUDA libraries that it was built for"
_ON_TORCH = "uses the CUDA libraries that torch brings"
_INSIDE = "has its CUDA code inside, and needs the driver alone"
_COMPILES = "is compiled with CUDA's compiler while it is installed"
_CPU = "computes on the CPU"

GPU_PACKAGES = (
    # Frameworks that bring CUDA.
    GpuPackage("torch", "driver", _OWN, f"{_PYPI}torch/"),
    GpuPackage(
        "jax-cuda12-plugin",
        "devel",
        "calls CUDA 12, cuDNN 9 and ptxas of the system",
        f"{_PYPI}jax-cuda12-plugin/ (its extra with-cuda)",
        cuda="12",
        cudnn="9",
        unless=_CU12_CUDNN,
        instead="jax[cuda12]",
    ),
    GpuPackage(
        "jax-cuda13-plugin",
        "devel",
        "calls CUDA 13, cuDNN 9 and ptxas of the system",
        f"{_PYPI}jax-cuda13-plugin/ (its extra with-cuda)",
        cuda="13",
        cudnn="9",
        unless=("nvidia-cublas", "nvidia-cudnn-cu13"),
        instead="jax[cuda13]",
    ),
    GpuPackage("vllm", "driver", _ON_TORCH, f"{_PYPI}vllm/", needs_cc=True),
    GpuPackage("sglang", "driver", _ON_TORCH, f"{_PYPI}sglang/", needs_cc=True),
    GpuPackage("faiss-gpu-cu12", "driver", _OWN, f"{_PYPI}faiss-gpu-cu12/"),
    GpuPackage("faiss-gpu-cu11", "driver", _OWN, f"{_PYPI}faiss-gpu-cu11/"),
    GpuPackage("faiss-gpu", "driver", _OWN, f"{_PYPI}faiss-gpu/"),
    GpuPackage("cudf-cu12", "driver", _OWN, f"{_PYPI}cudf-cu12/"),
    GpuPackage("cuml-cu12", "driver", _OWN, f"{_PYPI}cuml-cu12/"),
    GpuPackage("nvidia-dali-cuda120", "driver", _OWN, f"{_PYPI}nvidia-dali-cuda120/"),
    # Packages whose CUDA code stands alone.
    GpuPackage(
        "xgboost", "driver", "has its CUDA code inside, and takes NCCL from its own package", f"{_PYPI}xgboost/"
    ),
    GpuPackage("catboost", "driver", _INSIDE, f"{_PYPI}catboost/"),
    # ONNX Runtime: each series was built for one CUDA, and opens its libraries by name.
    GpuPackage(
        "onnxruntime-gpu",
        "cudnn",
        "calls CUDA 11 and cuDNN 8 of the system",
        _ORT,
        "<1.19",
        cuda="11",
        cudnn="8",
    ),
    GpuPackage(
        "onnxruntime-gpu",
        "cudnn",
        "calls CUDA 12 and cuDNN 9 of the system",
        _ORT,
        ">=1.19,<1.27",
        cuda="12",
        cudnn="9",
        unless=("nvidia-cuda-runtime-cu12", "nvidia-cudnn-cu12"),
        instead="onnxruntime-gpu[cuda,cudnn]",
        opens=True,
    ),
    GpuPackage(
        "onnxruntime-gpu",
        "cudnn",
        "calls CUDA 13 and cuDNN 9 of the system",
        _ORT,
        ">=1.27",
        cuda="13",
        cudnn="9",
        unless=("nvidia-cuda-runtime", "nvidia-cudnn-cu13"),
        instead="onnxruntime-gpu[cuda,cudnn]",
        opens=True,
    ),
    # CTranslate2, which faster-whisper runs on.
    GpuPackage("ctranslate2", "cudnn", "calls cuBLAS 11 and cuDNN 8 of the system", _CT2, "<4", cuda="11", cudnn="8"),
    GpuPackage(
        "ctranslate2", "cudnn", "calls cuBLAS 12 and cuDNN 8 of the system", _CT2, ">=4,<4.5", cuda="12", cudnn="8"
    ),
    GpuPackage(
        "ctranslate2",
        "cudnn",
        "calls cuBLAS 12 and cuDNN 9 of the system",
        _CT2,
        ">=4.5,<4.6.3",
        cuda="12",
        cudnn="9",
        unless=_CU12_CUDNN,
        instead="nvidia-cublas-cu12 and nvidia-cudnn-cu12 beside it",
        opens=True,
    ),
    GpuPackage(
        "ctranslate2",
        "runtime",
        "calls cuBLAS 12 of the system",
        _CT2,
        ">=4.6.3",
        cuda="12",
        unless=_CU12,
        instead="nvidia-cublas-cu12 beside it",
        opens=True,
    ),
    # TensorFlow without its extra says nothing where it finds no CUDA, and computes on the CPU.
    GpuPackage(
        "tensorflow",
        "cudnn",
        "calls CUDA 11 and cuDNN 8 of the system",
        _TF,
        "<2.15",
        cuda="11",
        cudnn="8",
        unless=("nvidia-cudnn-cu11",),
        instead="tensorflow[and-cuda]",
    ),
    GpuPackage(
        "tensorflow",
        "cudnn",
        "calls CUDA 12 and cuDNN 8 of the system",
        _TF,
        ">=2.15,<2.18",
        cuda="12",
        cudnn="8",
        unless=_CU12_CUDNN,
        instead="tensorflow[and-cuda]",
    ),
    GpuPackage(
        "tensorflow",
        "cudnn",
        "calls CUDA 12.5 or newer and cuDNN 9.3 of the system",
        _TF,
        ">=2.18",
        cuda="12",
        cudnn="9",
        least="12.6",
        unless=_CU12_CUDNN,
        instead="tensorflow[and-cuda]",
    ),
    # CuPy compiles its kernels when they are first called, by NVRTC; from CUDA 12.2 on that needs CUDA's headers too.
    GpuPackage(
        "cupy-cuda11x",
        "runtime",
        "calls CUDA 11 of the system",
        f"{_PYPI}cupy-cuda11x/",
        cuda="11",
    ),
    GpuPackage(
        "cupy-cuda12x",
        "runtime",
        "calls CUDA 12 of the system",
        f"{_PYPI}cupy-cuda12x/",
        cuda="12",
        most="12.1",
        unless=("nvidia-cuda-runtime-cu12", *_CU12),
        instead="cupy-cuda12x[ctk]",
    ),
    GpuPackage(
        "cupy-cuda13x",
        "devel",
        "calls CUDA 13 of the system, and needs its headers",
        f"{_PYPI}cupy-cuda13x/",
        cuda="13",
        unless=("nvidia-cuda-runtime", "nvidia-cublas"),
        instead="cupy-cuda13x[ctk]",
    ),
    GpuPackage(
        "paddlepaddle-gpu",
        "cudnn",
        "calls CUDA 11 and cuDNN 8 of the system",
        "https://www.paddlepaddle.org.cn/documentation/docs/en/install/pip/linux-pip_en.html",
        "<3",
        cuda="11",
        cudnn="8",
    ),
    # What compiles CUDA code while it serves.
    GpuPackage(
        "deepspeed",
        "devel",
        "compiles CUDA code when it is first used, with the compiler of the system",
        "https://www.deepspeed.ai/tutorials/advanced-install/",
    ),
    GpuPackage(
        "flashinfer-python",
        "devel",
        "compiles CUDA code when it is first used, with the compiler of the system",
        "https://docs.flashinfer.ai/installation.html",
        unless=("flashinfer-jit-cache",),
        instead="flashinfer-jit-cache beside it",
    ),
    GpuPackage(
        "pycuda",
        "devel",
        "compiles CUDA code when it is called, with the compiler of the system",
        "https://documen.tician.de/pycuda/",
        compiles=True,
    ),
    # What is compiled while it is installed: there are no wheels of them on PyPI.
    GpuPackage("flash-attn", "driver", _COMPILES, f"{_PYPI}flash-attn/#files", compiles=True),
    GpuPackage("mamba-ssm", "driver", _COMPILES, f"{_PYPI}mamba-ssm/#files", compiles=True),
    GpuPackage("causal-conv1d", "driver", _COMPILES, f"{_PYPI}causal-conv1d/#files", compiles=True),
    GpuPackage("torch-scatter", "driver", _COMPILES, f"{_PYPI}torch-scatter/#files", compiles=True),
    GpuPackage("autoawq-kernels", "driver", _COMPILES, f"{_PYPI}autoawq-kernels/#files", compiles=True),
    # What cannot use a GPU, as it is published.
    GpuPackage("lightgbm", "nothing", f"has no CUDA in its wheel: it {_CPU}", f"{_PYPI}lightgbm/"),
    GpuPackage("dgl", "nothing", f"has no CUDA in its wheel: it {_CPU}", f"{_PYPI}dgl/"),
    GpuPackage("onnxruntime", "nothing", _CPU, f"{_PYPI}onnxruntime/", instead="onnxruntime-gpu"),
    GpuPackage("tensorflow-cpu", "nothing", _CPU, f"{_PYPI}tensorflow-cpu/", instead="tensorflow[and-cuda]"),
    GpuPackage("xgboost-cpu", "nothing", _CPU, f"{_PYPI}xgboost-cpu/", instead="xgboost"),
    GpuPackage("faiss-cpu", "nothing", _CPU, f"{_PYPI}faiss-cpu/", instead="faiss-gpu-cu12"),
    GpuPackage("paddlepaddle", "nothing", _CPU, f"{_PYPI}paddlepaddle/", instead="paddlepaddle-gpu"),
    GpuPackage(
        "llama-cpp-python",
        "nothing",
        f"is compiled without CUDA, unless its build is told otherwise: it {_CPU}",
        f"{_PYPI}llama-cpp-python/",
    ),
)
