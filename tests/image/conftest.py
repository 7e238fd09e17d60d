"""Manifests, and a Bento small enough to build in seconds."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bentopack.spec.manifest import ImageInfo, Manifest, ModelInfo, ServiceInfo, VariantInfo, to_yaml

RUNTIME = "env/runtime/bentopack-0.1.0-py3-none-any.whl"

# In place of the serving runtime: says what the container is, and what its environment holds.
_MAIN = """
import json, os, sys
print(json.dumps({"argv": sys.argv[1:], "cwd": os.getcwd(), "uid": os.getuid(), "env": dict(os.environ)}))
"""

Make = Callable[..., Manifest]


@pytest.fixture
def manifest() -> Make:
    """Makes a manifest with both variants and one model; keyword arguments replace its fields."""
    return make_manifest


def make_manifest(**fields: Any) -> Manifest:
    plain = Manifest(
        format=1,
        name="iris",
        service=ServiceInfo(target="service:Iris", kind="service", name="Iris", workers=1),
        models=(
            ModelInfo(requested="iris:latest", name="iris", version="1.0", digest="sha256:" + "0" * 64, framework="x"),
        ),
        python="3.11",
        runtime=RUNTIME,
        image=ImageInfo(cuda_version="12.4"),
        variants={
            name: VariantInfo(
                platform="linux/amd64", requirements=f"env/python/{name}/requirements.lock", packages=count
            )
            for name, count in (("cpu", 12), ("gpu", 30))
        },
    )
    return msgspec.structs.replace(plain, **fields)


def write_bento(folder: Path, manifest: Manifest, *, requirements: str = "", source: str = "") -> Path:
    """Write a Bento's folder by hand: no lock to resolve, a runtime of one file, a model of a few bytes."""
    files = {
        "bento.yaml": to_yaml(manifest).decode(),
        "README.md": "not for the image",
        "src/service.py": source,
        "env/python/cpu/requirements.lock": requirements,
        **{f"{model.path}/model.bin": model.version for model in manifest.models},
    }
    if manifest.image.setup_script:
        files[manifest.image.setup_script] = "#!/bin/sh\nset -e\nid -u > /opt/setup-ran-as\necho $GREETING >> /opt/setup-ran-as\n"
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (folder / "env/runtime").mkdir(parents=True)
    write_wheel(folder / RUNTIME)
    return folder


def write_wheel(path: Path) -> None:
    """Write a wheel whose ``python -m bentopack.serve`` tells how it was started."""
    info = "bentopack-0.1.0.dist-info"
    files = {
        "bentopack/__init__.py": "",
        "bentopack/serve/__init__.py": "",
        "bentopack/serve/__main__.py": _MAIN,
        "bentopack/serve/healthcheck.py": "raise SystemExit(0)\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: bentopack\nVersion: 0.1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(path, "w") as wheel:
        for name, content in files.items():
            wheel.writestr(name, content)
