"""``bentopack delete``."""

from __future__ import annotations

from typing import Annotated

import typer


def delete(tags: Annotated[list[str], typer.Argument(metavar="TAG...", help="One or more name:version.")]) -> None:
    """Delete Bentos from the store.

    The models and images made from them stay.

    Example:  bentopack delete iris:0b1c9d2e4f5a6b7c
    """
    from bentopack.bento.store import bento_store
    from bentopack.cli.output import Output
    from bentopack.cli.store import delete_each

    delete_each(bento_store(), tags, Output())
