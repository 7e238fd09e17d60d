"""The few shapes of ASGI that the runtime speaks itself."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from bentopack.serve.errors import ApiError, error_body

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

JSON = b"application/json"
RETRY: Headers = [(b"retry-after", b"1")]
CLOSE = (b"connection", b"close")
BODY_PAUSE = 30.0
"""Seconds without any byte of a body until it is given up."""
BODY_RATE = 500.0
"""Bytes a second that a body has to bring from then on: in pauses that are short enough, it could come for ever."""


class ClientGone(Exception):
    """The client closed the connection before its request was complete."""


async def respond(send: Send, status: int, body: bytes, media: bytes = JSON, more: Headers | None = None) -> None:
    """Send a whole response."""
    headers = [(b"content-type", media), (b"content-length", b"%d" % len(body)), *(more or ())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def refuse(send: Send, error: ApiError, more: Headers | None = None) -> None:
    """Send an error as JSON."""
    await respond(send, error.status, error_body(error.message, error.field), more=more)


def header(scope: Scope, name: bytes) -> bytes:
    """Return the first header of that lower-case name, or nothing."""
    for key, value in scope["headers"]:
        if key == name:
            found: bytes = value
            return found
    return b""


async def read_body(
    scope: Scope,
    receive: Receive,
    limit: int,
    *,
    patience: float = BODY_PAUSE,
    take: Callable[[int], None] = lambda count: None,
) -> bytes:
    """Read a request's body, stopping as soon as it is known to be too large.

    Args:
        limit: the most bytes.
        patience: seconds without any byte of it until it is given up, and until it must have a rate.
        take: told the size of each part of a body that comes in several; may raise.

    Raises:
        ApiError: 413, the body has more than ``limit`` bytes; 408, it does not go on, or too slowly.
        ClientGone: the client went away in the middle.
    """
    length = header(scope, b"content-length")
    if length.isdigit() and int(length) > limit:
        raise _too_large(limit)
    began = asyncio.get_running_loop().time()
    message = await _within(patience, patience, receive)
    if message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message["body"]
        if len(body) > limit:
            raise _too_large(limit)
        return body
    parts, size = [], 0
    while message["type"] == "http.request":
        parts.append(message["body"])
        size += len(parts[-1])
        take(len(parts[-1]))
        if size > limit:
            raise _too_large(limit)
        if not message.get("more_body"):
            return b"".join(parts)
        left = began + patience + size / BODY_RATE - asyncio.get_running_loop().time()
        message = await _within(patience, left, receive)
    raise ClientGone


async def _within(patience: float, left: float, receive: Receive) -> Message:
    """Await a message, at most ``patience`` seconds, and those that are left for the whole body.

    ``asyncio.wait_for`` would make a task for each before Python 3.12.
    """
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine of a server is in one
    late = False

    def expire() -> None:
        nonlocal late
        late = task.cancel()

    timer = asyncio.get_running_loop().call_later(min(patience, left), expire)
    try:
        return await receive()
    except asyncio.CancelledError:
        if not late:
            raise
        if sys.version_info >= (3, 11):
            task.uncancel()
        raise (stalled(patience) if patience <= left else too_slow()) from None
    finally:
        timer.cancel()


def stalled(seconds: float) -> ApiError:
    """The error of a body that does not go on."""
    return ApiError(408, f"nothing of the body has arrived for {seconds:g} s")


def too_slow() -> ApiError:
    """The error of a body that does not bring what it has to."""
    return ApiError(408, f"the body comes with less than {BODY_RATE:g} bytes a second")


def overdue(pause: float, whole: float, received: int) -> ApiError | None:
    """The error of a body that does not go on, or too slowly.

    Args:
        pause: seconds since any byte of it has come.
        whole: seconds since it began.
        received: how many bytes it has brought.
    """
    if pause > BODY_PAUSE:
        return stalled(BODY_PAUSE)
    return too_slow() if whole > BODY_PAUSE + received / BODY_RATE else None


def _too_large(limit: int) -> ApiError:
    return ApiError(413, f"the body is larger than {limit} bytes")
