"""Lockfiles of other tools: taken as they are, for the image's Python and platform."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from bentopack._report import Silent
from bentopack.bento.runtime import write_runtime
from bentopack.errors import BentopackError, LockError, SpecError
from bentopack.lock.existing import LockfileResolver, describe_lockfile, read_lockfile
from bentopack.lock.requirements import hashed_requirements, input_text, inputs_of
from bentopack.lock.resolver import Indexes, LockedPackage, Request, Target
from bentopack.lock.uv import UvResolver
from bentopack.lock.wheels import local_wheel
from bentopack.spec.load import load_spec
from tests.doubles import FixedResolver, write_files
from tests.lock.wheel import write_wheel

A, B = "a" * 64, "b" * 64
TARGET = Target("3.11", "linux/amd64")

PYLOCK = f"""\
lock-version = "1.0"
created-by = "a test"
requires-python = ">=3.10"
dependency-groups = ["dev"]

[[packages]]
name = "idna"
version = "3.7"
index = "https://pypi.org/simple/"
sdist = {{ url = "https://files.example/idna-3.7.tar.gz", hashes = {{ sha256 = "{B}" }} }}
wheels = [{{ url = "https://files.example/idna-3.7-py3-none-any.whl", hashes = {{ sha256 = "{A}", md5 = "x" }} }}]
"""
WHEEL = f'wheels = [{{ url = "https://files.example/NAME-VERSION-py3-none-any.whl", hashes = {{ sha256 = "{A}" }} }}]'
POETRY = f"""\
[[package]]
name = "Idna"
version = "3.7"
optional = false
groups = ["main", "dev"]
files = [
    {{file = "idna-3.7-py3-none-any.whl", hash = "sha256:{A}"}},
    {{file = "idna-3.7.tar.gz", hash = "sha256:{B}"}},
]

[[package]]
name = "pytest"
version = "9.0"
optional = false
groups = ["dev"]
files = [{{file = "pytest-9.0-py3-none-any.whl", hash = "sha256:{A}"}}]

[[package]]
name = "extra-thing"
version = "1"
optional = true
groups = ["main"]
markers = "extra == 'more'"
files = [{{file = "extra_thing-1-py3-none-any.whl", hash = "sha256:{A}"}}]

[[package]]
name = "exceptiongroup"
version = "1.2.0"
optional = false
groups = ["main", "dev"]
markers = {{main = "python_version < \\"3.11\\"", dev = "python_version < \\"3.13\\""}}
files = [{{file = "exceptiongroup-1.2.0-py3-none-any.whl", hash = "sha256:{A}"}}]
"""
POETRY_END = '\n[metadata]\nlock-version = "2.1"\npython-versions = "^3.10"\ncontent-hash = "x"\n'


def entry(name: str, *lines: str, version: str = "1") -> str:
    text = "\n".join(["", "[[packages]]", f'name = "{name}"', f'version = "{version}"', *lines, ""])
    return text.replace("NAME", name).replace("VERSION", version)


def request_of(path: Path, **options: Any) -> Request:
    lockfile = describe_lockfile(path, path.name)
    given = {
        "lines": (),
        "files": (),
        "wheels": (),
        "runtime": path.parent / "none.whl",
        "lockfile": lockfile,
        **options,
    }
    return Request(**given)


def read(path: Path, text: str, target: Target = TARGET, **options: Any) -> dict[str, LockedPackage]:
    path.write_text(text)
    request = request_of(path, **options)
    assert request.lockfile
    return {each.name: each for each in read_lockfile(request.lockfile, request, target, Silent())}


def test_a_pylock_is_taken_with_all_its_hashes(tmp_path: Path) -> None:
    """Every file of a release stays allowed; PyPI needs no word, another index is kept without its password."""
    text = PYLOCK + entry("inner", 'index = "https://u:p@packages.example/simple"', WHEEL)
    found = read(tmp_path / "pylock.toml", text)
    assert (found["idna"].version, found["idna"].hashes) == ("3.7", (f"sha256:{A}", f"sha256:{B}"))
    assert found["idna"].index is None
    assert found["inner"].index == "https://packages.example/simple"
    lines = hashed_requirements(tuple(found.values()), Indexes(), wheels=False).splitlines()
    assert "--extra-index-url https://packages.example/simple" in lines
    own = Indexes(extra_index_url=("https://packages.example/simple/",))
    assert read(tmp_path / "pylock.toml", text, indexes=own)["inner"].index is None


@pytest.mark.parametrize(
    ("marker", "target", "belongs"),
    [
        ("python_version < '3.11'", Target("3.10", "linux/amd64"), True),
        ("python_version < '3.11'", TARGET, False),
        ("platform_machine == 'aarch64'", Target("3.11", "linux/arm64"), True),
        ("platform_machine == 'aarch64'", TARGET, False),
        ("sys_platform == 'win32' or os_name == 'nt'", TARGET, False),
        ("implementation_name == 'cpython' and platform_system == 'Linux'", TARGET, True),
        ("'dev' in dependency_groups", TARGET, False),
        ("'more' in extras", TARGET, False),
        ("'dev' in dependency_groups or python_version >= '3.11'", TARGET, True),
    ],
)
def test_markers_are_asked_for_the_image(tmp_path: Path, marker: str, target: Target, *, belongs: bool) -> None:
    """What belongs is decided by the image's Python and platform, not by the machine that builds."""
    found = read(tmp_path / "pylock.prod.toml", PYLOCK + entry("x", f'marker = "{marker}"', WHEEL), target)
    assert ("x" in found) == belongs
    assert all(package.marker is None for package in found.values())


