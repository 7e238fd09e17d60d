"""What a project takes from conda."""

from __future__ import annotations

from pathlib import Path

import pytest

from bentopack.errors import SpecError
from bentopack.spec.conda import CondaEnvironment, read_conda
from bentopack.spec.load import load_spec


def read(project: Path, conda: str, environment: str | None = None) -> CondaEnvironment | None:
    """Read the section of a bentofile, and the file beside it."""
    (project / "bentofile.yaml").write_text(f"service: service:svc\n{conda}")
    if environment is not None:
        (project / "environment.yml").write_text(environment)
    return read_conda(load_spec(project).spec.conda, project)


def test_in_the_bentofile(project: Path) -> None:
    """Channels keep their order; pip's packages are told apart."""
    found = read(
        project,
        "conda:\n  channels: [nodefaults, h2oai, conda-forge]\n"
        "  dependencies:\n    - h2o\n    - python=3.10\n    - pip: [scikit-learn==1.2.0]\n  pip: torch\n",
    )
    assert found == CondaEnvironment(("h2oai", "conda-forge"), ("h2o", "python=3.10"), ("scikit-learn==1.2.0", "torch"))
    assert found.python == "3.10"


def test_in_a_file_of_its_own(project: Path) -> None:
    """What conda itself exports is read, whatever it says of the machine that it was exported on."""
    exported = "name: geo\nchannels:\n  - conda-forge\ndependencies:\n  - gdal=3.8\nprefix: /home/me/geo\n"
    found = read(project, "conda: {environment_yml: environment.yml}\n", exported)
    assert found == CondaEnvironment(("conda-forge",), ("gdal=3.8",))
    assert found.python is None


def test_nothing(project: Path) -> None:
    """A section that names no package is as good as none."""
    assert read(project, "conda: {channels: [conda-forge]}\n") is None
    assert read(project, "") is None


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("channels: [defaults]", "3:14: conda.channels[0]: 'defaults' is several channels"),
        ("channels: ['https://me:secret@conda.example.org/x']", "3:14: conda.channels[0]: a password or token"),
        ("channels: ['https://conda.example.org/t/tk-123/x']", "3:14: conda.channels[0]: a password or token"),
        ("channels: [--channel]", "3:14: conda.channels[0]: expected a channel such as conda-forge"),
        ("channels: ['file:///srv/channel']", "3:14: conda.channels[0]: expected a channel"),
        ("dependencies: ['-f x']", "3:18: conda.dependencies[0]: expected a package such as numpy=1.26"),
        ("dependencies: [{conda: [x]}]", "3:18: conda.dependencies[0]: expected a package such as numpy=1.26"),
        ("dependencies: [{pip: [-r x.txt]}]", "3:18: conda.dependencies[0]: the option '-r' is no package"),
        ("environment_yml: environment.yaml", "3:3: conda.environment_yml: the file 'environment.yaml' does not"),
        (
            "environment_yml: environment.yml\n  channels: [x]",
            "4:3: conda.channels: conda.environment_yml says them all",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(project: Path, written: str, told: str) -> None:
    """No password is in the message."""
    with pytest.raises(SpecError) as error:
        read(project, f"conda:\n  {written}\n", "dependencies: [x]\n")
    assert str(error.value.problems[0]).startswith(f"bentofile.yaml:{told}")
    assert "secret" not in str(error.value)


def test_a_wrong_file_is_told_with_its_own_places(project: Path) -> None:
    """All problems at once."""
    with pytest.raises(SpecError) as error:
        read(
            project,
            "conda: {environment_yml: environment.yml}\n",
            "channels: [defaults]\ndependencies: 3\nvariables: {A: b}\n",
        )
    problems = sorted(str(each).split("; ")[0] for each in error.value.problems)
    assert problems == [
        "environment.yml:1:12: channels[0]: 'defaults' is several channels, which Anaconda's terms are for",
        "environment.yml:2:1: dependencies: expected a list, found '3'",
        "environment.yml:3:1: unknown key 'variables'",
    ]
