"""What is installed: a wheel with exactly the files meant, and an editable install that works like it."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FIND_RESOURCES = (
    "from bentopack._resources import resource_dir\n"
    "print(resource_dir('templates') / 'dockerfile' / 'Dockerfile.j2')\n"
    "print(resource_dir('schemas') / 'bentofile.schema.json')\n"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of this checkout, built as an index would get it."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(pip, check=True)
    (path,) = folder.glob("bentopack-*.whl")
    return path


def tracked(*folders: str) -> set[str]:
    """The files below some folders that the checkout is meant to hold."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *folders],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    return {name for name in listed if (ROOT / name).is_file()}


def test_the_wheel_holds_exactly_what_is_meant(wheel: Path) -> None:
    """Package, templates and schemas, each file once, and nothing of tests, examples or documents."""
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    moved = {"templates/": "bentopack/_templates/", "schemas/": "bentopack/_schemas/"}
    meant = tracked("bentopack")
    for source, target in moved.items():
        meant |= {target + name.removeprefix(source) for name in tracked(source)}
    assert held == meant


def test_templates_and_schemas_are_found_in_an_installed_wheel(wheel: Path, tmp_path: Path) -> None:
    """Installed from a wheel, the package reads its own copies, wherever it is run."""
    subprocess.run(
        [sys.executable, "-m", "pip", "--quiet", "install", "--no-deps", "--target", tmp_path / "site", wheel],
        check=True,
    )
    found = run_python(sys.executable, tmp_path, PYTHONPATH=str(tmp_path / "site"))
    assert all(path.is_relative_to(tmp_path / "site") for path in found)


def test_templates_and_schemas_are_found_in_an_editable_install(tmp_path: Path) -> None:
    """Installed editable, the package reads the checkout's folders, so an edit shows at once."""
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv/bin/python"
    subprocess.run([python, "-m", "pip", "--quiet", "install", "--no-deps", "--editable", ROOT], check=True)
    found = run_python(python, tmp_path)
    assert {path.parent for path in found} == {ROOT / "templates/dockerfile", ROOT / "schemas"}


def run_python(python: str | Path, folder: Path, **environment: str) -> list[Path]:
    """Ask an interpreter, outside the checkout, where it finds the resources."""
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [python, "-c", FIND_RESOURCES], cwd=folder, env=clean | environment, capture_output=True, text=True, check=True
    )
    found = [Path(line) for line in done.stdout.splitlines()]
    assert all(path.is_file() for path in found)
    return found
