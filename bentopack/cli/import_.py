"""``bentopack import``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bentopack.cli.options import Format, OutputOption


def import_(
    archive: Annotated[Path, typer.Argument(metavar="FILE", help="What bentopack export wrote.")],
    output: OutputOption = Format.text,
) -> None:
    """Store an exported Bento, proving every file.

    Example:  bentopack import ./iris.bento
    """
    from bentopack.bento.archive import import_bento
    from bentopack.cli.output import Output

    out = Output()
    with out.working() as reporter:
        reporter.step(f"reading {archive}")
        stored = import_bento(archive)
    if output is Format.json:
        out.json({"tag": str(stored.tag), "path": str(stored.path)})
    else:
        out.result(f"Imported {stored.tag}")
