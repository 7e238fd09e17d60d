"""Which files belong to a Bento."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from bentopack.errors import SpecError
from bentopack.spec.bentofile import Spec
from bentopack.spec.files import CollectedFiles, collect_files
from bentopack.spec.sensitive import looks_secret


def _project(folder: Path, *names: str, **texts: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(texts.get(name, "x"))
    return folder


def _collect(project: Path, **keys: Any) -> CollectedFiles:
    return collect_files(project, Spec(service="service:Iris", **keys))


def _paths(project: Path, **keys: Any) -> list[str]:
    return [path for path, _ in _collect(project, **keys).files]


def test_everything_but_what_belongs_to_tools(tmp_path: Path) -> None:
    """Without patterns all files belong, but version control, environments, caches, the lock and archives."""
    _project(tmp_path, "service.py", "data/a.bin", ".hidden", "deep/er/x.txt")
    _project(tmp_path, ".git/config", "venv/bin/python", ".venv/x", "node_modules/a/b.js", "__pycache__/s.pyc")
    _project(tmp_path, "lib/s.pyc", ".DS_Store", "bentofile.lock", "iris-1.bento", "a.egg-info/PKG-INFO")
    assert _paths(tmp_path) == [".hidden", "data/a.bin", "deep/er/x.txt", "service.py"]


def test_sorted_by_path_however_they_were_made(tmp_path: Path) -> None:
    """The order is that of the paths, the same on every machine."""
    names = ["b.py", "a/z.py", "a.py", "a-b.py", "a/b/c.py", "Z.py"]
    assert _paths(_project(tmp_path, *names)) == sorted(names)
    assert all(file.read_text() == "x" for _, file in _collect(tmp_path).files)


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        (["*.py"], [], ["app/b.py", "app/test/c.py", "service.py"]),
        (["/*.py"], [], ["service.py"]),
        (["./service.py"], [], ["service.py"]),
        (["app"], [], ["app/b.py", "app/n.txt", "app/test/c.py"]),
        (["./app/"], ["test/"], ["app/b.py", "app/n.txt"]),
        (["app/**/*.py"], [], ["app/b.py", "app/test/c.py"]),
        ("*.py", "app", ["service.py"]),
        (["*.py", "!app/b.py"], [], ["app/test/c.py", "service.py"]),
        (["."], ["*.txt"], ["app/b.py", "app/test/c.py", "service.py"]),
        ([], ["*", "!*.py", "!*/"], ["app/b.py", "app/test/c.py", "service.py"]),
        ([], ["/*", "!/app/"], ["app/b.py", "app/n.txt", "app/test/c.py"]),
        ([], ["app/**", "!app/b.py"], ["app/b.py", "service.py"]),
        ([], ["./app"], ["service.py"]),
    ],
)
def test_patterns_mean_what_they_mean_to_git(tmp_path: Path, include: Any, exclude: Any, expected: list[str]) -> None:
    """``include`` and ``exclude`` are gitignore patterns; ``./`` is the top folder."""
    _project(tmp_path, "service.py", "app/b.py", "app/n.txt", "app/test/c.py")
    assert _paths(tmp_path, include=include, exclude=exclude) == expected


def test_bentoignore_files_a_deeper_one_wins(tmp_path: Path) -> None:
    """A .bentoignore counts for its folder and below, as a .gitignore does."""
    _project(tmp_path, "a.csv", "a.log", "sub/b.csv", "sub/keep.log", "sub/deep/c.log", "out/x")
    (tmp_path / ".bentoignore").write_text("# logs\n*.log\n/out/\n.bentoignore\n")
    (tmp_path / "sub" / ".bentoignore").write_text("!keep.log\n/b.csv\n")
    assert _paths(tmp_path) == ["a.csv", "sub/keep.log"]


def test_folders_that_are_left_out_are_not_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A huge folder that does not belong costs nothing."""
    _project(tmp_path, "service.py", "node_modules/a/b.js", "big/x", "ignored/y", "kept/z")
    (tmp_path / ".bentoignore").write_text("ignored/\n")
    entered: list[str] = []
    scandir = os.scandir

    def watched(folder: Any) -> Any:
        entered.append(Path(folder).name)
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", watched)
    _collect(tmp_path, exclude=["big"])
    assert entered == [tmp_path.resolve().name, "kept"]


def test_links_inside_are_followed(tmp_path: Path) -> None:
    """What a link inside the project leads to is taken under the link's name."""
    _project(tmp_path, "real/data.txt")
    (tmp_path / "alias.txt").symlink_to("real/data.txt")
    (tmp_path / "folder").symlink_to("real")
    assert _paths(tmp_path) == ["alias.txt", "folder/data.txt", "real/data.txt"]


@pytest.mark.parametrize(
    ("target", "keys"),
    [
        *((".git/config", {}), (".git", {}), ("bentofile.lock", {}), (".venv/lib/x.py", {"include": ["*"]})),
        *(("private/key.txt", {"exclude": ["/private/"]}), ("private", {"exclude": ["private/"]})),
        *(("private/key.txt", {"exclude": ["private/*.txt"]}), ("ignored/x.txt", {})),
    ],
)
def test_a_link_to_what_is_left_out_is_left_out(tmp_path: Path, target: str, keys: dict[str, Any]) -> None:
    """No other name brings git's credentials or an excluded file into a Bento; who made the link is told."""
    names = (".git/config", "bentofile.lock", ".venv/lib/x.py", "private/key.txt", "ignored/x.txt", "service.py")
    _project(tmp_path, *names)
    (tmp_path / "ignored" / ".bentoignore").write_text("*\n")
    (tmp_path / "link").symlink_to(target)
    collected = _collect(tmp_path, **keys)
    assert not any(path.startswith("link") for path, _ in collected.files)
    assert f"link: is a link to {target}, which is left out, and so is the link" in map(str, collected.warnings)


