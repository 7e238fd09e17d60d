"""The promise: a store that cannot be written can be read, and says so to what would write."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import bentopack as package
from bentopack._report import Silent
from bentopack.bento.environment import locked_python
from tests.command import COMMAND, done, fails
from tests.integration.bentos import AS_NOBODY
from tests.integration.disks import seal, small_disk

SAVE = "import bentopack; bentopack.save_model('table', [2])"


@dataclass(frozen=True)
class Sealed:
    """A store with a Bento and a model that cannot be written, and the project that the Bento was built of."""

    home: Path
    project: Path
    bento: str
    model: str
    before: tuple[str, ...]

    def run(self, *arguments: str | Path, command: tuple[str, ...] = COMMAND) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.before, *command, *map(str, arguments)],
            cwd=self.project,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def said(self, room: str = "bentos") -> tuple[str, str]:
        return f"{self.home / room} cannot be written: ", "BENTOPACK_HOME to a folder that this user can write"


def read_only(home: Path) -> tuple[str, ...]:
    seal(home)
    return ()


def of_another_user(home: Path) -> tuple[str, ...]:
    if os.getuid() != 0:
        pytest.skip("only root can run as another user")
    return AS_NOBODY


@pytest.fixture(params=[read_only, of_another_user])
def sealed(request: pytest.FixtureRequest, locked_project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sealed]:
    """A store on a disk of its own that is made read-only, or one of root's that is used by nobody."""
    # Not in tmp_path, which is root's own.
    with tempfile.TemporaryDirectory(prefix="bentopack-test-") as folder, small_disk(Path(folder, "disk")) as disk:
        Path(folder).chmod(0o755)
        project = Path(shutil.copytree(locked_project, Path(folder, "echo")))
        monkeypatch.setenv("BENTOPACK_HOME", str(disk))
        monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
        model = str(package.save_model("table", [1]).tag)
        bento = done("build", "-o", "tag", cwd=project)
        done("export", bento, project / "echo.bento", cwd=project)
        seal_it: Callable[[Path], tuple[str, ...]] = request.param
        yield Sealed(disk, project, bento, model, seal_it(disk))


def test_what_reads_works(sealed: Sealed, tmp_path: Path) -> None:
    """Bentos and models are listed, shown, proven, compared and exported."""
    for arguments in (
        ["list"],
        ["get", sealed.bento],
        ["verify", sealed.bento],
        ["verify", "echo.bento"],
        ["diff", sealed.bento, "echo"],
        ["models", "list"],
        ["models", "get", sealed.model],
    ):
        read = sealed.run(*arguments)
        assert read.returncode == 0, read.stderr
    exported = subprocess.run([*COMMAND, "export", sealed.bento, tmp_path / "x.bento"], cwd=tmp_path, check=False)
    assert exported.returncode == 0
    assert (tmp_path / "x.bento").read_bytes() == (sealed.project / "echo.bento").read_bytes()


def test_what_is_stored_is_served(sealed: Sealed) -> None:
    """A Bento runs; its locked environment, which would be made in the store, is told to have no place."""
    fails(sealed.run("run", sealed.bento, "--port", "0"), 1, *sealed.said("envs"))
    command = [*sealed.before, *COMMAND, "run", sealed.bento, "--env", "current", "--port", "0"]
    process = subprocess.Popen(command, cwd=sealed.project, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline().startswith("Serving echo on ")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_what_is_stored_is_built_again(sealed: Sealed) -> None:
    """A build whose Bento is there needs to write nothing; one that is new is told that it cannot be stored."""
    again = sealed.run("build")
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith(f"Unchanged {sealed.bento}\n")
    with (sealed.project / "service.py").open("a") as file:
        file.write("# changed\n")
    fails(sealed.run("build"), 1, *sealed.said())


@pytest.mark.parametrize("wanted", ["import", "delete", "models delete", "save_model"])
def test_what_writes_is_told(sealed: Sealed, wanted: str) -> None:
    """Whatever would change the store is one error that names it, and the way to another; the store is as it was."""
    before = sorted(sealed.home.rglob("*"))
    match wanted:
        case "import":
            fails(sealed.run("import", "echo.bento"), 1, *sealed.said())
        case "delete":
            fails(sealed.run("delete", sealed.bento), 1, *sealed.said())
        case "models delete":
            fails(sealed.run("models", "delete", sealed.model), 1, *sealed.said("models"))
        case _:
            failed = sealed.run("-c", SAVE, command=COMMAND[:1])
            assert failed.returncode == 1
            assert all(each in failed.stderr for each in ("StorageError", *sealed.said("models")))
    assert sorted(sealed.home.rglob("*")) == before


def test_a_store_that_cannot_be_made_is_told(project: Path, tmp_path: Path) -> None:
    """Where BENTOPACK_HOME is below a folder that cannot be written, the error names it."""
    with small_disk(tmp_path / "disk") as disk:
        seal(disk)
        environment = {**os.environ, "BENTOPACK_HOME": str(disk / "a/home")}
        failed = subprocess.run(
            [*COMMAND, "build"], cwd=project, env=environment, capture_output=True, text=True, check=False
        )
    said = ("a/home/bentos cannot be written: Read-only file system", "BENTOPACK_HOME")
    fails(failed, 1, *said)


def test_an_environment_that_is_there_is_taken(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Bento's locked environment, once made, serves from a store that may only be read."""
    with small_disk(tmp_path / "disk", "512m") as disk:
        monkeypatch.setenv("BENTOPACK_HOME", str(disk))
        bento = Path(done("build", "-o", "path", cwd=project))
        python = locked_python(bento, reporter=Silent())
        seal(disk)
        assert locked_python(bento, reporter=Silent()) == python
        assert subprocess.run([python, "-c", "import bentopack.serve"], cwd=tmp_path, check=False).returncode == 0
