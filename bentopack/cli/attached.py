"""What a push attaches to an image in its registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bentopack._report import Reporter
    from bentopack.cli.target import ResolvedBento
    from bentopack.image.plan import ImagePlan
    from bentopack.oci.content import Descriptor
    from bentopack.oci.registry import Registries


def attach_documents(
    registries: Registries,
    tag: str,
    image: Descriptor | None,
    bento: ResolvedBento,
    plan: ImagePlan,
    reporter: Reporter,
) -> list[dict[str, str]]:
    """Attach the bill of materials and the provenance to an image that has been pushed, and return what they are.

    A registry that takes images and nothing else is warned of: the image is there all the same.

    Args:
        registries: of this command.
        tag: the image's, with its registry.
        image: what it is there; None where the registry is to be asked.
        bento: what the image was made of.
        plan: of the image.
        reporter: is told.
    """
    from bentopack.bento.origin import origin_of
    from bentopack.errors import BentopackError
    from bentopack.image.provenance import documents
    from bentopack.oci.content import describe
    from bentopack.oci.reference import parse_reference
    from bentopack.oci.referrers import attach

    reference = parse_reference(tag)
    reporter.step(f"attaching the bill of materials and the provenance to {tag}")
    try:
        if image is None:
            content, media_type = registries.manifest(reference)
            image = describe(media_type, content)
        origin = origin_of(bento.tag, bento.digest)
        made = documents(bento.path, bento.tag, bento.digest, plan, origin, reference, image.digest)
        found = attach(registries, reference, image, made)
    except BentopackError as error:
        reporter.warn(f"{tag} is pushed, but nothing could be attached to it: {error.message}")
        return []
    return [{"type": str(each.artifact_type), "digest": each.digest} for each in found]
