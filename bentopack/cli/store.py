"""What the Bento store's and the model store's commands share."""

from __future__ import annotations

from bentopack._store import Store
from bentopack.cli.output import Output


def delete_each(store: Store, tags: list[str], out: Output) -> None:
    """Delete things by tag; where one is not there, none is deleted.

    Raises:
        NotFound: one of them is not stored.
    """
    found = [store.get(tag).tag for tag in tags]
    for tag in dict.fromkeys(found):
        out.result(f"Deleted {store.delete(tag)}")
