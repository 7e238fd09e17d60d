"""What of this machine decides the bytes of Python layers."""

from __future__ import annotations

import os
import sys
from importlib import metadata
from pathlib import Path

import pytest

from bentopack.image.toolchain import Interpreter, clean_environment, find_compiler, uv_release
from bentopack.oci.blobs import Blobs


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


def python_of(path: Path, release: str, version: str = "3, 99", log: Path | None = None) -> Path:
    """What answers as a Python of another release would, and tells when it was started."""
    path.parent.mkdir(exist_ok=True)
    noted = f"echo started >> {log}\n" if log else ""
    path.write_text(f'#!/bin/sh\n{noted}echo \'["{path}", "{release}", [{version}]]\'\n')
    path.chmod(0o755)
    return path


def test_our_own_python_is_known(blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is looked for or started."""
    monkeypatch.setenv("PATH", "")
    ours = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert find_compiler(ours, blobs) == Interpreter(sys.executable, sys.version)
    assert find_compiler("3.99", blobs) is None


def test_another_python_is_started_once(blobs: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until its file changes, or the one that a script led to: then it may be another release."""
    log = tmp_path / "log"
    real = python_of(tmp_path / "real/python", "3.99.1", log=log)
    shim = tmp_path / "shims/python3.99"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec {real} "$@"\n')
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{shim.parent}:{os.environ['PATH']}")
    for _ in range(3):
        assert find_compiler("3.99", blobs) == Interpreter(str(real), "3.99.1")
    assert log.read_text().count("started") == 1
    python_of(real, "3.99.22", log=log)
    assert find_compiler("3.99", blobs) == Interpreter(str(real), "3.99.22")
    real.unlink()
    assert find_compiler("3.99", blobs) is None


@pytest.mark.parametrize("answer", ["exit 127", "echo no answer", """echo '["/x", "3.98", [3, 98]]'"""])
def test_what_is_no_such_python(answer: str, blobs: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that cannot be started, as where pyenv has none chosen, is as good as none."""
    path = python_of(tmp_path / "bin/python3.99", "")
    path.write_text(f"#!/bin/sh\n{answer}\n")
    monkeypatch.setenv("PATH", f"{path.parent}:{os.environ['PATH']}")
    assert find_compiler("3.99", blobs) is None


def test_uv_is_told_by_its_version() -> None:
    """As its package says it."""
    assert uv_release() == f"uv-{metadata.version('uv')}"


def test_settings_of_the_user_count_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those for Python; others may be needed to start it at all."""
    monkeypatch.setenv("PYTHONOPTIMIZE", "2")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/python/lib")
    environment = clean_environment()
    assert environment["LD_LIBRARY_PATH"] == "/opt/python/lib"
    assert [name for name in environment if name.startswith("PYTHON")] == ["PYTHONHASHSEED"]
