"""The renderings that golden files pin and that hadolint reads."""

from __future__ import annotations

from itertools import product

from msgspec.structs import replace

from bentopack.image.plan import plan_image
from bentopack.image.render import render_dockerfile
from bentopack.spec.manifest import ImageInfo, Manifest

FULL = ImageInfo(
    cuda_version="12.4",
    system_packages=("libgomp1", "curl"),
    env={"GREETING": 'say "hi" to $USER', "PATTERN": r"\d+"},
    setup_script="env/docker/setup_script",
)


def golden(manifest: Manifest) -> dict[str, str]:
    """A few, by the name of their file."""
    full = _with(manifest, FULL)
    return {
        "cpu": render_dockerfile(plan_image(manifest)),
        "gpu": render_dockerfile(plan_image(manifest, variant="gpu")),
        "cpu-full": render_dockerfile(plan_image(full), secrets=["pip.conf", "token"]),
        "gpu-full-classic": render_dockerfile(plan_image(full, variant="gpu"), buildkit=False),
        "own-base": render_dockerfile(plan_image(manifest, base_image="registry.example:5000/team/python:1")),
        "alpine": render_dockerfile(plan_image(_with(manifest, ImageInfo(distro="alpine", system_packages=("git",))))),
    }


def matrix(manifest: Manifest) -> dict[str, str]:
    """All combinations of variant, distro, builder and options."""
    texts = golden(manifest)
    images = {"plain": ImageInfo(cuda_version="12.6"), "full": FULL, "ubuntu": ImageInfo(distro="ubuntu")}
    for variant, (name, image), base, buildkit in product(
        ("cpu", "gpu"), images.items(), (None, "mine:1"), (True, False)
    ):
        if variant == "gpu" and image.cuda_version is None:
            continue
        plan = plan_image(_with(manifest, image), variant=variant, base_image=base)
        secrets = ["netrc"] if buildkit else []
        texts[f"{variant}-{name}-{base}-{buildkit}"] = render_dockerfile(plan, buildkit=buildkit, secrets=secrets)
    return texts


def _with(manifest: Manifest, image: ImageInfo) -> Manifest:
    return replace(manifest, image=image)
