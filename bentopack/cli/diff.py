"""``bentopack diff``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from bentopack.cli.options import Format, OutputOption


def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="A Bento's tag, its folder, or an archive.")],
    after: Annotated[str, typer.Argument(metavar="B", help="Another one's.")],
    output: OutputOption = Format.text,
) -> None:
    """Show what differs between two Bentos.

    Tells settings, APIs, models, packages and source files that were changed, added or removed.

    Example:  bentopack diff iris:0b1c9d2e4f5a6b7c iris
    """
    from dataclasses import asdict

    from bentopack.bento.diff import diff_bentos
    from bentopack.cli.output import Output

    out = Output()
    with _folder(before) as old, _folder(after) as new:
        changes = diff_bentos(old, new)
    if output is Format.json:
        out.json([asdict(change) for change in changes])
        return
    rows = [(change.section, change.name, change.before or "-", change.after or "-") for change in changes]
    out.table(("WHAT", "NAME", "BEFORE", "AFTER"), rows, empty="no difference")


@contextmanager
def _folder(target: str) -> Iterator[Path]:
    from bentopack.bento.store import bento_store
    from bentopack.cli.target import bento_folder, unpacked_aside

    if Path(target).is_file():
        with unpacked_aside(Path(target)) as proven:
            yield proven.path
    else:
        yield bento_folder(target) or bento_store().get(target).path