def test_what_asks_for_a_patch_release_is_left_to_the_image(tmp_path: Path) -> None:
    """Which patch release an image has is known only there, so both packages stay, each under its marker."""
    older, newer = "python_full_version < '3.11.3'", "python_full_version >= '3.11.3'"
    text = PYLOCK + entry("x", f'marker = "{older}"', WHEEL) + entry("x", f'marker = "{newer}"', WHEEL, version="2")
    path = tmp_path / "pylock.toml"
    path.write_text(text)
    request = request_of(path)
    assert request.lockfile
    found = [each for each in read_lockfile(request.lockfile, request, TARGET, Silent()) if each.name == "x"]
    assert {each.version: each.marker for each in found} == {
        "1": 'python_full_version < "3.11.3"',
        "2": 'python_full_version >= "3.11.3"',
    }


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (entry("x", 'vcs = { type = "git", url = "https://e/x", commit-id = "1" }'), "'x' comes from git"),
        (entry("x", 'directory = { path = "../x", editable = true }'), r"'x' is the folder '\.\./x'"),
        (entry("x", WHEEL.replace("sha256 =", "sha512 =")), "'x' has no SHA-256"),
        (entry("x", WHEEL.replace("url", "path").replace("https://files.example/", "")), "'x' is a file of this"),
        (entry("idna", WHEEL), "holds 'idna' twice for this target"),
    ],
)
def test_what_has_no_hash_is_refused_by_name(tmp_path: Path, more: str, message: str) -> None:
    """A package that could change behind the lock is named, with the way out."""
    with pytest.raises(LockError, match=message):
        read(tmp_path / "pylock.toml", PYLOCK + more)


def test_a_wheel_of_the_project_takes_the_place(tmp_path: Path) -> None:
    """The way out works: a wheel under python.wheels stands for the folder, the runtime for bentopack."""
    wheel = local_wheel(write_wheel(tmp_path / "x-1-py3-none-any.whl", "x", "1"))
    text = PYLOCK + entry("x", 'directory = { path = "x" }') + entry("bentopack", WHEEL)
    assert set(read(tmp_path / "pylock.toml", text, wheels=(wheel,))) == {"idna"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[packages", "not valid TOML"),
        ("x = 1", "cannot be read"),
        (PYLOCK.replace('"1.0"', '"9.0"'), "cannot be read"),
        (
            PYLOCK.replace('">=3.10"', '">=3.12"'),
            r"cannot be used for Python 3\.11 on linux/amd64: it is for Python >=3\.12",
        ),
        ("environments = [\"sys_platform == 'win32'\"]\n" + PYLOCK, 'it is for sys_platform == "win32"'),
    ],
)
def test_a_wrong_pylock_is_told(tmp_path: Path, text: str, message: str) -> None:
    """A lockfile that is damaged, too new or for another target is told by its name."""
    with pytest.raises(BentopackError, match=message) as error:
        read(tmp_path / "pylock.toml", text)
    assert "pylock.toml" in str(error.value)


