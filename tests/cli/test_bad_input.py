"""What goes wrong gets one clear message, the documented exit code, and no traceback."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

import bentopack as package
from tests.command import bentopack, fails
from tests.doubles import write_files


@pytest.mark.parametrize(
    ("files", "code", "said"),
    [
        ({"bentofile.yaml": ""}, 3, ["bentofile.yaml"]),
        ({"bentofile.yaml": "service: [\n"}, 3, ["bentofile.yaml:2:1"]),
        ({"bentofile.yaml": "serivce: service:Echo\n"}, 3, ["bentofile.yaml:1:1", "did you mean 'service'?"]),
        ({"bentofile.yaml": "service: servcie:Echo\n"}, 3, ["bentofile.yaml:1:1: service:", "servcie"]),
        ({"bentofile.yaml": "service: service:Ecko\n"}, 3, ["bentofile.yaml:1:1: service:", "did you mean"]),
        ({"bentofile.yaml": "service: service:Echo\ninclude: [nothing.*]\n"}, 3, ["bentofile.yaml:2:11", "nothing.*"]),
        (
            {"bentofile.yaml": "service: service:Echo\ndocker: {cuda_version: 'yes', setup_script: ../x}\n"},
            3,
            ["bentofile.yaml:2:10: docker.cuda_version: expected a version such as 12.4, found 'yes'", "setup_script"],
        ),
        ({"bentofile.yaml": "service: service:Echo\nname: 'No Name!'\n"}, 3, ["bentofile.yaml:2:1: name:", "No Name!"]),
        ({"service.py": "def broken(:\n"}, 3, ["service.py:1:"]),
        ({"bentofile.lock": "format: 99\n"}, 5, ["bentofile.lock has format 99"]),
        ({"bentofile.yaml": "service: service:Echo\nconda: {channels: [defaults]}\n"}, 3, ["conda"]),
    ],
)
def test_a_bad_project_is_told_with_its_place(project: Path, files: dict[str, str], code: int, said: list[str]) -> None:
    """Each defect of a project is one message that names the place, and nothing is stored."""
    write_files(project, files)
    fails(bentopack("build", cwd=project), code, *said)
    assert bentopack("list", "-o", "json", cwd=project).stdout.strip() == "[]"


def test_a_folder_without_a_bentofile_says_how_to_write_one(home: Path, tmp_path: Path) -> None:
    """A newcomer in an empty folder is told what to do."""
    fails(bentopack("build", cwd=tmp_path), 3, "bentofile.yaml")


@pytest.mark.parametrize(
    "arguments", [["build"], ["list"], ["get", "echo"], ["models", "list"], ["import", "x.bento"], ["run", "echo"]]
)
def test_a_home_that_is_a_file_is_told(project: Path, home: Path, arguments: list[str]) -> None:
    """Where BENTOPACK_HOME names a file, whatever reads or writes a store says so, and what to set."""
    (project / "x.bento").touch()
    home.touch()
    fails(bentopack(*arguments, cwd=project), 1, f"{home}/", "cannot be", "BENTOPACK_HOME to a folder")


def test_a_link_out_of_the_project_is_refused(project: Path) -> None:
    """A link that would carry a file of the machine into the Bento is named."""
    (project / "bentofile.yaml").write_text("service: service:Echo\n")
    (project / "passwords").symlink_to("/etc/passwd")
    fails(bentopack("build", cwd=project), 3, "passwords")


def test_a_missing_model_is_told_with_near_ones(project: Path) -> None:
    """A tag that the store does not have is an error with the tags that are like it."""
    saved = package.save_model("table", 1)
    (project / "bentofile.yaml").write_text("service: service:Echo\ninclude: [service.py]\nmodels: [tabel]\n")
    fails(bentopack("build", cwd=project), 4, "'tabel:latest' is not in the store", str(saved.tag))


def test_what_cannot_be_resolved_is_explained(project: Path) -> None:
    """A requirement that no index has is named with its version, and the old lock stays."""
    lock = (project / "bentofile.lock").read_bytes()
    with (project / "bentofile.yaml").open("a") as file:
        file.write("python: {packages: ['iniconfig==999']}\n")
    fails(bentopack("build", cwd=project), 5, "iniconfig==999")
    assert (project / "bentofile.lock").read_bytes() == lock


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["get", "No Tag!"], 2, "'No Tag!' is not a valid tag"),
        (["get", "none"], 4, "Bento 'none:latest' is not in the store"),
        (["delete", "../../etc"], 2, "is not a valid tag"),
        (["export", "none"], 4, "is not in the store"),
        (["import", "none.bento"], 4, "does not exist"),
        (["import", "service.py"], 9, "is not a Bento archive"),
        (["run", "none"], 4, "is not in the store"),
        (["run", "none:latest"], 4, "Bento 'none:latest' is not in the store"),
        (["run", "./none"], 4, "neither a folder nor a tag"),
        (["run", "service:Ecko"], 3, "Echo"),
        (["containerize", "none"], 4, "is not in the store"),
        (["build", "--no-such-option"], 2, "--no-such-option"),
        (["build", "no/such/folder"], 3, "no/such/folder"),
    ],
)
def test_a_wrong_argument_is_told(project: Path, arguments: list[str], code: int, said: str) -> None:
    """What was named and does not exist, or cannot be a name, is said."""
    fails(bentopack(*arguments, cwd=project), code, said)


def test_no_engine_is_told(project: Path) -> None:
    """Without an engine ``containerize`` says where it looked and what to do, with its own exit code."""
    dead = {"DOCKER_HOST": f"unix://{project}/dead.sock"}
    fails(bentopack("containerize", cwd=project, env=dead), 6, "dead.sock")


def test_a_port_in_use_is_told(project: Path) -> None:
    """A taken port is named, with the way out, and nothing is left running."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        fails(bentopack("run", "--port", port, cwd=project), 8, port, "--port")


def test_a_store_that_is_a_file_is_told(project: Path, tmp_path: Path) -> None:
    """A BENTOPACK_HOME that cannot hold a store is named."""
    file = tmp_path / "file"
    file.touch()
    fails(bentopack("build", cwd=project, env={"BENTOPACK_HOME": str(file)}), 1, str(file))
