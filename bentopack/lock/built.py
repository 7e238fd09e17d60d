"""Git dependencies and folders of the project: each becomes a wheel that the Bento carries, as its own wheels are."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from packaging.markers import Marker
from packaging.utils import canonicalize_name

from bentopack._fs import copy_normalised, describe_files
from bentopack._report import Reporter
from bentopack.errors import LockError
from bentopack.lock.building import Wheelwright
from bentopack.lock.credentials import without_credentials
from bentopack.lock.git import NoSuchCommit, check_out, commit_of
from bentopack.lock.markers import selected
from bentopack.lock.resolver import BuiltPin, LocalWheel, Target
from bentopack.lock.wheels import fits, local_wheel
from bentopack.spec.buildable import Source
from bentopack.spec.walk import Walk

_PLATFORMS = ("linux/amd64", "linux/arm64")
Found = tuple[str, tuple[str, ...], Callable[[Path], Path]]
"""A source as a lock names it, as the cache does, and what writes it below a folder."""


@dataclass(frozen=True)
class Built:
    """The wheels of what was built, the requirements that name their extras, and what each was built of."""

    wheels: tuple[LocalWheel, ...] = ()
    lines: tuple[str, ...] = ()
    pins: tuple[tuple[str, BuiltPin], ...] = ()
    """What each was built of, by the requirement."""


@dataclass(frozen=True)
class Workshop:
    """Where sources are built: in which project, for what, with which cache, and what a lock has pinned before."""

    project: Path
    target: Target
    cache: Path
    pins: Mapping[str, BuiltPin]
    upgrade: tuple[str, ...]
    """Names of packages whose pin is not to be kept."""
    reporter: Reporter

    def build(self, sources: Sequence[Source]) -> Built:
        """Build each source that belongs into the image, or take its wheel from the cache.

        Raises:
            LockError: one cannot be had, built, or installed in the image.
        """
        wheels: dict[str, LocalWheel] = {}
        lines: dict[str, None] = {}
        pins: dict[str, BuiltPin] = {}
        for source in sources:
            label = without_credentials(source.line)
            if not self._belongs(source, label):
                continue
            wheel, pins[label] = self._built(source, label)
            self._require_fit(source, wheel, label)
            if (other := wheels.setdefault(wheel.name, wheel)).sha256 != wheel.sha256:
                raise LockError(f"'{wheel.name}' is there twice: {other.path.name}, and {wheel.path.name} of {label}")
            if source.extras:
                lines[f"{wheel.name}[{','.join(source.extras)}]"] = None
        return Built(tuple(wheels.values()), tuple(lines), tuple(sorted(pins.items())))

    def _belongs(self, source: Source, label: str) -> bool:
        marker = Marker(source.marker) if source.marker else None
        answers = {selected(marker, Target(self.target.python, each))[0] for each in _PLATFORMS}
        if len(answers) > 1:
            raise LockError(
                f"{label}: the marker means another thing on each platform, and a wheel that is built is for all",
                hint="build a wheel for each platform, and name the folder they are in under python.find_links",
            )
        return True in answers

    def _built(self, source: Source, label: str) -> tuple[LocalWheel, BuiltPin]:
        pin = self.pins.get(label)
        if pin and pin.name in self.upgrade:
            pin = None
        what, key, fetch = self._of_git(source, label, pin) if source.url else self._of_folder(source, label)
        # Another source may need other tools, and gets the newest.
        tools = pin.tools if pin and pin.source == what else None
        path, used = Wheelwright(self.cache, self.reporter).wheel(key, label, fetch, tools)
        wheel = local_wheel(path)
        return wheel, BuiltPin(name=wheel.name, source=what, tools=used, wheel=path.name, sha256=wheel.sha256)

    def _of_git(self, source: Source, label: str, pin: BuiltPin | None) -> Found:
        url = source.url or ""
        # A branch moves on, a lock does not: it is asked again by `bentopack lock --upgrade`.
        # Whatever stands in the lock is looked up like a name that the user wrote, unless it is a whole commit.
        commit = commit_of(url, pin.source if pin else source.rev, self.reporter)

        def fetch(scratch: Path) -> Path:
            folder = scratch / "source"
            try:
                check_out(url, commit, folder, self.reporter)
            except NoSuchCommit as error:
                if pin is None:
                    raise
                raise LockError(
                    f"the lock pins {label} to the commit {commit}, which the repository no longer has",
                    hint=f"see what became of it; `bentopack lock --upgrade-package {pin.name}` takes what it has now",
                ) from error
            project = (folder / source.subdirectory).resolve()
            if not project.is_relative_to(folder.resolve()) or not project.is_dir():
                raise LockError(f"{label}: there is no folder '{source.subdirectory}' in it")
            return project

        return commit, ("git", without_credentials(url), commit, source.subdirectory), fetch

    def _of_folder(self, source: Source, label: str) -> Found:
        root = self.project.resolve()
        folder = (root / (source.folder or "")).resolve()
        if not folder.is_relative_to(root):
            raise LockError(
                f"{label}: {source.folder} is outside the project {root}",
                hint="another machine would not have it; build a wheel and list it under python.wheels",
            )
        if not any((folder / name).is_file() for name in ("pyproject.toml", "setup.py")):
            raise LockError(f"{label}: there is no pyproject.toml and no setup.py in {folder}")
        files = _files(folder)
        listing = "".join(f"{entry.executable:d} {entry.sha256} {entry.path}\n" for entry in describe_files(files))
        digest = hashlib.sha256(listing.encode()).hexdigest()
        return f"sha256:{digest}", ("folder", digest), partial(_copy, files)

    def _require_fit(self, source: Source, wheel: LocalWheel, label: str) -> None:
        if source.name and canonicalize_name(source.name) != wheel.name:
            raise LockError(f"{label} is a project of another name, '{wheel.name}'")
        if not fits(wheel, self.target):
            raise LockError(
                f"{label}: the wheel that is built of it here, {wheel.path.name}, is not for Python "
                f"{self.target.python} on {self.target.platform}",
                hint="build it on such a machine, and list the wheel under python.wheels",
            )


def _files(folder: Path) -> list[tuple[str, Path]]:
    """What a folder's wheel is built of: without caches, version control, and what builds left there."""
    walk = Walk(folder, excluded=lambda path: path in {"build/", "dist/"}, included=lambda path: True)
    files = sorted(walk.files())
    if walk.wrong:
        raise LockError("\n".join(str(problem) for problem in walk.wrong))
    return files


def _copy(files: Sequence[tuple[str, Path]], scratch: Path) -> Path:
    folder = scratch / "source"
    folder.mkdir()
    for relative, path in files:
        copy_normalised(path, folder / relative)
    return folder
