"""Git dependencies and folders: built once, with the same bytes everywhere, and carried by the Bento."""

from __future__ import annotations

import base64
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import msgspec
import pytest

from bentopack._report import Silent
from bentopack.bento.runtime import write_runtime
from bentopack.errors import LockError
from bentopack.lock.built import Built, Workshop
from bentopack.lock.lockfile import Lock
from bentopack.lock.pins import pins_in
from bentopack.lock.requirements import input_text, inputs_of
from bentopack.lock.resolver import BuiltPin, Request, Target, host_target
from bentopack.lock.uv import UvResolver
from bentopack.spec.buildable import read_source
from tests.doubles import Recorder, write_files
from tests.lock.sources import commit, git, write_backend, write_project, write_stamped

TARGET = Target(host_target().python, "linux/amd64")


def workshop(project: Path, pins: Mapping[str, BuiltPin] | None = None) -> Workshop:
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
    assert {line: pin.source for line, pin in built.pins} == dict.fromkeys(lines, head)
    assert len(steps(shop)) == 1


def test_a_pinned_branch_stays_where_it_was(repository: Path, project: Path) -> None:
    """What a lock has pinned is built again without asking where the branch is now, from the cache without git."""
    line = f"thing @ git+{repository.as_uri()}@main"
    first = build(workshop(project), line)
    write_files(repository, {"module.py": "new = True"})
    moved = commit(repository)
    assert dict(build(workshop(project), line).pins)[line].source == moved
    upgraded = replace(workshop(project, dict(first.pins)), upgrade=("thing",))
    assert dict(build(upgraded, line).pins)[line].source == moved
    shutil.rmtree(repository)
    assert build(workshop(project, dict(first.pins)), line) == first


def test_a_lock_cannot_give_git_an_option(repository: Path, project: Path) -> None:
    """A pin that is no commit is only a name to look for."""
    line = f"thing @ git+{repository.as_uri()}@main"
    pin = BuiltPin(name="thing", source="--upload-pack=x", tools=(), wheel="x", sha256="0")
    with pytest.raises(LockError, match="has no branch or tag '--upload-pack=x'"):
        build(workshop(project, {line: pin}), line)


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
    parts = inputs_of(request, TARGET, "r")
    assert parts["packages built here"]["./lib[more]"]["sha256"] == built.wheels[0].sha256
    assert parts["python.wheels"] == {}
    assert f"# Built of {built.pins[0][1].source}: ./lib[more]" in input_text(request)


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
        (f"thing @ git+URL@{'0' * 40}", "has no commit 0000"),
        ("other @ git+URL", "is a project of another name, 'thing'"),
        ("../outside", "is outside the project"),
        ("./empty", r"there is no pyproject\.toml and no setup\.py"),
        ("./broken", r"no wheel can be built of \./broken"),
        (
            "./nobackend",
            "no wheel can be built of ./nobackend:\n  the backend 'nowhere' cannot be used: No module named",
        ),
        ("./foreign", "is not for Python"),
        ("./fine ; platform_machine == 'x86_64'", "the marker means another thing on each platform"),
    ],
)
def test_what_cannot_be_built_is_told(repository: Path, project: Path, line: str, message: str) -> None:
    """Whatever is wrong with a source is told with the requirement or the address that names it."""
    write_files(project, {"empty/x": "", "broken/pyproject.toml": "[build-system"})
    nobackend = '[build-system]\nrequires = []\nbuild-backend = "nowhere"\n'
    write_files(project, {"nobackend/pyproject.toml": nobackend})
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


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_a_lock_pins_the_build_tools(project: Path, monkeypatch: pytest.MonkeyPatch, installer: str) -> None:
    """A newer build backend on the index changes nothing that is locked: it is built with the version that was."""
    index = project.parent / "index"
    write_backend(index, "1.0")
    only_from(index, monkeypatch, without_uv=installer == "pip")
    write_stamped(project / "lib")
    first = build(workshop(project), "./lib")
    assert dict(first.pins)["./lib"].tools == ("stamping==1.0",)
    write_backend(index, "2.0")
    monkeypatch.setenv("UV_CACHE_DIR", str(project.parent / "cold"))
    elsewhere = replace(workshop(project, dict(first.pins)), cache=project.parent / "another")
    again = build(elsewhere, "./lib")
    assert steps(elsewhere) == ["building a wheel of ./lib"]
    assert again.pins == first.pins
    newest = build(replace(workshop(project), cache=project.parent / "third"), "./lib")
    assert dict(newest.pins)["./lib"].tools == ("stamping==2.0",)
    assert newest.wheels[0].sha256 != first.wheels[0].sha256


