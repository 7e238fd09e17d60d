"""push and pull, of Bentos and of models: what is replaced, what is left, and what is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import bentopack, done, fails
from tests.integration.registries import BASE, get, pushed

pytestmark = pytest.mark.usefixtures("shared_layers", "without_engine")


def saved_model(project: Path) -> tuple[str, Path]:
    """Save a model of 40 numbers, and return its tag and its folder."""
    script = "import bentopack; m = bentopack.save_model('numbers', list(range(40))); print(m.tag, m.path)"
    told = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=project)
    tag, path = told.stdout.split()
    return tag, Path(path)


def damage_file(path: Path) -> None:
    """Change a file; its size and its time stay."""
    status, content = path.stat(), path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(path, (status.st_atime, status.st_mtime))


def test_nothing_is_put_in_the_place_of_another_kind(project: Path, registry: str, bases: Path) -> None:
    """A Bento under an image's tag, an image or a model under a Bento's: refused before anything is sent, and what is
    there stays. The same kind may take the place, and another tag takes anything."""
    image = pushed(project, f"{registry}/team/echo:1", bases, "--no-attest")
    at, model = f"{registry}/team/echo", saved_model(project)[0]
    push = ("push", image["bento"], at, "-t")
    fails(bentopack(*push, "new", "-t", "1", cwd=project), 2, f"{at}:1 is an image, and a Bento would take its place")
    done(*push, "b", cwd=project)
    done(*push, "b", cwd=project)
    to_b = ("containerize", "--push", "-t", f"{at}:b", "--base-image", BASE, "--base-from", bases)
    fails(bentopack(*to_b, cwd=project), 2, f"{at}:b is a Bento, and an image would take its place")
    both = ("--platform", "linux/amd64,linux/arm64")
    fails(bentopack(*to_b, *both, cwd=project), 2, f"{at}:b is a Bento, and an image would take its place")
    fails(bentopack("models", "push", model, at, "-t", "b", cwd=project), 2, "a model would take its place")
    done("models", "push", model, at, "-t", "m", cwd=project)
    fails(bentopack("inspect", f"{at}:b", cwd=project), 4, f"{at}:b is a Bento, and no image")
    fails(bentopack("pull", "echo:nope", at, cwd=project), 4, f"there is no {at}:nope")
    assert sorted(get(registry, "team/echo/tags/list")["tags"]) == ["1", "b", "m"]
    assert "config" in get(registry, "team/echo/manifests/1")
    pushed(project, f"{registry}/team/echo:1", bases, "--no-attest")


def test_a_damaged_bento_is_pulled_whole(project: Path, registry: str) -> None:
    """Over a copy with a changed file the pulled one is stored, which is told; a whole one is left."""
    built = json.loads(done("build", "-o", "json", cwd=project))
    tag, repository = built["tag"], f"{registry}/team/echo"
    done("push", tag, repository, cwd=project)
    service = Path(built["path"], "src/service.py")
    whole = service.stat().st_ino
    told = json.loads(done("pull", tag, repository, "-o", "json", cwd=project))
    assert (told["digest"], service.stat().st_ino) == (built["digest"], whole)
    damage_file(service)
    repaired = bentopack("pull", tag, repository, cwd=project)
    assert (repaired.returncode, "was damaged, and is replaced" in repaired.stderr) == (0, True)
    done("verify", tag, cwd=project)


def test_a_damaged_model_is_pulled_whole(project: Path, registry: str) -> None:
    """Over a copy with a changed file the pulled one is stored, and loads as it was saved."""
    tag, folder = saved_model(project)
    pushed_to = json.loads(
        done("models", "push", tag, f"{registry}/team/numbers", "-t", "best", "-o", "json", cwd=project)
    )
    assert list(pushed_to["pushed"]) == [f"{registry}/team/numbers:best"]
    artifact = next(each for each in folder.iterdir() if each.name != "model.yaml")
    before = artifact.read_bytes()
    damage_file(artifact)
    told = json.loads(done("models", "pull", "numbers:best", f"{registry}/team/numbers", "-o", "json", cwd=project))
    assert (told["tag"], told["digest"][7:23]) == (tag, tag.partition(":")[2])
    assert artifact.read_bytes() == before


def test_only_what_is_stored_is_pushed(project: Path, registry: str) -> None:
    """A folder of the Bento's name is not built: what is pushed is what the store has."""
    tag = done("build", "-o", "tag", cwd=project)
    (project / "echo").mkdir()
    (project / "echo" / "bentofile.yaml").write_text("service: nothing:Here\n")
    assert f"Pushed {tag} to" in done("push", "echo", f"{registry}/team/echo", cwd=project)
    fails(bentopack("push", tag, f"{registry}/team/echo", "-t", "bad tag", cwd=project), 2, "is not a valid tag")
    fails(bentopack("push", ".", f"{registry}/team/echo", cwd=project), 2, "is not a valid tag")


@pytest.mark.parametrize(
    "command",
    [
        ["push", "echo", "127.0.0.1:9/echo"],
        ["pull", "echo:1", "127.0.0.1:9/echo"],
        ["models", "pull", "echo:1", "127.0.0.1:9/echo"],
        ["inspect", "127.0.0.1:9/echo:1"],
        ["verify", "127.0.0.1:9/echo:1"],
    ],
)
def test_a_bundle_is_read_before_a_registry_is_asked(project: Path, command: list[str]) -> None:
    """One that is not there, or holds no certificate, is wrong usage, whatever command it is given to."""
    done("build", cwd=project)
    fails(bentopack(*command, "--ca-bundle", "nowhere.pem", cwd=project), 2, "nowhere.pem cannot be read")
    fails(bentopack(*command, "--ca-bundle", "service.py", cwd=project), 2, "holds no certificate")
