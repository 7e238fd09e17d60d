"""Reads a YAML bentofile into a Document.

The node graph is composed, not constructed: nodes know their line and column, and duplicate keys are still there to
be seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from bentopack._yaml import MAX_DEPTH, loader, unfit
from bentopack.errors import Problem, SpecError
from bentopack.spec.document import Document, Mark, Path, Places
from bentopack.spec.scalars import Written

_TAG = "tag:yaml.org,2002:"
# Aliases can make a short text into an endless one; no real bentofile comes near this.
_MAX_NODES = 20_000

# The parser's words for what is most often behind them in bentofiles.
_ADVICE = {
    "scanning an alias": "put quotes around text that begins with '*', such as '*.py'",
    "mapping values are not allowed": "put quotes around text with ': ' in it, such as 'file: README.md'",
    "cannot start any token": "indent with blanks, not tabs, and put quotes around text that begins with '@' or '`'",
}


def read_yaml(text: str, file: str) -> Document:
    """Read the text of a bentofile.

    Raises:
        SpecError: it is not YAML, not a mapping, empty, or has a key twice.
    """
    reader = _Reader(file)
    node = _compose(text, file)
    if node is None:
        raise SpecError(Problem(file, 1, 1, "the file is empty; expected at least the key 'service'"))
    if not isinstance(node, yaml.MappingNode):
        raise SpecError(
            Problem(file, *_mark(node), "expected keys and values at the top, such as service: service:Iris")
        )
    data = reader.value(node, ())
    if reader.problems:
        raise SpecError(reader.problems)
    return Document(data, Places(file, reader.marks))


def _compose(text: str, file: str) -> yaml.Node | None:
    try:
        if found := unfit(text, aliases=True):
            raise SpecError(Problem(file, *found))
        node: yaml.Node | None = yaml.compose(text, Loader=loader())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        reason = ", ".join(filter(None, (error.context, error.problem)))
        raise SpecError(Problem(file, *place, f"not valid YAML: {reason}{_advice(reason)}")) from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position] if isinstance(error.position, int) else ""
        place = (before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise SpecError(Problem(file, *place, f"not valid YAML: {error.reason}")) from None
    except yaml.YAMLError as error:
        raise SpecError(Problem(file, 0, 0, f"not valid YAML: {error}")) from None
    return node


def _advice(reason: str) -> str:
    return next((f"; {advice}" for sign, advice in _ADVICE.items() if sign in reason), "")


def _mark(at: Any) -> Mark:
    """Return where a node or an event begins."""
    return (at.start_mark.line + 1, at.start_mark.column + 1)


class _Reader:
    """Turns nodes into values, noting the place of each and all that is wrong."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.marks: dict[Path, Mark] = {}
        self.problems: list[Problem] = []
        self._open: set[int] = set()
        self._count = 0

    def value(self, node: yaml.Node, path: Path) -> Any:
        """Return the value of a node at ``path``."""
        self.marks.setdefault(path, _mark(node))
        self._count += 1
        if self._count > _MAX_NODES:
            raise SpecError(Problem(self.file, *_mark(node), f"more than {_MAX_NODES} values"))
        if id(node) in self._open or len(path) > MAX_DEPTH:
            return self._wrong(node, "an alias makes this value contain itself, or it is nested too deep")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key, item in node.value:
            if key.tag == f"{_TAG}merge":
                for base in self._merged(item):
                    merged = self._mapping(base, path) | merged
                continue
            if not isinstance(key, yaml.ScalarNode):
                self._wrong(key, "expected a plain word as a key")
                continue
            if key.value in own:
                self._wrong(
                    key, f"the key '{key.value}' is there twice (first in line {self.marks[(*path, key.value)][0]})"
                )
                continue
            self.marks[(*path, key.value)] = _mark(key)
            own[key.value] = self.value(item, (*path, key.value))
        return merged | own

    def _merged(self, node: yaml.Node) -> Iterator[yaml.MappingNode]:
        for base in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if isinstance(base, yaml.MappingNode) and id(base) not in self._open:
                yield base
            else:
                self._wrong(base, "'<<' expects a mapping, or a list of mappings")

    def _scalar(self, node: yaml.ScalarNode) -> str | Written | None:
        kind = node.tag.removeprefix(_TAG)
        if kind == "null":
            return None
        if kind in {"bool", "int", "float"}:
            try:
                return Written(yaml.constructor.SafeConstructor().construct_object(node), node.value)
            except (ValueError, KeyError, yaml.YAMLError):
                return str(node.value)
        if kind not in {"str", "timestamp", "value", "merge"}:
            self._wrong(node, f"the tag {node.tag} is not known here")
        return str(node.value)

    def _wrong(self, node: yaml.Node, message: str) -> None:
        self.problems.append(Problem(self.file, *_mark(node), message))
