"""What of CUDA is in the cpu image of a PyTorch service, and how large that image is.

    python bench/torch_image.py [--torch 2.13.0] [--wheels FOLDER] [--json FILE]

torch comes from PyTorch's own index, or from a folder with its build for CPUs where that cannot be reached. The base is
``BENTOPACK_TEST_BASE_IMAGE``, or what ``tests/base_image.py`` gives. Exits with 1 where a library of CUDA is found.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.build import WORK  # noqa: E402 - this file is a script
from bench.image import base_image, size  # noqa: E402

IMAGE = "bentopack-bench/torch:1"
SERVICE = """\
import bentopack
import numpy as np
import torch


@bentopack.service
class Net:
    @bentopack.api(batchable=True)
    def double(self, x: np.ndarray) -> np.ndarray:
        return (torch.from_numpy(x) * 2).numpy()
"""
# CUDA's own libraries, and what NVIDIA builds on it; libcuda itself is the driver's.
NAMES = "libcu*.so* libnv*.so* libnccl*.so* libcaffe2_nvrtc* libtorch_cuda*.so* libc10_cuda*.so*"
ASK = "import torch; print(torch.__version__, torch.version.cuda, torch.ones(2, 2).sum().item())"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch", default="2.13.0")
    parser.add_argument("--wheels", type=Path, help="a folder with torch's build for CPUs")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    folder = WORK / "projects" / "torch"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "service.py").write_text(SERVICE)
    packages = f"  packages: [numpy, torch=={options.torch}]\n"
    if options.wheels:
        # A folder is no index of its own, so the one of PyTorch's is left alone.
        (wheel,) = options.wheels.glob(f"torch-{options.torch}+cpu-*.whl")
        shutil.copy2(wheel, folder)
        packages = f"  packages: [numpy]\n  wheels: [{wheel.name}]\n"
    base = base_image()
    (folder / "bentofile.yaml").write_text(
        f"service: service:Net\ninclude: [service.py]\npython:\n{packages}docker: {{base_image: '{base}'}}\n"
    )
    command = [str(Path(sys.executable).with_name("bentopack")), "containerize", "-t", IMAGE]
    subprocess.run(command, cwd=folder, env={**os.environ, "BENTOPACK_HOME": str(WORK / "homes" / "torch")}, check=True)
    names = " -o ".join(f"-name '{name}'" for name in NAMES.split())
    found = _in_image("/bin/sh", "-c", f"find / -xdev \\( {names} \\)", user="0").split()
    told = _in_image("/opt/venv/bin/python", "-c", ASK).split()
    figures: dict[str, object] = {
        "torch": told[0],
        "size of the base (MB)": size(base) / 1e6,
        "size of the image (MB)": size(IMAGE) / 1e6,
        "libraries of CUDA": found,
    }
    for name, value in figures.items():
        print(f"| {name} | {value} |")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))
    sys.exit(bool(found) or told[1] != "None")


def _in_image(*command: str, user: str = "10001:0") -> str:
    options = ["--rm", "--network", "none", "--user", user, "--entrypoint", command[0]]
    run = ["docker", "run", *options, IMAGE, *command[1:]]
    return subprocess.run(run, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    main()
