"""What is told of an image; its push under each name, and what belongs to it there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bentopack._report import Reporter
    from bentopack.cli.compiled import Goals
    from bentopack.cli.target import ResolvedBento
    from bentopack.image.plan import ImagePlan
    from bentopack.oci.content import Descriptor
    from bentopack.oci.image import Image, Index
    from bentopack.oci.reference import Reference
    from bentopack.oci.registry import Registries


@dataclass(frozen=True)
class Made:
    """An image of one platform and what it was made of; ``descriptor`` is None where its registry is to be asked."""

    bento: ResolvedBento
    plan: ImagePlan
    descriptor: Descriptor | None = None


def image_facts(
    tags: Sequence[str],
    bento: ResolvedBento | None,
    *,
    id_: str | None,
    digest: str | None,
    size: int | None,
    push: bool,
) -> dict[str, Any]:
    """What scripts are told of an image; of several platforms no Bento and no id is that of the whole."""
    return {
        "image": tags[0],
        "tags": list(tags),
        "id": id_,
        "digest": digest,
        "bento": str(bento.tag) if bento else None,
        "bento_digest": bento.digest if bento else None,
        "size": size,
        "pushed": {} if push else None,
    }


def require_images(registries: Registries, tags: Iterable[str]) -> None:
    """Refuse to push where a Bento or a model is, before any work is done for it.

    Raises:
        UsageError: one is there.
        RegistryError, ContentError: a registry cannot be asked.
    """
    from bentopack.image.kinds import IMAGE, require_kind
    from bentopack.oci.reference import parse_reference

    require_kind(registries, map(parse_reference, tags), IMAGE)


def size_of(images: Iterable[Image]) -> int:
    """All that a registry has to hold for some images, in bytes: what they share, once."""
    found = {part.descriptor.digest: part.descriptor.size for image in images for part in image.parts}
    found |= {image.config_descriptor.digest: len(image.config) for image in images}
    return sum(found.values())


def push_tags(image: Image | Index, registries: Registries, facts: dict[str, Any], reporter: Reporter) -> None:
    """Push an image under each of its names, and add to ``facts`` what each came to as soon as it is there.

    Raises:
        RegistryError: a registry refuses, or cannot be reached.
    """
    from bentopack.oci.image import Index
    from bentopack.oci.reference import parse_reference

    for tag in facts["tags"]:
        reporter.step(f"pushing {tag}")
        reference = parse_reference(tag)
        if isinstance(image, Index):
            sent = registries.push_index(image, reference, told=reporter.output)
        else:
            sent = registries.push(image, reference, told=reporter.output)
        facts["pushed"][tag] = image.descriptor.digest
        facts["sent"] = facts.get("sent", 0) + sent.bytes
        facts["sent_blobs"] = facts.get("sent_blobs", 0) + sent.sent


def finish_push(
    made: Sequence[Made], registries: Registries, goals: Goals, facts: dict[str, Any], reporter: Reporter
) -> None:
    """Attach to what was pushed what tells of it, and sign it, as far as that is asked for.

    Raises:
        RegistryError, UnusableKey: it cannot be signed.
    """
    groups = _by_place(facts["pushed"])
    if goals.attest:
        facts["attached"] = {}
        for tags in groups:
            digest = facts["pushed"][tags[-1]]
            found = [entry for each in made for entry in _attach(each, tags[-1], digest, registries, reporter)]
            facts["attached"] |= dict.fromkeys(tags, found)
    if goals.key is None:
        return
    from bentopack.oci.content import digest_of
    from bentopack.oci.reference import parse_reference
    from bentopack.oci.signed import push_signature

    facts["signed"] = []
    for tags in groups:
        reporter.step(f"signing {tags[-1]}")
        reference = parse_reference(tags[-1])
        digest = facts["pushed"][tags[-1]] or digest_of(registries.manifest(reference)[0])
        push_signature(registries, reference, digest, goals.key)
        facts["signed"] += tags


def _by_place(pushed: Mapping[str, str | None]) -> list[list[str]]:
    """The tags by their repository and what they name there: what belongs to an image lies beside it once."""
    found: dict[tuple[str, str | None], list[str]] = {}
    for tag, digest in pushed.items():
        repository = tag.rpartition(":")[0] if ":" in tag.rpartition("/")[2] else tag
        found.setdefault((repository, digest), []).append(tag)
    return list(found.values())


def _attach(
    made: Made, tag: str, digest: str | None, registries: Registries, reporter: Reporter
) -> list[dict[str, str]]:
    """Attach the bill of materials and the provenance to an image that has been pushed, and return what they are.

    A registry that takes images and nothing else is warned of: the image is there all the same.
    """
    from bentopack.bento.origin import origin_of
    from bentopack.errors import BentopackError
    from bentopack.image.provenance import documents
    from bentopack.oci.reference import parse_reference
    from bentopack.oci.referrers import attach

    reference, bento = parse_reference(tag), made.bento
    reporter.step(f"attaching the bill of materials and the provenance to {tag}")
    try:
        image = made.descriptor or _pushed(registries, reference, digest)
        origin = origin_of(bento.tag, bento.digest)
        told = documents(bento.path, bento.tag, bento.digest, made.plan, origin, reference, image.digest)
        found = attach(registries, reference, image, told)
    except BentopackError as error:
        reporter.warn(f"{tag} is pushed, but nothing could be attached to it: {error.message}")
        return []
    return [{"type": str(each.artifact_type), "digest": each.digest, "subject": image.digest} for each in found]


def _pushed(registries: Registries, reference: Reference, digest: str | None) -> Descriptor:
    """What a builder pushed: by its digest where that is known, as a tag may name something else by now."""
    from bentopack.oci.content import describe

    content, media_type = registries.manifest(reference.at(digest) if digest else reference)
    return describe(media_type, content)
