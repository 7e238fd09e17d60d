"""The options of ``@bentopack.service``, ``@bentopack.api`` and ``bentopack.model``, read from their calls."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bentopack.errors import Problem, did_you_mean
from bentopack.spec.source import Computed, Module, Project

T = TypeVar("T")


@dataclass
class Findings:
    """What is to be told about the code: what is wrong, and what is only odd."""

    wrong: list[Problem] = field(default_factory=list)
    odd: list[Problem] = field(default_factory=list)


@dataclass(frozen=True)
class Option:
    """One option: what it must be, in words and as a test, and whether the build has to know it."""

    words: str
    fits: Callable[[Any], bool]
    needed: bool = False


def is_count(value: Any, least: int = 1) -> bool:
    """Whether a value is a whole number from ``least``."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def is_data(value: Any) -> bool:
    """Whether a value can stand in a manifest: text, numbers, truth values, nothing, and lists and names of these."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and is_data(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return all(map(is_data, value))
    return value is None or isinstance(value, str | int | float)


@dataclass(frozen=True)
class OptionReader:
    """Reads the keyword arguments of one decorator against a table of options."""

    project: Project
    module: Module
    findings: Findings

    def read(self, decorator: ast.expr, name: str, known: Mapping[str, Option]) -> dict[str, Any]:
        """Return the value of each option that is given; None where only running the code would tell it."""
        given: dict[str, Any] = {}
        if not isinstance(decorator, ast.Call):
            return given
        if decorator.args:
            self._wrong(decorator, f"@{name} takes its options by name")
        for keyword in decorator.keywords:
            if keyword.arg is None:
                self._odd(keyword.value, f"the options in ** of @{name} are known only when the service runs")
                given |= dict.fromkeys(known)
            elif option := known.get(keyword.arg):
                given[keyword.arg] = self._value(keyword.arg, keyword.value, option, name)
            else:
                near = did_you_mean(keyword.arg, known)
                self._wrong(keyword.value, f"@{name} has no option '{keyword.arg}'{near}")
        return given

    def _value(self, key: str, node: ast.expr, option: Option, name: str) -> Any:
        try:
            value = self.project.literal(self.module, node)
        except Computed:
            if option.needed:
                self._wrong(node, f"{key} of @{name}: expected {option.words}, written out: the build runs no code")
            else:
                self._odd(node, f"{key} of @{name} is computed, so it is known only when the service runs")
            return None
        if not option.fits(value):
            self._wrong(node, f"{key} of @{name}: expected {option.words}, found {value!r}")
            return None
        return value

    def _wrong(self, node: ast.AST, message: str) -> None:
        self.findings.wrong.append(self.module.place(node).problem(message))

    def _odd(self, node: ast.AST, message: str) -> None:
        self.findings.odd.append(self.module.place(node).problem(message))
