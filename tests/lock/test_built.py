"""Git dependencies and folders: built once, with the same bytes everywhere, and carried by the Bento."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from bentopack._report import Silent
from bentopack.bento.runtime import write_runtime
from bentopack.errors import LockError
from bentopack.lock.built import Built, Workshop
from bentopack.lock.requirements import input_text, inputs_of
from bentopack.lock.resolver import Request, Target, host_target
from bentopack.lock.uv import UvResolver
from bentopack.spec.buildable import read_source
from tests.doubles import Recorder, write_files
from tests.lock.sources import commit, git, write_project

TARGET = Target(host_target().python, "linux/amd64")


def workshop(project: Path, pins: Mapping[str, str] | None = None) -> Workshop:
    return Workshop(project, TARGET, project.parent / "cache", pins or {}, (), Recorder())


def build(shop: Workshop, *lines: str) -> Built:
    return shop.build([source for line in lines if (source := read_source(line))])


def steps(shop: Workshop) -> list[str]:
    assert isinstance(shop.reporter, Recorder)
    return shop.reporter.steps


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = write_project(tmp_path / "repository", "thing")
    commit(folder)
    git(folder, "tag", "--annotate", "v1", "--message", "x")
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


def test_a_branch_is_locked_to_its_commit(repository: Path, project: Path) -> None:
    """A branch, an annotated tag and the default branch are the commit they stand at; it is built once for all."""
    head = git(repository, "rev-parse", "HEAD")
    url = f"git+{repository.as_uri()}"
    lines = [f"thing @ {url}@main", f"{url}@v1#egg=thing", f"-e {url}", f"thing @ {url}@{head}"]
    shop = workshop(project)
    built = build(shop, *lines)
    assert [(wheel.name, wheel.version) for wheel in built.wheels] == [("thing", "1.0")]
    assert dict(built.pins) == dict.fromkeys(lines, head)
    assert len(steps(shop)) == 1


def test_a_pinned_branch_stays_where_it_was(repository: Path, project: Path) -> None:
    """What a lock has pinned is built again without asking where the branch is now, from the cache without git."""
    line = f"thing @ git+{repository.as_uri()}@main"
    first = build(workshop(project), line)
    write_files(repository, {"module.py": "new = True"})
    moved = commit(repository)
    assert dict(build(workshop(project), line).pins) == {line: moved}
    upgraded = replace(workshop(project, dict(first.pins)), upgrade=("thing",))
    assert dict(build(upgraded, line).pins) == {line: moved}
    shutil.rmtree(repository)
    assert build(workshop(project, dict(first.pins)), line) == first


def test_a_lock_cannot_give_git_an_option(repository: Path, project: Path) -> None:
    """A pin that is no commit is only a name to look for."""
    line = f"thing @ git+{repository.as_uri()}@main"
    with pytest.raises(LockError, match="has no branch or tag '--upload-pack=x'"):
        build(workshop(project, {line: "--upload-pack=x"}), line)


def test_a_folder_is_known_by_its_files(project: Path) -> None:
    """The same files are the same wheel; another byte is another one; caches and clocks are nothing."""
    write_project(project / "lib", "thing")
    shop = workshop(project)
    first = build(shop, "./lib")
    write_files(project, {"lib/__pycache__/x.pyc": "x", "lib/build/lib/x.py": "", "lib/thing.egg-info/PKG-INFO": ""})
    os.utime(project / "lib/module.py", (1, 1))
    assert build(shop, "-e ./lib").wheels == first.wheels
    assert len(steps(shop)) == 1
    assert not (project / "lib/dist").exists()
    write_files(project, {"lib/module.py": "new = True"})
    assert build(shop, "./lib").wheels[0].sha256 != first.wheels[0].sha256


def test_a_wheel_has_the_same_bytes_wherever_it_is_built(tmp_path: Path) -> None:
    """Another folder, cache, umask and moment give the same bytes, although the build tool writes the time."""
    found = []
    for name, umask in (("a", 0o022), ("a/b/deeper", 0o077)):
        before = os.umask(umask)
        try:
            project = tmp_path / name / "project"
            write_project(project / "lib", "thing")
            found.append(build(workshop(project), "./lib").wheels[0].sha256)
        finally:
            os.umask(before)
    assert found[0] == found[1]


def test_what_is_built_is_locked_by_its_hash_with_its_extras(project: Path, tmp_path: Path) -> None:
    """A built wheel is locked like a wheel of the project; what its extras need is resolved with it."""
    write_project(project / "lib", "thing")
    built = build(workshop(project), "./lib[more]")
    request = Request(
        lines=built.lines, files=(), wheels=built.wheels, built=built.pins, runtime=write_runtime(tmp_path)
    )
    packages = {each.name: each for each in UvResolver().resolve(request, TARGET, Silent())}
    assert packages["thing"].hashes == (f"sha256:{built.wheels[0].sha256}",)
    assert packages["iniconfig"].version == "2.0.0"
    assert inputs_of(request, TARGET, "r")["packages built here"] == dict(built.pins)
    assert f"# Built of {built.pins[0][1]}: ./lib[more]" in input_text(request)


def test_a_real_build_tool_builds(project: Path) -> None:
    """A project of setuptools is built in an environment of its own."""
    text = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
    write_files(
        project, {"lib/pyproject.toml": '[project]\nname = "thing"\nversion = "2"\n' + text, "lib/thing.py": ""}
    )
    assert build(workshop(project), "thing @ ./lib").wheels[0].version == "2"


def test_a_subdirectory_of_a_repository_is_built(tmp_path: Path, project: Path) -> None:
    """A project that is a part of a repository is built alone."""
    write_project(tmp_path / "mono" / "libs" / "part", "part")
    commit(tmp_path / "mono")
    url = f"git+{(tmp_path / 'mono').as_uri()}"
    assert build(workshop(project), f"{url}#subdirectory=libs/part").wheels[0].name == "part"
    with pytest.raises(LockError, match="there is no folder 'nothing' in it"):
        build(workshop(project), f"{url}#subdirectory=nothing")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("thing @ git+URL@nothing", "has no branch or tag 'nothing'"),
        ("thing @ git+URL/nowhere", "git cannot fetch .*nowhere"),
        (f"thing @ git+URL@{'0' * 40}", "git cannot fetch"),
        ("other @ git+URL", "is a project of another name, 'thing'"),
        ("../outside", "is outside the project"),
        ("./empty", r"there is no pyproject\.toml and no setup\.py"),
        ("./broken", r"no wheel can be built of \./broken"),
        ("./foreign", "is not for Python"),
        ("./fine ; platform_machine == 'x86_64'", "the marker means another thing on each platform"),
    ],
)
def test_what_cannot_be_built_is_told(repository: Path, project: Path, line: str, message: str) -> None:
    """Whatever is wrong with a source is told with the requirement or the address that names it."""
    write_files(project, {"empty/x": "", "broken/pyproject.toml": "[build-system"})
    write_project(project / "foreign", "foreign", tag="cp27-none-win32")
    write_project(project / "fine", "fine")
    (project.parent / "outside").mkdir()
    with pytest.raises(LockError, match=message):
        build(workshop(project), line.replace("URL", repository.as_uri()))


def test_what_the_image_does_not_take_is_not_built(project: Path) -> None:
    """A marker that does not hold for the image's Python leaves a source out, there or not."""
    assert build(workshop(project), "./nowhere ; python_version < '3'", "./no ; sys_platform == 'win32'") == Built()


def test_two_sources_of_one_name_are_told(project: Path) -> None:
    """One package cannot be built of two sources."""
    write_project(project / "one", "thing")
    write_project(project / "two", "thing", code="x = 1")
    with pytest.raises(LockError, match="'thing' is there twice"):
        build(workshop(project), "./one", "./two")
