"""Of which commit a Bento was built."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from bentopack.bento.origin import Origin, origin_of, read_origin
from bentopack.tag import Tag
from tests.command import done


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit, and a password in the address of where it came from."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet")
    (folder / "file").write_text("1")
    git(folder, "add", "file")
    git(folder, "commit", "--quiet", "--message", "one")
    git(folder, "remote", "add", "origin", "https://me:secret@example.org/team/project.git")
    return folder


def test_the_commit_and_its_repository(repository: Path) -> None:
    """The commit by all its digits, and the repository's address without who asks."""
    commit = git(repository, "rev-parse", "HEAD")
    assert read_origin(repository) == Origin(revision=commit, source="https://example.org/team/project")
    (repository / "file").write_text("2")
    assert read_origin(repository) == Origin(revision=f"{commit}-dirty", source="https://example.org/team/project")


@pytest.mark.parametrize(
    ("remote", "source"),
    [
        ("git@example.org:team/project.git", "https://example.org/team/project"),
        ("ssh://git@example.org/team/project.git", "https://example.org/team/project"),
        ("ssh://git@example.org:2222/team/project.git", "https://example.org/team/project"),
        ("https://example.org:8443/team/project.git?private_token=abc", "https://example.org:8443/team/project"),
        ("me:team/project", "https://me/team/project"),
        ("/srv/git/project.git", None),
        ("file:///srv/git/project.git", None),
        ("../project", None),
    ],
)
def test_spellings_of_a_remote(repository: Path, remote: str, source: str | None) -> None:
    """git's own spelling of an address becomes the page's; a path of this machine is nobody else's."""
    git(repository, "remote", "set-url", "origin", remote)
    found = read_origin(repository)
    assert found is not None
    assert found.source == source


def test_no_repository(tmp_path: Path) -> None:
    """A folder outside of any repository has no origin, and that is no error."""
    assert read_origin(tmp_path) is None


def test_what_is_in_no_commit_is_told(repository: Path) -> None:
    """A file that git does not know is in the Bento; the lock, which a build writes, is no change."""
    (repository / "bentofile.lock").write_text("x")
    clean = read_origin(repository)
    assert clean is not None
    assert not clean.revision.endswith("-dirty")
    (repository / "extra.py").write_text("x")
    changed = read_origin(repository)
    assert changed is not None
    assert changed.revision == f"{clean.revision}-dirty"


def test_a_build_remembers_its_commit(project: Path) -> None:
    """A stored Bento's last commit is known beside it, goes with it, and is no part of its bytes."""
    built = json.loads(done("build", "--output", "json", cwd=project))
    tag, digest = Tag.parse(built["tag"]), built["digest"]
    assert origin_of(tag, digest) is None
    git(project, "init", "--quiet")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "--message", "one")
    assert done("build", "--output", "tag", cwd=project) == str(tag)
    assert origin_of(tag, digest) == Origin(revision=git(project, "rev-parse", "HEAD"))
    assert origin_of(tag, "sha256:another") is None
    done("delete", str(tag), cwd=project)
    assert origin_of(tag, digest) is None
