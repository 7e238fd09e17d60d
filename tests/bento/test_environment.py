"""The environment that a Bento's lock is installed into on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bentopack.bento.build import Tools, build_bento
from bentopack.bento.environment import locked_python
from bentopack.bento.options import BuildOptions
from bentopack.bento.project import read_project
from bentopack.bento.store import BuiltBento
from bentopack.errors import LockError
from bentopack.lock.resolver import host_target
from bentopack.lock.uv import UvResolver
from tests.doubles import FixedImages, Recorder
from tests.echo import echo_project
from tests.index import LocalIndex, serving_index

USER = "bob-7f3a:hunter2-c0ffee"


@pytest.fixture
def index(tmp_path: Path, home: Path, fresh_machine: Path) -> Iterator[LocalIndex]:
    """A private index that has what a Bento needs."""
    folder = tmp_path / "dist"
    folder.mkdir()
    with serving_index(user=USER) as served:
        served.add_runtime(folder)
        served.add_wheel(folder, "thing", "1.0")
        yield served


@pytest.fixture
def built(tmp_path: Path, index: LocalIndex, monkeypatch: pytest.MonkeyPatch) -> BuiltBento:
    """A Bento that was locked from it, with the password in the environment."""
    monkeypatch.setenv("PIP_INDEX_URL", index.url_with(USER))
    text = f"service: service:Echo\npython: {{packages: [thing], index_url: '{index.url}'}}\n"
    project = echo_project(tmp_path / "p", bentofile__yaml=text)
    tools = Tools(UvResolver(), FixedImages(), Recorder())
    return build_bento(read_project(project), BuildOptions(host_target().platform), tools)


def test_the_password_that_locked_installs_too(built: BuiltBento, index: LocalIndex, home: Path) -> None:
    """What the environment has for the lock's index is used, and kept in no file of the environment."""
    index.asked.clear()
    recorder = Recorder()
    python = locked_python(built.path, reporter=recorder)
    assert "/files/thing-1.0-py3-none-any.whl" in index.asked
    assert not any("hunter2" in line for line in recorder.lines)
    files = [path for path in python.parents[1].rglob("*") if path.is_file()]
    assert not any(b"hunter2-c0ffee" in path.read_bytes() for path in files)


def test_other_bytes_than_were_locked_are_not_installed(built: BuiltBento, index: LocalIndex, home: Path) -> None:
    """An index that has other bytes now under the same name is told with the package, and no environment is left."""
    index.other_bytes = True
    with pytest.raises(LockError, match="DO NOT MATCH THE HASHES") as error:
        locked_python(built.path, reporter=Recorder())
    assert "Expected sha256" in str(error.value)
    assert "hunter2" not in str(error.value)
    assert [path for path in (home / "envs").iterdir() if path.is_dir()] == []
