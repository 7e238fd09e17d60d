"""A project with torch, from the command line: locked and built for cpu and gpu from a real index."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bentopack.lock import LOCK_NAME
from bentopack.lock.lockfile import read_lock
from tests.command import bentopack
from tests.echo import echo_project
from tests.lock.index import IndexFolder, serving

NO_ENGINE = {"DOCKER_HOST": "unix:///nowhere.sock", "UV_HTTP_RETRIES": "0"}


@pytest.fixture
def index(tmp_path: Path) -> Iterator[IndexFolder]:
    with serving(tmp_path / "served") as index:
        for build in ("cpu", "cu124", "cu126"):
            index.add(f"whl/{build}", "torch", f"2.6.0+{build}", licence="BSD-3-Clause")
        index.add("whl/cpu", "torch", "2.11.0+cpu", licence="BSD-3-Clause")
        index.add("main", "torch", "2.99.0")
        yield index


def torch_project(
    folder: Path, index: IndexFolder, *, cuda: str = "12.4", torch: str = "torch", setting: str = ""
) -> Path:
    text = (
        "service: service:Echo\ninclude: [service.py]\n"
        f"docker: {{cuda_version: '{cuda}'}}\n"
        f"python: {{version: '3.11', packages: ['{torch}'], extra_index_url: {index.url}/main, "
        f"torch_index: {setting or index.url + '/whl'}}}\n"
    )
    return echo_project(folder, bentofile__yaml=text)


def run(*arguments: str, cwd: Path) -> str:
    result = bentopack(*arguments, cwd=cwd, env=NO_ENGINE)
    assert result.returncode == 0, result.stderr
    return result.stdout + result.stderr


def torches(project: Path) -> dict[str, str]:
    lock = read_lock(project / LOCK_NAME)
    assert lock
    return {
        variant: package.version
        for variant, platforms in lock.variants.items()
        for package in platforms["linux/amd64"].packages
        if package.name == "torch"
    }


def test_each_variant_gets_its_torch(home: Path, tmp_path: Path, index: IndexFolder) -> None:
    """Both are locked from PyTorch's index and stay; a new CUDA makes the lock stale and changes that build alone."""
    project = torch_project(tmp_path / "p", index)
    said = run("lock", cwd=project)
    assert torches(project) == {"cpu": "2.11.0+cpu", "gpu": "2.6.0+cu124"}
    assert "torch is 2.11.0 for cpu and 2.6.0 for gpu; name a version that both indexes have" in said
    torch_project(project, index, torch="torch<2.7")
    run("lock", cwd=project)
    assert torches(project) == {"cpu": "2.6.0+cpu", "gpu": "2.6.0+cu124"}
    run("build", "--locked", "--allow-unpinned", cwd=project)
    torch_project(project, index, cuda="12.6", torch="torch<2.7")
    stale = bentopack("lock", "--check", "-o", "json", cwd=project, env=NO_ENGINE)
    assert "CUDA of torch changed" in json.loads(stale.stdout)["reasons"]
    index.add("whl/cpu", "torch", "2.6.1+cpu")
    index.add("whl/cu126", "torch", "2.6.1+cu126")
    run("lock", cwd=project)
    assert torches(project) == {"cpu": "2.6.0+cpu", "gpu": "2.6.0+cu126"}
    run("lock", "--upgrade-package", "torch", cwd=project)
    assert torches(project) == {"cpu": "2.6.1+cpu", "gpu": "2.6.1+cu126"}
    torch_project(project, index, setting="false")
    assert "python.torch_index changed" in run("lock", "--verbose", cwd=project)
    assert set(torches(project).values()) == {"2.99.0"}


def test_a_bento_with_torch_is_whole(home: Path, tmp_path: Path, index: IndexFolder) -> None:
    """Its requirements install with pip from both indexes; its bill of materials knows the build and its licence."""
    project = torch_project(tmp_path / "p", index, torch="torch==2.6.0")
    bento = Path(run("build", "-o", "path", cwd=project).splitlines()[0])
    lock = bento / "env/python/gpu/requirements.lock"
    assert f"--extra-index-url {index.url}/whl/cu124\n" in lock.read_text()
    assert "/whl/cpu" not in lock.read_text()
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--target", str(tmp_path / "t"), "-r", str(lock)]
    subprocess.run(pip, check=True, capture_output=True, env={**os.environ, "PIP_CONSTRAINT": ""})
    assert (tmp_path / "t/torch-2.6.0+cu124.dist-info").is_dir()
    components = json.loads((bento / "env/sbom/gpu.cdx.json").read_text())["components"]
    (torch,) = (each for each in components if each["name"] == "torch")
    assert torch["purl"] == "pkg:pypi/torch@2.6.0%2Bcu124"
    assert torch["licenses"] == [{"expression": "BSD-3-Clause"}]
    run("verify", "echo", cwd=project)
    torch_project(project, index, cuda="12.6", torch="torch==2.6.0")
    run("build", cwd=project)
    assert "2.6.0+cu126" in run("diff", f"echo:{bento.name}", "echo", cwd=project)


def test_an_index_out_of_reach_is_one_clear_error(home: Path, tmp_path: Path, index: IndexFolder) -> None:
    """It exits with the lock's code, names the index and the setting, and writes nothing."""
    project = torch_project(tmp_path / "p", index, setting="http://127.0.0.1:9/whl")
    result = bentopack("lock", cwd=project, env=NO_ENGINE)
    assert result.returncode == 5
    assert "the PyTorch index http://127.0.0.1:9/whl/cpu cannot be reached" in result.stderr
    assert "python.torch_index" in result.stderr
    assert not (project / LOCK_NAME).exists()
