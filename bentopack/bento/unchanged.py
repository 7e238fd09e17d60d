"""Knows a build again: while nothing that it reads has changed, its Bento is the one in the store.

As in git's index, a file counts as unchanged while its status does (size, times, inode). To ask for that takes a
hundredth of the time of reading the project, its lock and its models, and of writing the same Bento once more.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

import bentopack
from bentopack._fs import is_scratch, sha256_file, write_atomic
from bentopack._home import home, model_home
from bentopack._report import Reporter
from bentopack._resources import resource_dir
from bentopack.bento.digest import read_digest
from bentopack.bento.options import BuildOptions
from bentopack.bento.store import BuiltBento, bento_store
from bentopack.errors import BentopackError
from bentopack.lock import LOCK_NAME
from bentopack.spec.ignore import never_belongs

_GRAIN = 2_000_000_000  # nanoseconds: the coarsest clock of a file system; what is younger may change and keep its time

Statuses = dict[str, tuple[int, ...]]
"""The status of each file and folder by its path: of a folder the mode alone; a file's ctime is the last."""


@dataclass(frozen=True)
class Look:
    """A project, bentopack itself and the names in the model store, as they were before a build read them."""

    project: Path
    record: Path
    """Where it is remembered what was built of it."""
    statuses: Statuses
    young: tuple[str, ...]
    """Files that are known by their content, since their times tell nothing yet."""


class _Record(msgspec.Struct, frozen=True):
    inputs: str
    young: tuple[str, ...]
    models: tuple[str, ...]
    """Folders of the models that the Bento carries."""
    tag: str
    digest: str
    warnings: tuple[str, ...]


def look(project: Path, options: BuildOptions) -> Look:
    """Take the status of all that a build of the project may read."""
    began = time.time_ns()
    project = project.resolve()
    roots = (project, Path(bentopack.__file__).parent, resource_dir("templates"))
    statuses: Statuses = {str(root): () for root in roots}
    for root in roots:
        statuses |= _below(root)
    young = tuple(path for path, status in statuses.items() if status[-1:] > (began - _GRAIN,))
    # Which version is the latest: a model that is saved while a build runs must not pass for one that it read.
    statuses |= _below(model_home(), levels=2)
    return Look(project, _record_path(project, options), statuses, young)


def recall(seen: Look, reporter: Reporter) -> BuiltBento | None:
    """Return the Bento that was built of the very same, and warn as that build did; None where there is none."""
    try:
        record = msgspec.json.decode(seen.record.read_bytes(), type=_Record)
        if record.inputs != _inputs(seen, record.young, record.models):
            return None
        stored = bento_store().renew(record.tag)
        if read_digest(stored.path) != record.digest:
            return None
    except (OSError, msgspec.MsgspecError, BentopackError):
        return None  # it is built as if for the first time, which tells what is wrong
    for warning in record.warnings:
        reporter.warn(warning)
    return BuiltBento(stored.tag, stored.path, record.digest, reused=True)


def remember(seen: Look, built: BuiltBento, warnings: Iterable[str]) -> None:
    """Keep what was built of a project as it was seen."""
    if not all(str(path) in seen.statuses for path in built.read):
        return  # it reads what lies outside the project, and that may change unseen
    models = tuple(map(str, built.models))
    inputs = _inputs(seen, seen.young, models)
    record = _Record(inputs, seen.young, models, str(built.tag), built.digest, tuple(warnings))
    # What cannot be remembered costs time, and nothing else.
    with contextlib.suppress(OSError, UnicodeEncodeError):
        write_atomic(seen.record, msgspec.json.encode(record))


class Remembering:
    """A reporter that passes everything on, and keeps the warnings."""

    def __init__(self, reporter: Reporter) -> None:
        self.warnings: list[str] = []
        self._reporter = reporter
        self.step = reporter.step
        self.output = reporter.output

    def warn(self, message: str) -> None:
        self.warnings.append(message)
        self._reporter.warn(message)


def _record_path(project: Path, options: BuildOptions) -> Path:
    key = repr((str(project), options, bentopack.__file__, sys.version))
    return home() / "cache" / "builds" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"


def _inputs(seen: Look, young: Iterable[str], models: Iterable[str]) -> str:
    """Digest what a build depends on; the build itself writes the lock, so of that only the content counts."""
    inputs: dict[str, object] = dict(seen.statuses)
    for folder in models:
        # Each Bento that links to a model's file alters its ctime.
        inputs |= {path: status[:-1] for path, status in _below(Path(folder))}
    for path in (*young, str(seen.project / LOCK_NAME)):
        inputs[path] = _content(path)
    return hashlib.sha256(repr(sorted(inputs.items())).encode()).hexdigest()


def _content(path: str) -> tuple[int, str] | None:
    try:
        mode = Path(path).stat().st_mode
        # Whoever opens a pipe waits for somebody to write to it; no build takes one.
        return (mode, sha256_file(Path(path))) if stat.S_ISREG(mode) else (mode, "")
    except OSError:
        return None


def _below(folder: Path, levels: int = sys.maxsize) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the path and the status of all below a folder but for what no build looks into."""
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        try:
            status = entry.stat()
        except OSError:
            status = entry.stat(follow_symlinks=False)  # a link that leads nowhere
        if not stat.S_ISDIR(status.st_mode):
            if not is_scratch(entry.name):
                yield entry.path, _status(status)
        elif not _is_left_out(entry):
            yield entry.path, (status.st_mode,)
            # What a link leads to is in the project by another name, or no build takes it.
            if levels > 1 and not entry.is_symlink():
                yield from _below(Path(entry.path), levels - 1)


def _status(status: os.stat_result) -> tuple[int, ...]:
    return status.st_mode, status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns


def _is_left_out(entry: os.DirEntry[str]) -> bool:
    return never_belongs(f"{entry.name}/") or is_scratch(entry.name) or entry.path == str(home())
