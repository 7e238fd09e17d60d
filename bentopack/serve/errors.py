"""The error that becomes an HTTP answer."""

from __future__ import annotations

import operator

import msgspec


class ApiError(Exception):
    """Raised by a service to refuse a request with a status and a message of its own.

        raise bentopack.ApiError(404, f"no user {name}")

    Args:
        status: the HTTP status, 400 to 599.
        message: what the client is told.
        field: the parameter at fault, such as ``features``, where there is one.
    """

    def __init__(self, status: int, message: str, *, field: str | None = None) -> None:
        number = operator.index(status)
        if not 400 <= number <= 599:
            raise ValueError(f"ApiError takes a status from 400 to 599, found {number}")
        super().__init__(message)
        self.status = number
        self.message = _text(message)
        self.field = None if field is None else _text(field)


INTERNAL_ERROR = b'{"error":"internal error"}'


def error_body(message: str, field: str | None = None) -> bytes:
    """Write the JSON body of every error: ``{"error": …}`` and, where one is at fault, ``"field"``."""
    return msgspec.json.encode({"error": message} if field is None else {"error": message, "field": field})


def _text(value: object) -> str:
    """Any value, such as a caught exception, as text that UTF-8 can carry."""
    return str(value).encode(errors="replace").decode()
