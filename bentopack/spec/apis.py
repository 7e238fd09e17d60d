"""The APIs of a service class: its methods under ``@bentopack.api``, and those of its base classes."""

from __future__ import annotations

import ast
import builtins
import sys
from dataclasses import dataclass, field

from bentopack.spec import defaults
from bentopack.spec.manifest import ApiInfo
from bentopack.spec.options import Findings, Option, OptionReader, is_count
from bentopack.spec.source import PACKAGE, Module, Place, Project, statements

_OPTIONS = {
    "name": Option(
        "a name such as predict", lambda value: isinstance(value, str) and value.isidentifier(), needed=True
    ),
    "route": Option("a path such as /predict", lambda value: isinstance(value, str), needed=True),
    "batchable": Option("True or False", lambda value: isinstance(value, bool)),
    "one_row": Option("True or False", lambda value: isinstance(value, bool)),
    "isolate_errors": Option("True or False", lambda value: isinstance(value, bool)),
    "batch_dim": Option("a whole number from 0", lambda value: is_count(value, 0)),
    "max_batch_size": Option("a whole number from 1", is_count),
    "max_latency_ms": Option("a whole number from 1", is_count),
    "max_concurrency": Option("a whole number from 1, or None", lambda value: value is None or is_count(value)),
}
# From one name to another: more than this goes in a circle.
_MAX_STEPS = 20
_DEFAULTS = {
    "batchable": defaults.BATCHABLE,
    "one_row": defaults.ONE_ROW,
    "isolate_errors": defaults.ISOLATE_ERRORS,
    "batch_dim": defaults.BATCH_DIM,
    "max_batch_size": defaults.MAX_BATCH_SIZE,
    "max_latency_ms": defaults.MAX_LATENCY_MS,
    "max_concurrency": defaults.MAX_CONCURRENCY,
}


@dataclass(frozen=True)
class FoundClass:
    """A class and the module that defines it."""

    module: Module
    node: ast.ClassDef


def find_class(project: Project, module: Module, name: str, depth: int = 0) -> FoundClass | None:
    """Return the class of that name, followed through imports inside the project and through ``svc = Iris``."""
    node = module.definitions.get(name)
    if isinstance(node, ast.ClassDef):
        return FoundClass(module, node)
    if depth == _MAX_STEPS:
        return None
    if node is None:
        sources = (project.find(each) for each in module.stars)
        found = (find_class(project, source, name, depth + 1) for source in sources if source)
        return next(filter(None, found), None)
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name):
        return find_class(project, module, node.value.id, depth + 1)
    if isinstance(node, ast.ImportFrom) and (source := module.imports.get(name)):
        owner, _, original = source.rpartition(".")
        if other := project.find(owner):
            return find_class(project, other, original, depth + 1)
    return None


@dataclass
class ApiReader:
    """Reads the APIs of one class."""

    project: Project
    findings: Findings
    _open: set[ast.ClassDef] = field(default_factory=set)

    def read(self, found: FoundClass) -> tuple[ApiInfo, ...]:
        """Return the APIs, those of base classes first, in the order of the source."""
        methods = self._methods(found)
        self._check_unique("API name", [(info.name, place) for info, place in methods.values()])
        self._check_unique("route", [(info.route, place) for info, place in methods.values()])
        return tuple(info for info, _ in methods.values())

    def _check_unique(self, what: str, values: list[tuple[str, Place]]) -> None:
        first: dict[str, Place] = {}
        for value, place in values:
            if value in first:
                there = first[value]
                message = f"the {what} '{value}' is taken already, at {there.file}:{there.line}"
                self.findings.wrong.append(place.problem(message))
            first.setdefault(value, place)

    def _methods(self, found: FoundClass) -> dict[str, tuple[ApiInfo, Place]]:
        """Return the APIs by their method's name; a method that overrides one has to be an API itself."""
        if found.node in self._open:
            return {}
        self._open.add(found.node)
        methods: dict[str, tuple[ApiInfo, Place]] = {}
        for base in reversed(found.node.bases):
            methods |= self._inherited(found.module, base)
        for node in statements(found.node.body):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                if api := self._api(found.module, node):
                    methods[node.name] = (api, found.module.place(node))
                else:
                    methods.pop(node.name, None)
        self._open.discard(found.node)
        return methods

    def _inherited(self, module: Module, base: ast.expr) -> dict[str, tuple[ApiInfo, Place]]:
        if isinstance(base, ast.Subscript):
            base = base.value
        if (found := self._base(module, base)) is not None:
            return self._methods(found)
        name = (module.dotted(base) or ast.unparse(base)).partition(".")[0]
        if name not in sys.stdlib_module_names and not hasattr(builtins, name):
            message = (
                f"the base class {ast.unparse(base)} is not in the project, so its APIs are known only at run time"
            )
            self.findings.odd.append(module.place(base).problem(message))
        return {}

    def _base(self, module: Module, base: ast.expr) -> FoundClass | None:
        if isinstance(base, ast.Name):
            return find_class(self.project, module, base.id)
        owner, _, name = (module.dotted(base) or "").rpartition(".")
        other = self.project.find(owner) if owner else None
        return find_class(self.project, other, name) if other else None

    def _api(self, module: Module, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ApiInfo | None:
        for decorator in node.decorator_list:
            function = decorator.func if isinstance(decorator, ast.Call) else decorator
            if module.dotted(function) == f"{PACKAGE}.api":
                reader = OptionReader(self.project, module, self.findings)
                given = reader.read(decorator, f"{PACKAGE}.api", _OPTIONS)
                route = given.get("route") or f"/{node.name}"
                self._check_route(route, module.place(decorator))
                options = {key: given.get(key, default) for key, default in _DEFAULTS.items()}
                return ApiInfo(name=given.get("name") or node.name, route=route, **options)
        return None

    def _check_route(self, route: str, place: Place) -> None:
        if not route.startswith("/"):
            self.findings.wrong.append(place.problem(f"the route '{route}' must begin with '/'"))
        elif route.rstrip("/") in defaults.RESERVED_ROUTES or route == "/":
            self.findings.wrong.append(place.problem(f"the route '{route}' belongs to the runtime; choose another"))
