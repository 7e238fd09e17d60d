"""``verify`` of an image in a registry: its bytes, and whether they are made again of what it says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bentopack._report import Reporter
    from bentopack.cli.target import ResolvedBento
    from bentopack.image.inspect import ImageReport
    from bentopack.oci.compress import Compression
    from bentopack.oci.content import Descriptor
    from bentopack.oci.image import Image
    from bentopack.oci.reference import Reference
    from bentopack.oci.registry import Registries


@dataclass(frozen=True)
class ImageCheck:
    """What is to be proved of an image."""

    rebuild: bool = False
    key: Path | None = None
    base_from: Path | None = None
    ca_bundle: Path | None = None
    insecure: tuple[str, ...] = ()


def verify_image(name: str, check: ImageCheck, reporter: Reporter) -> dict[str, Any]:
    """Prove an image, or one for each platform, and return what is told of it.

    Raises:
        IntegrityError: a layer is not of its digest, or a rebuild gives another image.
        SigningError: it is not signed with the key.
        RegistryError, ContentError, NotFound: it, or its Bento, cannot be had.
    """
    from bentopack._home import home
    from bentopack.cli.registry import reach
    from bentopack.image.inspect import inspect_image
    from bentopack.oci.blobs import Blobs
    from bentopack.oci.reference import parse_reference
    from bentopack.oci.referrers import at_digest

    reference, blobs = parse_reference(name), Blobs(home() / "cache" / "oci")
    registries = reach(check.ca_bundle, check.insecure)
    if check.key:
        from bentopack.oci.content import digest_of
        from bentopack.oci.signature import load_public_key
        from bentopack.oci.signed import require_signature

        public = load_public_key(check.key)
        digest = digest_of(registries.manifest(reference)[0])
        require_signature(registries, reference, digest, public)
        reference = at_digest(reference, digest)  # what was signed, whatever the tag names in a moment
    reports = inspect_image(registries, reference, blobs)
    for report in reports:
        if check.rebuild:
            _rebuilt(report, reference, registries, check, reporter)
        else:
            _prove_layers(report, reference, registries, reporter)
    return {
        "whole": True,
        "image": name,
        "rebuilt": check.rebuild,
        "signed": check.key is not None,
        "platforms": {each.platform: each.digest for each in reports},
        "bento": sorted({str(each.facts()["bento"]) for each in reports}),
    }


def _prove_layers(report: ImageReport, reference: Reference, registries: Registries, reporter: Reporter) -> None:
    """Fetch every layer: whoever takes one to its end knows that it is the one."""
    import json

    from bentopack.oci.content import Descriptor
    from bentopack.oci.referrers import at_digest

    manifest = registries.manifest(at_digest(reference, report.digest))[0]
    for each in map(Descriptor.from_json, json.loads(manifest)["layers"]):
        reporter.step(f"hashing {each.digest[:19]} ({each.size / 1e6:.1f} MB)")
        for _ in registries.pieces(reference, each):
            pass


def _rebuilt(
    report: ImageReport, reference: Reference, registries: Registries, check: ImageCheck, reporter: Reporter
) -> None:
    """Compile the image again of its Bento, on the base that it names, and compare."""
    import json

    from bentopack.bento.origin import Origin
    from bentopack.cli.compiled import Goals, make
    from bentopack.errors import IntegrityError
    from bentopack.image.from_bento import plan_bento
    from bentopack.oci.referrers import at_digest

    facts = report.facts()
    bento = _bento(report, reference, registries, reporter)
    wanted = {"variant": facts["variant"], "platform": report.platform}
    plan = plan_bento(bento.path, **wanted)
    if plan.base.image != facts["base"]:
        plan = plan_bento(bento.path, **wanted, base_image=facts["base"])
    # What the image says of its source is no part of the Bento: nobody can compute it.
    origin = Origin(revision=facts["revision"], source=facts["source"]) if facts["revision"] else None
    theirs = json.loads(registries.manifest(at_digest(reference, report.digest))[0])
    compression = _compression(theirs)
    goals = Goals((), base_from=check.base_from, epoch=_epoch(report), compression=compression)
    reporter.step(f"making {bento.tag} again")
    image, _ = make(bento, plan, goals, registries, None, origin, reporter)
    if image.descriptor.digest != report.digest:
        raise IntegrityError(
            f"{report.image} is not what {bento.tag} gives here:",
            problems=_differences(image, theirs, compression.compressor, partial(registries.pieces, reference)),
            hint="an image that an engine built differs always: it is those of --backend oci that are made again",
        )


def _bento(report: ImageReport, reference: Reference, registries: Registries, reporter: Reporter) -> ResolvedBento:
    """The Bento that an image names: the store's, or the one that lies beside the image in its repository."""
    from bentopack.bento.store import bento_store
    from bentopack.cli.target import resolve_bento
    from bentopack.errors import BentopackError, NotFound
    from bentopack.image.remote import pull_bento
    from bentopack.oci.reference import Reference
    from bentopack.tag import Tag

    facts = report.facts()
    tag = Tag.parse(str(facts["bento"]))
    try:
        bento_store().get(tag)
    except NotFound as missing:
        reporter.step(f"pulling {tag}")
        beside = Reference(reference.registry, reference.repository, tag.version, None)
        try:
            pull_bento(registries, beside, tag.name, reporter)
        except BentopackError:
            raise NotFound(
                f"{report.image} was made of {tag}, which is neither in the store nor at {beside}",
                hint=f"bentopack pull {tag} REGISTRY/REPO, or bentopack import FILE",
            ) from missing
    found = resolve_bento(str(tag), reporter=reporter, proven=True, later="models")
    if found.digest != facts["bento_digest"]:
        raise NotFound(f"{report.image} was made of {facts['bento_digest']}; {tag} is {found.digest}")
    return found


