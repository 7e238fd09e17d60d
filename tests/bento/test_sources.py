"""Where a Bento's packages come from beside an index: source code of the project, and lockfiles of other tools."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bentopack.bento.build import Tools, build_bento, check_lock
from bentopack.bento.options import BuildOptions
from bentopack.bento.project import read_project
from bentopack.bento.store import BuiltBento
from bentopack.errors import LockError
from bentopack.lock.existing import LockfileResolver
from bentopack.lock.lockfile import read_lock
from bentopack.lock.renewal import Renewal
from bentopack.lock.resolver import Resolver
from bentopack.lock.uv import UvResolver
from tests.doubles import FixedImages, FixedResolver, Recorder, write_files
from tests.echo import echo_project
from tests.lock.sources import commit, write_backend, write_project, write_stamped
from tests.lock.wheel import write_wheel


def build(folder: Path, resolver: Resolver, renewal: Renewal | None = None) -> BuiltBento:
    tools = Tools(resolver, FixedImages(), Recorder())
    return build_bento(read_project(folder), BuildOptions("linux/amd64", renewal=renewal or Renewal()), tools)


def with_python(folder: Path, **python: object) -> Path:
    write_files(folder, {"bentofile.yaml": json.dumps({"service": "service:Echo", "python": python})})
    return folder


def test_a_folder_of_the_project_travels_as_a_wheel(home: Path, tmp_path: Path) -> None:
    """The wheel of a folder is carried and hashed; without a change, nothing is built or resolved a second time."""
    project = with_python(echo_project(tmp_path / "p"), packages=["./lib"])
    write_project(project / "lib", "thing")
    first = build(project, UvResolver())
    assert (first.path / "env/python/cpu/wheels/thing-1.0-py3-none-any.whl").is_file()
    assert "thing==1.0 \\\n    --hash=sha256:" in (first.path / "env/python/cpu/requirements.lock").read_text()
    resolver = FixedResolver()
    again = build(project, resolver, Renewal(refuse=True))
    assert (again.digest, resolver.asked) == (first.digest, [])
    write_files(project, {"lib/module.py": "new = True"})
    tools = Tools(resolver, FixedImages(), Recorder())
    (told,) = check_lock(read_project(project), "linux/amd64", tools).stale
    assert told.startswith("packages built here: ./lib is sha256:")


def test_a_lock_keeps_a_branch_until_it_is_upgraded(home: Path, tmp_path: Path) -> None:
    """A branch that moved changes no Bento by itself: the lock names the commit, and `lock --upgrade` moves it."""
    repository = write_project(tmp_path / "repository", "thing")
    old = commit(repository)
    line = f"thing @ git+{repository.as_uri()}@main"
    project = with_python(echo_project(tmp_path / "p"), packages=[line])

    def pinned(renewal: Renewal | None = None) -> object:
        build(project, FixedResolver(), renewal)
        lock = read_lock(project / "bentofile.lock")
        return lock and lock.inputs["packages built here"][line]["source"]

    assert pinned() == old
    write_files(repository, {"module.py": "new = True"})
    new = commit(repository)
    assert pinned() == old
    assert pinned(Renewal(packages=("thing",))) == new
    write_files(repository, {"module.py": "newer = True"})
    newest = commit(repository)
    assert pinned(Renewal(upgrade=True)) == newest


def test_a_lock_gives_the_same_bento_when_build_tools_are_newer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another machine, later, has the digest of the first from its lock, whatever its index has by then."""
    index = tmp_path / "index"
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(index))
    repository = write_stamped(tmp_path / "repository")
    commit(repository)
    project = with_python(echo_project(tmp_path / "p"), packages=[f"git+{repository.as_uri()}@main", "./lib[more]"])
    write_project(project / "lib", "part")
    digests = []
    for version, renewal in (("1.0", Renewal()), ("2.0", Renewal(refuse=True))):
        write_backend(index, version)
        monkeypatch.setenv("BENTOPACK_HOME", str(tmp_path / "homes" / version))
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "caches" / version))
        digests.append(build(project, FixedResolver(), renewal).digest)
    assert digests[0] == digests[1]


def test_a_wheel_that_differs_between_machines_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where source and build tools are the locked ones and the bytes are not, that is what a locked build says."""
    project = with_python(echo_project(tmp_path / "p"), packages=["./lib"])
    write_project(project / "lib", "thing")
    backend = project / "lib" / "backend.py"
    backend.write_text(backend.read_text().replace('open("module.py").read()', '__import__("os").getcwd()'))
    monkeypatch.setenv("BENTOPACK_HOME", str(tmp_path / "one"))
    build(project, FixedResolver())
    monkeypatch.setenv("BENTOPACK_HOME", str(tmp_path / "other"))
    with pytest.raises(
        LockError, match=r"thing-1\.0-py3-none-any\.whl that this machine builds of \./lib has other bytes"
    ):
        build(project, FixedResolver(), Renewal(refuse=True))


def test_two_wheels_of_one_package_are_told(home: Path, tmp_path: Path) -> None:
    """A wheel for each platform, or one beside a folder of the same package, cannot both be installed."""
    names = [f"thing-1.0-py3-none-manylinux_2_17_{machine}.whl" for machine in ("aarch64", "x86_64")]
    for python in ({"wheels": names}, {"wheels": names[:1], "packages": ["./lib"]}):
        project = with_python(echo_project(tmp_path / "p"), **python)
        write_project(project / "lib", "thing")
        for name in names:
            write_wheel(project / name, "thing", "1.0")
        with pytest.raises(LockError, match=f"'thing' is there twice: as {names[0]} and as thing-1.0") as caught:
            build(project, FixedResolver())
        assert "python.find_links" in (caught.value.hint or "")


def test_a_lockfile_is_what_a_bento_has(home: Path, tmp_path: Path) -> None:
    """The packages of python.lockfile are in the Bento with their hashes, and a changed lockfile renews the lock."""
    project = with_python(echo_project(tmp_path / "p"), lockfile="pylock.toml")
    text = (
        'lock-version = "1.0"\ncreated-by = "a test"\n[[packages]]\nname = "idna"\nversion = "3.7"\n'
        'wheels = [{ url = "https://files.example/idna-3.7-py3-none-any.whl", hashes = { sha256 = "%s" } }]\n'
    )
    write_files(project, {"pylock.toml": text % ("a" * 64)})
    resolver = LockfileResolver(FixedResolver())
    locked = (build(project, resolver).path / "env/python/cpu/requirements.lock").read_text()
    assert f"idna==3.7 \\\n    --hash=sha256:{'a' * 64}" in locked
    assert "msgspec==0.22.0" in locked
    write_files(project, {"pylock.toml": text % ("b" * 64)})
    renewed = (build(project, resolver).path / "env/python/cpu/requirements.lock").read_text()
    assert "b" * 64 in renewed
