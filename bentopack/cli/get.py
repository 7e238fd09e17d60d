"""``bentopack get``."""

from __future__ import annotations

from typing import Annotated

import typer

from bentopack.cli.options import BentoArgument, BentoFormat


def get(
    tag: BentoArgument,
    output: Annotated[
        BentoFormat, typer.Option("--output", "-o", help="Write the manifest, JSON, or only tag or path.")
    ] = BentoFormat.text,
) -> None:
    """Show one Bento.

    Example:  cd "$(bentopack get iris --output path)"
    """
    import msgspec

    from bentopack.bento.store import get_bento
    from bentopack.cli.output import Output
    from bentopack.spec.manifest import to_yaml

    out = Output()
    bento = get_bento(tag)
    match output:
        case BentoFormat.tag:
            out.result(str(bento.stored.tag))
        case BentoFormat.path:
            out.result(str(bento.stored.path))
        case BentoFormat.json:
            out.json({**bento.facts(), "manifest": msgspec.to_builtins(bento.manifest)})
        case BentoFormat.text:
            out.result(f"# {bento.stored.tag}\n# {bento.digest}\n# {bento.stored.path}")
            out.result(to_yaml(bento.manifest).decode().rstrip())
