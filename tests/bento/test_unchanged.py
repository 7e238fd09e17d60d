"""A build of what has not changed is known again, and whatever has changed is noticed."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

import bentopack
from bentopack._resources import resource_dir
from bentopack.bento.build import Tools, build_bento
from bentopack.bento.options import BuildOptions
from bentopack.bento.project import read_project
from bentopack.bento.store import BuiltBento, bento_store
from bentopack.bento.unchanged import Remembering, look, recall, remember
from tests.doubles import FixedImages, FixedResolver, Recorder
from tests.echo import ECHO, echo_project
from tests.lock.wheel import write_wheel

WITH_MODEL = ECHO["service.py"].replace("class Echo:", 'class Echo:\n    model = bentopack.model("scores:latest")\n')


def build(folder: Path, options: BuildOptions, reporter: Recorder | None = None) -> BuiltBento:
    """Build as the command line does where nothing is remembered, and remember it."""
    seen = look(folder, options)
    remembering = Remembering(reporter or Recorder())
    tools = Tools(FixedResolver(), FixedImages(digest=None), remembering)
    built = build_bento(read_project(folder), options, tools)
    remember(seen, built, remembering.warnings)
    return built


def again(folder: Path, options: BuildOptions, reporter: Recorder | None = None) -> BuiltBento | None:
    return recall(look(folder, options), reporter or Recorder())


OPTIONS = BuildOptions("linux/amd64")


@pytest.fixture
def project(home: Path, tmp_path: Path) -> Path:
    """A project with a model, a requirements file, an ignored folder and what tools leave behind."""
    bentopack.save_model("scores", {"a": 1})
    yaml = "service: service:Echo\nexclude: [data/]\npython:\n  requirements_txt: requirements.txt\n"
    folder = echo_project(tmp_path / "p", bentofile__yaml=yaml, service__py=WITH_MODEL)
    (folder / "requirements.txt").write_text("msgspec\n")
    (folder / "data").mkdir()
    (folder / "data/rows.csv").write_text("1,2\n")
    (folder / ".git").mkdir()
    return folder


def test_the_same_bento_comes_back(project: Path) -> None:
    """Where nothing changed the tag, the digest, the manifest and the warnings are those of the first build."""
    first, second = Recorder(), Recorder()
    built = build(project, OPTIONS, first)
    known = again(project, OPTIONS, second)
    assert known is not None
    assert (known.tag, known.digest, known.path, known.manifest) == (
        built.tag, built.digest, built.path, built.manifest,
    )  # fmt: skip
    assert known.reused
    assert first.warnings == second.warnings != []


def test_what_tools_leave_behind_is_no_change(project: Path) -> None:
    """Bytecode, commits and a look at the files do not make a build forget."""
    build(project, OPTIONS)
    (project / "__pycache__").mkdir()
    (project / "__pycache__/service.pyc").write_bytes(b"x")
    (project / ".git/HEAD").write_text("x")
    (project / "service.py").read_text()
    assert again(project, OPTIONS)


def same_size_and_time(project: Path) -> None:
    path = project / "service.py"
    status, text = path.stat(), path.read_text()
    path.write_text(text.replace("Echo", "Ecko", 1))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def replaced(project: Path) -> None:
    """As an archive does that is unpacked over the old files with the old times."""
    path = project / "service.py"
    status, text = path.stat(), path.read_text()
    path.unlink()
    path.write_text(text.replace("Echo", "Ecko", 1))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize(
    "change",
    [
        lambda p: (p / "service.py").open("a").write("#"),
        same_size_and_time,
        replaced,
        lambda p: (p / "service.py").chmod(0o755),
        lambda p: (p / "new.py").touch(),
        lambda p: (p / "requirements.txt").write_text("msgspec<9\n"),
        lambda p: (p / "requirements.txt").unlink(),
        lambda p: (p / ".bentoignore").write_text("*.txt\n"),
        lambda p: (p / "data/.bentoignore").touch(),
        lambda p: (p / "bentofile.yml").touch(),
        lambda p: (p / "bentofile.lock").unlink(),
        lambda p: (p / "bentofile.lock").open("a").write("#"),
        lambda p: bentopack.save_model("scores", {"a": 2}),
        lambda p: bento_store().delete("echo:latest"),
        lambda p: (bento_store().get("echo").path / "src/service.py").unlink(),
        lambda p: (bento_store().get("echo").path / "SHA256SUMS").unlink(),
    ],
)
def test_every_change_is_noticed(project: Path, change: Callable[[Path], Any]) -> None:
    """Source, requirements, patterns, lock, models and the stored Bento itself: what changed is built anew."""
    build(project, OPTIONS)
    assert again(project, OPTIONS)
    change(project)
    assert again(project, OPTIONS) is None


def test_a_change_at_the_same_moment_is_noticed(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that was written a moment ago is known by its content, as a clock may be too coarse to tell of more."""

    def coarse(status: os.stat_result) -> tuple[int, ...]:
        return status.st_mode, status.st_size, 2**62  # a clock that stands still, and never says that a file is old

    monkeypatch.setattr("bentopack.bento.unchanged._status", coarse)
    build(project, OPTIONS)
    assert again(project, OPTIONS)
    path = project / "service.py"
    path.write_text(path.read_text().replace("Echo", "Ecko", 1))
    assert again(project, OPTIONS) is None


