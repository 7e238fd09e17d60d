"""How a Spec is found and read."""

from __future__ import annotations

from pathlib import Path

import pytest

from bentopack.errors import SpecError
from bentopack.spec.load import load_spec


def test_another_file(tmp_path: Path) -> None:
    """A bentofile by another name is read where it is named, and shown by that name."""
    (tmp_path / "bentofile.yaml").write_text("service: a:b\n")
    other = tmp_path / "gpu" / "bentofile.gpu.yaml"
    other.parent.mkdir()
    other.write_text("service: c:d\n")
    loaded = load_spec(tmp_path, file=other)
    assert (loaded.spec.service, loaded.file, loaded.project) == ("c:d", other, tmp_path)
    other.write_text("service: 3\n")
    with pytest.raises(SpecError, match=r"^gpu/bentofile\.gpu\.yaml:1:1: service: expected"):
        load_spec(tmp_path, file=other)


def test_another_file_that_is_missing(tmp_path: Path) -> None:
    """A file that was named and is not there is said so."""
    with pytest.raises(SpecError, match=r"x\.yaml: there is no such file"):
        load_spec(tmp_path, file=tmp_path / "x.yaml")
    with pytest.raises(SpecError, match="there is no such folder"):
        load_spec(tmp_path / "nowhere")


def test_a_spec_cannot_be_changed(tmp_path: Path) -> None:
    """What was read stays as it was read."""
    (tmp_path / "bentofile.yaml").write_text("service: a:b\n")
    with pytest.raises(ValueError, match="frozen"):
        load_spec(tmp_path).spec.name = "x"


def test_later_problems_find_their_place(tmp_path: Path) -> None:
    """A room that finds a problem later can still say where the value stands."""
    (tmp_path / "bentofile.yaml").write_text("service: a:b\ndocker:\n  distro: plan9\n")
    places = load_spec(tmp_path).places
    assert str(places.problem(("docker", "distro"), "not known")) == "bentofile.yaml:3:3: not known"
    assert str(places.problem(("docker", "env", "X"), "not known")) == "bentofile.yaml:2:1: not known"


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    """A file from an editor that writes one loads."""
    (tmp_path / "bentofile.yaml").write_bytes(b"\xef\xbb\xbfservice: a:b\r\nname: x\r\n")
    assert load_spec(tmp_path).spec.name == "x"


def test_a_link_out_of_the_project_is_refused(tmp_path: Path) -> None:
    """A file that is named cannot be a way out of the project."""
    project = tmp_path / "project"
    project.mkdir()
    (tmp_path / "secret.txt").write_text("x")
    (project / "requirements.txt").symlink_to(tmp_path / "secret.txt")
    (project / "bentofile.yaml").write_text("service: a:b\npython:\n  requirements_txt: requirements.txt\n")
    with pytest.raises(SpecError, match=r"bentofile\.yaml:3:3: .*'requirements.txt' leads out of the project"):
        load_spec(project)


def test_a_link_inside_keeps_its_name(tmp_path: Path) -> None:
    """The path of a file that is named is relative to the project, and as the user wrote it."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "real.txt").write_text("numpy")
    (tmp_path / "requirements.txt").symlink_to("deep/real.txt")
    for written in ("./requirements.txt", "deep/../requirements.txt", str(tmp_path / "requirements.txt")):
        (tmp_path / "bentofile.yaml").write_text(f"service: a:b\npython:\n  requirements_txt: {written}\n")
        assert load_spec(tmp_path).spec.python.requirements_txt == "requirements.txt"


def test_names_twice_are_refused(tmp_path: Path) -> None:
    """A variable or an alias that is there twice could mean either."""
    (tmp_path / "bentofile.yaml").write_text(
        "service: a:b\nenvs:\n  - name: A\n  - name: B\n  - name: A\n"
        "models:\n  - {tag: a, alias: x}\n  - {tag: b, alias: x}\n"
    )
    with pytest.raises(SpecError) as error:
        load_spec(tmp_path)
    assert [str(each) for each in error.value.problems] == [
        "bentofile.yaml:5:5: envs[2].name: 'A' is there twice",
        "bentofile.yaml:8:14: models[1].alias: 'x' is another model's alias too",
    ]
