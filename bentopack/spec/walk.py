"""Walks a project's files: the same order everywhere, folders that are left out not entered, links kept inside."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bentopack.errors import Problem
from bentopack.spec.ignore import Ignored, never_belongs


@dataclass
class Walk:
    """One walk over a project; ``files`` yields what is there, ``wrong`` and ``odd`` gather what is to be told.

    ``excluded`` and ``included`` judge a path relative to the project; a folder's ends in ``/``. What a link leads to
    is left out where its own place is, and included by the link's name.
    """

    project: Path
    excluded: Callable[[str], bool]
    included: Callable[[str], bool]
    wrong: list[Problem] = field(default_factory=list)
    odd: list[Problem] = field(default_factory=list)

    def files(self) -> Iterator[tuple[str, Path]]:
        """Yield the POSIX path and the path of each file that is not left out."""
        self._root = os.path.realpath(self.project)
        yield from self._folder("", Path(self._root), Ignored(), (self._root,), linked=False)

    def _folder(
        self, relative: str, folder: Path, ignored: Ignored, open_folders: tuple[str, ...], *, linked: bool
    ) -> Iterator[tuple[str, Path]]:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            self._tell(self.wrong, relative, f"the folder cannot be read: {error.strerror}")
            return
        ignored = ignored.enter(relative, folder)
        for entry in entries:
            path = f"{relative}{entry.name}/" if entry.is_dir() else relative + entry.name
            if self._left_out(path, ignored):
                continue
            if entry.is_symlink() and not self._stays(path, entry):
                continue
            # Below a link, what is left out at its own place is not taken at the other one.
            if linked and self._target_left_out(Path(os.path.realpath(entry.path))):
                continue
            if not entry.is_dir():
                yield from self._file(path, Path(entry.path))
            elif (real := os.path.realpath(entry.path)) in open_folders:
                self._tell(self.odd, path, "is a link to a folder around it, and is left out")
            else:
                below_link = linked or entry.is_symlink()
                yield from self._folder(path, Path(entry.path), ignored, (*open_folders, real), linked=below_link)

    def _left_out(self, path: str, ignored: Ignored) -> bool:
        return never_belongs(path) or self.excluded(path) or ignored.excludes(path)

    def _target_left_out(self, real: Path) -> bool:
        """Whether a file or folder of the project is left out where it lies, by its name or by a folder around it."""
        relative, folder, ignored = "", Path(self._root), Ignored()
        for name in real.relative_to(folder).parts:
            ignored = ignored.enter(relative, folder)
            folder /= name
            path = f"{relative}{name}/" if folder.is_dir() else relative + name
            if self._left_out(path, ignored):
                return True
            relative = path
        return False

    def _stays(self, path: str, entry: os.DirEntry[str]) -> bool:
        """Whether a link leads to something of the project that is not left out; tells if not."""
        real = Path(os.path.realpath(entry.path))
        wanted = self.included(path)
        if real.is_relative_to(self._root):
            if not real.exists():
                if wanted:
                    self._tell(self.wrong, path, "is a link that leads nowhere; exclude it or put a file in its place")
                return False
            if self._target_left_out(real):
                if wanted or real.is_dir():
                    where = real.relative_to(self._root).as_posix()
                    self._tell(self.odd, path, f"is a link to {where}, which is left out, and so is the link")
                return False
            return True
        if wanted:
            self._tell(self.wrong, path, "is a link that leads out of the project; exclude it or put a copy there")
        elif real.is_dir():
            self._tell(self.odd, path, "is a link that leads out of the project, and is not followed")
        return False

    def _file(self, path: str, file: Path) -> Iterator[tuple[str, Path]]:
        if not self.included(path):
            return
        if not path.isprintable() or "\\" in path or not _encodable(path):
            self._tell(self.wrong, ascii(path), "has a name that not every system can hold; rename or exclude it")
        elif "/.wh." in f"/{path}":
            self._tell(self.wrong, path, "has a name that in an image deletes another file; rename or exclude it")
        elif not stat.S_ISREG(file.stat().st_mode):
            self._tell(self.odd, path, "is no regular file (a socket, pipe or device), and is left out")
        elif not os.access(file, os.R_OK):
            self._tell(self.wrong, path, "cannot be read; change its permissions or exclude it")
        else:
            yield path, file

    @staticmethod
    def _tell(where: list[Problem], path: str, message: str) -> None:
        where.append(Problem(path.rstrip("/") or ".", 0, 0, message))


def _encodable(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