def test_build_tools_that_are_gone_are_told(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no index has what the lock pins, that is said with its name; to upgrade the package takes the newest."""
    index = project.parent / "index"
    write_backend(index, "2.0")
    only_from(index, monkeypatch)
    write_stamped(project / "lib")
    pin = dict(build(workshop(project), "./lib").pins)["./lib"]
    gone = replace(workshop(project, {"./lib": msgspec.structs.replace(pin, tools=("stamping==1.0",))}))
    with pytest.raises(LockError, match=r"what \./lib is built with cannot be .*pins stamping==1\.0:\n(.|\n)*stamping"):
        build(gone, "./lib")
    assert dict(build(replace(gone, upgrade=("thing",)), "./lib").pins)["./lib"] == pin


def test_a_lock_cannot_give_the_installer_an_option(project: Path) -> None:
    """The build tools of a lock are names and versions, or it is refused."""
    tools = ["stamping==1.0\n--index-url=https://elsewhere.example"]
    pin = {"name": "thing", "source": "0" * 40, "tools": tools, "wheel": "x", "sha256": "0"}
    lock = Lock(
        format=1, python="3.11", runtime="1", inputs={"packages built here": {"./lib": pin}}, models=(), variants={}
    )
    with pytest.raises(LockError, match=r"the build tools of \./lib are not valid"):
        pins_in(lock)


def test_a_commit_that_a_force_push_took_is_told(repository: Path, project: Path) -> None:
    """What no branch leads to is had while the host has it; then the lock's pin and the way out are told."""
    line = f"git+{repository.as_uri()}@main"
    pins = dict(build(workshop(project), line).pins)
    git(repository, "tag", "--delete", "v1")
    write_files(repository, {"module.py": "new = True"})
    git(repository, "commit", "--quiet", "--all", "--amend", "--message", "other")

    def elsewhere(name: str, upgrade: tuple[str, ...] = ()) -> Workshop:
        return replace(workshop(project, pins), cache=project.parent / name, upgrade=upgrade)

    assert dict(build(elsewhere("kept"), line).pins) == pins
    git(repository, "reflog", "expire", "--expire=now", "--all")
    git(repository, "gc", "--quiet", "--prune=now")
    with pytest.raises(LockError, match=f"pins {re.escape(line)} to the commit {pins[line].source}, which") as caught:
        build(elsewhere("gone"), line)
    assert "bentopack lock --upgrade-package thing" in (caught.value.hint or "")
    upgraded = dict(build(elsewhere("gone", ("thing",)), line).pins)
    assert upgraded[line].source == git(repository, "rev-parse", "HEAD")


def test_submodules_are_part_of_the_source(tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a repository keeps in another one is there when it is built."""
    config = write_files(tmp_path, {"gitconfig": '[protocol "file"]\nallow = always\n'}) / "gitconfig"
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    write_project(tmp_path / "inner", "inner")
    commit(tmp_path / "inner")
    outer = write_files(tmp_path / "outer", {"x": ""})
    commit(outer)
    git(outer, "submodule", "--quiet", "add", (tmp_path / "inner").as_uri(), "libs/inner")
    commit(outer)
    assert build(workshop(project), f"git+{outer.as_uri()}#subdirectory=libs/inner").wheels[0].name == "inner"


def test_what_stands_for_a_large_file_is_not_packed(
    repository: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without git-lfs a checkout has pointers in place of files: no wheel is built of those."""
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, os.devnull)
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    write_files(repository, {".gitattributes": "*.bin filter=lfs\n", "weights.bin": pointer})
    commit(repository)
    with pytest.raises(LockError, match=r"keeps weights\.bin in git LFS"):
        build(workshop(project), f"git+{repository.as_uri()}")


def only_from(index: Path, monkeypatch: pytest.MonkeyPatch, *, without_uv: bool = False) -> None:
    """Let build tools come from a folder alone, by uv or by pip."""
    for tool in ("UV", "PIP"):
        monkeypatch.setenv(f"{tool}_NO_INDEX", "1")
        monkeypatch.setenv(f"{tool}_FIND_LINKS", str(index))
    if without_uv:
        monkeypatch.setitem(sys.modules, "uv", None)


def test_a_password_for_git_stays_with_git(repository: Path, project: Path) -> None:
    """A private repository is fetched with the password of its address; no pin, message or file of ours has it."""
    head = git(repository, "rev-parse", "HEAD")
    git(repository, "update-server-info")
    with serving(repository.parent, "user:secret") as host:
        address = f"{host}/repository/.git"
        line = f"thing @ git+{address.replace('://', '://user:secret@')}@main"
        shop = workshop(project)
        built = build(shop, line)
        assert [(label, pin.source) for label, pin in built.pins] == [(f"thing @ git+{address}@main", head)]
        with pytest.raises(LockError) as caught:
            build(replace(shop, cache=project), line.replace("secret", "secret2"))
        with pytest.raises(LockError) as gone:
            build(shop, line.replace("@main", f"@{'0' * 40}"))
    assert isinstance(shop.reporter, Recorder)
    said = [str(caught.value), str(gone.value), *shop.reporter.lines, *shop.reporter.steps, repr(built)]
    files = [path.read_bytes() for path in shop.cache.rglob("*") if path.is_file()]
    assert "secret" not in "\n".join(said)
    assert files
    assert not any(b"secret" in content for content in files)


@contextmanager
def serving(folder: Path, user: str) -> Iterator[str]:
    """Serve a folder to those who give a user and password; give its address."""

    class Guarded(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers["Authorization"] == f"Basic {base64.b64encode(user.encode()).decode()}":
                return super().do_GET()
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="x"')
            return self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Guarded, directory=str(folder))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
