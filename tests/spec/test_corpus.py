"""Bentofiles in the shapes that BentoML projects have them: each loads as it is, or is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from bentopack.errors import SpecError
from bentopack.spec.load import load_spec

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.yaml"))

REFUSED = {
    "envs_for_the_build": [("4:5", "envs[0].stage: variables for the build alone are not supported yet")],
    "models_with_filter": [("4:5", "models[0].filter: model filters are not supported yet")],
    "options_among_packages": [
        ("4:7", "python.packages[0]: the option '--extra-index-url' is no package; give it under"),
        ("6:7", "python.packages[2]: the option '-f' is no package; give it under python.find_links"),
    ],
    "setup_script_in_place": [("3:3", "docker.setup_script: expected the path of a file in the project, found")],
    "unquoted_description": [("2:18", "not valid YAML: mapping values are not allowed")],
    "unquoted_glob": [("3:6", "not valid YAML: while scanning an alias")],
}

VALUES: dict[str, dict[str, object]] = {
    "versions_as_numbers": {
        "version": "1.10",
        "docker": {"python_version": "3.10", "cuda_version": "12.1"},
    },
    "cuda_whole_number": {"docker": {"cuda_version": "11"}},
    "labels_that_are_not_text": {
        "labels": {"replicas": "3", "stable": "true", "released": "2024-05-01", "ratio": "0.5", "quick": "yes"}
    },
    "env_as_list": {"docker": {"env": {"ENV_NAME": "production", "STORE_URL": "minio"}}},
    "env_as_name_value": {
        "docker": {
            "distro": "debian",
            "python_version": "3.11",
            "system_packages": ("curl",),
            "env": {"BENTOML_CONFIG": "./configuration.yaml"},
        }
    },
    "env_as_file": {"docker": {"env": {"MODE": "fast"}}},
    "anchors": {"docker": {"env": {"owner": "team", "MODE": "fast"}}},
    "setup_script": {"docker": {"setup_script": "setup.sh", "system_packages": ("git", "curl")}},
    "description_from_file": {"description": "MODE=fast\n"},
    "python_path_target": {"include": ("src/**/*.py",)},
}


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_loads_or_is_refused_by_name(path: Path, project: Path) -> None:
    """A BentoML bentofile is valid as it is, and what cannot be honoured yet is named with its place."""
    (project / "bentofile.yaml").write_bytes(path.read_bytes())
    refused = REFUSED.get(path.stem)
    if refused is None:
        assert load_spec(project).spec.service
        return
    with pytest.raises(SpecError) as error:
        load_spec(project)
    problems = [str(problem) for problem in error.value.problems]
    assert len(problems) == len(refused), problems
    for problem, (place, message) in zip(problems, refused, strict=True):
        assert problem.startswith(f"bentofile.yaml:{place}: {message}")


@pytest.mark.parametrize("name", VALUES)
def test_old_spellings_mean_what_they_meant(name: str, project: Path) -> None:
    """Every spelling of a value comes to the one that the rest of bentopack reads."""
    (project / "bentofile.yaml").write_bytes((Path(__file__).parent / "corpus" / f"{name}.yaml").read_bytes())
    made = load_spec(project).spec.model_dump(exclude_unset=True)
    for key, value in VALUES[name].items():
        assert made[key] == value


def test_the_corpus_is_complete() -> None:
    """The tables above speak of files that exist."""
    stems = {path.stem for path in CORPUS}
    assert set(REFUSED) | set(VALUES) <= stems
    assert len(stems) >= 25


@pytest.mark.parametrize(
    ("name", "warning"),
    [
        ("env_as_list", "bentofile.yaml:8:3: python.lock_packages: has no effect: bentopack always locks"),
        ("env_as_file", "bentofile.yaml:3:3: docker.env: the values in './production.env' are written into the image"),
        ("comments_and_odd_indents", "bentofile.yaml:12:5: docker.python_version: the image has the newest 3.8"),
    ],
)
def test_what_is_done_differently_is_told(name: str, warning: str, project: Path) -> None:
    """What is accepted and means something else here is a warning with a place."""
    (project / "bentofile.yaml").write_bytes((Path(__file__).parent / "corpus" / f"{name}.yaml").read_bytes())
    assert [str(each)[: len(warning)] for each in load_spec(project).warnings] == [warning]
