"""The labels that lead from an image back to its Bento."""

from __future__ import annotations

from bentopack.image.plan import ImagePlan
from bentopack.tag import Tag


def bento_labels(tag: Tag, digest: str, plan: ImagePlan) -> dict[str, str]:
    """Labels that only the build can give: the Dockerfile is part of the Bento and cannot know its digest.

    The ``org.opencontainers`` keys are those of
    https://github.com/opencontainers/image-spec/blob/main/annotations.md.
    """
    labels = {
        "org.opencontainers.image.version": tag.version,
        "org.opencontainers.image.base.name": plan.base.image,
        "io.bentopack.bento.tag": str(tag),
        "io.bentopack.bento.digest": digest,
        "io.bentopack.variant": plan.variant,
    }
    if plan.base.digest:
        labels["org.opencontainers.image.base.digest"] = plan.base.digest
    return labels
