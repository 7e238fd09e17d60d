"""``verify`` of an image in a registry: its bytes, and whether they are made again of what it says."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bentopack._report import Reporter
    from bentopack.bento.verify import ProvenBento
    from bentopack.cli.target import ResolvedBento
    from bentopack.cli.verify import ImageCheck
    from bentopack.image.inspect import ImageReport
    from bentopack.oci.compress import Compression
    from bentopack.oci.content import Descriptor
    from bentopack.oci.image import Image
    from bentopack.oci.reference import Reference
    from bentopack.oci.registry import Registries
    from bentopack.tag import Tag

_NO_SUCH_MANIFEST = 404


def verify_image(name: str, check: ImageCheck, reporter: Reporter) -> dict[str, Any]:
    """Prove an image, or one for each platform, and return what is told of it.

    Raises:
        IntegrityError: a layer is not of its digest, or a rebuild gives another image.
        SigningError: it is not signed with the key.
        UsageError: a name, a key or a base cannot be used.
        RegistryError, ContentError, NotFound: it, or its Bento, cannot be had.
    """
    from bentopack._home import home
    from bentopack.cli.registry import reach
    from bentopack.image.inspect import inspect_image
    from bentopack.oci.blobs import Blobs
    from bentopack.oci.reference import parse_reference

    reference, blobs = parse_reference(name), Blobs(home() / "cache" / "oci")
    registries = reach(check.ca_bundle, check.insecure)
    if check.key:
        from bentopack.oci.content import digest_of
        from bentopack.oci.signature import load_public_key
        from bentopack.oci.signed import require_signature

        public = load_public_key(check.key)
        digest = digest_of(registries.manifest(reference)[0])
        require_signature(registries, reference, digest, public)
        reference = reference.at(digest)  # what was signed, whatever the tag names in a moment
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
    from bentopack.oci.manifests import layers_of

    exact = reference.at(report.digest)
    for each in layers_of(registries.manifest(exact)[0], exact):
        reporter.step(f"hashing {each.digest[:19]} ({each.size / 1e6:.1f} MB)")
        for _ in registries.pieces(reference, each):
            pass


def _rebuilt(
    report: ImageReport, reference: Reference, registries: Registries, check: ImageCheck, reporter: Reporter
) -> None:
    """Compile the image again of its Bento, on the base that it names, and compare."""
    import json

    from bentopack.errors import IntegrityError

    theirs = json.loads(registries.manifest(reference.at(report.digest))[0])
    compression = _compression(theirs)
    with _bento(report, reference, registries, reporter) as bento:
        image = _made_again(bento, report, registries, check, compression, reporter)
    if image.descriptor.digest != report.digest:
        raise IntegrityError(
            f"{report.image} is not what {bento.tag} gives here:",
            problems=_differences(image, theirs, compression.compressor, partial(registries.pieces, reference)),
            hint="an image that an engine built differs always: it is those of --backend oci that are made again",
        )


def _made_again(
    bento: ResolvedBento,
    report: ImageReport,
    registries: Registries,
    check: ImageCheck,
    compression: Compression,
    reporter: Reporter,
) -> Image:
    """What the Bento gives, told what the image says of itself that does not follow from it."""
    from bentopack.bento.origin import Origin
    from bentopack.cli.compiled import Goals, make
    from bentopack.image.from_bento import plan_bento
    from bentopack.image.labels import BASE_NAME, REVISION, SOURCE, ours

    wanted = {"variant": report.facts()["variant"], "platform": report.platform}
    plan = plan_bento(bento.path, **wanted)
    # What the bentofile says in a label of these names is its own, and no word of whoever made the image.
    told = ours(report.said, plan)
    if (base := told.get(BASE_NAME, plan.base.image)) != plan.base.image:
        plan = plan_bento(bento.path, **wanted, base_image=base)
    # What the image says of its source is no part of the Bento: nobody can compute it.
    origin = Origin(revision=told[REVISION], source=told.get(SOURCE)) if REVISION in told else None
    goals = Goals((), base_from=check.base_from, epoch=_epoch(report), compression=compression)
    reporter.step(f"making {bento.tag} again")
    image, _ = make(bento, plan, goals, registries, None, origin, reporter)
    return image


@contextmanager
def _bento(
    report: ImageReport, reference: Reference, registries: Registries, reporter: Reporter
) -> Iterator[ResolvedBento]:
    """The Bento that an image names, for the block: the store's, or the one beside the image, which is not stored."""
    from bentopack.bento.store import bento_store
    from bentopack.cli.target import ResolvedBento, resolve_bento
    from bentopack.errors import NotFound
    from bentopack.tag import Tag

    facts = report.facts()
    tag = Tag.parse(str(facts["bento"]))
    with ExitStack() as stack:
        try:
            bento_store().get(tag)
        except NotFound:
            proven = stack.enter_context(_fetched(tag, report, reference, registries, reporter))
            found = ResolvedBento(proven.tag, proven.path, proven.digest)
        else:
            found = resolve_bento(str(tag), reporter=reporter, proven=True, later="models")
        if found.digest != facts["bento_digest"]:
            raise NotFound(f"{report.image} was made of {facts['bento_digest']}; {tag} is {found.digest}")
        yield found


@contextmanager
def _fetched(
    tag: Tag, report: ImageReport, reference: Reference, registries: Registries, reporter: Reporter
) -> Iterator[ProvenBento]:
    """The Bento beside an image, in a temporary folder: who proves an image changes nothing of what is latest."""
    import tempfile

    from bentopack._fs import scratch_dir, writing
    from bentopack.errors import NotFound, RegistryError
    from bentopack.image.remote import fetch_bento

    temporary = Path(tempfile.gettempdir())
    beside = reference.under(tag.version)
    missing = NotFound(
        f"{report.image} was made of {tag}, which is neither in the store nor at {beside}",
        hint=f"bentopack pull {tag} REGISTRY/REPO, or bentopack import FILE",
    )
    with writing(temporary, otherwise="set TMPDIR to"), scratch_dir(temporary) as scratch:
        reporter.step(f"fetching {tag}")
        try:
            proven = fetch_bento(registries, beside, tag.name, scratch / "bento", reporter)
        except NotFound:
            raise missing from None
        except RegistryError as error:
            if error.status != _NO_SUCH_MANIFEST:
                raise
            raise missing from None
        yield proven


def _epoch(report: ImageReport) -> int | None:
    """``SOURCE_DATE_EPOCH`` as it was; None where the image's time is the one that it has without."""
    from bentopack._fs import EPOCH
    from bentopack.image.labels import CREATED, epoch_of, rfc3339

    made = epoch_of(str(report.created))
    return None if made == EPOCH and report.said.get(CREATED) != rfc3339(EPOCH) else made


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
        return [f"its layers hold the same, and are compressed otherwise than here ({compressor})"]
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
