"""``bentopack plan``: what an image will be, before it is built."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bentopack.cli.options import (
    BaseImageOption,
    Format,
    GpuOption,
    ImagePlatformOption,
    OutputOption,
    TargetArgument,
    VerboseOption,
)

if TYPE_CHECKING:
    from bentopack._report import Reporter
    from bentopack.cli.output import Output
    from bentopack.cli.target import ResolvedBento
    from bentopack.image.keys import Reuse
    from bentopack.image.plan import ImagePlan, Layer


def plan(
    target: TargetArgument = None,
    *,
    gpu: GpuOption = False,
    platform: ImagePlatformOption = None,
    base_image: BaseImageOption = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="TAG", help="Compare with this Bento. Default: the one of its name that was built before it."
        ),
    ] = None,
    output: OutputOption = Format.text,
    verbose: VerboseOption = False,
) -> None:
    """Show what an image will be: its base and why, its layers, and which of them a rebuild makes anew.

    Needs no engine, and makes nothing but the Bento of a project. A layer's size is that of the files that it copies;
    what is installed has none before it is.

    Example:  bentopack plan iris:latest --gpu
    """
    from bentopack.cli.output import Output
    from bentopack.cli.target import resolve_bento
    from bentopack.image.from_bento import plan_bento
    from bentopack.image.keys import reuse

    out = Output(verbose=verbose)
    wanted: dict[str, Any] = {"variant": "gpu" if gpu else "cpu", "platform": platform, "base_image": base_image}
    with out.working() as reporter:
        bento = resolve_bento(target, reporter=reporter, platform=platform)
        planned = plan_bento(bento.path, **wanted)
        before = _before(bento, against, wanted, reporter)
    after = before[0] if before else None
    reuses = reuse(planned, before[1]) if before else None
    if output is Format.json:
        out.json(_facts(bento, planned, after, reuses))
    else:
        _tell(out, bento, planned, after, reuses)


def _before(
    bento: ResolvedBento, against: str | None, wanted: dict[str, Any], reporter: Reporter
) -> tuple[str, ImagePlan] | None:
    """The Bento whose image a rebuild starts from, and the plan of that."""
    from bentopack.bento.store import bento_store
    from bentopack.errors import BentopackError
    from bentopack.image.from_bento import plan_bento

    if against:
        stored = bento_store().get(against)
        return str(stored.tag), plan_bento(stored.path, **wanted)
    stored_ones = bento_store().list(bento.tag.name)  # the newest first
    tags = [stored.tag for stored in stored_ones]
    # What was built after this one, nobody rebuilds it from.
    for stored in stored_ones[tags.index(bento.tag) + 1 if bento.tag in tags else 0 :]:
        try:
            return str(stored.tag), plan_bento(stored.path, **wanted)
        except BentopackError as error:
            reporter.output(f"{stored.tag} is not compared with: {error.message}")
    return None


def _facts(bento: ResolvedBento, plan: ImagePlan, after: str | None, reuses: list[Reuse] | None) -> dict[str, Any]:
    from dataclasses import asdict

    facts = asdict(plan)
    for position, layer in enumerate(facts["layers"]):
        layer["reuse"] = reuses[position] if reuses else None
    return {
        "bento": str(bento.tag),
        "bento_digest": bento.digest,
        "against": after,
        **facts,
        "environment": dict(plan.environment),
        "labels": dict(plan.labels),
    }


def _tell(out: Output, bento: ResolvedBento, plan: ImagePlan, after: str | None, reuses: list[Reuse] | None) -> None:
    out.result(f"{bento.tag}: {plan.variant}, {plan.platform}, Python {plan.python}")
    out.result(f"base: {plan.base.reference}")
    for reason in plan.base.reasons:
        out.result(f"  {reason}")
    if plan.base.builder_image:
        out.result(f"packages are compiled on: {plan.base.builder_image}")
    out.result("")
    compared = (f"REBUILD AFTER {after}",) if reuses else ()
    rows = [(*_row(layer), *(reuses[index : index + 1] if reuses else ())) for index, layer in enumerate(plan.layers)]
    out.table(("LAYER", "HOLDS", "SIZE", "KEY", *compared), rows, empty="no layers")
    if reuses and "linked" in reuses:
        out.result(
            "linked: reused by builders that know COPY --link, Docker's from 23 on; others copy the same files anew"
        )
    if plan.template:
        out.result("docker.dockerfile_template may change and add layers")
    out.result("")
    out.result(f"runs {' '.join(plan.entrypoint)} as {plan.user}, port {plan.port}")
    for note in plan.notes:
        out.warn(note)


def _row(layer: Layer) -> tuple[str, str, str, str]:
    from bentopack.cli.output import size

    return layer.kind, layer.holds, "-" if layer.size is None else size(layer.size), (layer.key or "")[:12]
