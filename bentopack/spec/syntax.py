"""The service, read from the syntax tree of the user's code, which is never imported.

So a Bento does not depend on what the build machine has installed, and a build machine need not have torch.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bentopack.errors import Problem, SpecError
from bentopack.spec import defaults
from bentopack.spec.apis import ApiReader, FoundClass, find_class
from bentopack.spec.declared import DeclaredModel, declared_models
from bentopack.spec.document import NOWHERE, Places
from bentopack.spec.manifest import ServiceInfo
from bentopack.spec.options import Findings, Option, OptionReader, is_count, is_data
from bentopack.spec.source import PACKAGE, Project
from bentopack.spec.target import BadTarget, Target, find_target, is_service
from bentopack.tag import is_name, slug

__all__ = ["DeclaredModel", "ServiceRead", "read_service"]

_OPTIONS = {
    "name": Option(
        "a name of lower-case letters, digits, '.', '_' and '-'",
        lambda value: isinstance(value, str) and is_name(value),
        needed=True,
    ),
    "workers": Option("a whole number from 1, or 'cpu_count'", lambda value: value == "cpu_count" or is_count(value)),
    "traffic": Option("names and values", lambda value: isinstance(value, dict) and is_data(value)),
    "resources": Option("names and values", lambda value: isinstance(value, dict) and is_data(value)),
}


@dataclass(frozen=True)
class ServiceRead:
    """What the code says of the service."""

    service: ServiceInfo
    file: str
    """The module that the service stands in, as a POSIX path in the project."""
    models: tuple[DeclaredModel, ...] = ()
    warnings: tuple[Problem, ...] = ()


def read_service(root: Path, target: str, places: Places = NOWHERE) -> ServiceRead:
    """Read the service that ``target`` names from the code below ``root``.

    Args:
        root: the project's folder.
        target: the bentofile's ``service:`` value.
        places: where the bentofile's values stand, so that a wrong target is told at its place.

    Raises:
        SpecError: there is no such service, or something in the code cannot be; the error holds every problem.
    """
    project, findings = Project(root), Findings()
    try:
        found = find_target(project, target)
        service = _service(project, found, findings)
    except BadTarget as error:
        raise SpecError(places.problem(("service",), f"service: {error}")) from None
    models = declared_models(project, found.module, findings)
    if findings.wrong:
        raise SpecError(findings.wrong)
    return ServiceRead(service, found.module.file, models, tuple(sorted(findings.odd)))


def _service(project: Project, target: Target, findings: Findings) -> ServiceInfo:
    found = find_class(project, target.module, target.attribute)
    if found is None:
        name = slug(target.module.name.rpartition(".")[2])
        return ServiceInfo(target=str(target), kind="app", name=name, workers=defaults.WORKERS)
    decorator = _decorator(found)
    reader = OptionReader(project, found.module, findings)
    given = reader.read(decorator, f"{PACKAGE}.service", _OPTIONS)
    apis = ApiReader(project, findings).read(found)
    if not apis:
        message = f"the service {found.node.name} has no API; put @bentopack.api on its methods"
        findings.odd.append(found.module.place(found.node).problem(message))
    return ServiceInfo(
        target=str(target),
        kind="service",
        name=given.get("name") or slug(found.node.name),
        workers=_workers(given),
        traffic=given.get("traffic") or {},
        resources=given.get("resources") or {},
        apis=apis,
    )


def _workers(given: dict[str, Any]) -> int | None:
    workers = given.get("workers", defaults.WORKERS)
    # As many as the machine that serves has processors: unknown here, as is a computed number.
    return workers if isinstance(workers, int) else None


def _decorator(found: FoundClass) -> ast.expr:
    """Return the class's ``@bentopack.service``."""
    for decorator in found.node.decorator_list:
        if is_service(found.module, decorator):
            return decorator
    for decorator in found.node.decorator_list:
        function = decorator.func if isinstance(decorator, ast.Call) else decorator
        if found.module.dotted(function) == "bentoml.service":
            raise BadTarget(
                f"{found.node.name} in {found.module.file} is BentoML's service; "
                "write 'import bentopack as bentoml' in place of 'import bentoml'"
            )
    raise BadTarget(f"the class {found.node.name} in {found.module.file} is not under @bentopack.service")
