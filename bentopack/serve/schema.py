"""From a method's type hints to what its requests must look like."""

from __future__ import annotations

import contextlib
import inspect
import sys
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args, get_origin

import msgspec

from bentopack.errors import ServeError
from bentopack.serve.aliases import expanded
from bentopack.serve.arrays import ArraySpec, array_spec, plain
from bentopack.serve.errors import ApiError
from bentopack.validators import DType, Shape

Role = Literal["array", "text", "bytes", "view", "json"]


@dataclass(frozen=True)
class Parameter:
    """One parameter of an API. ``default`` is ``inspect.Parameter.empty`` where there is none."""

    name: str
    hint: Any
    role: Role
    array: ArraySpec | None
    default: Any
    keyword_only: bool
    nullable: bool = False
    """Whether an array may be left out by ``null``."""

    @property
    def required(self) -> bool:
        return self.default is inspect.Parameter.empty

    @property
    def is_list(self) -> bool:
        """Whether it can carry a batch as a list of rows."""
        return self.hint is list or get_origin(self.hint) is list

    def row(self, dim: int) -> Parameter:
        """What one row of this batch looks like."""
        if self.array is not None:
            return replace(self, array=self.array.row(dim))
        hint = (get_args(self.hint) or (Any,))[0]
        spec = array_spec(hint)
        return replace(self, hint=hint, array=spec, role=_role(hint, spec))


@dataclass(frozen=True)
class Signature:
    """The parameters of an API, and the hint of its result (Any where there is none)."""

    parameters: tuple[Parameter, ...]
    result: Any

    def rows(self, dim: int) -> Signature:
        """The signature of one row of a batch."""
        result = get_args(self.result)[0] if get_origin(self.result) is list and get_args(self.result) else Any
        return Signature(tuple(each.row(dim) for each in self.parameters), result)


def read_signature(name: str, function: Callable[..., Any]) -> Signature:
    """Read the hints of a method, leaving ``self`` out.

    Raises:
        ServeError: a hint that cannot be resolved, or a parameter that no request can give.
    """
    try:
        hints = {name: expanded(hint) for name, hint in typing.get_type_hints(function, include_extras=True).items()}
    except (NameError, TypeError, AttributeError) as error:
        raise ServeError(
            f"API '{name}': its type hints cannot be resolved: {error}",
            hint="import what the hints name at the top of the module, not under TYPE_CHECKING",
        ) from None
    declared = list(inspect.signature(function).parameters.values())[1:]
    parameters = tuple(_parameter(name, each, hints.get(each.name, Any)) for each in declared)
    return Signature(parameters, hints.get("return", Any))


def body_type(name: str, parameters: tuple[Parameter, ...]) -> type[msgspec.Struct]:
    """Make the type of the JSON object that carries the parameters; unknown fields are forbidden."""
    fields: list[Any] = []
    for each in parameters:
        kind = Any if each.role == "array" else each.hint
        fields.append((each.name, kind) if each.required else (each.name, kind, _shared(each.default)))
    return msgspec.defstruct(name, fields, kw_only=True, forbid_unknown_fields=True)


def read_custom(hint: Any, value: Any) -> Any:
    """Read a value of a type that msgspec does not know: an array inside another value, or a pydantic model."""
    spec = array_spec(hint)
    if spec is not None:
        return _read_nested(spec, value)
    pydantic = sys.modules.get("pydantic")
    if pydantic is None or not is_pydantic(hint):
        raise NotImplementedError(f"{hint!r} cannot be read from JSON")
    try:
        return hint.model_validate(value)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{place}: {first['msg']}" if place else first["msg"]) from None


def write_custom(value: Any) -> Any:
    """Write a value that msgspec does not know: a numpy value or a pydantic model."""
    if is_pydantic(type(value)):
        return value.model_dump(mode="json")
    try:
        return plain(value)
    except NotImplementedError:
        raise NotImplementedError(f"a value of type {type(value).__qualname__} cannot be written as JSON") from None


def is_pydantic(hint: Any) -> bool:
    """Whether a type is a pydantic model, asked without importing pydantic."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and isinstance(hint, type) and issubclass(hint, pydantic.BaseModel)


def _read_nested(spec: ArraySpec, value: Any) -> Any:
    try:
        return spec.read(value, "array")
    except ApiError as error:
        raise ValueError(error.message) from None  # the decoder adds the place


def _parameter(api: str, declared: inspect.Parameter, hint: Any) -> Parameter:
    if declared.kind in (declared.VAR_POSITIONAL, declared.VAR_KEYWORD):
        raise ServeError(f"API '{api}': *{declared.name} cannot be given by a request; name each parameter")
    where = f"API '{api}': parameter '{declared.name}'"
    inner = _without_none(hint)
    try:
        spec = array_spec(inner)
    except TypeError as error:  # numpy's word on a DType that it does not know
        raise ServeError(f"{where}: {error}") from None
    if spec is None and _has_array_notes(hint, set()):
        raise ServeError(
            f"{where}: Shape and DType are read on an array parameter itself (or on it | None), not inside {hint}",
            hint="make the array a parameter of its own",
        )
    return Parameter(
        declared.name,
        inner if spec else hint,
        _role(hint, spec),
        spec,
        declared.default,
        keyword_only=declared.kind is declared.KEYWORD_ONLY,
        nullable=spec is not None and inner is not hint,
    )


def _role(hint: Any, spec: ArraySpec | None) -> Role:
    bare = get_args(hint)[0] if get_origin(hint) is typing.Annotated else hint
    roles: dict[Any, Role] = {str: "text", bytes: "bytes", memoryview: "view"}
    return "array" if spec else roles.get(bare, "json")


def _without_none(hint: Any) -> Any:
    """Return ``X`` of ``X | None``, and every other hint as it is."""
    if get_origin(hint) not in (typing.Union, types.UnionType):
        return hint
    rest = [each for each in get_args(hint) if each is not type(None)]
    return rest[0] if len(rest) == 1 else hint


def _has_array_notes(hint: Any, seen: set[Any]) -> bool:
    """Whether Shape or DType stands anywhere inside a hint, the fields of its classes included."""
    if any(isinstance(note, (Shape, DType)) for note in getattr(hint, "__metadata__", ())):
        return True
    inside = [each for each in get_args(hint) if not isinstance(each, str)]
    if isinstance(hint, type) and hint not in seen and getattr(hint, "__annotations__", None):
        seen.add(hint)
        with contextlib.suppress(
            NameError, TypeError, AttributeError
        ):  # the decoder tells better what it cannot resolve
            inside += typing.get_type_hints(hint, include_extras=True).values()
    return any(_has_array_notes(each, seen) for each in inside)


def _shared(default: Any) -> Any:
    return msgspec.field(default_factory=lambda: default)
