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
    from bentopack.image.plan import ImagePlan, Layer


def plan(
    target: TargetArgument = None,
    *,
    gpu: GpuOption = False,
    platform: ImagePlatformOption = None,
    base_image: BaseImageOption = None,
    against: Annotated[
        str | None,
        typer.Option(metavar="TAG", help="Compare with this Bento. Default: the newest other one of the same name."),
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

    out = Output(verbose=verbose)
    wanted: dict[str, Any] = {"variant": "gpu" if gpu else "cpu", "platform": platform, "base_image": base_image}
    with out.working() as reporter:
        bento = resolve_bento(target, reporter=reporter, platform=platform)
        planned = plan_bento(bento.path, **wanted)
        before = _before(bento, against, wanted, reporter)
    made = {layer.key for layer in before[1].layers} if before else set()
    if output is Format.json:
        out.json(_facts(bento, planned, before[0] if before else None, made))
    else:
        _tell(out, bento, planned, before[0] if before else None, made)


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
    for stored in bento_store().list(bento.tag.name):  # the newest first
        if stored.tag != bento.tag:
            try:
                return str(stored.tag), plan_bento(stored.path, **wanted)
            except BentopackError as error:
                reporter.output(f"{stored.tag} is not compared with: {error.message}")
    return None


def _facts(bento: ResolvedBento, plan: ImagePlan, before: str | None, made: set[str | None]) -> dict[str, Any]:
    from dataclasses import asdict

    facts = asdict(plan)
    for layer in facts["layers"]:
        layer["reused"] = layer["key"] in made if before else None
    return {
        "bento": str(bento.tag),
        "bento_digest": bento.digest,
        "against": before,
        **facts,
        "environment": dict(plan.environment),
        "labels": dict(plan.labels),
    }


def _tell(out: Output, bento: ResolvedBento, plan: ImagePlan, before: str | None, made: set[str | None]) -> None:
    out.result(f"{bento.tag}: {plan.variant}, {plan.platform}, Python {plan.python}")
    out.result(f"base: {plan.base.reference}")
    for reason in plan.base.reasons:
        out.result(f"  {reason}")
    if plan.base.builder_image:
        out.result(f"packages are compiled on: {plan.base.builder_image}")
    out.result("")
    compared = (f"REBUILD AFTER {before}",) if before else ()
    rows = [
        (*_row(layer), *(["reused" if layer.key in made else "made anew"] if before else [])) for layer in plan.layers
    ]
    out.table(("LAYER", "HOLDS", "SIZE", "KEY", *compared), rows, empty="no layers")
    out.result("")
    out.result(f"runs {' '.join(plan.entrypoint)} as {plan.user}, port {plan.port}")
    for note in plan.notes:
        out.warn(note)


def _row(layer: Layer) -> tuple[str, str, str, str]:
    from bentopack.cli.output import size

    return layer.kind, layer.holds, "-" if layer.size is None else size(layer.size), (layer.key or "")[:12]
