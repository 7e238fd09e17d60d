"""``bentopack verify``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bentopack.cli.options import Format, OutputOption

if TYPE_CHECKING:
    from bentopack.bento.verify import ProvenBento


def verify(
    target: Annotated[str, typer.Argument(metavar="TAG|DIR|FILE", help="A stored Bento, its folder, or an archive.")],
    output: OutputOption = Format.text,
) -> None:
    """Prove that every file of a Bento is what its digest says.

    Names each file that is missing, added or changed, and exits with 9 then.

    Example:  bentopack verify iris
    """
    from bentopack.cli.output import Output
    from bentopack.errors import IntegrityError

    out = Output()
    with out.working() as reporter:
        reporter.step(f"hashing {target}")
        try:
            proven = _prove(target)
        except IntegrityError as error:
            if output is Format.json:
                out.json({"whole": False, "problems": list(error.problems or (error.message,))})
            raise
    if output is Format.json:
        out.json({"whole": True, "tag": str(proven.tag), "digest": proven.digest})
    else:
        out.result(f"{proven.tag} is whole: {proven.digest}")


def _prove(target: str) -> ProvenBento:
    from bentopack.bento.store import bento_store
    from bentopack.bento.verify import prove, prove_stored
    from bentopack.cli.target import bento_folder, unpacked_aside

    if Path(target).is_file():
        with unpacked_aside(Path(target)) as proven:
            return proven
    if folder := bento_folder(target):
        return prove(folder)
    return prove_stored(bento_store().get(target))
