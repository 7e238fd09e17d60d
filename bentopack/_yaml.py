"""Reads the YAML that bentopack itself wrote, without trusting that it did; and the guard that every reader needs."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
MAX_DEPTH = 50


def loader() -> Any:
    """PyYAML's safe loader, the one in C where it is there."""
    import yaml

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def unfit(text: str | bytes, *, aliases: bool) -> tuple[int, int, str] | None:
    """Return where (line and column, from 1) and why a text must not be composed, or None.

    Composing recurses, and in a text that nests deep enough the C loader takes the whole process down. Aliases make a
    short text into an endless one.

    Raises:
        yaml.YAMLError: the text is not YAML.
    """
    import yaml

    depth, too_deep = 0, f"nested more than {MAX_DEPTH} levels deep"
    event: Any
    try:
        for event in yaml.parse(text, Loader=loader()):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                return (*_place(event.start_mark), too_deep)
            if isinstance(event, yaml.AliasEvent) and not aliases:
                return (*_place(event.start_mark), "aliases are not expected here")
    except yaml.MarkedYAMLError as error:
        # Newer C loaders have a limit of their own, and meet it while they look ahead.
        if error.problem_mark is None or "maximum nesting depth" not in str(error.problem):
            raise
        return (*_place(error.problem_mark), too_deep)
    return None


def decode(content: bytes, kind: type[T]) -> T:
    """Read a document that bentopack writes, of a known type.

    Raises:
        msgspec.DecodeError: it is not YAML, nested too deep, or does not fit the type.
    """
    import yaml

    try:
        if found := unfit(content, aliases=False):
            line, _, why = found
            raise msgspec.DecodeError(f"{why} (line {line})")
        return msgspec.yaml.decode(content, type=kind)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: such as a date that does not exist
        raise msgspec.DecodeError(str(error)) from None


def _place(mark: Any) -> tuple[int, int]:
    return mark.line + 1, mark.column + 1
