"""One API's bodies: request bytes to arguments, a result to response bytes.

JSON has no NaN or infinity: in a result they are written as ``null``, in a request they are refused. An ``.npy`` body
carries them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, cast

import msgspec

from bentopack.errors import ServeError, did_you_mean
from bentopack.serve.arrays import join_rows, read_npy
from bentopack.serve.errors import ApiError
from bentopack.serve.frames import Media
from bentopack.serve.group import Column
from bentopack.serve.schema import Parameter, Signature, body_type, read_custom, write_custom
from bentopack.serve.shared import Loan

_PLACE = re.compile(r" - at `\$\.?(.*?)`$")
_NAMED = re.compile(r"(required|unknown) field `(.*?)`")
_BLOCK = 1 << 17  # bytes of JSON whose lists are made into arrays while a processor's cache still has them
_PLAIN = frozenset((dict, list, float, int, bool, type(None)))
_encoder = msgspec.json.Encoder(enc_hook=write_custom)


class Codec:
    """Reads and writes the bodies of one API.

    ``accepts`` are the types of body it takes: JSON always; text, .npy or any other where the only parameter is a
    string, an array, bytes or a view of them.
    """

    def __init__(self, name: str, signature: Signature) -> None:
        """Prepare for the parameters of the API ``name``.

        Raises:
            ServeError: one has a type that cannot be read from JSON.
        """
        self._parameters = signature.parameters
        self._names = tuple(each.name for each in self._parameters)
        self._values = [attrgetter(name) for name in self._names]
        self._decoder = _decoder(name, self._parameters)
        self._positional = sum(not each.keyword_only for each in self._parameters)
        self._sole = self._parameters[0] if len(self._parameters) == 1 else None
        self._arrays = [
            (number, each.array, each.name) for number, each in enumerate(self._parameters) if each.array is not None
        ]
        # An array that may be left out is what the service says then, and fits no other.
        self._joins = all(each.array is None or (each.required and not each.nullable) for each in self._parameters)
        self._optional = not any(each.required for each in self._parameters)
        self.accepts = _accepted(self._sole.role if self._sole else "json")

    def decode(self, media: int, body: bytes | Loan) -> tuple[Any, ...]:
        """Return the arguments, in the order of the parameters.

        Raises:
            ApiError: 400 for a body that cannot be parsed, 415 for one of another type, 422 for one that says something
                else than the parameters ask for.
        """
        if media == Media.JSON and isinstance(body, bytes):
            return self._decode_json(body)
        if media not in self.accepts or self._sole is None:
            raise ApiError(415, "this API takes application/json")
        return (self._decode_sole(media, _seen(body)),)

    def decode_all(self, media: int, bodies: Sequence[bytes | Loan]) -> list[Column] | None:
        """Return the arguments of several requests, a column a parameter; None where they must be read one by one."""
        try:
            if media == Media.JSON and self._joins:
                return self._decode_all_json(cast("Sequence[bytes]", bodies))
            if media in self.accepts and media != Media.JSON:
                return [[self._decode_sole(media, _seen(body)) for body in bodies]]
        except Exception:  # decode() tells which it is, and why
            return None
        return None

    def call(self, method: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        """Call a method with decoded arguments."""
        if self._positional == len(arguments):
            return method(*arguments)
        named = zip(self._names[self._positional :], arguments[self._positional :], strict=True)
        return method(*arguments[: self._positional], **dict(named))

    def _decode_json(self, body: bytes) -> tuple[Any, ...]:
        try:
            found = self._decoder.decode(body or b"{}" if self._optional else body)
        except msgspec.ValidationError as error:
            raise self._invalid(str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ApiError(400, f"the body is not valid JSON: {error}") from None
        arguments = msgspec.structs.astuple(found)
        if not self._arrays:
            return arguments
        return tuple(
            value if each.array is None or _as_it_is(each, value) else each.array.read(value, each.name)
            for each, value in zip(self._parameters, arguments, strict=True)
        )

    def _decode_all_json(self, bodies: Sequence[bytes]) -> list[Column]:
        size = sum(map(len, bodies)) if self._arrays else 0
        if size <= _BLOCK:
            return self._decode_block(bodies)
        step = max(1, len(bodies) * _BLOCK // size)
        blocks = [self._decode_block(bodies[start : start + step]) for start in range(0, len(bodies), step)]
        return [join_rows(column) for column in zip(*blocks, strict=True)]

    def _decode_block(self, bodies: Sequence[bytes]) -> list[Column]:
        decode = self._decoder.decode
        found = [decode(body) for body in bodies]
        columns: list[Column] = [list(map(value, found)) for value in self._values]
        for number, spec, name in self._arrays:
            columns[number] = cast(Column, spec.read_all(cast("list[Any]", columns[number]), name))
        return columns

    def _decode_sole(self, media: int, body: bytes | memoryview) -> Any:
        assert self._sole is not None  # noqa: S101 - decode() has asked
        if self._sole.array is not None:
            return self._sole.array.check(read_npy(body, self._sole.name), self._sole.name)
        if self._sole.role == "bytes":
            return bytes(body)
        if self._sole.role == "view":
            return memoryview(body)
        try:
            return str(body, "utf-8")
        except UnicodeDecodeError as error:
            raise ApiError(400, f"the body is not UTF-8: {error}", field=self._sole.name) from None

    def _invalid(self, message: str) -> ApiError:
        place = _PLACE.search(message)
        parent = place[1] if place else ""
        named = _NAMED.search(message)
        if named:
            field = f"{parent}.{named[2]}" if parent else named[2]
            near = did_you_mean(named[2], self._names) if named[1] == "unknown" and not parent else ""
            return ApiError(422, f"{named[1].replace('required', 'missing')} field '{field}'{near}", field=field)
        text = _PLACE.sub("", message)
        if parent:
            return ApiError(422, f"{parent}: {text}", field=parent)
        expected = ", ".join(f'"{name}": …' for name in self._names)
        return ApiError(422, f"{text}: the body must be an object such as {{{expected}}}")


def _as_it_is(parameter: Parameter, value: Any) -> bool:
    return value is parameter.default or (value is None and parameter.nullable)


def encode(result: Any) -> tuple[Media, bytes]:
    """Write a result: text as it is, bytes as they are, everything else as JSON.

    Raises:
        TypeError or NotImplementedError: it holds something that JSON cannot.
    """
    if type(result) in _PLAIN:  # asked first, since nearly all results are of these
        return Media.JSON, _encoder.encode(result)
    if isinstance(result, str):
        return Media.TEXT, result.encode()
    if isinstance(result, (bytes, bytearray, memoryview)):
        return Media.OTHER, bytes(result)
    return Media.JSON, _encoder.encode(result)


def _seen(body: bytes | Loan) -> bytes | memoryview:
    return body.view() if isinstance(body, Loan) else body


def encode_all(results: Sequence[Any]) -> list[bytes] | None:
    """Write results as JSON; None where one is something else, or cannot be written: each is for encode() then."""
    if not _PLAIN.issuperset(map(type, results)):
        return None
    try:
        return list(map(_encoder.encode, results))
    except Exception:
        return None


def _decoder(name: str, parameters: tuple[Parameter, ...]) -> msgspec.json.Decoder[Any]:
    try:
        return msgspec.json.Decoder(body_type(name, parameters), dec_hook=read_custom)
    except Exception as error:
        raise ServeError(
            f"API '{name}': {_culprit(name, parameters)} cannot be read from a request: {error}",
            hint="use a numpy array, str, bytes, or a JSON value: dataclass, TypedDict, list, dict, pydantic model",
        ) from None


def _culprit(name: str, parameters: tuple[Parameter, ...]) -> str:
    """Name the parameters that are to blame: those that cannot be read alone either."""
    found = []
    for each in parameters:
        try:
            msgspec.json.Decoder(body_type(name, (each,)), dec_hook=read_custom)
        except Exception:
            found.append(f"parameter '{each.name}'")
    return " and ".join(found) or "its parameters"


def _accepted(role: str) -> frozenset[Media]:
    whole = {Media.NPY, Media.TEXT, Media.OTHER}
    more = {"array": {Media.NPY}, "text": {Media.TEXT}, "bytes": whole, "view": whole}
    return frozenset({Media.JSON, *more.get(role, ())})
