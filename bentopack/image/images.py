"""What a build asks of this room: which base, pinned how, and the Dockerfiles that the Bento carries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bentopack._memo import remembered
from bentopack._resources import resource_dir
from bentopack.image.bases import choose_base, follows_from_packages
from bentopack.image.nvidia import cuda_release
from bentopack.image.validate import PlanError
from bentopack.lock.lockfile import LockedBase
from bentopack.lock.make import ChooseBase
from bentopack.lock.resolver import LockedPackage
from bentopack.spec.manifest import ImageInfo, Manifest, to_yaml

if TYPE_CHECKING:
    from bentopack.errors import RegistryError

_NAMES = {"cpu": "env/docker/Dockerfile", "gpu": "env/docker/Dockerfile.gpu"}


class EngineImages:
    """Pins bases by their registries: itself, or through the engine that the environment names."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def base(self, image: ImageInfo, variant: str, python: str) -> str | ChooseBase:
        """Return the name of a variant's base, or what chooses it by its packages.

        Raises:
            PlanError: the bentofile asks for what no image can be.
        """

        def choose(locked: Sequence[LockedPackage]) -> str:
            packages = {each.name: each.url or each.version for each in locked}
            return choose_base(image, variant=variant, python=python, packages=packages).image

        return choose if follows_from_packages(image, variant) else choose(())

    def cuda(self, version: str) -> str:
        """Return the CUDA of the gpu variant's base; on a base of the user's own it is the version that they name."""
        try:
            return cuda_release(version).minor
        except PlanError:
            return version

    def pin(self, name: str) -> LockedBase:
        """Ask the image's registry for its digest; where it does not answer us, the engine may know a way to it."""
        from bentopack.errors import BentopackError, RegistryError
        from bentopack.image.engine import connect
        from bentopack.oci.reference import parse_reference
        from bentopack.oci.registry import Registries

        _, at, digest = name.partition("@")
        if at:
            return LockedBase(image=name, digest=digest)
        reference = parse_reference(name)
        try:
            return LockedBase(image=name, digest=Registries(self._environ, tries=1).digest(reference))
        except RegistryError as error:
            reason = _reason(reference.registry, error)
        except BentopackError as error:
            reason = error.message
        try:
            return LockedBase(image=name, digest=connect(self._environ).registry_digest(name))
        except BentopackError:
            return LockedBase(image=name, unpinned=reason)

    def dockerfiles(
        self, manifest: Manifest, requirements: Mapping[str, str], template: str | None = None
    ) -> dict[str, bytes]:
        """Render a Dockerfile and its .dockerignore for each variant, by their paths in the Bento.

        They follow from the Bento alone, so the same one always carries the same bytes. By hand, from its folder:
        ``docker build -f env/docker/Dockerfile .``, with any builder: a newer docker command without its buildx plugin
        has the classic one only.

        Raises:
            PlanError: the manifest asks for what no image can be; better said now than when it is containerized.
        """
        templates = resource_dir("templates") / "dockerfile"
        return remembered(
            "dockerfiles",
            [to_yaml(manifest), *(text for pair in sorted(requirements.items()) for text in pair), template],
            lambda: self._rendered(manifest, requirements, template),
            files=templates.rglob("*.j2"),
        )

    def _rendered(self, manifest: Manifest, requirements: Mapping[str, str], template: str | None) -> dict[str, bytes]:
        from bentopack.image.planner import plan_image
        from bentopack.image.render import render_dockerfile, render_dockerignore

        plans = {
            path: plan_image(manifest, requirements[variant], variant=variant, template=template)
            for variant, path in _NAMES.items()
            if variant in manifest.variants
        }
        texts = {path: render_dockerfile(plan) for path, plan in plans.items()}
        texts |= {f"{path}.dockerignore": render_dockerignore(plan) for path, plan in plans.items()}
        return {path: text.encode() for path, text in texts.items()}


def _reason(registry: str, error: RegistryError) -> str:
    """Say why there is no digest, in words that stand in a lock: nothing of this machine's network is in them."""
    if error.status == 404:
        return f"the registry {registry} does not have it"
    if error.status in (401, 403):
        return f"the registry {registry} refuses this user; log in with `docker login`"
    return f"the registry {registry} cannot be reached"
