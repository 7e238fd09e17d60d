"""What single values of a bentofile may look like.

Names, packages and environment variables end up in a Dockerfile and on command lines, so each has a pattern that
leaves no room for a second instruction. A value that does not fit is told in one form: ``expected …, found …``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BeforeValidator, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from bentopack.spec.patterns import IMAGE_REFERENCE, SYSTEM_PACKAGE
from bentopack.spec.scalars import as_text, found, plain
from bentopack.tag import NAME_PATTERN, VERSION_PATTERN


def expected(words: str, value: Any) -> PydanticCustomError:
    """Make the error of a value that is not what was expected."""
    return PydanticCustomError("expected", "{message}", {"message": f"expected {words}, found {found(value)}"})


def refused(message: str) -> PydanticCustomError:
    """Make the error of a value that is understood and cannot be had."""
    return PydanticCustomError("refused", "{message}", {"message": message})


_TEXT = ("string",)
_NUMBER = ("string", "number")
_ANY = ("string", "number", "boolean")


@dataclass(frozen=True)
class Scalar:
    """Marks a text field: what is expected of it in words, and as a pattern.

    Where it ``takes`` more than text, the value is what is spelled in the file.
    """

    words: str
    pattern: str | None = None
    takes: tuple[str, ...] = _TEXT

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        result = dict(handler(schema))
        if self.takes != _TEXT:
            result["type"] = list(self.takes)
        if self.pattern:
            result["pattern"] = f"^({self.pattern})$"
        return result

    def check(self, value: Any) -> str:
        """Return the text, or raise what was expected of it."""
        text = value if self.takes == _TEXT else as_text(value)
        if not isinstance(text, str) or (self.pattern is not None and not re.fullmatch(self.pattern, text)):
            raise expected(self.words, value)
        return text


class OneOrMany:
    """Marks a list that may also be written as a single text."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        many = dict(handler(schema))
        return {"anyOf": [many["items"], many]}

    @staticmethod
    def check(value: Any) -> Any:
        """Take a single text as a list of one."""
        return [value] if isinstance(value, str) else value


def flag(value: Any) -> bool:
    """Return a truth value, however YAML spells it."""
    value = plain(value)
    if not isinstance(value, bool):
        raise expected("true or false", value)
    return value


# No control characters: a line break could begin another instruction.
_LINE = r"[^\x00-\x1f\x7f]*"
# Capitals are lowered, as BentoML does.
_NAME_ANY_CASE = NAME_PATTERN.replace("a-z", "A-Za-z")

Text: TypeAlias = Annotated[str, Scalar("text", takes=_ANY)]
Line: TypeAlias = Annotated[str, Scalar("text in one line", rf"{_LINE}[^\x00-\x1f\x7f\s]{_LINE}")]
Value: TypeAlias = Annotated[str, Scalar("text in one line", _LINE, _ANY)]
Flag: TypeAlias = Annotated[bool, BeforeValidator(flag)]

Name: TypeAlias = Annotated[
    str,
    Scalar(
        "a name of at most 63 letters and digits, with '.', '_' or '-' between them, such as iris",
        _NAME_ANY_CASE,
        takes=_NUMBER,
    ),
    AfterValidator(str.lower),
]
Version: TypeAlias = Annotated[
    str,
    # The newest version is called latest; none can have that for its own name.
    Scalar(
        "a version of letters, digits, '.', '_' and '-', such as 1.2.0", rf"(?!latest$){VERSION_PATTERN}", takes=_NUMBER
    ),
]
ModelTag: TypeAlias = Annotated[
    str,
    Scalar("a model tag such as iris:latest", rf"{_NAME_ANY_CASE}(:{VERSION_PATTERN})?"),
]
PythonVersion: TypeAlias = Annotated[
    str, Scalar("a Python version such as 3.11", r"3\.[0-9]{1,2}(\.[0-9]{1,2})?", takes=_NUMBER)
]
CudaVersion: TypeAlias = Annotated[
    str, Scalar("a version such as 12.4", r"default|[0-9]{1,2}(\.[0-9]{1,2}){0,2}", takes=_NUMBER)
]
EnvName: TypeAlias = Annotated[str, Scalar("the name of an environment variable", r"[A-Za-z_][A-Za-z0-9_]*")]
LabelName: TypeAlias = Annotated[
    str, Scalar("a label of letters, digits, '.', '_', '/' and '-'", r"[A-Za-z0-9]([A-Za-z0-9._/-]{0,126}[A-Za-z0-9])?")
]
SystemPackages: TypeAlias = Annotated[
    str, Scalar("a system package such as libgomp1", rf" *{SYSTEM_PACKAGE}( +{SYSTEM_PACKAGE})* *")
]
"""One package, or several with blanks between."""

Host: TypeAlias = Annotated[
    str, Scalar("a host such as packages.example.com", r"([A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?")
]
Distro: TypeAlias = Annotated[str, Scalar("a distribution such as debian, ubuntu or alpine", r"[a-z0-9][a-z0-9._-]*")]
ImageReference: TypeAlias = Annotated[str, Scalar("an image such as python:3.11-slim", IMAGE_REFERENCE)]
FilePath: TypeAlias = Annotated[str, Scalar("the path of a file in the project", rf"{_LINE}[^\x00-\x1f\x7f\s]{_LINE}")]
ServiceTarget: TypeAlias = Annotated[
    str,
    Scalar(
        "a service such as service:Iris", r"([A-Za-z0-9_.][A-Za-z0-9_./\\-]*)?[A-Za-z0-9_](:[A-Za-z_][A-Za-z0-9_.]*)?"
    ),
]


def words(values: tuple[str, ...]) -> tuple[str, ...]:
    """Split each text at its blanks: ``"ffmpeg git"`` is two system packages."""
    return tuple(word for value in values for word in value.split())


def listed(check: Callable[[Any], Any], accepts: Any) -> BeforeValidator:
    """Make the validator that brings a field's other spellings (``accepts``, for the schema) to its own."""
    return BeforeValidator(check, json_schema_input_type=accepts)
