"""Asks git what a branch or tag is, and fetches the files of a commit."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from bentopack._report import Reporter
from bentopack.errors import LockError
from bentopack.lock.credentials import without_credentials
from bentopack.lock.process import explain, run

_QUIET = {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "", "LC_ALL": "C"}
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_POINTER = b"version https://git-lfs.github.com/spec/"


class NoSuchCommit(LockError):
    """A repository that does not have a commit."""


def commit_of(url: str, rev: str | None, reporter: Reporter) -> str:
    """Return the commit that a branch, a tag, a whole commit or (without ``rev``) the default branch is.

    Raises:
        LockError: there is no such repository, or nothing of that name in it.
    """
    if rev and _COMMIT.fullmatch(rev):
        return rev
    said = _git(Path.cwd(), ["ls-remote", "--", url], url, reporter)
    found = {name: commit for commit, _, name in (line.partition("\t") for line in said) if _COMMIT.fullmatch(commit)}
    # An annotated tag is an object of its own; with ^{} git names the commit that it stands at.
    names = [f"refs/tags/{rev}^{{}}", f"refs/tags/{rev}", f"refs/heads/{rev}", rev] if rev else ["HEAD"]
    for name in names:
        if name in found:
            return found[name]
    raise LockError(
        f"{without_credentials(url)} has no branch or tag '{rev or 'HEAD'}'", hint="a commit is named by all its digits"
    )


def check_out(url: str, commit: str, folder: Path, reporter: Reporter) -> None:
    """Write the files of a commit into a folder, with the history that tells a version.

    Raises:
        NoSuchCommit: the repository does not have it.
        LockError: it cannot be had.
    """
    # What this machine's user has set for git must not change the files.
    same = ["-c", "core.autocrlf=false", "-c", "core.symlinks=true", "-c", "advice.detachedHead=false"]
    _git(folder.parent, [*same, "clone", "--quiet", "--no-checkout", "--", url, str(folder)], url, reporter)
    if not _has(folder, commit, reporter):
        # After a force-push no branch leads to it, but many a host still hands it out.
        with contextlib.suppress(LockError):
            _git(folder, [*same, "fetch", "--quiet", "origin", commit], url, reporter)
        if not _has(folder, commit, reporter):
            raise NoSuchCommit(f"{without_credentials(url)} has no commit {commit}")
    _git(folder, [*same, "checkout", "--quiet", commit], url, reporter)
    if (folder / ".gitmodules").is_file():
        _git(folder, [*same, "submodule", "--quiet", "update", "--init", "--recursive"], url, reporter)
    _require_content(folder, url, reporter)


def _has(folder: Path, commit: str, reporter: Reporter) -> bool:
    return run(["git", "cat-file", "-e", f"{commit}^{{commit}}"], folder, [], reporter, environment=_QUIET) == 0


def _require_content(folder: Path, url: str, reporter: Reporter) -> None:
    """Refuse files that stand for others: which of the two a wheel gets would be a matter of the machine."""
    for name in _git(folder, ["-c", "core.quotePath=false", "ls-files", "--", ":(attr:filter=lfs)"], url, reporter):
        path = folder / name.strip('"')
        if path.is_file() and path.read_bytes()[: len(_POINTER)] == _POINTER:
            raise LockError(
                f"{without_credentials(url)} keeps {name} in git LFS, which did not fetch it",
                hint="install git-lfs, run `git lfs install`, and try again",
            )


def _git(folder: Path, arguments: list[str], url: str, reporter: Reporter) -> list[str]:
    said: list[str] = []
    try:
        status = run(["git", *arguments], folder, said, reporter, environment=_QUIET, umask=0o022)
    except FileNotFoundError:
        raise LockError(f"{without_credentials(url)} is fetched by git, which is not installed") from None
    if status:
        raise LockError(
            f"git cannot fetch {without_credentials(url)}:\n{explain(said)}",
            hint="check the address, and that `git ls-remote` on it works here",
        )
    return said
