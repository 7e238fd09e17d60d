"""A blob on its way into a registry: in one request; after a break from what arrived; perhaps before it has a name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import Event, Semaphore, Thread
from urllib.parse import quote, urlsplit

from bentopack.errors import RegistryError
from bentopack.oci.content import ContentError
from bentopack.oci.image import Stream
from bentopack.oci.parallel import Stopped, pause, require_wanted, wanted_until
from bentopack.oci.wire import Answer, Broken, Wire, backoff

_TRIES = 5
_LOST, _ELSEWHERE = 404, 416  # the upload is not known any more; it does not go on from there
_COMMIT_SECONDS = 900.0  # what a registry may take to hash a large blob, and to move it into its storage
_LOOK_SECONDS = 0.1


class Upload:
    """One blob, sent in as few requests as can be.

    In one ``PUT`` where its digest is known, else in one ``PATCH`` and a ``PUT`` that names it: what Docker and
    containerd do, as not every registry takes more. Parts are for going on after a break.

    Args:
        wire: to the registry.
        repository: where the blob goes.
        size: of the blob, in bytes.
        stream: gives its bytes.
        location: of an upload that has been begun.
    """

    def __init__(self, wire: Wire, repository: str, size: int, stream: Stream, *, location: str | None = None) -> None:
        self._wire = wire
        self._repository = repository
        self._scope = f"repository:{repository}:pull,push"
        self._size = size
        self._stream = stream
        self._location = location or self._begun()

    def send(self, digest: str | None = None) -> None:
        """Send it all, and say what it was where that is known.

        Raises:
            RegistryError: it breaks off again and again, or is refused.
            Stopped: nobody wants it any more.
        """
        arrived, most, tries, lost = 0, 0, 0, False
        while True:
            try:
                return self._rest(arrived, digest)
            except RegistryError as error:
                refused = error.status == _LOST or (arrived and not isinstance(error, Broken))
                if not (refused or isinstance(error, Broken)) or (error.status == _LOST and lost):
                    raise
                if digest and self._is_there(digest):  # the answer alone did not arrive
                    return None
                lost = lost or error.status == _LOST
                arrived = self._anew() if refused else self._arrived()
                tries = 0 if arrived > most else tries + 1
                most = max(arrived, most)
                if tries == _TRIES:
                    raise
                wait = error.wait if isinstance(error, Broken) else None
                pause(backoff(tries) if wait is None else wait)

    def name(self, digest: str) -> None:
        """Say what it was that was sent.

        Raises:
            RegistryError: the registry found other bytes, or does not answer.
        """
        try:
            self._put(digest, None)
        except RegistryError as error:
            if not ((isinstance(error, Broken) or error.status == _LOST) and self._is_there(digest)):
                raise

    def cancel(self) -> None:
        """Let the registry forget it; one that does not know how forgets it some day."""
        with suppress(RegistryError):
            self._wire.ask("DELETE", self._location, self._scope, expected=(200, 202, 204), once=True)

    def _rest(self, start: int, digest: str | None) -> None:
        if digest and start == 0:
            return self._put(digest, lambda: self._bytes_from(0))
        if start < self._size:
            self._patch(start)
        return self._put(digest, None) if digest else None

    def _put(self, digest: str, body: Callable[[], Iterator[memoryview]] | None) -> None:
        joined = "&" if urlsplit(self._location).query else "?"
        self._wire.ask(
            "PUT",
            f"{self._location}{joined}digest={quote(digest, safe='')}",
            self._scope,
            expected=(200, 201, 204),
            headers=_kind(self._size if body else 0),
            body=body or (lambda: b""),
            once=True,
            patience=_COMMIT_SECONDS,
        )

    def _patch(self, start: int) -> None:
        place = {"Content-Range": f"{start}-{self._size - 1}"} if start else {}
        answer = self._wire.ask(
            "PATCH",
            self._location,
            self._scope,
            expected=(200, 201, 202, 204),
            headers={**_kind(self._size - start), **place},
            body=lambda: self._bytes_from(start),
            once=True,
        )
        self._keep_location(answer)
        if (told := _range(answer)) and told < self._size:
            reason = f"{self._wire.registry} kept {told} of the {self._size} bytes that it was sent"
            raise Broken(reason, hint=None, status=None, wait=None)

    def _bytes_from(self, start: int) -> Iterator[memoryview]:
        """What is sent: cut anew each time, as a redirect or a new token has it sent twice."""
        at = 0
        for piece in self._stream():
            require_wanted()
            at += len(piece)
            if at > start:
                yield memoryview(piece)[max(0, start - (at - len(piece))) :]
        if at != self._size:
            raise ContentError(f"a blob of {self._size} bytes has {at} now: did a file change meanwhile?")

    def _arrived(self) -> int:
        """How much of it the registry has; where it does not say so, it gets all of it anew."""
        try:
            answer = self._wire.ask("GET", self._location, self._scope, expected=(200, 202, 204))
        except RegistryError:
            return self._anew()
        self._keep_location(answer)
        # "0-0" is said of one byte and of none: an upload from the beginning is neither.
        return min(_range(answer), self._size) or self._anew()

    def _anew(self) -> int:
        self._location = self._begun()
        return 0

    def _begun(self) -> str:
        uploads = f"/v2/{self._repository}/blobs/uploads/"
        return self._wire.ask("POST", uploads, self._scope, expected=(202,)).location

    def _is_there(self, digest: str) -> bool:
        path = f"/v2/{self._repository}/blobs/{digest}"
        try:
            return self._wire.ask("HEAD", path, self._scope, expected=(200, 404)).status == 200
        except RegistryError:
            return False

    def _keep_location(self, answer: Answer) -> None:
        if "Location" in answer.headers:
            self._location = answer.location


class Ahead:
    """A blob that is sent by a thread of its own while its digest is being computed, once it has its turn.

    Args:
        begin: begins the upload.
        turns: of which one is taken while it is sent.
    """

    def __init__(self, begin: Callable[[], Upload], turns: Semaphore) -> None:
        self._begin = begin
        self._turns = turns
        self._stop = Event()
        self._upload: Upload | None = None
        self._failed: BaseException | None = None
        self._thread = Thread(target=self._run, daemon=True)  # an error elsewhere does not wait for it
        self._thread.start()

    def _run(self) -> None:
        with wanted_until(self._stop):
            try:
                while not self._turns.acquire(timeout=_LOOK_SECONDS):
                    require_wanted()
                try:
                    require_wanted()
                    self._upload = self._begin()
                    self._upload.send()
                finally:
                    self._turns.release()
            except Exception as error:  # whoever pushes sends it again, and is told then
                self._failed = error

    def finish(self, digest: str) -> bool:
        """Wait until all of it is sent, and name it; False where it did not arrive, and has to be sent again.

        Raises:
            Stopped: nobody wants it any more.
        """
        try:
            while self._thread.is_alive():
                require_wanted()
                self._thread.join(_LOOK_SECONDS)
            if self._failed or self._upload is None:
                return False
            self._upload.name(digest)
        except Stopped:
            self._stop.set()
            raise
        except RegistryError:
            return False
        return True

    def give_up(self) -> None:
        """Stop sending, and let the registry forget what arrived."""
        self._stop.set()
        self._thread.join()
        if self._upload:
            self._upload.cancel()


def _kind(size: int) -> dict[str, str]:
    return {"Content-Type": "application/octet-stream", "Content-Length": str(size)}


def _range(answer: Answer) -> int:
    """The bytes that a registry says it has; 0 where it does not say, or may have one or none."""
    match = re.fullmatch(r"(?:bytes=)?0-(\d+)", answer.headers.get("Range", ""))
    return int(match[1]) + 1 if match and int(match[1]) else 0
