"""``containerize --backend oci``: an image without an engine, and where it goes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from bentopack._report import Reporter
    from bentopack.bento.origin import Origin
    from bentopack.cli.image_request import Wanted
    from bentopack.cli.output import Output
    from bentopack.cli.target import ResolvedBento
    from bentopack.image.engine import Engine
    from bentopack.image.plan import ImagePlan
    from bentopack.oci.blobs import Blobs
    from bentopack.oci.compress import Compression
    from bentopack.oci.image import Image, Stream
    from bentopack.oci.registry import Registries
    from bentopack.oci.signature import PrivateKeyFile

_FIRST_ENGINE_WITH_ZSTD = 23  # https://docs.docker.com/engine/release-notes/23.0/


@dataclass(frozen=True)
class Goals:
    """Where an image goes. Without any it is the local engine, and where there is none, a file."""

    tags: tuple[str, ...]
    push: bool = False
    archive: Path | None = None
    layout: Path | None = None
    base_from: Path | None = None
    ca_bundle: Path | None = None
    insecure: tuple[str, ...] = ()
    attest: bool = True
    key: PrivateKeyFile | None = None
    """Signs what is pushed."""
    epoch: int | None = None
    compression: Compression | None = None

    @property
    def is_file(self) -> bool:
        """Whether no engine is asked for."""
        return self.archive is not None or self.layout is not None or self.push


def compile_image(
    bento: ResolvedBento, plan: ImagePlan, goals: Goals, facts: dict[str, Any], reporter: Reporter
) -> None:
    """Compile, deliver, and add to ``facts`` what came of it as soon as it is so.

    Raises:
        PlanError, LockError, RegistryError, ContentError, EngineError: see the rooms that do it.
    """
    from bentopack.bento.origin import origin_of
    from bentopack.cli.pushed import Made, finish_push, image_facts, push_tags, require_images, size_of
    from bentopack.cli.registry import reach
    from bentopack.oci.reference import parse_reference

    # Nobody asks an engine for what goes elsewhere, and starts from what is pinned.
    engine = None if goals.is_file and (goals.base_from or plan.base.pinned) else _engine()
    if engine and not goals.is_file and goals.compression:
        _require_taken(goals.compression, engine)
    registries = reach(goals.ca_bundle, goals.insecure)
    tags = goals.tags or (str(bento.tag),)
    if goals.push:
        require_images(registries, tags)
    ahead = partial(registries.begin, parse_reference(tags[0])) if goals.push else None
    origin = origin_of(bento.tag, bento.digest)
    image, blobs = make(bento, plan, goals, registries, engine, origin, reporter, ahead=ahead)
    id_, digest = image.config_descriptor.digest, image.descriptor.digest
    facts |= image_facts(tags, bento, id_=id_, digest=digest, size=size_of([image]), push=goals.push)
    _write(image, goals, tags, bento, engine, facts, reporter)
    if not goals.is_file and engine:
        from bentopack.image.deliver import load

        load(image, tags, engine, blobs, reporter)
    if goals.push:
        push_tags(image, registries, facts, reporter)
        finish_push([Made(bento, plan, image.descriptor)], registries, goals, facts, reporter)


def compile_index(wanted: Wanted, goals: Goals, facts: dict[str, Any], reporter: Output) -> None:
    """Compile an image for each platform, each from its own lock, and put them under one name; for ``facts`` see above.

    Raises:
        UsageError: there is nowhere to put several, or the target is a Bento, which is locked for one platform.
        BentopackError: see :func:`compile_image`.
    """
    from bentopack._fs import writing
    from bentopack.cli.pushed import Made, finish_push, image_facts, push_tags, require_images, size_of
    from bentopack.cli.registry import reach
    from bentopack.errors import UsageError
    from bentopack.oci.image import Index
    from bentopack.oci.layout import write_index_layout

    if goals.archive or not (goals.push or goals.layout):
        raise UsageError("several platforms under one name: give --push or --layout", hint=_ONE_EACH)
    registries = reach(goals.ca_bundle, goals.insecure)
    if goals.push:
        require_images(registries, goals.tags)
    made = [_of_platform(wanted, each, goals, registries, reporter) for each in wanted.platforms]
    index = Index(tuple(image for *_, image in made))
    tags = goals.tags or tuple(str(bento.tag) for bento, *_ in made[:1])
    size = size_of(index.images)
    facts |= image_facts(tags, None, id_=None, digest=index.descriptor.digest, size=size, push=goals.push)
    facts["platforms"] = {
        plan.platform: {"digest": image.descriptor.digest, "bento": str(bento.tag), "bento_digest": bento.digest}
        for bento, plan, image in made
    }
    if goals.layout:
        reporter.step(f"writing {goals.layout}")
        with writing(goals.layout.absolute(), otherwise="give --layout"):
            write_index_layout(index, goals.layout, tags)
        facts["layout"] = str(goals.layout)
    if goals.push:
        push_tags(index, registries, facts, reporter)
        each_made = [Made(bento, plan, image.descriptor) for bento, plan, image in made]
        finish_push(each_made, registries, goals, facts, reporter)


def _of_platform(
    wanted: Wanted, platform: str, goals: Goals, registries: Registries, reporter: Output
) -> tuple[ResolvedBento, ImagePlan, Image]:
    """Build the project for a platform, and compile the image of that."""
    from bentopack.bento.origin import origin_of
    from bentopack.cli.target import resolve_bento
    from bentopack.errors import UsageError
    from bentopack.image.from_bento import plan_bento
    from bentopack.spec.manifest import read_manifest

    bento = resolve_bento(wanted.target, reporter=reporter, platform=platform, proven=True, later="models")
    plan = plan_bento(bento.path, variant=wanted.variant, platform=platform, base_image=wanted.base_image)
    if (locked := read_manifest(bento.path).variants[wanted.variant].platform) != platform:
        raise UsageError(f"{bento.tag} is locked for {locked}, not for {platform}", hint=_FROM_THE_PROJECT)
    for reason in plan.base.reasons if wanted.explain else ():
        reporter.note(f"{platform}: {reason}")
    reporter.step(f"compiling for {platform}")
    engine = None if goals.base_from or plan.base.pinned else _engine()
    origin = origin_of(bento.tag, bento.digest)
    image, _ = make(bento, plan, goals, registries, engine, origin, reporter)
    return bento, plan, image


_ONE_EACH = "the local engine, and an archive for it, hold an image of one platform"
_FROM_THE_PROJECT = "name the project's folder, or be in it: each platform is built from its own part of bentofile.lock"


def make(
    bento: ResolvedBento,
    plan: ImagePlan,
    goals: Goals,
    registries: Registries,
    engine: Engine | None,
    origin: Origin | None,
    reporter: Reporter,
    *,
    ahead: Callable[[int, Stream], Callable[[str], None]] | None = None,
) -> tuple[Image, Blobs]:
    """Compile an image, and return it with where its layers are.

    Args:
        bento: what it is made of.
        plan: what it is to be.
        goals: where the base is, and when the image counts as made.
        registries: of this command.
        engine: has the base, perhaps.
        origin: the Bento's source, where it is known.
        reporter: is told.
        ahead: see :class:`Compiler`.

    Raises:
        PlanError, LockError, RegistryError, ContentError, EngineError: see the rooms that do it.
    """
    from bentopack._fs import EPOCH
    from bentopack._home import home
    from bentopack.image.below import fetch_base, find_interpreter
    from bentopack.image.compile import Compiler, require_compilable
    from bentopack.image.given import read_given_base
    from bentopack.image.labels import bento_labels
    from bentopack.oci.blobs import Blobs
    from bentopack.oci.compress import GZIP

    require_compilable(plan)
    for note in plan.notes:
        reporter.warn(note)
    blobs = Blobs(home() / "cache" / "oci")
    if goals.base_from:
        base = read_given_base(goals.base_from, plan, blobs, reporter)
    else:
        base = fetch_base(plan, blobs, registries, engine, reporter)
    interpreter = find_interpreter(base, plan.python, blobs, plan.base.image)
    labels = bento_labels(bento.tag, bento.digest, plan, origin=origin, epoch=goals.epoch)
    compiler = Compiler(
        blobs, reporter, EPOCH if goals.epoch is None else goals.epoch, ahead, goals.compression or GZIP
    )
    return compiler.compile(plan, bento.path, base, interpreter, labels), blobs


def _engine() -> Engine | None:
    from bentopack.errors import EngineError
    from bentopack.image.engine import connect

    try:
        return connect(os.environ)
    except EngineError:
        return None


def _require_taken(compression: Compression, engine: Engine) -> None:
    """Refuse layers that an engine cannot unpack."""
    from bentopack.errors import UsageError
    from bentopack.image.dialect import is_major
    from bentopack.oci.content import LAYER_ZSTD

    if compression.media_type == LAYER_ZSTD and not is_major(engine.version, _FIRST_ENGINE_WITH_ZSTD):
        raise UsageError(
            f"the engine {engine.version} takes no zstd layers, Docker {_FIRST_ENGINE_WITH_ZSTD} and newer do",
            hint="leave out --compression, or say where else the image goes: --archive, --layout, --push",
        )


def _write(
    image: Image,
    goals: Goals,
    tags: tuple[str, ...],
    bento: ResolvedBento,
    engine: Engine | None,
    facts: dict[str, Any],
    reporter: Reporter,
) -> None:
    """Write the files that are asked for; one where nothing is, and no engine is there to have the image."""
    from bentopack._fs import writing
    from bentopack.image.deliver import write_file
    from bentopack.oci.layout import write_layout

    archive = goals.archive
    if not goals.is_file and engine is None:
        archive = Path(f"{bento.tag.name}-{bento.tag.version}.oci.tar")
        reporter.warn(
            f"no engine answers here: the image is in {archive}; `docker load -i` or `podman load -i` takes it"
        )
    if goals.layout:
        reporter.step(f"writing {goals.layout}")
        with writing(goals.layout.absolute(), otherwise="give --layout"):
            write_layout(image, goals.layout, tags)
        facts["layout"] = str(goals.layout)
    if archive:
        reporter.step(f"writing {archive}")
        with writing(archive.absolute().parent, otherwise="give --archive a file in"):
            write_file(image, archive, tags)
        facts["archive"] = str(archive)
