"""The labels that lead from an image back to its Bento, and from there to its source."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timezone

from bentopack.bento.origin import Origin
from bentopack.image.plan import ImagePlan
from bentopack.oci.content import ContentError
from bentopack.tag import Tag

BASE_NAME, BASE_DIGEST, REVISION, SOURCE, CREATED = (
    f"org.opencontainers.image.{name}" for name in ("base.name", "base.digest", "revision", "source", "created")
)
_TIME = "%Y-%m-%dT%H:%M:%SZ"


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
        BASE_NAME: plan.base.image,
        "io.bentopack.bento.tag": str(tag),
        "io.bentopack.bento.digest": digest,
        "io.bentopack.variant": plan.variant,
    }
    if plan.base.pinned:
        labels[BASE_DIGEST] = plan.base.pinned
    if origin:
        labels[REVISION] = origin.revision
        if origin.source:
            labels[SOURCE] = origin.source
    if epoch is not None:
        labels[CREATED] = rfc3339(epoch)
    return ours(labels, plan)


def ours(labels: Mapping[str, str], plan: ImagePlan) -> dict[str, str]:
    """Those of an image's labels that are not the bentofile's, which wins over all but what leads to the Bento."""
    given = dict(plan.labels)
    return {key: value for key, value in labels.items() if key.startswith("io.bentopack.") or key not in given}


def rfc3339(epoch: int) -> str:
    """Write a moment, in seconds since 1970, as images say when they were made."""
    return datetime.fromtimestamp(epoch, timezone.utc).strftime(_TIME)


def epoch_of(text: str) -> int:
    """Read what :func:`rfc3339` wrote, or another builder, which may tell fractions of a second.

    Raises:
        ContentError: it is something else.
    """
    try:
        return int(datetime.strptime(re.sub(r"\.\d+Z$", "Z", text), _TIME).replace(tzinfo=timezone.utc).timestamp())
    except (ValueError, TypeError):
        wrong = f"expected the time that an image was made at, such as {rfc3339(0)}, found {text!r}"
        raise ContentError(wrong) from None
