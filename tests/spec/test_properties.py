"""Whatever a file holds, the answer is a Spec or a SpecError."""

from __future__ import annotations

import ast
import json
import tempfile
from pathlib import Path

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bentopack.errors import SpecError
from bentopack.spec.bentofile import Spec
from bentopack.spec.environment import read_dotenv
from bentopack.spec.load import load_spec
from bentopack.spec.syntax import read_service

KEYS = sorted(
    {*Spec.model_fields, "packages", "env", "tag", "alias", "value", "cuda_version", "system_packages", "pip", "<<"}
    | {"python_version", "version", "requirements_txt", "wheels", "setup_script", "dependencies", "filter", "stage"}
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.dates()
    | st.sampled_from(["service:Iris", "numpy", "-r x", "git+https://x/y", "K=V", "../x", "file:../x", "\x00", "a\nb"])
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | SCALARS, inner, max_size=6),
    max_leaves=20,
)


def _load(name: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(content)
        try:
            loaded = load_spec(Path(folder))
        except SpecError as error:
            assert error.problems
            assert all(problem.message.strip() for problem in error.problems)
        else:
            assert isinstance(loaded.spec, Spec)


@given(st.text() | st.text(alphabet="[]{}:-,&*!|>'\"#%@` \n\tab<0~?=."))
@settings(max_examples=400, deadline=None)
def test_any_text(text: str) -> None:
    """Any text gives a Spec or a SpecError."""
    _load("bentofile.yaml", text.encode("utf-8", "surrogatepass"))


@given(st.binary())
@settings(max_examples=200, deadline=None)
def test_any_bytes(content: bytes) -> None:
    """Any bytes give a Spec or a SpecError."""
    _load("bentofile.yaml", content)


@given(st.dictionaries(st.sampled_from(KEYS), TREES, max_size=8))
@settings(max_examples=400, deadline=None)
def test_any_values_under_known_keys(tree: object) -> None:
    """Any tree of values under the keys that are known gives a Spec or a SpecError."""
    _load("bentofile.yaml", yaml.safe_dump(tree).encode())


@given(st.text(alphabet="[]{}=.,'\"#\n abt1\\") | st.text())
@settings(max_examples=300, deadline=None)
def test_any_toml(text: str) -> None:
    """Any table in a pyproject.toml gives a Spec or a SpecError."""
    header = '[tool.bentopack]\nservice = "service:Iris"\n'
    _load("pyproject.toml", (header + text).encode("utf-8", "surrogatepass"))


@given(TREES)
@settings(max_examples=200, deadline=None)
def test_the_place_of_a_problem_is_in_the_file(tree: object) -> None:
    """Every line and column that is told exists."""
    text = yaml.safe_dump({"service": "service:Iris", "docker": tree, "labels": tree})
    lines = text.split("\n")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "bentofile.yaml").write_text(text, encoding="utf-8")
        try:
            load_spec(Path(folder))
        except SpecError as error:
            for problem in error.problems:
                assert 1 <= problem.line <= len(lines)
                assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1


@given(st.text())
@settings(max_examples=200, deadline=None)
def test_any_env_file(text: str) -> None:
    """A .env file gives names and values, or the number of the line that does not."""
    try:
        values = read_dotenv(text)
    except ValueError as error:
        assert isinstance(error.args[0], int)
    else:
        assert all(isinstance(value, str) for value in values.values())


SNIPPETS = st.sampled_from(
    [
        "import bentopack",
        "import bentopack as bp",
        "from bentopack import *",
        "from . import other",
        "from ..x import y",
        "import service",
        "@bentopack.service\nclass Iris(Iris): pass",
        "@bentopack.service(**X, workers=Y)\nclass Iris(Base[int], other.Base): pass",
        "class Base:\n    @bentopack.api(route=R, **X)\n    def f(s): pass",
        "Iris = Iris",
        "X = Y = X",
        "Y = X",
        "R: str",
        "class Base(Iris): pass",
        "bentopack.model(X)",
        "if 1:\n    try: X = 1\n    except E: Y = 2\n    else: R = '/x'\n    finally: pass",
        "for X in range(3): pass",
        "with open('x') as (a, b): pass",
        "(X := 3)",
        "del X",
        "match X:\n    case 1: R = '/y'",
    ]
)


@given(st.lists(SNIPPETS, max_size=12))
@settings(max_examples=300, deadline=None)
def test_any_code(parts: list[str]) -> None:
    """Any order of statements, circles among them, gives a service or a SpecError."""
    text = "\n".join(parts)
    ast.parse(text)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "service.py").write_text(text, encoding="utf-8")
        (Path(folder) / "other.py").write_text("import service\nfrom service import *\nBase = service.Iris\n")
        try:
            read = read_service(Path(folder), "service:Iris")
        except SpecError as error:
            assert error.problems
        else:
            json.dumps(read.service.traffic)