def test_a_poetry_lock_gives_the_main_group(tmp_path: Path) -> None:
    """Of poetry.lock what the project itself needs is taken: no other groups, no extras, with main's markers."""
    found = read(tmp_path / "poetry.lock", POETRY + POETRY_END)
    assert {name: each.version for name, each in found.items()} == {"idna": "3.7"}
    assert found["idna"].hashes == (f"sha256:{A}", f"sha256:{B}")
    assert set(read(tmp_path / "poetry.lock", POETRY + POETRY_END, Target("3.10", "linux/arm64"))) == {
        "exceptiongroup",
        "idna",
    }


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"2.1"', '"2.0"', "the format 2.0 cannot be read"),
        ('"^3.10"', '"~3.12"', "it is for Python ~3.12"),
        ('"^3.10"', '"snake"', "python-versions 'snake' cannot be read"),
        (
            "[metadata]",
            '[package.source]\ntype = "git"\nurl = "https://e/x"\n[metadata]',
            "'exceptiongroup' comes from git",
        ),
        ("files = [", "fields = [", "cannot be read as a lockfile of Poetry"),
    ],
)
def test_a_poetry_lock_that_cannot_be_used_is_told(tmp_path: Path, old: str, new: str, message: str) -> None:
    """A lockfile without groups, for another Python or with something unhashed is refused."""
    with pytest.raises(LockError, match=message):
        read(tmp_path / "poetry.lock", (POETRY + POETRY_END).replace(old, new), Target("3.10", "linux/amd64"))


@pytest.mark.parametrize(
    ("pythons", "taken"),
    [
        ("^3.10", True),
        ("~3.11", True),
        (">=3.9,<3.12", True),
        ("~2.7 || ^3.11", True),
        ("*", True),
        (">=3.12 <4", False),
    ],
)
def test_poetrys_way_to_name_pythons(tmp_path: Path, pythons: str, *, taken: bool) -> None:
    """Carets, tildes, commas and alternatives mean what they mean to Poetry."""
    text = POETRY + POETRY_END.replace("^3.10", pythons)
    if taken:
        assert read(tmp_path / "poetry.lock", text)
    else:
        with pytest.raises(LockError, match="it is for Python"):
            read(tmp_path / "poetry.lock", text)


def uv_project(folder: Path, *dependencies: str, more: str = "") -> Path:
    from uv import find_uv_bin

    listed = ", ".join(f'"{each}"' for each in dependencies)
    head = f'[project]\nname = "demo"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = [{listed}]\n'
    write_files(folder, {"pyproject.toml": head + more})
    subprocess.run([find_uv_bin(), "lock", "--quiet"], cwd=folder, check=True)
    return folder / "uv.lock"


def test_a_uv_lock_is_the_truth_and_the_runtimes_own_comes_beside(tmp_path: Path) -> None:
    """What uv.lock holds is neither moved nor renewed, and what only the runtime needs is resolved beside it."""
    path = uv_project(tmp_path, "iniconfig==2.0.0", "msgspec<0.20", more='[dependency-groups]\ndev = ["tomli"]\n')
    before = path.read_bytes()
    # The project asks for something newer by now: the lockfile counts.
    (tmp_path / "pyproject.toml").write_text((tmp_path / "pyproject.toml").read_text().replace("==2.0.0", ">=2"))
    request = request_of(path, runtime=write_runtime(tmp_path))
    found = {each.name: each for each in LockfileResolver(UvResolver()).resolve(request, TARGET, Silent())}
    assert found["iniconfig"].version == "2.0.0"
    assert found["msgspec"].version.startswith("0.19")
    assert "starlette" in found
    assert not {"tomli", "demo", "bentopack"} & found.keys()
    assert list(found) == sorted(found)
    assert all(each.hashes for each in found.values())
    assert path.read_bytes() == before


