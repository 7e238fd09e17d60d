"""``bentopack build``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bentopack.cli.options import (
    DEFAULT_PLATFORM,
    BentoFormat,
    PlatformOption,
    ProjectArgument,
    StrictOption,
    VerboseOption,
    checked_platform,
)

if TYPE_CHECKING:
    from bentopack.bento.store import BuiltBento
    from bentopack.cli.output import Output


def build(
    project: ProjectArgument = Path(),
    version: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Instead of the version that the digest gives.")
    ] = None,
    platform: PlatformOption = DEFAULT_PLATFORM,
    strict: StrictOption = False,
    locked: Annotated[bool, typer.Option("--locked", help="Refuse where bentofile.lock is not up to date.")] = False,
    allow_unpinned: Annotated[
        bool, typer.Option("--allow-unpinned", help="With --locked: accept a base image without its digest.")
    ] = False,
    output: Annotated[
        BentoFormat, typer.Option("--output", "-o", help="Write the result for people, as JSON, or only tag or path.")
    ] = BentoFormat.text,
    verbose: VerboseOption = False,
) -> None:
    """Pack a project into a Bento.

    Reads bentofile.yaml (or [tool.bentopack] in pyproject.toml), locks the requirements into bentofile.lock, and
    stores the Bento. The same inputs give the same tag. None of your code is run.

    Example:  bentopack build --output tag
    """
    from bentopack.bento.options import BuildOptions
    from bentopack.cli.output import Output
    from bentopack.cli.target import build_project
    from bentopack.errors import UsageError
    from bentopack.lock.renewal import Renewal

    if allow_unpinned and not locked:
        raise UsageError("--allow-unpinned goes with --locked; without it, a base without its digest is only warned of")
    out = Output(verbose=verbose)
    options = BuildOptions(
        platform=checked_platform(platform),
        version=version,
        strict=strict,
        renewal=Renewal(refuse=locked),
        allow_unpinned=allow_unpinned,
    )
    with out.working() as reporter:
        built = build_project(project, options, reporter)
    _show(out, built, output)


def _show(out: Output, built: BuiltBento, output: BentoFormat) -> None:
    match output:
        case BentoFormat.tag:
            out.result(str(built.tag))
        case BentoFormat.path:
            out.result(str(built.path))
        case BentoFormat.json:
            manifest = built.manifest
            out.json(
                {
                    "tag": str(built.tag),
                    "digest": built.digest,
                    "path": str(built.path),
                    "reused": built.reused,
                    "service": manifest.service.target,
                    "models": [model.tag for model in manifest.models],
                    "packages": {name: variant.packages for name, variant in manifest.variants.items()},
                }
            )
        case BentoFormat.text:
            out.result(f"{'Unchanged' if built.reused else 'Built'} {built.tag}")
            out.result(f"  {built.digest}")
            out.result(f"  {built.path}")
            out.result(f"Next: bentopack run {built.tag}   or: bentopack containerize {built.tag}")