def _epoch(report: ImageReport) -> int | None:
    """``SOURCE_DATE_EPOCH`` as it was; None where the image's time is the one that it has without."""
    from bentopack._fs import EPOCH
    from bentopack.image.labels import rfc3339
    from bentopack.oci.content import ContentError

    try:
        made = int(datetime.fromisoformat(re.sub(r"(\.\d+)?Z$", "+00:00", str(report.time))).timestamp())
    except ValueError:
        raise ContentError(f"{report.image} says that it was made at {report.time!r}, which is no time") from None
    return None if made == EPOCH and report.facts()["created"] != rfc3339(EPOCH) else made


def _compression(manifest: dict[str, Any]) -> Compression:
    """What an image's own layers are compressed with: those of its base, which may be otherwise, lie below them."""
    from bentopack.oci.compress import GZIP, zstd
    from bentopack.oci.content import LAYER_GZIP, LAYER_ZSTD

    types = [str(each["mediaType"]) for each in manifest["layers"]]
    top = next((each for each in reversed(types) if each in (LAYER_GZIP, LAYER_ZSTD)), LAYER_GZIP)
    return zstd() if top == LAYER_ZSTD else GZIP


def _differences(
    image: Image, told: dict[str, Any], compressor: str, fetch: Callable[[Descriptor], Iterator[bytes]]
) -> list[str]:
    """Name the layers that are not the same; or say that only their compression is not, or what containers run with."""
    import json

    from bentopack.oci.content import Descriptor

    theirs = [Descriptor.from_json(each) for each in told["layers"]]
    if len(image.parts) != len(theirs):
        return [f"it has {len(theirs)} layers, and should have {len(image.parts)}"]
    pairs = list(enumerate(zip(image.parts, theirs, strict=True), 1))
    others = [(number, part, there) for number, (part, there) in pairs if part.descriptor.digest != there.digest]
    # The configuration says what layers hold. It may be another image's: what counts is what is in them.
    same = Descriptor.from_json(told["config"]).digest == image.config_descriptor.digest
    if others and same and all(_plain_digest(fetch(there)) == part.layer.diff_id for _, part, there in others):
        return [f"its layers hold the same, and are compressed by another release than the one here ({compressor})"]
    history = [
        str(each.get("created_by", "")) for each in json.loads(image.config)["history"] if not each.get("empty_layer")
    ]
    found = [
        f"layer {number} ({history[number - 1].removeprefix('bentopack: ')}): {there.digest[:19]}, "
        f"should be {part.descriptor.digest[:19]}"
        for number, part, there in others
    ]
    return found or ["its layers are the same; its configuration or its annotations are not"]


def _plain_digest(pieces: Iterator[bytes]) -> str | None:
    """The digest of what a layer holds; None where it holds nothing that can be read."""
    import hashlib

    from bentopack.oci.archive import plain_pieces
    from bentopack.oci.content import ContentError

    found = hashlib.sha256()
    try:
        for piece in plain_pieces(pieces):
            found.update(piece)
    except ContentError:
        return None
    return f"sha256:{found.hexdigest()}"
