"""Where a Bento's project came from: the store's own knowledge, since the same Bento may come of several commits."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from bentopack._fs import is_writable, write_atomic
from bentopack._say import say
from bentopack.bento.store import bento_store
from bentopack.lock import LOCK_NAME
from bentopack.tag import Tag

_SECONDS = 10
_NOTE = "origin"


class Origin(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A commit, and where its repository is; the commit ends in ``-dirty`` where the folder had changes since."""

    revision: str
    source: str | None = None


class _Note(msgspec.Struct, frozen=True, kw_only=True):
    """What lies beside a stored Bento: its digest, since another folder may hold another Bento of the same tag."""

    bento: str
    origin: Origin


def read_origin(project: Path) -> Origin | None:
    """Ask git about a project's folder; None where it is in no repository, or there is no git."""
    commit = _git(project, "rev-parse", "HEAD")
    if not commit:
        return None
    # A file that is not in the commit is in the Bento all the same; the lock, the build itself has just written.
    status = _git(project, "status", "--porcelain", "-z", "--", ".").split("\0")
    changed = [each for each in status if each and not (each.startswith("?? ") and each.endswith(LOCK_NAME))]
    remote = _git(project, "remote", "get-url", "origin")
    return Origin(revision=f"{commit}-dirty" if changed else commit, source=_address(remote))


def note_origin(tag: Tag, digest: str, project: Path) -> None:
    """Remember beside a stored Bento of which commit it was built last."""
    origin = read_origin(project)
    path = bento_store().beside(tag, _NOTE)
    if origin and is_writable(path.parent):
        content = msgspec.json.encode(_Note(bento=digest, origin=origin))
        if not path.exists() or path.read_bytes() != content:
            write_atomic(path, content)


def origin_of(tag: Tag, digest: str) -> Origin | None:
    """Return what is remembered of a Bento; None where that is nothing, or of another one under its tag."""
    try:
        note = msgspec.json.decode(bento_store().beside(tag, _NOTE).read_bytes(), type=_Note)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None
    return note.origin if note.bento == digest else None


def _address(remote: str) -> str | None:
    """A remote as its page's address: ``git@host:team/project.git`` is only git's spelling. A path has none."""
    scp = re.fullmatch(r"(?:[\w.-]+@)?([\w.-]+):(?!/)(.+)", remote)
    parts = urlsplit(f"ssh://{scp[1]}/{scp[2]}" if scp else remote)
    if parts.scheme not in ("https", "http", "ssh", "git") or not parts.hostname:
        return None
    # ssh's port is not that of the page.
    port = f":{parts.port}" if parts.port and parts.scheme.startswith("http") else ""
    scheme = "http" if parts.scheme == "http" else "https"
    return f"{scheme}://{parts.hostname}{port}{parts.path.removesuffix('.git')}"


def _git(folder: Path, *arguments: str) -> str:
    """What git says, or nothing where it fails. It writes nothing (an index would be refreshed) and asks nobody."""
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    return say("git", "-C", str(folder), *arguments, environ=environment, seconds=_SECONDS).strip()
