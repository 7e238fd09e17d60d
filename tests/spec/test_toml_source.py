"""A bentofile as a table in pyproject.toml."""

from __future__ import annotations

from pathlib import Path

import pytest

from bentopack.errors import SpecError
from bentopack.spec.load import LoadedSpec, load_spec


def _load(folder: Path, text: str) -> LoadedSpec:
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    return load_spec(folder)


@pytest.mark.parametrize("table", ["tool.bentopack", "tool.bentoml.build"])
def test_our_table_and_bentomls(tmp_path: Path, table: str) -> None:
    """Both tables mean what a bentofile.yaml does; versions are read as they are spelled."""
    spec = _load(
        tmp_path,
        f"""
[{table}]
service = "service:Iris"
labels = {{ owner = "team", count = 3, on = true, day = 2024-01-02 }}

[{table}.python]
version = 3.10
packages = ["numpy"]

[[{table}.envs]]
name = "A"
value = "b"
""",
    ).spec
    assert spec.labels == {"owner": "team", "count": "3", "on": "true", "day": "2024-01-02"}
    assert (spec.python_version, spec.python.packages, spec.environment) == ("3.10", ("numpy",), {"A": "b"})


def test_the_projects_name_and_dependencies_count(tmp_path: Path) -> None:
    """What [project] says already need not be said again, as with BentoML."""
    text = '[project]\nname = "Iris"\ndependencies = ["numpy"]\n[tool.bentopack]\nservice = "a:b"\n'
    spec = _load(tmp_path, text).spec
    assert (spec.name, spec.python.packages) == ("iris", ("numpy",))
    spec = _load(tmp_path, text + 'name = "rose"\npython.packages = ["pandas"]\n').spec
    assert (spec.name, spec.python.packages) == ("rose", ("pandas", "numpy"))


def test_places(tmp_path: Path) -> None:
    """Problems are told at the line of their key, or else of the table around it."""
    with pytest.raises(SpecError) as error:
        _load(
            tmp_path,
            """
[tool.other]
cuda_version = "yes"

[tool.bentopack]
  service = 3
"name" = "a b"
docker.cuda_version = "yes"
models = [
  "ok",
  { tag = "no tag" },
]

[tool.bentopack.python]
verson = "3.11"
""",
        )
    assert [(problem.line, problem.column) for problem in error.value.problems] == [
        (6, 3),
        (7, 1),
        (8, 1),
        (9, 1),
        (15, 1),
    ]


def test_a_pyproject_without_a_table_is_not_a_bentofile(tmp_path: Path) -> None:
    """A pyproject.toml that says nothing of Bentos does not stand in the way of a bentofile.yaml."""
    (tmp_path / "bentofile.yml").write_text("service: a:b\n")
    loaded = _load(tmp_path, "[project]\nname = 'x'\n")
    assert loaded.file.name == "bentofile.yml"
    with pytest.raises(SpecError, match=r"there is no table \[tool.bentopack\]"):
        load_spec(tmp_path, file=tmp_path / "pyproject.toml")


def test_a_table_that_is_none(tmp_path: Path) -> None:
    """A value in the table's place is told."""
    with pytest.raises(SpecError, match=r"pyproject.toml:2:1: expected the table \[tool.bentopack\]"):
        _load(tmp_path, "[tool]\nbentopack = 3\n")
