"""The dependencies of a pyproject.toml, as requirements."""

from __future__ import annotations

from pathlib import Path

import pytest

from bentopack.errors import BentopackError
from bentopack.lock.pip_file import read_requirements
from tests.doubles import write_files


def test_the_projects_dependencies_are_its_requirements(tmp_path: Path) -> None:
    """Named as python.requirements_txt, or by -r from one, a pyproject.toml gives what its project needs."""
    text = (
        '[project]\nname = "x"\ndependencies = [\n  "idna>=3.7",\n  "tomli; python_version < \'3.11\'",\n]\n'
        '[project.optional-dependencies]\nmore = ["numpy"]\n'
    )
    write_files(tmp_path, {"pyproject.toml": text, "r.txt": "iniconfig\n-r pyproject.toml\n"})
    (direct,) = read_requirements(tmp_path / "pyproject.toml", tmp_path)
    assert direct.requirements == ("idna>=3.7", 'tomli; python_version < "3.11"')
    assert read_requirements(tmp_path / "r.txt", tmp_path)[1] == direct


def test_a_project_may_need_nothing(tmp_path: Path) -> None:
    """No dependencies are no mistake."""
    write_files(tmp_path, {"pyproject.toml": '[project]\nname = "x"\n'})
    assert read_requirements(tmp_path / "pyproject.toml", tmp_path)[0].requirements == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[tool.x]\n", r"pyproject\.toml: there is no table \[project\]"),
        ('[project]\ndependencies = "idna"\n', r"there is no table \[project\] with a list"),
        ('[project]\ndynamic = ["dependencies"]\n', "project.dependencies is dynamic"),
        ('[project]\ndependencies = [\n  "idna",\n  "-r x",\n]\n', r"pyproject\.toml:4: '-r x' is not a requirement"),
        ("[project]\ndependencies = [3]\n", r"pyproject\.toml:2: 3 is not a requirement"),
        ("[project\n", "not valid TOML"),
    ],
)
def test_what_is_no_dependency_is_told_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    """A list that is not there, not written in the file, or wrong is told, with the line where there is one."""
    write_files(tmp_path, {"pyproject.toml": text})
    with pytest.raises(BentopackError, match=message):
        read_requirements(tmp_path / "pyproject.toml", tmp_path)