def test_other_options_are_another_build(project: Path) -> None:
    """What was built for one platform, under one version, is not taken for another."""
    build(project, OPTIONS)
    assert again(project, BuildOptions("linux/arm64")) is None
    assert again(project, BuildOptions("linux/amd64", version="1")) is None
    assert again(Path(shutil.copytree(project, project.with_name("q"))), OPTIONS) is None


def test_a_model_that_is_saved_meanwhile_is_not_lost(project: Path) -> None:
    """A model saved while a build runs is in the next Bento."""
    seen = look(project, OPTIONS)
    built = build(project, OPTIONS)
    bentopack.save_model("scores", {"a": 2})
    remember(seen, built, [])
    assert again(project, OPTIONS) is None


def test_what_lies_outside_is_not_trusted(project: Path, tmp_path: Path) -> None:
    """A folder of wheels outside the project may change without a trace, so such a build is not remembered."""
    (tmp_path / "wheels").mkdir()
    write_wheel(tmp_path / "wheels/extra-1.0-py3-none-any.whl", "extra", "1.0")
    (project / "requirements.txt").write_text(f"--find-links {tmp_path / 'wheels'}\nmsgspec\n")
    build(project, OPTIONS)
    assert again(project, OPTIONS) is None


def test_the_newest_is_what_was_built_last(project: Path) -> None:
    """``latest`` is the Bento of the last build, also where that only knew it again."""
    first = build(project, OPTIONS)
    source = (project / "service.py").read_text()
    (project / "service.py").write_text(source + "# more\n")
    second = build(project, OPTIONS)
    assert bento_store().get("echo:latest").tag == second.tag
    (project / "service.py").write_text(source)
    build(project, OPTIONS)
    bento_store().renew(second.tag)
    assert again(project, OPTIONS)
    assert bento_store().get("echo:latest").tag == first.tag


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe"])
def test_a_damaged_record_is_no_record(project: Path, home: Path, content: bytes) -> None:
    """A record that cannot be read costs one build, and nothing else."""
    build(project, OPTIONS)
    for record in (home / "cache/builds").iterdir():
        record.write_bytes(content)
    assert again(project, OPTIONS) is None


def test_all_that_a_build_opens_is_looked_at(project: Path) -> None:
    """No build reads a file of the project or a template that a later one would not ask after."""
    build(project, OPTIONS)
    opened: set[Path] = set()
    watching = True

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if watching and event == "open" and isinstance(arguments[0], str | os.PathLike):
            opened.add(Path(arguments[0]))

    sys.addaudithook(watch)
    build(project, OPTIONS)
    watching = False
    statuses = look(project, OPTIONS).statuses
    roots = (project, resource_dir("templates"))
    read = {path for path in opened if any(path.is_relative_to(root) for root in roots)}
    assert {project / "service.py", project / "bentofile.yaml", project / "requirements.txt"} <= read
    assert read <= {Path(path) for path in statuses}


def test_a_pipe_in_the_project_is_left_alone(project: Path) -> None:
    """No build takes it, and whoever opens one waits for somebody who writes."""
    os.mkfifo(project / "pipe")
    worker = Thread(target=build, args=(project, OPTIONS), daemon=True)
    worker.start()
    worker.join(60)
    assert not worker.is_alive()
    assert again(project, OPTIONS)
