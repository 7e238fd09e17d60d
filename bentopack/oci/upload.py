"""A blob on its way into a registry: in chunks, gone on with after a break, perhaps before its digest is known."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import Event, Semaphore, Thread
from urllib.parse import quote, urlsplit

from bentopack.errors import RegistryError
from bentopack.oci.image import Stream
from bentopack.oci.wire import Wire

_CHUNK = 64 << 20  # bytes in one request of an upload: what is lost at most where a connection breaks
_TRIES = 5


class Stopped(Exception):
    """Nobody wants any more what is being sent."""


class Ahead:
    """A blob that is sent by a thread of its own while its digest is being computed, once it has its turn."""

    def __init__(self, begin: Callable[[Stream], Upload], stream: Stream, turns: Semaphore) -> None:
        self._begin = begin
        self._stream = stream
        self._turns = turns
        self._stop = Event()
        self._upload: Upload | None = None
        self._failed: Exception | None = None
        self._thread = Thread(target=self._run, daemon=True)  # an error elsewhere does not wait for it
        self._thread.start()

    def _run(self) -> None:
        try:
            with self._turns:
                self._upload = self._begin(self._until_stopped)
                self._upload.run()
        except Exception as error:  # whoever pushes sends it again, and is told then
            self._failed = error

    def _until_stopped(self) -> Iterator[bytes | memoryview]:
        for piece in self._stream():
            if self._stop.is_set():
                raise Stopped
            yield piece

    def finish(self, digest: str) -> bool:
        """Wait until all of it is sent, and name it; False where it did not arrive.

        Raises:
            RegistryError: the registry found other bytes than it was told.
        """
        self._thread.join()
        if self._failed or self._upload is None:
            return False
        self._upload.finish(digest)
        return True

    def give_up(self) -> None:
        """Stop sending, and let the registry forget what arrived."""
        self._stop.set()
        self._thread.join()
        if self._upload:
            self._upload.cancel()


class Upload:
    """One blob on its way, in chunks: after a break it goes on from what the registry has."""

    def __init__(self, wire: Wire, scope: str, size: int, stream: Stream, *, uploads: str, location: str) -> None:
        self._wire = wire
        self._uploads = uploads
        self._scope = scope
        self._size = size
        self._stream = stream
        self._location = location
        self._pieces = Cut(stream(), 0)

    def run(self) -> None:
        """Send it all.

        Raises:
            RegistryError: it breaks off again and again.
        """
        arrived, tries = 0, 0
        while arrived < self._size:
            try:
                arrived = self._chunk(arrived)
            except RegistryError:
                tries += 1
                if tries == _TRIES:
                    raise
                time.sleep(tries / 2)
                arrived = self._arrived()
                self._pieces = Cut(self._stream(), arrived)

    def finish(self, digest: str) -> None:
        """Say what it was that was sent.

        Raises:
            RegistryError: the registry found other bytes.
        """
        joined = "&" if urlsplit(self._location).query else "?"
        self._wire.ask(
            "PUT",
            f"{self._location}{joined}digest={quote(digest, safe='')}",
            self._scope,
            expected=(201,),
            headers={"Content-Type": "application/octet-stream"},
            body=lambda: b"",
        )

    def cancel(self) -> None:
        """Let the registry forget it; one that does not know how forgets it some day."""
        with suppress(RegistryError):
            self._wire.ask("DELETE", self._location, self._scope, expected=(204,), once=True)

    def _chunk(self, start: int) -> int:
        end = min(start + _CHUNK, self._size)
        answer = self._wire.ask(
            "PATCH",
            self._location,
            self._scope,
            expected=(202,),
            headers={
                "Content-Type": "application/octet-stream",
                "Content-Length": str(end - start),
                "Content-Range": f"{start}-{end - 1}",
            },
            body=lambda: self._pieces.take(end - start),
            once=True,
        )
        self._location = answer.headers.get("Location", self._location)
        return end

    def _arrived(self) -> int:
        """How much of it the registry has."""
        answer = self._wire.ask("GET", self._location, self._scope, expected=(204,))
        self._location = answer.headers.get("Location", self._location)
        match = re.fullmatch(r"(?:bytes=)?0-(\d+)", answer.headers.get("Range", ""))
        if match and int(match[1]):
            return int(match[1]) + 1
        # "0-0" is said of one byte and of none: an upload from the beginning is neither.
        begun = self._wire.ask("POST", self._uploads, self._scope, expected=(202,))
        self._location = begun.headers["Location"]
        return 0


class Cut:
    """A stream, taken from in lengths, from some place on."""

    def __init__(self, pieces: Iterator[bytes | memoryview], start: int) -> None:
        self._pieces = pieces
        self._held = memoryview(b"")
        for _ in self.take(start):
            pass

    def take(self, size: int) -> Iterator[memoryview]:
        """Yield the next ``size`` bytes."""
        while size:
            if not self._held:
                self._held = memoryview(next(self._pieces))
            piece, self._held = self._held[:size], self._held[size:]
            size -= len(piece)
            yield piece
