"""A folder of tagged things, shared by the Bento store and the model store.

    <root>/<name>/<version>/           the thing itself, whose bytes never tell when it was made
    <root>/<name>/.<version>.created   when it was stored, the store's own knowledge, as is all beside the thing

There is no index file to lock: two processes may store and delete at once, and the newest stamp is ``latest``.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from difflib import get_close_matches
from pathlib import Path

from bentopack._fs import SCRATCH, is_writable, scratch_dir, write_atomic, writing
from bentopack.errors import NotFound, StorageError
from bentopack.tag import LATEST, InvalidTag, Tag, is_name, is_version


@dataclass(frozen=True)
class Stored:
    """One thing in a store: its tag, its folder, and when it was stored (UTC)."""

    tag: Tag
    path: Path
    created: datetime


class Store:
    """Things by tag below ``root``.

    Args:
        root: the folder; made when something is first stored.
        noun: what the things are called in messages, such as ``Bento`` or ``model``.
    """

    def __init__(self, root: Path, noun: str) -> None:
        self.root = root
        self.noun = noun

    def list(self, name: str | None = None) -> list[Stored]:
        """Return what is stored, of one name or of all, the newest first.

        Raises:
            InvalidTag: ``name`` cannot be one.
            StorageError: a file is where the store would be.
        """
        if name is not None and not is_name(name):
            raise InvalidTag.of(name)
        self._require_no_file()
        names = [name] if name else [path.name for path in _folders(self.root) if is_name(path.name)]
        found = [
            Stored(Tag(each, path.name), path, self._created(each, path.name))
            for each in names
            for path in _folders(self.root / each)
            if is_version(path.name)
        ]
        return sorted(found, key=lambda item: (item.created, item.tag), reverse=True)

    def get(self, tag: Tag | str) -> Stored:
        """Return one thing; ``latest`` means the newest.

        Raises:
            NotFound: it is not stored; the hint names those that are near.
        """
        wanted = Tag.parse(tag) if isinstance(tag, str) else tag
        for item in self.list(wanted.name):
            if wanted.version in (LATEST, item.tag.version):
                return item
        raise NotFound(f"{self.noun} '{wanted}' is not in the store {self.root}", hint=self._near(wanted))

    @contextlib.contextmanager
    def scratch(self, *, or_elsewhere: bool = False) -> Iterator[Path]:
        """Give a scratch folder for what is to be put, on the store's file system.

        Args:
            or_elsewhere: beside a store that may only be read take another place, as what is made may be stored there.

        Raises:
            StorageError: the store cannot be written.
        """
        foreign = or_elsewhere and self.root.is_dir() and not is_writable(self.root)
        with self._writing(), scratch_dir(Path(tempfile.gettempdir()) if foreign else self.root) as folder:
            yield folder

    def put(self, tag: Tag, folder: Path) -> Stored:
        """Move a finished folder into the store under ``tag`` and make it the newest of its name.

        ``folder`` must be on the store's file system: make it in :meth:`scratch`. Where the tag is stored already,
        it is left to its owner: equal tags hold equal bytes.

        Raises:
            StorageError: the store cannot be written.
        """
        if not (is_name(tag.name) and is_version(tag.version)):
            raise InvalidTag.of(str(tag))
        target = self.root / tag.name / tag.version
        if target.is_dir():
            return self.renew(tag)
        with self._writing():
            self._move(folder, target, self._stamp(tag.name, tag.version))
        return Stored(tag, target, self._created(tag.name, tag.version))

    def renew(self, tag: Tag | str) -> Stored:
        """Make what is stored under a tag the newest of its name; a store that may only be read is left as it is.

        Raises:
            NotFound: it is not stored.
            StorageError: the store cannot be written.
        """
        item = self.get(tag)
        if is_writable(item.path.parent):
            with self._writing():
                write_atomic(self._stamp(item.tag.name, item.tag.version), str(time.time_ns()))
        return Stored(item.tag, item.path, self._created(item.tag.name, item.tag.version))

    def _move(self, folder: Path, target: Path, stamp: Path) -> None:
        """Stamp a place and move a folder to it. In this order a kill or a full disk leaves nothing without a date."""
        folder.chmod(0o755)
        try:
            write_atomic(stamp, str(time.time_ns()))
            while not target.is_dir():
                target.parent.mkdir(parents=True, exist_ok=True)
                try:
                    folder.rename(target)
                except FileNotFoundError:
                    if target.parent.is_dir():
                        raise  # else the last of this name was deleted just now: once more
                except OSError:
                    if not target.is_dir():
                        raise
        finally:
            if not target.is_dir():
                stamp.unlink(missing_ok=True)
                with contextlib.suppress(OSError):
                    target.parent.rmdir()

    def delete(self, tag: Tag | str) -> Tag:
        """Remove one thing and return its full tag.

        Raises:
            NotFound: it is not stored.
            StorageError: the store cannot be written.
        """
        item = self.get(tag)
        # Renamed first, so that a kill in the middle leaves no half of it under its tag.
        grave = self.root / f"{SCRATCH}deleted-{item.tag.name}-{item.tag.version}-{time.time_ns()}"
        with self._writing():
            item.path.rename(grave)
            for beside in item.path.parent.glob(f".{item.tag.version}.*"):
                beside.unlink(missing_ok=True)
        shutil.rmtree(grave, ignore_errors=True)
        with contextlib.suppress(OSError):
            item.path.parent.rmdir()
        return item.tag

    def _require_no_file(self) -> None:
        """A store that is not there yet is empty; one that can never be there is a mistake."""
        nearest = next(path for path in (self.root, *self.root.parents) if path.exists())
        if not nearest.is_dir():
            raise StorageError(
                f"{self.root} cannot be a store: {nearest} is not a folder", hint="set BENTOPACK_HOME to a folder"
            )

    def _writing(self) -> contextlib.AbstractContextManager[None]:
        return writing(self.root, otherwise="set BENTOPACK_HOME to")

    def beside(self, tag: Tag, what: str) -> Path:
        """The file beside a thing that holds some knowledge of the store's own about it; it goes with the thing."""
        return self.root / tag.name / f".{tag.version}.{what}"

    def _stamp(self, name: str, version: str) -> Path:
        return self.beside(Tag(name, version), "created")

    def _created(self, name: str, version: str) -> datetime:
        try:
            nanoseconds = int(self._stamp(name, version).read_text())
        except (FileNotFoundError, ValueError):
            nanoseconds = 0  # put again in the moment that it was deleted: stored, of unknown age
        return datetime.fromtimestamp(nanoseconds / 1e9, timezone.utc)

    def _near(self, wanted: Tag) -> str:
        stored = self.list()
        if not stored:
            return f"the store is empty: no {self.noun} has been saved yet"
        same_name = [str(item.tag) for item in stored if item.tag.name == wanted.name]
        near = same_name or [
            str(item.tag)
            for name in get_close_matches(wanted.name, sorted({item.tag.name for item in stored}), n=3, cutoff=0.4)
            for item in self.list(name)[:1]
        ]
        known = near or [str(item.tag) for item in stored]
        return f"{'near' if near else 'stored'}: {', '.join(known[:5])}"


def _folders(root: Path) -> list[Path]:
    try:
        return [path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return []
