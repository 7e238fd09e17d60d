"""Reads what the user wrote about a project: ``bentofile.yaml``, or a table in ``pyproject.toml``.

Everything that is wrong is told at once, each with its file, line and column.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from bentopack.errors import Problem, SpecError
from bentopack.spec import messages, references, unsupported
from bentopack.spec.bentofile import Spec
from bentopack.spec.document import NOWHERE, Document, Places, spell
from bentopack.spec.document import Path as ValuePath
from bentopack.spec.toml_source import read_toml, table_document, tables
from bentopack.spec.yaml_source import read_yaml

YAML_NAMES = ("bentofile.yaml", "bentofile.yml")
PYPROJECT = "pyproject.toml"

_MINIMAL = """write a bentofile.yaml such as:
  service: service:Iris
  python:
    packages: [scikit-learn]"""


@dataclass(frozen=True)
class LoadedSpec:
    """A Spec, and where it was found."""

    spec: Spec
    file: Path
    project: Path
    warnings: tuple[Problem, ...] = ()
    places: Places = field(default=NOWHERE, repr=False)
    """Where each of its values stands, for problems that show only later."""


def load_spec(project: Path, *, file: Path | None = None) -> LoadedSpec:
    """Read the Spec of the project in a folder; ``file`` names another bentofile than the folder's own.

    Raises:
        SpecError: it is missing or wrong; the error holds every problem.
    """
    path = file if file is not None else _find(project)
    document = _read(path, project)
    wrong = list(unsupported.refusals(document))
    resolved, unresolved = references.resolve(document, project)
    wrong += unresolved
    try:
        spec = Spec.model_validate(resolved.data)
    except ValidationError as error:
        raise SpecError([*wrong, *messages.problems(error, Spec, document.places)]) from None
    wrong += _contradictions(spec, document)
    if wrong:
        raise SpecError(wrong)
    warnings = (*unsupported.warnings(document), *_surprises(spec, document))
    return LoadedSpec(spec, path, project, tuple(sorted(warnings)), document.places)


def _find(project: Path) -> Path:
    """Return the one file in the folder that holds a bentofile."""
    if not project.is_dir():
        raise SpecError(Problem(str(project), 0, 0, "there is no such folder"))
    found = [project / name for name in YAML_NAMES if (project / name).is_file()]
    pyproject = project / PYPROJECT
    if pyproject.is_file() and tables(read_toml(_text(pyproject, PYPROJECT), PYPROJECT)):
        found.append(pyproject)
    if not found:
        raise SpecError(Problem(str(project / YAML_NAMES[0]), 0, 0, "there is no such file"), hint=_MINIMAL)
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise SpecError(Problem(found[0].name, 0, 0, f"{names} both say how to build this project; keep one of them"))
    return found[0]


def _read(path: Path, project: Path) -> Document:
    shown = path.relative_to(project).as_posix() if path.is_relative_to(project) else str(path)
    text = _text(path, shown)
    if path.suffix != ".toml":
        return read_yaml(text, shown)
    data = read_toml(text, shown)
    there = tables(data)
    if not there:
        raise SpecError(Problem(shown, 0, 0, "there is no table [tool.bentopack]"), hint=_MINIMAL)
    if len(there) > 1:
        names = " and ".join(f"[{'.'.join(table)}]" for table in there)
        raise SpecError(Problem(shown, 0, 0, f"{names} both say how to build this project; keep one of them"))
    return table_document(text, shown, data, there[0])


def _text(path: Path, shown: str) -> str:
    try:
        content = path.read_bytes()
        return content.decode("utf-8-sig")
    except FileNotFoundError:
        raise SpecError(Problem(shown, 0, 0, "there is no such file"), hint=_MINIMAL) from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SpecError(Problem(shown, line, 0, "not UTF-8 text")) from None
    except OSError as error:
        raise SpecError(Problem(shown, 0, 0, f"cannot be read: {error.strerror}")) from None


def _contradictions(spec: Spec, document: Document) -> Iterator[Problem]:
    """Yield what is right by itself and wrong together."""
    one, two = spec.python.version, spec.docker.python_version
    if one and two and one != two:
        yield document.places.problem(
            ("docker", "python_version"), f"docker.python_version: is {two}, and python.version is {one}; keep one"
        )
    if spec.python.lockfile:
        for key in ("packages", "requirements_txt"):
            if getattr(spec.python, key):
                yield document.places.problem(
                    ("python", key), f"python.{key}: python.lockfile says all that is installed; keep one of the two"
                )
    if spec.conda.environment_yml:
        for key in ("channels", "dependencies"):
            if getattr(spec.conda, key):
                yield document.places.problem(
                    ("conda", key), f"conda.{key}: conda.environment_yml says them all; keep one of the two"
                )
    for path, name in _repeated([(("models", index, "alias"), model.alias) for index, model in enumerate(spec.models)]):
        yield document.places.problem(path, f"{spell(path)}: '{name}' is another model's alias too")
    for path, name in _repeated([(("envs", index, "name"), env.name) for index, env in enumerate(spec.envs)]):
        yield document.places.problem(path, f"{spell(path)}: '{name}' is there twice")


def _repeated(named: Sequence[tuple[ValuePath, str | None]]) -> Iterator[tuple[ValuePath, str]]:
    """Yield the path and the name of each that has another's name."""
    seen: set[str] = set()
    for path, name in named:
        if name is None:
            continue
        if name in seen:
            yield path, name
        seen.add(name)


def _surprises(spec: Spec, document: Document) -> Iterator[Problem]:
    """Yield what is done differently from what one may think."""
    for section, key, written in (
        ("python", "version", spec.python.version),
        ("docker", "python_version", spec.docker.python_version),
    ):
        if written and written.count(".") == 2:
            message = f"{section}.{key}: the image has the newest {spec.python_version}, which may not be {written}"
            yield document.places.problem((section, key), message)
    if spec.docker.base_image and spec.docker.distro:
        yield document.places.problem(
            ("docker", "distro"), f"docker.distro: has no effect, since docker.base_image is {spec.docker.base_image}"
        )
    if isinstance(file := (document.data.get("docker") or {}).get("env"), str):
        message = f"docker.env: the values in '{file}' are written into the image, where everyone can read them"
        yield document.places.problem(("docker", "env"), message)
    if spec.python.requirements_txt and ("python", "packages") in document.places.marks:
        yield document.places.problem(
            ("python", "packages"),
            "python.packages: installed beside python.requirements_txt (BentoML leaves them out)",
        )
