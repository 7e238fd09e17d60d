"""What a project takes from conda: said in the bentofile, or in an ``environment.yml`` that it names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from bentopack.errors import Problem, SpecError
from bentopack.spec import messages
from bentopack.spec.bentofile import Conda, CondaChannels, CondaDependencies, Section
from bentopack.spec.yaml_source import read_yaml

FORGE = "conda-forge"
"""The channel where none is named."""

_PYTHON = re.compile(r"python\s*={1,2}\s*(3\.\d+)(\.[\d*]+)?\s*$")


@dataclass(frozen=True)
class CondaEnvironment:
    """Channels in the order of their priority, what is wanted of them, and what pip adds."""

    channels: tuple[str, ...]
    packages: tuple[str, ...]
    pip: tuple[str, ...] = ()

    @property
    def python(self) -> str | None:
        """``major.minor`` of the Python that is asked for, where one is."""
        found = (_PYTHON.match(package) for package in self.packages)
        return next((match[1] for match in found if match), None)


class _EnvironmentFile(Section):
    """The keys of an environment.yml that concern the packages, and those of the machine where it was exported."""

    name: Any = None
    prefix: Any = None
    channels: CondaChannels = ()
    dependencies: CondaDependencies = Field(default=())


def read_conda(spec: Conda, project: Path) -> CondaEnvironment | None:
    """Return what a project takes from conda, or None where it is nothing.

    Raises:
        SpecError: the environment.yml is not what it has to be; holds every problem.
    """
    channels, dependencies = spec.channels, spec.dependencies
    if spec.environment_yml:
        file = _read(project / spec.environment_yml, spec.environment_yml)
        channels, dependencies = file.channels, file.dependencies
    packages = tuple(each for each in dependencies if isinstance(each, str))
    pip = [line for each in dependencies if isinstance(each, dict) for line in each["pip"]]
    if not (packages or pip or spec.pip):
        return None
    named = tuple(each for each in channels if each != "nodefaults")
    return CondaEnvironment(named or (FORGE,), packages, (*pip, *spec.pip))


def _read(path: Path, name: str) -> _EnvironmentFile:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise SpecError(Problem(name, 0, 0, "cannot be read as UTF-8 text")) from None
    document = read_yaml(text, name)
    try:
        return _EnvironmentFile.model_validate(document.data)
    except ValidationError as error:
        raise SpecError(list(messages.problems(error, _EnvironmentFile, document.places))) from None
