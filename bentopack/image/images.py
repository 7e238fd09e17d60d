"""What a build asks of this room: which base, pinned how, and the Dockerfiles that the Bento carries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bentopack.image.bases import choose_base, cuda_release
from bentopack.image.plan import plan_image
from bentopack.image.render import render_dockerfile
from bentopack.image.validate import PlanError
from bentopack.lock.lockfile import LockedBase
from bentopack.spec.manifest import ImageInfo, Manifest

_NAMES = {"cpu": "env/docker/Dockerfile", "gpu": "env/docker/Dockerfile.gpu"}


class EngineImages:
    """Pins bases through the container engine that the environment names."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def base(self, image: ImageInfo, variant: str, python: str) -> str:
        """Return the name of a variant's base.

        Raises:
            PlanError: the bentofile asks for what no image can be.
        """
        chosen = choose_base(
            variant=variant,
            python=python,
            distro=image.distro,
            cuda_version=image.cuda_version,
            base_image=image.base_image,
            override=None,
        )
        return chosen.image

    def cuda(self, version: str) -> str:
        """Return the CUDA of the gpu variant's base; on a base of the user's own it is the version that they name."""
        try:
            return cuda_release(version).minor
        except PlanError:
            return version

    def pin(self, name: str) -> LockedBase:
        """Ask the image's registry for its digest, through the engine."""
        from bentopack.errors import EngineError
        from bentopack.image.engine import connect

        _, at, digest = name.partition("@")
        if at:
            return LockedBase(image=name, digest=digest)
        try:
            return LockedBase(image=name, digest=connect(self._environ).registry_digest(name))
        except EngineError as error:
            return LockedBase(image=name, unpinned=error.message)

    def dockerfiles(self, manifest: Manifest) -> dict[str, bytes]:
        """Render one Dockerfile a variant, by its path in the Bento.

        They follow from the manifest alone, so the same Bento always carries the same bytes. By hand, from its folder:
        ``docker build -f env/docker/Dockerfile .``, with any builder: a newer docker command without its buildx plugin
        has the classic one only.

        Raises:
            PlanError: the manifest asks for what no image can be; better said now than when it is containerized.
        """
        plans: dict[str, Any] = {
            path: plan_image(manifest, variant=variant)
            for variant, path in _NAMES.items()
            if variant in manifest.variants
        }
        return {path: render_dockerfile(plan, buildkit=False).encode() for path, plan in plans.items()}
