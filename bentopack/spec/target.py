"""The ``service:`` value: from the ways BentoML lets it be written to one import string."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

from bentopack.errors import did_you_mean
from bentopack.spec.source import PACKAGE, Module, Project


class BadTarget(Exception):
    """A ``service:`` value that names nothing; the argument says why."""


@dataclass(frozen=True)
class Target:
    """A module of the project and a name in it."""

    module: Module
    attribute: str

    def __str__(self) -> str:
        return f"{self.module.name}:{self.attribute}"


def find_target(project: Project, text: str) -> Target:
    """Find what ``service:Iris``, ``service.py:Iris``, ``src/service.py:Iris`` or ``service`` names.

    Raises:
        BadTarget: there is no such module or name, or more than one service to choose from.
        SpecError: the module is not valid Python.
    """
    path, _, attribute = text.strip().partition(":")
    name = _module_name(path.strip())
    module = project.find(name)
    if module is None:
        raise BadTarget(_no_module(project, name))
    attribute = attribute.strip()
    if not attribute:
        return Target(module, _only_service(module))
    first = attribute.partition(".")[0]
    # What ``from somewhere import *`` brings cannot be seen from here.
    if first not in module.definitions and "*" not in module.definitions:
        raise BadTarget(f"{module.file} defines no '{first}'{did_you_mean(first, _candidates(module))}")
    return Target(module, attribute)


def service_classes(module: Module) -> list[str]:
    """Return the names of the classes under ``@bentopack.service``, in the order of the source."""
    return [
        name
        for name, node in module.definitions.items()
        if isinstance(node, ast.ClassDef) and any(is_service(module, each) for each in node.decorator_list)
    ]


def is_service(module: Module, decorator: ast.expr) -> bool:
    """Whether a decorator is ``@bentopack.service``, with or without options."""
    return module.dotted(decorator.func if isinstance(decorator, ast.Call) else decorator) == f"{PACKAGE}.service"


def _module_name(path: str) -> str:
    path = path.replace("\\", "/").removeprefix("./")
    if path.startswith(("/", "../")) or "/../" in path:
        raise BadTarget(f"'{path}' leads out of the project")
    return path.removesuffix(".py").strip("/").removesuffix("/__init__").replace("/", ".")


def _no_module(project: Project, name: str) -> str:
    package, _, last = name.rpartition(".")
    if package and (module := project.find(package)) and last in module.definitions:
        return f"there is no module '{name}'; did you mean '{package}:{last}'?"
    folder = project.root.joinpath(*package.split("."))
    prefix = f"{package}." if package else ""
    near = did_you_mean(name, [f"{prefix}{each}" for each in _modules(folder)])
    return f"there is no module '{name}' in the project{near}"


def _modules(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(
        [path.stem for path in folder.glob("*.py") if path.stem != "__init__"]
        + [path.parent.name for path in folder.glob("*/__init__.py")]
    )


def _only_service(module: Module) -> str:
    classes = service_classes(module)
    if len(classes) == 1:
        return classes[0]
    if classes:
        choices = ", ".join(f"{module.name}:{name}" for name in classes)
        raise BadTarget(f"{module.file} has {len(classes)} services; choose one: {choices}")
    raise BadTarget(f"{module.file} has no class under @bentopack.service; name the application, as {module.name}:app")


def _candidates(module: Module) -> list[str]:
    return [*service_classes(module), *module.definitions]
