"""What the Bento store's and the model store's commands share."""

from __future__ import annotations

from bentopack._store import Store
from bentopack.cli.output import Output
from bentopack.tag import InvalidTag


def delete_each(store: Store, tags: list[str], out: Output) -> None:
    """Delete things by tag; where one is not there, none is deleted.

    Raises:
        InvalidTag: one names no version, which is too little to delete by.
        NotFound: one of them is not stored.
    """
    for text in tags:
        if ":" not in text:
            newest = store.get(text).tag
            raise InvalidTag(f"'{text}' does not say which version to delete", hint=f"the newest is {newest}")
    found = [store.get(tag).tag for tag in tags]
    for tag in dict.fromkeys(found):
        out.result(f"Deleted {store.delete(tag)}")
