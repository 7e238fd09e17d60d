"""Wheels, laid out as an image's virtual environment."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from pathlib import Path

import pytest

from bentopack.errors import LockError
from bentopack.image import bytecode
from bentopack.image.toolchain import Interpreter
from bentopack.image.validate import PlanError
from bentopack.image.wheels import _script, compiled, lay_out, skeleton
from bentopack.oci.tar import Entry, complete
from tests.doubles import Recorder
from tests.pythons import PYTHONS, find_python

from .conftest import recorded_wheel, write_wheel

OURS = f"{sys.version_info.major}.{sys.version_info.minor}"
HERE = Interpreter(sys.executable, sys.version)
SITE = "opt/venv/lib/python3.12/site-packages"


def locked(folder: Path, *wheels: Path) -> Path:
    """Requirements that lock wheels of a folder beside them."""
    from bentopack._fs import sha256_file

    lines = ["--no-index", "--find-links wheels"]
    for wheel in wheels:
        name, version = wheel.name.split("-")[:2]
        lines.append(f"{name}=={version} \\\n    --hash=sha256:{sha256_file(wheel)}")
    path = folder / "requirements.lock"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A wheel with a module, a test of its own, a script and a command."""
    path = tmp_path / "wheels/tiny-1.0-py3-none-any.whl"
    files = {
        "tiny/__init__.py": "ANSWER = 42\n",
        "tiny/tests/test_it.py": "x = 1\n",
        "tiny/broken.py": "print 'for another Python'\n",
        "tiny-1.0.data/scripts/say": "#!python\nprint(42)\n",
        "tiny-1.0.dist-info/entry_points.txt": "[console_scripts]\ntiny = tiny:main\n",
    }
    write_wheel(path, files)
    return path


def contents(entries: tuple[Entry, ...]) -> dict[str, bytes]:
    """What each entry holds."""
    found = {}
    for entry in entries:
        assert entry.source is not None
        found[entry.path] = entry.source if isinstance(entry.source, bytes) else entry.source.read_bytes()
    return found


def test_laid_out_for_the_image(tiny: Path, tmp_path: Path) -> None:
    """In the folder of the image's Python, with scripts that its Python starts; nothing tells of this machine."""
    (tmp_path / "into").mkdir()
    found = lay_out(locked(tmp_path, tiny), "3.12", "linux/arm64", tmp_path / "into", Recorder())
    files = contents(tuple(entry for each in found for entry in each.entries))
    assert files[f"{SITE}/tiny/__init__.py"] == b"ANSWER = 42\n"
    for name in ("tiny", "say"):
        assert files[f"opt/venv/bin/{name}"].startswith(b"#!/opt/venv/bin/python\n")
    assert not any(path.endswith("direct_url.json") for path in files)
    assert not any(str(tmp_path).encode() in content for content in files.values())
    rows = list(csv.reader(io.StringIO(files[f"{SITE}/tiny-1.0.dist-info/RECORD"].decode())))
    assert [f"{SITE}/tiny-1.0.dist-info/RECORD".rpartition("/")[2] in row[0] for row in rows].count(True) == 1
    modes = {entry.path: entry.mode for each in found for entry in each.entries}
    assert (modes["opt/venv/bin/say"], modes[f"{SITE}/tiny/__init__.py"]) == (0o755, 0o644)


def test_a_wheel_is_told_from_others_by_what_is_locked(tiny: Path, tmp_path: Path) -> None:
    """Its name, version, tags and hashes: what has the same is the same layer in another image."""
    (tmp_path / "into").mkdir()
    found = lay_out(locked(tmp_path, tiny), "3.12", "linux/amd64", tmp_path / "into", Recorder())
    [one] = [each for each in found if each.name == "tiny"]
    assert one.identity[:3] == ("tiny", "1.0", "Tag: py3-none-any")
    assert one.identity[3].startswith("sha256:")


def test_what_has_no_wheel_is_refused_by_name(tmp_path: Path) -> None:
    """With the way out: a source would have to be built in the image."""
    (tmp_path / "into").mkdir()
    (tmp_path / "wheels").mkdir()
    source = tmp_path / "wheels/tiny-1.0.tar.gz"
    source.write_bytes(b"x")
    requirements = locked(tmp_path, source)
    requirements.write_text(requirements.read_text().replace("==1.0.tar.gz", "==1.0"))
    with pytest.raises((PlanError, LockError), match="tiny") as caught:
        lay_out(requirements, "3.12", "linux/amd64", tmp_path / "into", Recorder())
    assert caught.value.hint