def test_a_conflict_with_the_runtime_names_both(tmp_path: Path) -> None:
    """Where the lockfile's version does not serve, both are named, and the lockfile is not changed."""
    path = tmp_path / "pylock.toml"
    path.write_text(PYLOCK + entry("msgspec", WHEEL, version="0.18.6"))
    with pytest.raises(LockError, match="does not go together with what the runtime") as error:
        LockfileResolver(UvResolver()).resolve(request_of(path, runtime=write_runtime(tmp_path)), TARGET, Silent())
    assert "msgspec==0.18.6" in str(error.value)
    assert "msgspec>=0.19" in str(error.value)
    assert "pylock.toml" in str(error.value)


def test_a_uv_lock_needs_its_project(tmp_path: Path) -> None:
    """uv reads its lockfile only beside the pyproject.toml; without it, or damaged, that is said."""
    path = tmp_path / "uv.lock"
    with pytest.raises(LockError, match=r"no pyproject\.toml beside"):
        read(path, "version = 1\n")
    write_files(tmp_path, {"pyproject.toml": '[project]\nname = "demo"\nversion = "1"\n'})
    with pytest.raises(LockError, match=r"uv cannot read uv\.lock"):
        read(path, "nonsense")


def test_without_a_lockfile_nothing_changes(tmp_path: Path) -> None:
    """A request that names none goes to the resolver as it is."""
    inner = FixedResolver({"msgspec": "1"})
    request = Request(lines=("x",), files=(), wheels=(), runtime=tmp_path / "none.whl")
    assert [each.name for each in LockfileResolver(inner).resolve(request, TARGET, Silent())] == ["msgspec"]
    assert inner.asked == [request]


def test_the_lockfile_is_an_input_by_its_text(tmp_path: Path) -> None:
    """Another line ending needs no new lock, another package does; people read where the packages come from."""
    path = tmp_path / "pylock.toml"
    path.write_bytes(PYLOCK.encode())
    one = inputs_of(request_of(path), TARGET, "runtime")
    path.write_bytes(PYLOCK.replace("\n", "\r\n").encode())
    assert inputs_of(request_of(path), TARGET, "runtime") == one
    path.write_bytes(PYLOCK.replace("3.7", "3.8").encode())
    assert inputs_of(request_of(path), TARGET, "runtime") != one
    assert "# The packages of pylock.toml." in input_text(request_of(path))


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("lockfile: uv.lock\n  packages: [idna]", r"bentofile\.yaml:4:3: python\.packages: python\.lockfile says all"),
        (
            "lockfile: uv.lock\n  requirements_txt: r.txt",
            r"bentofile\.yaml:4:3: python\.requirements_txt: python\.lockfile",
        ),
        ("lockfile: r.txt", r"bentofile\.yaml:3:3: python\.lockfile: expected the path of a pylock\.toml"),
        ("lockfile: poetry.lock", r"python\.lockfile: the file 'poetry\.lock' does not exist"),
        ("lockfile: ../uv.lock", r"leads out of the project"),
    ],
)
def test_a_bentofile_names_one_truth(tmp_path: Path, section: str, message: str) -> None:
    """A lockfile beside packages, one that is none, or one that is not there is told with its place."""
    text = f"service: service:Iris\npython:\n  {section}\n"
    write_files(tmp_path, {"bentofile.yaml": text, "uv.lock": "", "r.txt": "", "service.py": ""})
    with pytest.raises(SpecError, match=message):
        load_spec(tmp_path)


def test_a_project_table_may_have_its_lockfile(tmp_path: Path) -> None:
    """With a lockfile the dependencies of pyproject.toml are what it was made from, not packages beside it."""
    text = '[project]\nname = "x"\ndependencies = ["idna"]\n[tool.bentopack]\nservice = "service:Iris"\n'
    write_files(tmp_path, {"pyproject.toml": text + '[tool.bentopack.python]\nlockfile = "uv.lock"\n', "uv.lock": ""})
    python = load_spec(tmp_path).spec.python
    assert (python.packages, python.lockfile) == ((), "uv.lock")
