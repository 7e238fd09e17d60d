"""The labels that lead from an image back to its Bento, and from there to its source."""

from __future__ import annotations

from datetime import datetime, timezone

from bentopack.bento.origin import Origin
from bentopack.image.plan import ImagePlan
from bentopack.tag import Tag


def bento_labels(
    tag: Tag, digest: str, plan: ImagePlan, *, origin: Origin | None = None, epoch: int | None = None
) -> dict[str, str]:
    """Labels that only the build can give: the Dockerfile is part of the Bento and cannot know its digest.

    The ``org.opencontainers`` keys are those of
    https://github.com/opencontainers/image-spec/blob/main/annotations.md; what the bentofile says of them wins.

    Args:
        tag: the Bento's.
        digest: of the Bento, ``sha256:<hex>``.
        plan: of the image.
        origin: what is known of the Bento's source.
        epoch: when the image counts as made (``SOURCE_DATE_EPOCH``, in seconds). Without one the image does not say:
            the same Bento would be another image each time.
    """
    labels = {
        "org.opencontainers.image.version": tag.version,
        "org.opencontainers.image.base.name": plan.base.image,
        "io.bentopack.bento.tag": str(tag),
        "io.bentopack.bento.digest": digest,
        "io.bentopack.variant": plan.variant,
    }
    if plan.base.pinned:
        labels["org.opencontainers.image.base.digest"] = plan.base.pinned
    if origin:
        labels["org.opencontainers.image.revision"] = origin.revision
        if origin.source:
            labels["org.opencontainers.image.source"] = origin.source
    if epoch is not None:
        labels["org.opencontainers.image.created"] = rfc3339(epoch)
    given = dict(plan.labels)
    return {key: value for key, value in labels.items() if key.startswith("io.bentopack.") or key not in given}


def rfc3339(epoch: int) -> str:
    """Write a moment, in seconds since 1970, as images say when they were made."""
    return datetime.fromtimestamp(epoch, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
