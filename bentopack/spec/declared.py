"""The models that code declares with ``bentopack.model("iris:latest")``."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from bentopack.errors import Problem
from bentopack.spec.options import Findings
from bentopack.spec.source import PACKAGE, Computed, Module, Place, Project
from bentopack.tag import InvalidTag, Tag

_CALLS = {f"{PACKAGE}.model", f"{PACKAGE}.models.model"}


@dataclass(frozen=True)
class DeclaredModel:
    """A model tag as the code spells it, and where."""

    tag: str
    place: Place


def declared_models(project: Project, start: Module, findings: Findings) -> tuple[DeclaredModel, ...]:
    """Find the declared models of a module and of all that it imports from the project, each tag once."""
    first: dict[str, DeclaredModel] = {}
    for module in project.reachable(start):
        for call in _declarations(module):
            tag = _tag(project, module, call)
            if isinstance(tag, Problem):
                findings.wrong.append(tag)
            else:
                first.setdefault(tag, DeclaredModel(tag, module.place(call)))
    return tuple(first[tag] for tag in sorted(first))


def _declarations(module: Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(module.tree) if isinstance(node, ast.Call) and module.dotted(node.func) in _CALLS)


def _tag(project: Project, module: Module, call: ast.Call) -> str | Problem:
    values = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg == "tag")]
    place = module.place(values[0] if values else call)
    if not values:
        return place.problem("bentopack.model: expected a model tag such as iris:latest")
    try:
        tag = project.literal(module, values[0])
    except Computed:
        return place.problem("bentopack.model: expected a model tag, written out: the build runs no code")
    if not isinstance(tag, str):
        return place.problem(f"bentopack.model: expected a model tag such as iris:latest, found {tag!r}")
    try:
        Tag.parse(tag)
    except InvalidTag as error:
        return place.problem(f"bentopack.model: {error.message}")
    return tag
