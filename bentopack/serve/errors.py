"""The error that becomes an HTTP answer."""

from __future__ import annotations

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
        if not 400 <= status <= 599:
            raise ValueError(f"ApiError takes a status from 400 to 599, found {status}")
        super().__init__(message)
        self.status = status
        self.message = message
        self.field = field


INTERNAL_ERROR = b'{"error":"internal error"}'


def error_body(message: str, field: str | None = None) -> bytes:
    """Write the JSON body of every error: ``{"error": …}`` and, where one is at fault, ``"field"``."""
    return msgspec.json.encode({"error": message} if field is None else {"error": message, "field": field})
