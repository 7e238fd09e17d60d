"""Where a Bento's project came from: the store's own knowledge, since the same Bento may come of several commits."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import msgspec

from bentopack._fs import is_writable, write_atomic
from bentopack.bento.store import bento_store
from bentopack.lock.credentials import without_credentials
from bentopack.tag import Tag

_SECONDS = 10
_NOTE = "origin"


class Origin(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A commit, and where its repository is; the commit ends in ``-dirty`` where the folder had changes since."""

    revision: str
    source: str | None = None


def read_origin(project: Path) -> Origin | None:
    """Ask git about a project's folder; None where it is in no repository, or there is no git."""
    commit = _git(project, "rev-parse", "HEAD")
    if not commit:
        return None
    changed = _git(project, "status", "--porcelain", "--untracked-files=no", "--", ".")
    remote = _git(project, "remote", "get-url", "origin")
    return Origin(revision=f"{commit}-dirty" if changed else commit, source=_address(remote) if remote else None)


def note_origin(tag: Tag, project: Path) -> None:
    """Remember beside a stored Bento of which commit it was built last."""
    origin = read_origin(project)
    path = bento_store().beside(tag, _NOTE)
    if origin and is_writable(path.parent):
        content = msgspec.json.encode(origin)
        if not path.exists() or path.read_bytes() != content:
            write_atomic(path, content)


def origin_of(tag: Tag) -> Origin | None:
    """Return what is remembered of a stored Bento; None where that is nothing."""
    try:
        return msgspec.json.decode(bento_store().beside(tag, _NOTE).read_bytes(), type=Origin)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


def _address(remote: str) -> str:
    """A remote as a page's address where it has one: ``git@host:team/project.git`` is only git's spelling."""
    remote = without_credentials(re.sub(r"^(?:ssh://)?git@([\w.-]+)[:/](?!/)", r"https://\1/", remote))
    return remote.removesuffix(".git") if remote.startswith("https://") else remote


def _git(folder: Path, *arguments: str) -> str:
    """What git says, or nothing where it fails. It writes nothing (an index would be refreshed) and asks nobody."""
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
