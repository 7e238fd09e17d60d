"""Hands a compiled image to whoever is to have it: a file, the local engine, registries."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bentopack._fs import SCRATCH
from bentopack._report import Reporter
from bentopack.errors import EngineError, NotFound
from bentopack.image.engine import Engine
from bentopack.oci.blobs import Blobs
from bentopack.oci.image import Image
from bentopack.oci.layout import write_archive


def write_file(image: Image, path: Path, tags: Sequence[str]) -> None:
    """Write an archive in the place of what was there; nobody finds half of one.

    What is no regular file (a pipe, ``/dev/stdout``) is written to, not replaced, and a link's target is.
    """
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            write_archive(image, file, tags)
        return
    place = path.resolve()
    handle, name = tempfile.mkstemp(dir=place.parent, prefix=SCRATCH)
    written = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            write_archive(image, file, tags)
        written.chmod(0o644)
        written.replace(place)
    finally:
        written.unlink(missing_ok=True)


def load(image: Image, tags: Sequence[str], engine: Engine, blobs: Blobs, reporter: Reporter) -> None:
    """Give an image to the local engine; layers that it has already, from an earlier one, are not sent again.

    Raises:
        EngineError: it does not take the image.
    """
    found = _id(image, engine)
    if found is None:
        reporter.step("loading the image into the engine")
        # One that keeps images in containerd takes whole ones alone.
        known = frozenset() if engine.keeps_images_in_containerd() else _known(image, tags, engine, blobs)
        try:
            found = _send(image, tags, engine, known)
        except EngineError:
            if not known:
                raise
            found = _send(image, tags, engine, frozenset())  # it has removed one since
    for tag in tags:
        engine.tag(found, tag)
    blobs.note(_key(tags), found)


def _send(image: Image, tags: Sequence[str], engine: Engine, known: frozenset[str]) -> str:
    with tempfile.TemporaryFile(prefix="bentopack-load-") as file:
        write_archive(image, file, tags, known=known)
        file.seek(0)
        engine.load(file)
    if found := _id(image, engine):
        return found
    raise EngineError("the engine took the image, and has it under another id")


def _known(image: Image, tags: Sequence[str], engine: Engine, blobs: Blobs) -> frozenset[str]:
    """The layers from the lowest on that an earlier image of these names has, one on the other."""
    ours = [part.layer.diff_id for part in image.parts]
    best = 0
    for each in (*tags, blobs.noted(_key(tags))):
        theirs = engine.layers(each) if each else ()
        same = next((n for n, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1]), None)
        best = max(best, min(len(ours), len(theirs)) if same is None else same)
    return frozenset(ours[:best]) - frozenset(ours[best:])


def _id(image: Image, engine: Engine) -> str | None:
    """The id of an image in an engine: of its configuration, or in containerd of its manifest; None where it is not."""
    for digest in (image.config_descriptor.digest, image.descriptor.digest):
        try:
            return engine.inspect(digest).id
        except NotFound:
            continue
    return None


def _key(tags: Sequence[str]) -> str:
    names = sorted(tag.rpartition(":")[0] or tag for tag in tags)
    return hashlib.sha256(f"loaded {names}".encode()).hexdigest()
