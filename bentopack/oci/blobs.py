"""Content on this machine, by its digest; and layers by the key of what they were made from: each is made once."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from bentopack._fs import pieces_of, sweep, write_atomic
from bentopack.oci.content import LAYER, ContentError, Descriptor

_UNFINISHED = ".writing-"


@dataclass(frozen=True)
class Layer:
    """A layer: what a manifest says of it, and ``diff_id``, the digest of its tar without compression."""

    descriptor: Descriptor
    diff_id: str


class Blobs:
    """A folder of content. Whoever reads a blob gets the bytes of its digest: they were checked when they came in."""

    def __init__(self, root: Path) -> None:
        self._blobs = root / "sha256"
        self._notes = root / "notes"
        for folder in (self._blobs, self._notes):
            folder.mkdir(parents=True, exist_ok=True)

    def path(self, digest: str) -> Path:
        """Where a blob lies, whether it is there or not."""
        return self._blobs / digest.removeprefix("sha256:")

    def has(self, descriptor: Descriptor) -> bool:
        """Whether all of a blob is here."""
        try:
            return self.path(descriptor.digest).stat().st_size == descriptor.size
        except FileNotFoundError:
            return False

    def read(self, digest: str) -> bytes:
        """The whole of a small blob."""
        return self.path(digest).read_bytes()

    def stream(self, digest: str) -> Iterator[bytes]:
        """A blob, piece by piece."""
        return pieces_of(self.path(digest))

    def add(self, pieces: Iterable[bytes]) -> tuple[str, int]:
        """Keep a stream, and return its digest and its size in bytes."""
        digest, size = hashlib.sha256(), 0
        with self.writing() as (file, path):
            for piece in pieces:
                digest.update(piece)
                size += len(piece)
                file.write(piece)
            file.flush()
            found = f"sha256:{digest.hexdigest()}"
            self.keep(path, found)
        return found, size

    def put(self, content: bytes) -> str:
        """Keep some bytes, and return their digest."""
        digest = hashlib.sha256(content).hexdigest()
        path = self._blobs / digest
        if not path.exists():
            write_atomic(path, content)
        return f"sha256:{digest}"

    @contextmanager
    def writing(self) -> Iterator[tuple[BinaryIO, Path]]:
        """Give a temporary file among the blobs; what is not kept by its digest is removed, and what others left."""
        sweep(self._blobs, _UNFINISHED)
        handle, name = tempfile.mkstemp(dir=self._blobs, prefix=_UNFINISHED)
        path = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file, path
        finally:
            path.unlink(missing_ok=True)

    def keep(self, written: Path, digest: str) -> None:
        """Give what was written, whole and closed or flushed, the name of its digest."""
        written.chmod(0o644)
        written.replace(self.path(digest))

    def fetch(self, descriptor: Descriptor, pieces: Iterable[bytes]) -> None:
        """Keep what arrives, if it is what it should be.

        Raises:
            ContentError: it has another digest or size; nothing is kept then.
        """
        digest, size = hashlib.sha256(), 0
        with self.writing() as (file, path):
            for piece in pieces:
                size += len(piece)
                if size > descriptor.size:
                    break
                digest.update(piece)
                file.write(piece)
            file.flush()
            if f"sha256:{digest.hexdigest()}" != descriptor.digest or size != descriptor.size:
                raise ContentError(f"what arrived is not {descriptor.digest} of {descriptor.size} bytes")
            self.keep(path, descriptor.digest)

    def note(self, key: str, value: Any) -> None:
        """Remember something of what a key stands for, as JSON."""
        write_atomic(self._notes / key, json.dumps(value).encode())

    def noted(self, key: str) -> Any:
        """What is remembered of a key; None where that is nothing."""
        try:
            return json.loads((self._notes / key).read_bytes())
        except (FileNotFoundError, ValueError):
            return None

    def layer(self, key: str) -> Layer | None:
        """The layer that was made of what a key stands for, where all of it is still here."""
        told = self.noted(key)
        try:
            layer = Layer(Descriptor.from_json(told["layer"]), str(told["diff_id"]))
        except (KeyError, TypeError, ContentError):
            return None
        # A plain one is written nowhere.
        return layer if layer.descriptor.media_type == LAYER or self.has(layer.descriptor) else None

    def once(self, key: str, make: Callable[[], Layer]) -> Layer:
        """The layer that a key stands for, made where it was not before."""
        if (found := self.layer(key)) is None:
            found = make()
            self.note_layer(key, found)
        return found

    def note_layer(self, key: str, layer: Layer) -> None:
        """Remember what a key came to."""
        self.note(key, {"layer": layer.descriptor.to_json(), "diff_id": layer.diff_id})