def test_another_file_than_was_locked(tiny: Path, tmp_path: Path) -> None:
    """A wheel of another hash is not laid out."""
    (tmp_path / "into").mkdir()
    requirements = locked(tmp_path, tiny)
    write_wheel(tiny, {"tiny/__init__.py": "ANSWER = 666\n"})
    with pytest.raises(LockError, match="laid out"):
        lay_out(requirements, "3.12", "linux/amd64", tmp_path / "into", Recorder())


@pytest.mark.parametrize(
    ("script", "kept"),
    [
        (b"#!/home/me/venv/bin/python3.11\nprint(1)\n", b"print(1)\n"),
        (b"#!/bin/sh\n'''exec' '/a long/path/python' \"$0\" \"$@\"\n' '''\nprint(1)\n", b"print(1)\n"),
    ],
)
def test_scripts_of_this_machine(tmp_path: Path, script: bytes, kept: bytes) -> None:
    """Whatever way uv starts this machine's Python, the image's is started."""
    path = tmp_path / "script"
    path.write_bytes(script)
    assert _script(path) == b"#!/opt/venv/bin/python\n" + kept
    path.write_bytes(b"#!/bin/sh\necho 1\n")
    assert _script(path) == b"#!/bin/sh\necho 1\n"


def test_bytecode_is_the_same_whatever_else_is_compiled(tmp_path: Path) -> None:
    """By the source's hash and its final path; not of tests, nor of what cannot be compiled."""
    sources = {}
    for name in ("a", "b", "tests/t", "broken"):
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text("print 1\n" if name == "broken" else f"def {name[0]}(word='shared'):\n    return word\n")
        sources[name] = Entry(f"opt/venv/x/{name}.py", source=path)
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    [one] = compiled([list(sources.values())], OURS, HERE, tmp_path / "one", Recorder())
    [_, other] = compiled([[sources["b"]], list(sources.values())[::-1]], OURS, HERE, tmp_path / "other", Recorder())
    tag = f"cpython-{OURS.replace('.', '')}"
    assert [entry.path for entry in one] == [f"opt/venv/x/__pycache__/{name}.{tag}.pyc" for name in "ab"]
    assert contents(tuple(one)) == contents(tuple(other))
    code = "import marshal, sys; print(marshal.loads(open(sys.argv[1], 'rb').read()[16:]).co_filename)"
    assert isinstance(one[0].source, Path)
    told = subprocess.run([sys.executable, "-c", code, one[0].source], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "/opt/venv/x/a.py"


def bytecode_of(source: str, folder: Path, name: str = "a.py", compiler: Interpreter = HERE) -> dict[str, bytes]:
    """What a Python compiles a file of this name to, and one beside it."""
    folder.mkdir()
    paths = [folder / name, folder / "beside.py"]
    for path, text in zip(paths, (source, "X = 1\n"), strict=True):
        path.write_text(text)
    entries = [Entry(f"opt/venv/x/{path.name}", source=path) for path in paths]
    [made] = compiled([entries], OURS, compiler, folder, Recorder())
    return contents(tuple(made))


@pytest.mark.parametrize("name", ["line\u2028separator.py", "tab\there.py", "new\nline.py", "größe.py"])
def test_bytecode_of_files_of_any_name(name: str, tmp_path: Path) -> None:
    """Whatever characters are in it, it has bytecode, and so has its neighbour."""
    assert len(bytecode_of("X = 1\n", tmp_path / "x", name)) == 2


def test_what_is_nested_too_deeply_has_no_bytecode(tmp_path: Path) -> None:
    """What no parser takes is left out as what is for another Python is; its neighbour is compiled."""
    assert len(bytecode_of(f"x = {'-' * 100_000}1\n", tmp_path / "x")) == 1


def test_a_compiler_that_fails_is_told(tmp_path: Path) -> None:
    """In one message, with the way out; no image is made of half the bytecode."""
    failing = tmp_path / "python"
    failing.write_text("#!/bin/sh\necho no room >&2\nexit 3\n")
    failing.chmod(0o755)
    with pytest.raises(PlanError, match="does not compile the packages' bytecode: no room"):
        bytecode_of("X = 1\n", tmp_path / "x", compiler=Interpreter(str(failing), ""))


@pytest.mark.parametrize("python", PYTHONS)
def test_the_same_bytecode_in_every_run(python: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sets too, which older Pythons write in the order of their hashes; whatever the user has set for Python."""
    if (path := find_python(python)) is None:
        pytest.skip(f"there is no Python {python}")
    compiler = Interpreter(path, python)
    source = "def f(x):\n    return x in {'alpha', 'beta', 'gamma', 'delta', 'epsilon', 'zeta'}\n"
    found = []
    for seed in ("1", "2", "3", "random"):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        monkeypatch.setenv("PYTHONOPTIMIZE", "2" if seed == "3" else "")
        found.append(bytecode_of(source, tmp_path / seed, compiler=compiler))
    assert found[0]
    # Each lies in its own folder, and has the path that it will have.
    assert all(each == found[0] for each in found[1:])


def test_what_lies_beside_the_compiler_is_not_the_library(tmp_path: Path) -> None:
    """The program that compiles has neighbours of its own; none of them is imported in the place of Python's."""
    program = tmp_path / "bytecode.py"
    program.write_bytes(Path(bytecode.__file__).read_bytes())
    for name in ("warnings", "pathlib", "importlib"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong one')\n")
    (tmp_path / "list").write_text("")
    command = [sys.executable, "-s", "-S", str(program), str(tmp_path / "list")]
    assert subprocess.run(command, capture_output=True, text=True, check=False).stderr == ""


def test_without_that_python_there_is_no_bytecode(tmp_path: Path) -> None:
    """It is told, and the image works without."""
    recorder = Recorder()
    assert compiled([[Entry("a.py", source=tmp_path)]], "2.6", None, tmp_path, recorder) == [[]]
    assert "no Python 2.6 here" in recorder.warnings[0]


def test_each_wheel_has_its_own_files(tmp_path: Path) -> None:
    """Where two have another file at one path, uv leaves either; here each has the one that it brought."""
    wheels = []
    for name in ("aaa", "bbb", "ccc"):
        shared = {"shared/__init__.py": "", "shared/who.py": f"WHO = '{name}'\n"} if name != "ccc" else {}
        files = {"common/__init__.py": "", f"{name}/__init__.py": f"# {name}\n", **shared}
        wheels.append(recorded_wheel(tmp_path / f"wheels/{name}-1.0-py3-none-any.whl", files))
    (tmp_path / "into").mkdir()
    found = lay_out(locked(tmp_path, *wheels), "3.12", "linux/amd64", tmp_path / "into", Recorder())
    assert {each.name: each.at_odds for each in found} == {"aaa": True, "bbb": True, "ccc": False}
    for each in found[:2]:
        files_of = contents(each.entries)
        assert files_of[f"{SITE}/shared/who.py"] == f"WHO = '{each.name}'\n".encode()
        assert f"{SITE}/{each.name}/__init__.py" in files_of


def test_files_of_a_wheel_that_are_no_packages(tmp_path: Path) -> None:
    """Libraries that it puts beside Python's folders lie where it says, and what is for lib64 where that leads."""
    data = "tiny-1.0.data/data"
    files = {f"{data}/lib/libfast.so": "1", f"{data}/lib64/libwide.so": "2", f"{data}/share/x/y": "3"}
    wheel = recorded_wheel(tmp_path / "wheels/tiny-1.0-py3-none-any.whl", files)
    (tmp_path / "into").mkdir()
    found = lay_out(locked(tmp_path, wheel), "3.12", "linux/amd64", tmp_path / "into", Recorder())
    entries = [entry for each in found for entry in each.entries]
    assert {"opt/venv/lib/libfast.so", "opt/venv/lib/libwide.so", "opt/venv/share/x/y"} <= {
        each.path for each in entries
    }
    assert complete([*skeleton("3.12", "/usr/bin/python3.12"), *entries])


def test_the_skeleton_of_an_environment() -> None:
    """Its Python is the base's."""
    found = {entry.path: entry for entry in skeleton("3.12", "/usr/local/bin/python3.12")}
    assert found["opt/venv/bin/python"].target == "/usr/local/bin/python3.12"
    assert found["opt/venv/bin/python3"].target == "python"
    settings = found["opt/venv/pyvenv.cfg"].source
    assert isinstance(settings, bytes)
    assert b"home = /usr/local/bin\n" in settings
