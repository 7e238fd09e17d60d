"""A worker's replies to one front end, on their way: put in one by one, sent as few frames."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable

from bentopack.serve.errors import INTERNAL_ERROR
from bentopack.serve.frames import Media, Replies, pack_replies

_REMEMBERED = 10_000

_log = logging.getLogger("bentopack.serve")


class Outbox:
    """Replies that wait to be sent. One thread may put, and ``on_put`` is called there, while another takes."""

    def __init__(self, on_put: Callable[[], None] | None = None) -> None:
        self._on_put = on_put
        self._replies: deque[tuple[int, int, int, bytes]] = deque()
        self._dropped: dict[int, None] = {}
        self._closed = False

    def put(self, identity: int, status: int, media: int, body: bytes) -> None:
        """Add a reply, unless nobody waits for it."""
        if self._dropped and identity in self._dropped:
            del self._dropped[identity]
        else:
            self._replies.append((identity, status, media, body))
            if self._on_put is not None:
                self._on_put()

    def take(self, took: float = 0.0) -> bytes:
        """Remove all that is there, as frames; nothing where there is nothing. ``took`` is what their call took."""
        replies = [self._replies.popleft() for _ in range(len(self._replies))]
        kinds = {(status, media) for _, status, media, _ in replies}
        frames = []
        for kind in kinds:
            of_kind = replies if len(kinds) == 1 else [each for each in replies if each[1:3] == kind]
            ids, bodies = [each[0] for each in of_kind], [each[3] for each in of_kind]
            frames.append(_packed(Replies(*kind, took, ids, bodies)))
        return b"".join(frames)

    def drop(self, ids: Iterable[int]) -> None:
        """Nobody waits for these requests any more."""
        self._dropped.update(dict.fromkeys(ids))
        while len(self._dropped) > _REMEMBERED:  # what was answered before it was dropped stays behind
            del self._dropped[next(iter(self._dropped))]

    def close(self) -> None:
        """Nobody waits for any request any more."""
        self._closed = True

    def forgets(self, identity: int) -> bool:
        """Whether a request need not be called; asked once."""
        if self._closed:
            return True
        if not self._dropped or identity not in self._dropped:
            return False
        del self._dropped[identity]
        return True


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
