"""The runtime's wheel, which every Bento carries."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from bentopack.bento.runtime import REQUIRES, runtime_wheel, write_runtime

ROOT = Path(__file__).parents[2]


def test_the_wheel_is_the_same_each_time() -> None:
    """Its bytes follow from its source."""
    assert runtime_wheel() == runtime_wheel()


def test_only_what_serves_is_in_it() -> None:
    """Neither the command line nor anything that builds is carried into an image."""
    names = zipfile.ZipFile(io.BytesIO(runtime_wheel())).namelist()
    rooms = {name.split("/")[1] for name in names if name.count("/") > 1 or name.endswith(".py")}
    assert {"serve", "models", "spec"} <= rooms
    assert not rooms & {"cli", "image", "bento", "lock"}
    assert {name for name in names if name.startswith("bentopack/spec/")} == {
        "bentopack/spec/__init__.py",
        "bentopack/spec/defaults.py",
        "bentopack/spec/manifest.py",
    }


def test_its_requirements_are_the_projects_own() -> None:
    """What the runtime asks for is what pyproject.toml asks for, range by range."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(REQUIRES) <= set(project["dependencies"])


def test_pip_installs_it_and_it_imports_alone(tmp_path: Path) -> None:
    """Installed where no build side is, the runtime still imports, and `bentopack serve` is its command."""
    wheel = write_runtime(tmp_path)
    target = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", target, wheel], check=True
    )
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import bentopack, pkgutil, importlib\n"
        "assert bentopack.__file__.startswith(sys.argv[1])\n"
        "for module in pkgutil.walk_packages(bentopack.__path__, 'bentopack.'):\n"
        "    if not module.name.endswith(('__main__', 'sklearn')): importlib.import_module(module.name)\n"
        "heavy = {'typer', 'rich', 'jinja2', 'docker', 'piptools', 'pydantic', 'pathspec', 'numpy'}\n"
        "heavy &= sys.modules.keys()\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code, target], check=True, cwd=tmp_path)
    for command in ([target / "bin/bentopack"], [sys.executable, "-m", "bentopack"]):
        said = subprocess.run(
            [*command, "serve", "--help"],
            env={**os.environ, "PYTHONPATH": str(target)},
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
        ).stdout
        assert "Serve a Bento directory" in said
        assert "--max-body" in said
