"""The base out of a file that the user names; where the plan pins it by a digest, it has to be that one."""

from __future__ import annotations

import json
from pathlib import Path

from bentopack._report import Reporter
from bentopack.errors import UsageError
from bentopack.image.below import read_base
from bentopack.image.plan import ImagePlan
from bentopack.oci.blobs import Blobs
from bentopack.oci.content import digest_of
from bentopack.oci.image import Image


def read_given_base(path: Path, plan: ImagePlan, blobs: Blobs, reporter: Reporter) -> Image:
    """Read the base from a folder with an OCI layout, or from an archive of ``docker save``.

    An archive has no manifest, and so no digest of one: that it may be another image is warned of.

    Raises:
        UsageError: there is no such file, or it is not the image that the plan pins.
        ContentError: it holds no image, or none for the platform.
    """
    image, wanted = read_base(path, plan, blobs), plan.base.pinned
    if wanted is None:
        if not plan.base.checked:  # chosen here, and named by nobody
            reporter.warn(f"--base-from: {path} is taken for {plan.base.image}; if it is not, say --base-image")
        return image
    if not path.is_dir():
        reporter.warn(f"--base-from: whether the archive {path} is {plan.base.reference} cannot be told")
    elif (found := image.descriptor.digest) != wanted and found not in _listed(path, wanted):
        raise UsageError(
            f"--base-from: the base is {plan.base.reference}, and {path} has {found}",
            hint="copy that one (`skopeo copy --all --preserve-digests`), or say what yours is: --base-image",
        )
    return image


def _listed(layout: Path, digest: str) -> set[str]:
    """The images that an index in a layout lists, where that has the index, and its bytes are of the digest."""
    try:
        content = (layout / "blobs" / "sha256" / digest.removeprefix("sha256:")).read_bytes()
        listed = json.loads(content)["manifests"]
        return {str(each["digest"]) for each in listed} if digest_of(content) == digest else set()
    except (OSError, ValueError, KeyError, TypeError):
        return set()
