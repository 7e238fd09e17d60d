"""Who waits for an answer, and who is asked for it: what requests and workers are to each other in a front end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from bentopack.serve.errors import error_body
from bentopack.serve.hello import ApiKey
from bentopack.serve.shared import Slab

_log = logging.getLogger("bentopack.serve")

LATE = (504, error_body("the answer took too long"))
"""The status and the body of an answer that nobody has given in time."""


SubmitLarge = Callable[[int, int, Slab, int, "Receiver"], None]
"""Takes an API's number, the type of a body, the slab where it lies, how many bytes it has, and who waits."""


class WorkerLink(Protocol):
    """A worker, as those who ask it see it: at the other end of a socket (``link.py``), or right here (``here.py``)."""

    number: int
    numbers: dict[ApiKey, int]
    """The number of each API of this worker."""
    pending: dict[int, Receiver]
    """Who waits for an answer, by the request's id, in the order of arrival."""
    owed: int
    """Requests that were given up, and of which the worker has not shown since that it is done with them."""
    stride: int
    """How many requests that arrive together take the worker next to no time."""

    def room(self, api: int) -> int:
        """How many requests that come now would be called before it is too late, as long as calls take by now."""

    def submit(self, api: int, media: int, bodies: Sequence[bytes], receivers: Sequence[Receiver]) -> None:
        """Send requests that have come together; each answer goes to its receiver."""

    @property
    def submit_large(self) -> SubmitLarge | None:
        """Sends a request whose body lies in a slab, which is the link's from then on; None where it reads none."""

    def drop(self, identity: int) -> None:
        """Nobody waits for this request any more."""


class Answers(Protocol):
    """One API in a front end."""

    def answer(self, receivers: Sequence[Receiver | None], status: int, media: int, bodies: Sequence[bytes]) -> None:
        """Give answers that have come together to those who wait; most ask this API."""


class Receiver(Protocol):
    """Whoever waits for the answer to one request."""

    link: WorkerLink | None
    """Who has sent it, once it is sent."""
    identity: int
    """Its number there."""
    began: float
    """When it was read, in seconds of ``time.perf_counter()``."""
    size: int
    """Bytes of its body."""

    @property
    def api(self) -> Answers:
        """What it asks."""

    def answered(self, status: int, media: int, body: bytes) -> None:
        """Take the answer: called once, on the loop."""


def give_all(receivers: Sequence[Receiver | None], status: int, media: int, bodies: Sequence[bytes]) -> None:
    """Give answers that have come together to those who wait."""
    for receiver in receivers:
        if receiver is not None:
            receiver.api.answer(receivers, status, media, bodies)
            break


def give(receiver: Receiver, status: int, media: int, body: bytes) -> None:
    """Give an answer to who waits for it; others have nothing to do with its failure."""
    try:
        receiver.answered(status, media, body)
    except Exception:
        _log.exception("an answer could not be given to its client")
