"""verify: the proof, from the command line."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.command import bentopack, done, fails


def test_a_whole_bento_is_proved_wherever_it_lies(project: Path) -> None:
    """By tag, by folder and as an archive the same digest is found."""
    built = json.loads(done("build", "-o", "json", cwd=project))
    done("export", "echo", "echo.bento", cwd=project)
    for target in ("echo", built["tag"], built["path"], "echo.bento"):
        assert json.loads(done("verify", target, "-o", "json", cwd=project)) == {
            "whole": True,
            "tag": built["tag"],
            "digest": built["digest"],
        }
    assert built["tag"] in done("verify", "echo", cwd=project)


def test_each_difference_is_named(project: Path) -> None:
    """A Bento with a file missing, one added and one changed is refused, and each is named."""
    folder = Path(done("build", "-o", "path", cwd=project))
    (folder / "README.md").unlink()
    (folder / "src/extra.py").touch()
    (folder / "src/service.py").write_text("changed")
    result = bentopack("verify", "echo", cwd=project)
    assert result.returncode == 9
    for said in ("missing: README.md", "added: src/extra.py", "changed: src/service.py"):
        assert said in result.stderr


def test_what_is_damaged_is_told_to_scripts(project: Path) -> None:
    """With ``--output json`` a failed proof is a document too, beside the exit code and the message."""
    folder = Path(done("build", "-o", "path", cwd=project))
    (folder / "README.md").unlink()
    result = bentopack("verify", "echo", "-o", "json", cwd=project)
    assert (result.returncode, json.loads(result.stdout)) == (9, {"whole": False, "problems": ["missing: README.md"]})
    assert "missing: README.md" in result.stderr
    (project / "x.bento").write_text("no archive")
    result = bentopack("verify", "x.bento", "-o", "json", cwd=project)
    assert result.returncode == 9
    assert "is not a Bento archive" in json.loads(result.stdout)["problems"][0]


def test_a_link_is_no_file_of_a_bento(project: Path, tmp_path: Path) -> None:
    """A link is told though the bytes that it leads to are the same; so are pipes and folders that hold nothing."""
    folder = Path(done("build", "-o", "path", cwd=project))
    (folder / "src/service.py").rename(tmp_path / "outside.py")
    (folder / "src/service.py").symlink_to(tmp_path / "outside.py")
    (folder / "src/linked").symlink_to(tmp_path)
    (folder / "src/empty").mkdir()
    os.mkfifo(folder / "src/pipe")
    said = [
        "added: src/empty/ (an empty folder)",
        "added: src/linked (a link)",
        "added: src/pipe (not a file)",
        "changed: src/service.py (a link)",
    ]
    result = bentopack("verify", "echo", cwd=project)
    assert result.returncode == 9
    assert [line.strip() for line in result.stderr.splitlines()[1:5]] == said


def test_a_linked_list_of_sums_is_told(project: Path, tmp_path: Path) -> None:
    """What a Bento is compared with has to be in the Bento."""
    folder = Path(done("build", "-o", "path", cwd=project))
    (folder / "SHA256SUMS").rename(tmp_path / "sums")
    (folder / "SHA256SUMS").symlink_to(tmp_path / "sums")
    result = bentopack("verify", "echo", cwd=project)
    assert result.returncode == 9
    assert "changed: SHA256SUMS (a link)" in result.stderr


@pytest.mark.parametrize("command", [["export", "echo", "echo.bento"], ["containerize", "echo", "--dockerfile", "-"]])
def test_a_damaged_bento_goes_nowhere(project: Path, command: list[str]) -> None:
    """Neither an archive nor an image is made of a stored Bento that was changed, though each size is what it was."""
    folder = Path(done("build", "-o", "path", cwd=project))
    text = (folder / "src/service.py").read_text()
    (folder / "src/service.py").write_text(text.swapcase())
    said = ("changed: src/service.py", f"bentopack delete echo:{folder.name}")
    fails(bentopack(*command, cwd=project), 9, *said)
    assert not (project / "echo.bento").exists()


def test_a_project_is_made_an_image_from_a_whole_bento(project: Path) -> None:
    """A Bento that the project was built to before is proved too, and one that is built by the command is whole."""
    assert "FROM" in done("containerize", "--dockerfile", "-", cwd=project)
    assert "FROM" in done("containerize", "--dockerfile", "-", cwd=project)
    service = Path(done("get", "echo", "-o", "path", cwd=project), "src/service.py")
    service.write_text(service.read_text().swapcase())
    fails(bentopack("containerize", "--dockerfile", "-", cwd=project), 9, "changed: src/service.py")


def test_a_bento_under_anothers_tag_is_told(project: Path) -> None:
    """A folder that is whole, but not the Bento its tag names, is refused."""
    folder = Path(done("build", "-o", "path", cwd=project))
    folder.rename(folder.with_name("0123456789abcdef"))
    result = bentopack("verify", "echo:0123456789abcdef", cwd=project)
    assert result.returncode == 9
    assert f"holds the Bento 'echo:{folder.name}'" in result.stderr


def test_options_of_images_are_not_taken_for_a_bento(project: Path) -> None:
    """What would be left undone is refused, and so is a base for no rebuild."""
    done("build", cwd=project)
    named = [[option, "x"] for option in ("--base-from", "--ca-bundle", "--insecure-registry", "--key")]
    for given in (*named, ["--rebuild"]):
        fails(bentopack("verify", "echo", *given, cwd=project), 2, f"{given[0]}: for an image in a registry")
    image = ("verify", "127.0.0.1:9/echo:1", "--base-from", "x")
    fails(bentopack(*image, cwd=project), 2, "add --rebuild")
