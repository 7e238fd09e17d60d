"""Wheels, laid out as an image's virtual environment."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from pathlib import Path

import pytest

from bentopack.errors import LockError
from bentopack.image.validate import PlanError
from bentopack.image.wheels import _script, compiled, lay_out, skeleton
from bentopack.oci.tar import Entry
from tests.doubles import Recorder

from .conftest import write_wheel

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
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    sources = {}
    for name in ("a", "b", "tests/t", "broken"):
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text("print 1\n" if name == "broken" else f"def {name[0]}(word='shared'):\n    return word\n")
        sources[name] = Entry(f"opt/venv/x/{name}.py", source=path)
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    [one] = compiled([list(sources.values())], python, tmp_path / "one", Recorder())
    [_, other] = compiled([[sources["b"]], list(sources.values())[::-1]], python, tmp_path / "other", Recorder())
    tag = f"cpython-{python.replace('.', '')}"
    assert [entry.path for entry in one] == [f"opt/venv/x/__pycache__/{name}.{tag}.pyc" for name in "ab"]
    assert contents(tuple(one)) == contents(tuple(other))
    code = "import marshal, sys; print(marshal.loads(open(sys.argv[1], 'rb').read()[16:]).co_filename)"
    assert isinstance(one[0].source, Path)
    told = subprocess.run([sys.executable, "-c", code, one[0].source], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "/opt/venv/x/a.py"


def test_without_that_python_there_is_no_bytecode(tmp_path: Path) -> None:
    """It is told, and the image works without."""
    recorder = Recorder()
    assert compiled([[Entry("a.py", source=tmp_path)]], "2.6", tmp_path, recorder) == [[]]
    assert "no Python 2.6 here" in recorder.warnings[0]


def test_the_skeleton_of_an_environment() -> None:
    """Its Python is the base's."""
    found = {entry.path: entry for entry in skeleton("3.12", "/usr/local/bin/python3.12")}
    assert found["opt/venv/bin/python"].target == "/usr/local/bin/python3.12"
    assert found["opt/venv/bin/python3"].target == "python"
    settings = found["opt/venv/pyvenv.cfg"].source
    assert isinstance(settings, bytes)
    assert b"home = /usr/local/bin\n" in settings
