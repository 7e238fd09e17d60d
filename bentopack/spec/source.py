"""A project's Python modules as syntax trees. Nothing here runs or imports what it reads."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from bentopack.errors import Problem, SpecError

PACKAGE = "bentopack"


class Computed(Exception):
    """A value that only running the code would tell."""


@dataclass(frozen=True)
class Place:
    """Where something stands in the user's code."""

    file: str
    line: int
    column: int

    def problem(self, message: str) -> Problem:
        """Make a problem of this place."""
        return Problem(self.file, self.line, self.column, message)


@dataclass
class Module:
    """One parsed module of the project."""

    name: str
    file: str
    tree: ast.Module
    is_package: bool

    def place(self, node: ast.AST) -> Place:
        """Return where a node stands."""
        return Place(self.file, getattr(node, "lineno", 0), getattr(node, "col_offset", -1) + 1)

    @cached_property
    def imports(self) -> dict[str, str]:
        """What each imported name stands for: ``{"bp": "bentopack", "endpoint": "bentopack.api"}``."""
        names: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    # ``import a.b`` binds ``a``; ``import a.b as c`` binds the whole.
                    names[alias.asname or alias.name.partition(".")[0]] = (
                        alias.name if alias.asname else alias.name.partition(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom) and (base := self.absolute(node)):
                for alias in node.names:
                    names[alias.asname or alias.name] = f"{base}.{alias.name}"
                    if alias.name == "*" and base == PACKAGE:
                        names |= {public: f"{PACKAGE}.{public}" for public in ("service", "api", "model", "models")}
        return names

    @cached_property
    def stars(self) -> tuple[str, ...]:
        """The modules that it takes all names from."""
        return tuple(
            self.absolute(node)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)
        )

    def absolute(self, node: ast.ImportFrom) -> str:
        """Return the full name of the module that a ``from … import`` reads from; empty when above the top."""
        if not node.level:
            return node.module or ""
        package = self.name.split(".") if self.is_package else self.name.split(".")[:-1]
        if node.level - 1 > len(package):
            return ""
        parts = package[: len(package) - node.level + 1]
        return ".".join([*parts, *([node.module] if node.module else [])])

    @cached_property
    def definitions(self) -> dict[str, ast.AST]:
        """The names bound at the top of the module, each with the last statement that binds it."""
        return {name: node for node in statements(self.tree.body) for name in _bound(node)}

    @cached_property
    def constants(self) -> dict[str, ast.expr]:
        """The names that one assignment at the top of the module gives their only value."""
        values: dict[str, ast.expr] = {}
        count: dict[str, int] = {}
        for node in statements(self.tree.body):
            for name in _bound(node):
                count[name] = count.get(name, 0) + 1
            if isinstance(node, ast.Assign):
                values |= {target.id: node.value for target in node.targets if isinstance(target, ast.Name)}
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
                values[node.target.id] = node.value
        return {name: value for name, value in values.items() if count[name] == 1}

    def dotted(self, node: ast.expr) -> str | None:
        """Return the full name that an expression such as ``bp.service`` stands for, as far as imports tell."""
        if isinstance(node, ast.Name):
            return self.imports.get(node.id)
        if isinstance(node, ast.Attribute) and (base := self.dotted(node.value)):
            return f"{base}.{node.attr}"
        return None


@dataclass
class Project:
    """The modules of a project, parsed as they are asked for."""

    root: Path
    _modules: dict[str, Module | None] = field(default_factory=dict)

    def find(self, name: str) -> Module | None:
        """Return a module of the project, or None where the name is another's.

        Raises:
            SpecError: it is there, and is not valid Python.
        """
        if name not in self._modules:
            path = self._path(name)
            self._modules[name] = None if path is None else _parse(name, path, self.root)
        return self._modules[name]

    def literal(self, module: Module, node: ast.expr, depth: int = 0) -> Any:
        """Return the value of a literal, or of a constant of this or an imported module of the project.

        Raises:
            Computed: it is neither.
        """
        if isinstance(node, ast.Name | ast.Attribute) and depth < 10:
            if isinstance(node, ast.Name) and node.id in module.constants:
                return self.literal(module, module.constants[node.id], depth + 1)
            owner, _, name = (module.dotted(node) or "").rpartition(".")
            if owner and (other := self.find(owner)) and name in other.constants:
                return self.literal(other, other.constants[name], depth + 1)
        try:
            return ast.literal_eval(node)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            raise Computed from None

    def reachable(self, start: Module) -> Iterator[Module]:
        """Yield a module and all of the project's that it imports, directly or not, each once."""
        waiting, seen = [start], {start.name}
        while waiting:
            module = waiting.pop(0)
            yield module
            for name in _imported(module):
                if name not in seen:
                    seen.add(name)
                    if found := self.find(name):
                        waiting.append(found)

    def _path(self, name: str) -> Path | None:
        parts = name.split(".")
        if not all(part.isidentifier() for part in parts):
            return None
        base = self.root.joinpath(*parts)
        for path in (base / "__init__.py", base.with_name(f"{base.name}.py")):
            if path.is_file() and path.resolve().is_relative_to(self.root.resolve()):
                return path
        return None


def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that run in the same scope, those inside ``if``, ``try``, ``with`` and loops too."""
    for node in body:
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        for part in ("body", "orelse", "finalbody"):
            yield from statements(getattr(node, part, []))
        for block in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
            yield from statements(block.body)


def _bound(node: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement binds by itself."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
    elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.For | ast.With | ast.Delete | ast.Expr):
        if isinstance(node, ast.AnnAssign) and node.value is None:
            return
        yield from (
            name.id
            for part in _own_expressions(node)
            for name in ast.walk(part)
            if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
        )


def _own_expressions(node: ast.stmt) -> Iterator[ast.AST]:
    return (child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.stmt))


def _imported(module: Module) -> Iterator[str]:
    """Yield the full name of each module that may be imported, and of the packages around it."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and (base := module.absolute(node)):
            names = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            yield from (".".join(parts[:length]) for length in range(1, len(parts) + 1))


def _parse(name: str, path: Path, root: Path) -> Module:
    file = path.relative_to(root).as_posix()
    try:
        with warnings.catch_warnings():
            # An invalid escape in the user's code is not ours to report.
            warnings.simplefilter("ignore")
            tree = ast.parse(path.read_bytes(), filename=file)
    except SyntaxError as error:
        raise SpecError(Problem(file, error.lineno or 0, error.offset or 0, f"not valid Python: {error.msg}")) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise SpecError(Problem(file, 0, 0, f"not valid Python: {error}")) from None
    except OSError as error:
        raise SpecError(Problem(file, 0, 0, f"cannot be read: {error.strerror}")) from None
    return Module(name, file, tree, path.name == "__init__.py")
