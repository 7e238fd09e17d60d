"""The renderings that golden files pin and that hadolint reads."""

from __future__ import annotations

from itertools import product

from msgspec.structs import replace

from bentopack.image.dialect import BUILDAH, BUILDKIT, CLASSIC, LINKING, with_frontend
from bentopack.image.planner import plan_image
from bentopack.image.render import render_dockerfile
from bentopack.image.table import CUDA, DISTROS, PYTHONS
from bentopack.spec.manifest import ImageInfo, Manifest

FULL = ImageInfo(
    cuda_version="12.4",
    system_packages=("libgomp1", "curl"),
    env={"GREETING": 'say "hi" to $USER', "PATTERN": r"\d+"},
    setup_script="env/docker/setup_script",
)
TORCH = "torch==2.6.0+cu124\nnvidia-cuda-runtime-cu12==12.4.127\n"
FLASH = f"{TORCH}flash-attn==2.7.4.post1\n"
"""Compiled with CUDA while it is installed."""
OWN_INDEX = "--index-url https://index.example.org/simple\nx==1\n"
DIALECTS = (CLASSIC, BUILDAH, BUILDKIT, LINKING, with_frontend(BUILDKIT, "docker/dockerfile:1"))


def golden(manifest: Manifest) -> dict[str, str]:
    """A few, by the name of their file."""
    full = _with(manifest, FULL)
    return {
        "cpu": render_dockerfile(plan_image(manifest, ""), BUILDKIT),
        "cpu-linking": render_dockerfile(plan_image(manifest, ""), LINKING),
        "cpu-full": render_dockerfile(plan_image(full, ""), BUILDKIT, secrets=["pip.conf", "token"], ca_bundle=True),
        "gpu": render_dockerfile(plan_image(manifest, "", variant="gpu"), BUILDKIT),
        "gpu-torch": render_dockerfile(plan_image(manifest, TORCH, variant="gpu"), BUILDKIT),
        "gpu-compiled": render_dockerfile(plan_image(manifest, FLASH, variant="gpu"), BUILDKIT),
        "gpu-full-classic": render_dockerfile(plan_image(full, "", variant="gpu"), CLASSIC),
        "own-index": render_dockerfile(plan_image(manifest, OWN_INDEX), BUILDKIT),
        "own-base": render_dockerfile(
            plan_image(manifest, "", base_image="registry.example:5000/team/python:1"), BUILDKIT
        ),
        "conda": render_dockerfile(plan_image(_with(manifest, ImageInfo(conda=True)), ""), BUILDKIT),
        "alpine": render_dockerfile(
            plan_image(_with(manifest, ImageInfo(distro="alpine", system_packages=("git",))), ""), BUILDKIT
        ),
        "ubi9": render_dockerfile(
            plan_image(_with(manifest, ImageInfo(distro="ubi9", system_packages=("git",))), ""), BUILDKIT
        ),
    }


def matrix(manifest: Manifest) -> dict[str, str]:
    """Every distro and CUDA with every Python, and all combinations of the options with every dialect."""
    texts = golden(manifest)
    packages = ("git",)
    for python, distro in product(PYTHONS, DISTROS):
        image = ImageInfo(distro=distro.name, system_packages=packages)
        plan = plan_image(replace(_with(manifest, image), python=python), "")
        texts[f"{distro.name}-{python}"] = render_dockerfile(plan, BUILDKIT)
    for python, release in product(PYTHONS, CUDA):
        image = ImageInfo(cuda_version=release.version, system_packages=packages)
        plan = plan_image(replace(_with(manifest, image), python=python), "", variant="gpu")
        texts[f"cuda-{release.version}-{python}"] = render_dockerfile(plan, BUILDKIT)
    for variant, image, base, held, dialect, trusting in product(
        ("cpu", "gpu"),
        (ImageInfo(cuda_version="12.6"), FULL, replace(FULL, conda=True)),
        (None, "mine:1"),
        ("", OWN_INDEX, TORCH, FLASH),
        DIALECTS,
        (False, True),
    ):
        plan = plan_image(_with(manifest, image), held, variant=variant, base_image=base)
        secret = trusting and dialect.mounts
        text = render_dockerfile(plan, dialect, secrets=["netrc"] if secret else [], ca_bundle=secret)
        texts[f"options-{len(texts)}"] = text
    return {name: text for text, name in {text: name for name, text in texts.items()}.items()}


def _with(manifest: Manifest, image: ImageInfo) -> Manifest:
    return replace(manifest, image=image)
