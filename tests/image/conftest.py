"""Manifests, and a Bento small enough to build in seconds."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bentopack._fs import sha256_file, write_atomic
from bentopack.bento.digest import write_sums
from bentopack.spec.manifest import ImageInfo, Manifest, ModelInfo, ServiceInfo, VariantInfo, to_yaml

RUNTIME = "env/runtime/bentopack-0.1.0-py3-none-any.whl"

# What the Bento below has: the file of each variant.
LOCKS = dict.fromkeys(("cpu", "gpu"), "--no-index\n--find-links wheels\ntiny==1.0 --hash=sha256:0\n")

# In place of the serving runtime: tells how the container was started, and what its environment holds.
_RUNTIME = {
    "__init__.py": "",
    "serve/__init__.py": "",
    "__main__.py": """
import json, os, sys, tiny
facts = {"argv": sys.argv[1:], "cwd": os.getcwd(), "ids": [os.getuid(), os.getgid()], "env": dict(os.environ)}
print(json.dumps(facts | {"answer": tiny.ANSWER}))
""",
    "serve/healthcheck.py": "",
}

_SETUP_SCRIPT = """#!/bin/sh
set -e
id -u > /opt/setup-ran-as
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
            ModelInfo(
                name="iris", version="1.0", digest="sha256:" + "0" * 64, framework="x", spellings=("iris:latest",)
            ),
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


@pytest.fixture
def bento(tmp_path: Path) -> Callable[[Manifest], Path]:
    """Writes the folder of a manifest's Bento."""
    return lambda manifest: write_bento(tmp_path / "bento", manifest)


def write_bento(folder: Path, manifest: Manifest) -> Path:
    """Write a Bento by hand: one locked package, from a wheel of its own, a stub of a runtime, tiny models.

    Nothing in it needs the network, so a build takes seconds and fails only for the reasons that a test gives it.
    """
    for variant in manifest.variants:
        write_wheel(folder / f"env/python/{variant}/wheels/tiny-1.0-py3-none-any.whl", {"tiny.py": "ANSWER = 42\n"})
    digest = sha256_file(folder / "env/python/cpu/wheels/tiny-1.0-py3-none-any.whl")
    lock = f"--no-index\n--find-links wheels\ntiny==1.0 --hash=sha256:{digest}\n"
    write_wheel(folder / RUNTIME, {f"bentopack/{name}": text for name, text in _RUNTIME.items()})
    files = {
        "bento.yaml": to_yaml(manifest).decode(),
        "README.md": "not for the image",
        "src/service.py": "ANSWER = 42\n",
        **{info.requirements: lock for info in manifest.variants.values()},
        **{f"{model.path}/model.bin": model.version for model in manifest.models},
    }
    if manifest.image.setup_script:
        files[manifest.image.setup_script] = _SETUP_SCRIPT
    for name, content in files.items():
        write_atomic(folder / name, content)
    write_sums(folder)
    return folder


def write_wheel(path: Path, files: dict[str, str], record: str = "") -> None:
    """Write a pure wheel of these files; its name and version are those of its file name."""
    name, version = path.name.split("-")[:2]
    info = f"{name}-{version}.dist-info"
    files |= {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": record,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as wheel:
        for member, content in files.items():
            # Without a time of its own a member is of 1980, so equal files give equal wheels.
            wheel.writestr(zipfile.ZipInfo(member), content)


def recorded_wheel(path: Path, files: dict[str, str]) -> Path:
    """A wheel whose RECORD has the hash of each file, as those of indexes have."""
    record = "".join(f"{name},sha256={_digest(text)},{len(text)}\n" for name, text in files.items())
    write_wheel(path, files, record=record)
    return path


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
