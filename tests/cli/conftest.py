"""A project whose requirements are locked already, so that a command need not resolve them each time."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.command import bentopack
from tests.echo import echo_project


@pytest.fixture(scope="session")
def locked_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The echo project, built once for real."""
    folder = tmp_path_factory.mktemp("locked")
    project = echo_project(folder / "echo")
    built = bentopack("build", cwd=project, env={"BENTOPACK_HOME": str(folder / "home")})
    assert built.returncode == 0, built.stderr
    return project


@pytest.fixture
def project(locked_project: Path, tmp_path: Path, home: Path) -> Path:
    """The test's own copy of it, with an empty store."""
    return Path(shutil.copytree(locked_project, tmp_path / "echo"))
