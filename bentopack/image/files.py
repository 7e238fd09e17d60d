"""The Dockerfiles that a Bento carries, for those who build its image by hand."""

from __future__ import annotations

from bentopack.image.plan import plan_image
from bentopack.image.render import render_dockerfile
from bentopack.spec.manifest import Manifest

_NAMES = {"cpu": "env/docker/Dockerfile", "gpu": "env/docker/Dockerfile.gpu"}


def dockerfiles(manifest: Manifest) -> dict[str, bytes]:
    """Render one Dockerfile a variant, by its path in the Bento.

    They follow from the manifest alone, so the same Bento always carries the same bytes. By hand, from its folder:
    ``docker build -f env/docker/Dockerfile .``, with any builder: a newer docker command without its buildx plugin has
    the classic one only.

    Raises:
        PlanError: the manifest asks for what no image can be; better said now than when it is containerized.
    """
    return {
        path: render_dockerfile(plan_image(manifest, variant=variant), buildkit=False).encode()
        for variant, path in _NAMES.items()
        if variant in manifest.variants
    }