def test_below_a_linked_folder_the_same_is_left_out(tmp_path: Path) -> None:
    """A folder that is linked has what it has at its own place, and no more."""
    _project(tmp_path, "real/a.txt", "real/private/key.txt", "real/b.txt")
    (tmp_path / "folder").symlink_to("real")
    exclude = ["/real/private/", "/real/b.txt"]
    assert _paths(tmp_path, exclude=exclude) == ["folder/a.txt", "real/a.txt"]


def test_a_link_in_a_circle_is_left_out(tmp_path: Path) -> None:
    """A link to a folder around it ends, and is told."""
    _project(tmp_path, "a/b/x.txt")
    (tmp_path / "a" / "b" / "up").symlink_to(tmp_path / "a")
    collected = _collect(tmp_path)
    assert [path for path, _ in collected.files] == ["a/b/x.txt"]
    assert [str(each) for each in collected.warnings] == ["a/b/up: is a link to a folder around it, and is left out"]


@pytest.mark.parametrize("target", ["/etc/hostname", "../outside.txt", "../outside"])
def test_a_link_that_leaves_the_project_is_an_error(tmp_path: Path, target: str) -> None:
    """Nothing from outside gets into a Bento by a link."""
    project = _project(tmp_path / "project", "service.py")
    _project(tmp_path, "outside.txt", "outside/x.txt")
    (project / "link").symlink_to(target)
    with pytest.raises(SpecError, match=r"^link: is a link that leads out of the project; exclude it"):
        _collect(project)
    assert _paths(project, exclude=["link"]) == ["service.py"]


def test_a_link_out_that_was_not_asked_for_is_told(tmp_path: Path) -> None:
    """A data folder linked from elsewhere does not stop who includes only code."""
    project = _project(tmp_path / "project", "service.py")
    (project / "data").symlink_to(tmp_path)
    collected = _collect(project, include=["*.py"])
    assert [path for path, _ in collected.files] == ["service.py"]
    assert [str(each) for each in collected.warnings] == [
        "data: is a link that leads out of the project, and is not followed"
    ]


def test_a_link_that_leads_nowhere_is_an_error(tmp_path: Path) -> None:
    """A file that is missing here would be missing in the Bento."""
    (_project(tmp_path, "service.py") / "gone").symlink_to("missing")
    with pytest.raises(SpecError, match="gone: is a link that leads nowhere"):
        _collect(tmp_path)
    assert _paths(tmp_path, include=["*.py"]) == ["service.py"]


def test_what_is_no_file_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket or a pipe does not hang the build."""
    _project(tmp_path, "service.py")
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.chdir(tmp_path)  # a socket's path has to be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("sock")
        collected = _collect(tmp_path)
    assert [path for path, _ in collected.files] == ["service.py"]
    assert [each.file for each in collected.warnings] == ["pipe", "sock"]


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unreadable file is named, before anything is built."""
    _project(tmp_path, "service.py", "secret.bin")
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "secret.bin")
    with pytest.raises(SpecError, match=r"^secret\.bin: cannot be read"):
        _collect(tmp_path)


@pytest.mark.parametrize("name", ["a\nb", "a\\b", "a\udcffb"])
def test_names_that_not_every_system_holds(tmp_path: Path, name: str) -> None:
    """A name that a checksum file or another system cannot hold is an error."""
    _project(tmp_path, name)
    with pytest.raises(SpecError, match="has a name that not every system can hold"):
        _collect(tmp_path)


@pytest.mark.parametrize("name", [".wh.config", "pkg/.wh..wh..opq", "pkg/.wh.x/y.py"])
def test_names_that_delete_in_images(tmp_path: Path, name: str) -> None:
    """A name by which layers say that something below is gone is an error; one that only looks like it is a file."""
    _project(tmp_path, "service.py", ".whatever", "x.wh.y")
    assert len(_collect(tmp_path).files) == 3
    _project(tmp_path, name)
    with pytest.raises(SpecError, match="has a name that in an image deletes another file") as caught:
        _collect(tmp_path)
    assert name in str(caught.value)


def test_secrets_are_told(tmp_path: Path) -> None:
    """Files that look like secrets are warnings, also under another name by a link."""
    _project(tmp_path, "service.py", ".env", "keys/server.key", ".env.example")
    (tmp_path / "settings").symlink_to(".env")
    assert [str(each) for each in _collect(tmp_path).warnings] == [
        f"{path}: looks like a secret and would be in the Bento; exclude it"
        for path in (".env", "keys/server.key", "settings")
    ]


@pytest.mark.parametrize(
    "path",
    [
        *(".env", "a/.env.production", "prod.env", "x.PEM", "id_rsa", "a/id_ed25519", ".netrc", "credentials.json"),
        *("credentials-prod.json", ".pypirc", "service_account.json", "secrets.yaml", ".aws/credentials", "t.tfstate"),
    ],
)
def test_names_of_secrets(path: str) -> None:
    """The names under which secrets are commonly kept are known."""
    assert looks_secret(path)


@pytest.mark.parametrize("path", [".env.example", "environment.yml", "key.py", "id_rsa.pub", "tokenizer.json"])
def test_names_that_are_no_secrets(path: str) -> None:
    """Names that only look alike are left alone."""
    assert not looks_secret(path)


def test_an_ignore_file_that_is_no_text(tmp_path: Path) -> None:
    """A damaged .bentoignore is named."""
    _project(tmp_path, "sub/x")
    (tmp_path / "sub" / ".bentoignore").write_bytes(b"\xff\xfe")
    with pytest.raises(SpecError, match=r"^sub/\.bentoignore: "):
        _collect(tmp_path)
