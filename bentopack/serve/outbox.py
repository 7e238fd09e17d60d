"""A worker's replies to one front end, on their way: put in as they are made, sent as few frames."""

from __future__ import annotations

import contextlib
import logging
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import compress

from bentopack.serve.errors import INTERNAL_ERROR
from bentopack.serve.frames import Media, Replies, pack_replies

_REMEMBERED = 100_000  # as many as a front end sends at most

_log = logging.getLogger("bentopack.serve")


class Outbox:
    """Replies that wait to be sent. One thread may put, and ``on_put`` is called there, while another takes."""

    def __init__(self, on_put: Callable[[], None] | None = None) -> None:
        self._on_put = on_put
        self._replies: deque[tuple[tuple[int, int], Sequence[int], Sequence[bytes]]] = deque()
        self._dropped: dict[int, None] = {}
        self._closed = False

    def put(self, identity: int, status: int, media: int, body: bytes) -> None:
        """Add a reply, unless nobody waits for it."""
        self.put_all((identity,), status, media, (body,))

    def put_all(self, ids: Sequence[int], status: int, media: int, bodies: Sequence[bytes]) -> None:
        """Add replies of one kind, but those that nobody waits for."""
        if self._dropped and (dropped := self.forgets(ids)):
            wanted = [each not in dropped for each in ids]
            ids, bodies = list(compress(ids, wanted)), list(compress(bodies, wanted))
        if ids:
            self._replies.append(((status, media), ids, bodies))
            if self._on_put is not None:
                self._on_put()

    def take(self, took: float = 0.0) -> bytes:
        """Remove all that is there, as frames; nothing where there is nothing. ``took`` is what their call took."""
        if not self._replies:
            return b""
        if len(self._replies) == 1:
            kind, ids, bodies = self._replies.popleft()
            return _packed(Replies(*kind, took, ids, bodies))
        kinds: dict[tuple[int, int], tuple[list[int], list[bytes]]] = {}
        for kind, ids, bodies in [self._replies.popleft() for _ in range(len(self._replies))]:
            all_ids, all_bodies = kinds.setdefault(kind, ([], []))
            all_ids += ids
            all_bodies += bodies
        return b"".join([_packed(Replies(*kind, took, *columns)) for kind, columns in kinds.items()])

    def drop(self, ids: Iterable[int]) -> None:
        """Nobody waits for these requests any more."""
        self._dropped.update(dict.fromkeys(ids))
        while len(self._dropped) > _REMEMBERED:  # what was answered before it was dropped stays behind
            with contextlib.suppress(RuntimeError):  # the other thread has looked for one meanwhile
                self._dropped.pop(next(iter(self._dropped), 0), None)

    def close(self) -> None:
        """Nobody waits for any request any more."""
        self._closed = True

    def forgets(self, ids: Sequence[int]) -> Collection[int]:
        """Say which of these need not be called; asked once."""
        if self._closed:
            return ids
        found = [each for each in ids if each in self._dropped] if self._dropped else ()
        for each in found:
            self._dropped.pop(each, None)
        return found


def _packed(replies: Replies) -> bytes:
    """Write replies as a frame; one that has no place in it becomes a 500, so that its neighbours are sent."""
    try:
        return pack_replies(replies)
    except Exception:
        return b"".join(
            [
                _packable(replies._replace(ids=(each,), bodies=(body,)))
                for each, body in zip(replies.ids, replies.bodies, strict=True)
            ]
        )


def _packable(reply: Replies) -> bytes:
    try:
        return pack_replies(reply)
    except Exception as error:
        _log.error("a reply with status %r and %d bytes cannot be sent: %s", reply.status, len(reply.bodies[0]), error)
        return pack_replies(Replies(500, Media.JSON, 0.0, reply.ids, (INTERNAL_ERROR,)))
