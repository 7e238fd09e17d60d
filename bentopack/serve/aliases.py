"""Type hints without the names that they were given: ``type Rows = …``, as numpy's ``NDArray`` is one since 2.5."""

from __future__ import annotations

import types
import typing
from typing import Any, get_args, get_origin


def expanded(hint: Any, inside: tuple[Any, ...] = ()) -> Any:
    """Return a hint with what such names stand for in their places; one that stands for itself stays.

    Args:
        inside: the names that ``hint`` was found in.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    name = hint if origin is None else origin
    if type(name).__name__ == "TypeAliasType":  # also of typing_extensions, for Python before 3.12
        if name in inside:
            return hint
        return expanded(name.__value__[arguments] if arguments else name.__value__, (*inside, name))
    if origin is None or origin is typing.Literal:
        return hint
    if origin is typing.Annotated:
        return typing.Annotated[(expanded(arguments[0], inside), *hint.__metadata__)]
    parts = tuple([expanded(each, inside) for each in arguments])
    if all(now is before for now, before in zip(parts, arguments, strict=True)):
        return hint
    return typing.Union[parts] if origin in (typing.Union, types.UnionType) else origin[parts]  # noqa: UP007
