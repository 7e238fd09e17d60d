"""``bentopack export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bentopack.cli.options import BentoArgument, Format, OutputOption


def export(
    tag: BentoArgument,
    target: Annotated[Path, typer.Argument(metavar="PATH", help="The file to write, or the folder for it.")] = Path(),
    output: OutputOption = Format.text,
) -> None:
    """Write a Bento of the store to one file, proving every file first.

    Example:  bentopack export iris ./iris.bento
    """
    from bentopack.bento.archive import export_bento
    from bentopack.bento.store import bento_store
    from bentopack.cli.output import Output

    out = Output()
    stored = bento_store().get(tag)
    with out.working() as reporter:
        reporter.step(f"writing {stored.tag}")
        path = export_bento(stored, target)
    if output is Format.json:
        out.json({"tag": str(stored.tag), "path": str(path), "size": path.stat().st_size})
    else:
        out.result(f"Exported {stored.tag} to {path}")
