"""One small project for each thing that can be wrong, and all that is said about it.

A line here is the beginning of a problem, so that the words of a parser underneath may change.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bentopack.errors import SpecError
from bentopack.spec.files import collect_files
from bentopack.spec.load import load_spec
from bentopack.spec.syntax import read_service

PROJECTS = Path(__file__).parent.parent / "projects"

DEFECTS: dict[str, list[str]] = {
    "missing_bentofile": [
        "PROJECT/bentofile.yaml: there is no such file",
    ],
    "two_bentofiles": [
        ("bentofile.yaml: bentofile.yaml and pyproject.toml both say how to build this project; keep one of them"),
    ],
    "toml_both_tables": [
        (
            "pyproject.toml: [tool.bentopack] and [tool.bentoml.build] both say how to build this project; "
            "keep one of them"
        ),
    ],
    "not_utf8": [
        "bentofile.yaml:3: not UTF-8 text",
    ],
    "empty_bentofile": [
        "bentofile.yaml:1:1: the file is empty; expected at least the key 'service'",
    ],
    "list_at_the_top": [
        "bentofile.yaml:1:1: expected keys and values at the top, such as service: service:Iris",
    ],
    "yaml_syntax": [
        "bentofile.yaml:3:7: not valid YAML: ",
    ],
    "tab_indent": [
        "bentofile.yaml:3:1: not valid YAML: ",
    ],
    "toml_syntax": [
        "pyproject.toml:2:24: not valid TOML: ",
    ],
    "duplicate_key": [
        "bentofile.yaml:4:3: the key 'packages' is there twice (first in line 3)",
    ],
    "no_service": [
        "bentofile.yaml:1:1: the key 'service' is missing",
    ],
    "unknown_keys": [
        "bentofile.yaml:1:1: the key 'service' is missing",
        "bentofile.yaml:1:1: unknown key 'serivce'; did you mean 'service'?",
        "bentofile.yaml:3:3: unknown key 'python.package'; did you mean 'packages'?",
        "bentofile.yaml:5:3: unknown key 'docker.sytem_packages'; did you mean 'system_packages'?",
        "bentofile.yaml:6:3: unknown key 'docker.colour'",
    ],
    "many_wrong_values": [
        ("bentofile.yaml:1:1: service: expected a service such as service:Iris, found 'service:Iris; rm -rf /'"),
        (
            "bentofile.yaml:2:1: name: expected a name of at most 63 letters and digits, with '.', '_' or '-' "
            "between them, such as iris, found 'Iris Classifier'"
        ),
        (
            "bentofile.yaml:3:1: version: expected a version of letters, digits, '.', '_' and '-', such as "
            "1.2.0, found '1 0'"
        ),
        "bentofile.yaml:5:3: labels.owner: expected text in one line, found 'a\\nb'",
        (
            "bentofile.yaml:6:3: labels.bad key!: expected a label of letters, digits, '.', '_', '/' and "
            "'-', found 'bad key!'"
        ),
        "bentofile.yaml:7:1: include: expected a list, found '3'",
        "bentofile.yaml:9:3: python.version: expected a Python version such as 3.11, found '2.7'",
        ("bentofile.yaml:11:7: python.packages[0]: expected a requirement such as numpy>=1.26, found 'numpy >> 3'"),
        (
            "bentofile.yaml:12:7: python.packages[1]: './local.whl' cannot be built: './local.whl' is a file; "
            "name a wheel under python.wheels"
        ),
        (
            "bentofile.yaml:13:7: python.packages[2]: the option '-r' is no package; give it under "
            "python.requirements_txt"
        ),
        "bentofile.yaml:14:3: python.lock_packages: expected true or false, found 'maybe'",
        (
            "bentofile.yaml:15:3: python.index_url: a password in an address would end up in the lock; "
            "give it through netrc, a keyring or ${VARIABLE}"
        ),
        ("bentofile.yaml:16:3: python.pip_args: expected options as on pip's command line, found '--flag 'open'"),
        (
            "bentofile.yaml:17:3: python.torch_index: expected true, false or the address of a mirror such as "
            "https://packages.example.org/pytorch/whl, found 'cu124'"
        ),
        (
            "bentofile.yaml:19:3: docker.distro: expected a distribution such as debian, ubuntu or alpine, "
            "found 'debian && true'"
        ),
        "bentofile.yaml:20:3: docker.cuda_version: expected a version such as 12.4, found 'yes'",
        (
            "bentofile.yaml:21:3: docker.base_image: expected an image such as python:3.11-slim, found "
            "'python:3.11 AS x'"
        ),
        (
            "bentofile.yaml:24:7: docker.system_packages[1]: expected a system package such as libgomp1, "
            "found 'curl; true'"
        ),
        "bentofile.yaml:26:5: docker.env.A B: expected the name of an environment variable, found 'A B'",
        "bentofile.yaml:28:5: envs[0].name: expected the name of an environment variable, found '1ST'",
        "bentofile.yaml:30:5: envs[1].value: expected text in one line, found a list",
        "bentofile.yaml:32:5: models[0].tag: expected a model tag such as iris:latest, found 'not a tag'",
        "bentofile.yaml:37:1: conda: expected keys and values, found '3'",
        "bentofile.yaml:38:1: args: expected keys and values, found a list",
    ],
    "toml_wrong_values": [
        "pyproject.toml:7:1: unknown key 'versoin'; did you mean 'version'?",
        "pyproject.toml:10:1: docker.cuda_version: expected a version such as 12.4, found 'yes'",
        ("pyproject.toml:11:1: docker.system_packages[1]: expected a system package such as libgomp1, found 'a;b'"),
    ],
    "two_python_versions": [
        "bentofile.yaml:5:3: docker.python_version: is 3.12, and python.version is 3.11; keep one",
    ],
    "references_out": [
        "bentofile.yaml:2:1: description: '../README.md' leads out of the project",
        "bentofile.yaml:4:3: python.requirements_txt: '/etc/hostname' leads out of the project",
        "bentofile.yaml:5:12: python.wheels[0]: '../x-1.0-py3-none-any.whl' leads out of the project",
        "bentofile.yaml:5:39: python.wheels[1]: expected the path of a wheel (.whl), found 'wheels'",
        "bentofile.yaml:5:47: python.wheels[2]: expected the path of a wheel (.whl), found 'notes.txt'",
        "bentofile.yaml:7:3: docker.setup_script: 'missing/../../setup.sh' leads out of the project",
    ],
    "references_missing": [
        "bentofile.yaml:2:1: description: the file 'READM.md' does not exist; did you mean 'README.md'?",
        (
            "bentofile.yaml:4:3: python.requirements_txt: the file 'requirement.txt' does not exist; did you "
            "mean 'requirements.txt'?"
        ),
        (
            "bentofile.yaml:6:3: docker.setup_script: the file 'scripts/stup.sh' does not exist; did you "
            "mean 'setup.sh'?"
        ),
        "bentofile.yaml:7:3: docker.env: the file 'absent.env' does not exist",
    ],
    "dotenv_wrong": [
        "bentofile.yaml:3:3: docker.env: 'some.env', line 2: expected NAME=value",
    ],
    "service_class_missing": [
        "bentofile.yaml:1:1: service: service.py defines no 'Iriss'; did you mean 'Iris'?",
    ],
    "service_leads_out": [
        "bentofile.yaml:1:1: service: '../service.py' leads out of the project",
    ],
    "service_module_missing": [
        "bentofile.yaml:2:1: service: there is no module 'sevice' in the project; did you mean 'service'?",
    ],
    "service_none": [
        (
            "bentofile.yaml:1:1: service: service.py has no class under @bentopack.service; name the "
            "application, as service:app"
        ),
    ],
    "service_of_bentoml": [
        (
            "bentofile.yaml:1:1: service: Iris in service.py is BentoML's service; write 'import bentopack "
            "as bentoml' in place of 'import bentoml'"
        ),
    ],
    "service_several": [
        "bentofile.yaml:1:1: service: service.py has 2 services; choose one: service:Iris, service:Rose",
    ],
    "service_undecorated": [
        "bentofile.yaml:1:1: service: the class Iris in service.py is not under @bentopack.service",
    ],
    "service_with_a_dot": [
        "bentofile.yaml:1:1: service: there is no module 'service.Iris'; did you mean 'service:Iris'?",
    ],
    "python_syntax": [
        "service.py:3:11: not valid Python: ",
    ],
    "imported_syntax": [
        "broken.py:1:",
    ],
    "api_routes": [
        (
            "service.py:9:25: name of @bentopack.service: expected a name of lower-case letters, digits, "
            "'.', '_' and '-', found 'Iris Service'"
        ),
        ("service.py:9:49: workers of @bentopack.service: expected a whole number from 1, or 'cpu_count', found 0"),
        "service.py:9:59: @bentopack.service has no option 'worker'; did you mean 'workers'?",
        "service.py:11:6: the route 'predict' must begin with '/'",
        "service.py:15:6: the route '/metrics' belongs to the runtime; choose another",
        "service.py:24:5: the API name 'three' is taken already, at service.py:20",
        "service.py:24:5: the route '/same' is taken already, at service.py:20",
        (
            "service.py:27:16: route of @bentopack.api: expected a path such as /predict, written out: the "
            "build runs no code"
        ),
        "service.py:27:46: batchable of @bentopack.api: expected True or False, found 'yes'",
        "service.py:27:68: max_batch_size of @bentopack.api: expected a whole number from 1, found 0",
        "service.py:27:83: @bentopack.api has no option 'max_latency'; did you mean 'max_latency_ms'?",
    ],
    "model_tags": [
        "service.py:10:29: bentopack.model: 'iris latest' is not a valid tag",
        "service.py:11:30: bentopack.model: expected a model tag, written out: the build runs no code",
        "service.py:12:29: bentopack.model: expected a model tag such as iris:latest, found 3",
        "service.py:13:14: bentopack.model: expected a model tag such as iris:latest",
    ],
    "include_nothing": [
        "bentofile.yaml:5:5: include[2]: '../shared' leads out of the project",
    ],
    "include_unmatched": [
        "bentofile.yaml:4:5: include[1]: 'data/' matches no file",
    ],
    "everything_excluded": [
        "bentofile.yaml:1:1: no file of the project belongs to the Bento",
    ],
}


def _read(project: Path) -> None:
    loaded = load_spec(project)
    read_service(project, loaded.spec.service, loaded.places)
    collect_files(project, loaded.spec, loaded.places)


@pytest.mark.parametrize("name", DEFECTS)
def test_says_all_that_is_wrong_and_where(name: str) -> None:
    """Every problem of a project is told at once, in the order of its file, with file, line and column."""
    with pytest.raises(SpecError) as error:
        _read(PROJECTS / name)
    told = [str(problem).replace(str(PROJECTS / name), "PROJECT") for problem in error.value.problems]
    assert len(told) == len(DEFECTS[name]), told
    for problem, expected in zip(told, DEFECTS[name], strict=True):
        assert problem.startswith(expected)


def test_a_missing_bentofile_is_answered_with_one() -> None:
    """Who has no bentofile yet is shown the smallest that works."""
    with pytest.raises(SpecError) as error:
        load_spec(PROJECTS / "missing_bentofile")
    assert error.value.hint is not None
    assert "service: service:Iris" in error.value.hint
    assert error.value.exit_code == 3
