"""What is counted and logged of a request, and how long its body may take; without any process."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import KeysView
from io import StringIO
from typing import Any

import pytest

from bentopack.serve import access, tallies
from bentopack.serve.asgi import ClientGone, read_body
from bentopack.serve.errors import ApiError
from bentopack.serve.gate import Gate


async def _never() -> Any:
    await asyncio.sleep(60)


def test_body_that_stops_is_408() -> None:
    """A client that sends half a body and stops is answered 408; the task that reads it goes on."""

    async def go() -> None:
        parts = iter([{"type": "http.request", "body": b"a", "more_body": True}])

        async def receive() -> Any:
            return next(parts, None) or await _never()

        with pytest.raises(ApiError) as caught:
            await read_body({"headers": []}, receive, 10, patience=0.05)
        assert caught.value.status == 408
        await asyncio.sleep(0)  # a cancellation that is left over would come out here

    asyncio.run(go())


@pytest.mark.parametrize(("piece", "ends"), [(1, True), (1000, False)])
def test_body_that_trickles_is_408(piece: int, ends: bool) -> None:
    """A body that always goes on is given up where it is too slow, and only there."""

    async def go() -> bytes:
        left = iter(range(19, -1, -1))

        async def receive() -> Any:
            await asyncio.sleep(0.02)
            return {"type": "http.request", "body": b"x" * piece, "more_body": next(left) > 0}

        return await read_body({"headers": []}, receive, 100_000, patience=0.1)

    if ends:
        with pytest.raises(ApiError, match="less than 500 bytes a second"):
            asyncio.run(go())
    else:
        assert len(asyncio.run(go())) == 20_000


def test_cancellation_of_the_server_is_not_408() -> None:
    """A read that the server itself ends is cancelled, not answered."""

    async def go() -> None:
        task = asyncio.create_task(read_body({"headers": []}, _never, 10))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(go())


def _request(app: Any, scope: dict[str, Any]) -> None:
    async def send(message: Any) -> None: ...

    gated = Gate(app, waiting_for=lambda: "", label=lambda path: "api")
    asyncio.run(gated({"type": "http", "method": "POST", "headers": [], **scope}, _never, send))
    access.write()


@pytest.fixture
def ended() -> KeysView[int]:
    """The statuses that were counted."""
    counted = tallies.tally_of("api").seconds
    counted.clear()
    return counted.keys()


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """What is written to the access log."""
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("at %(asctime)s: %(message)s"))
    monkeypatch.setattr(logging.getLogger("bentopack.serve"), "handlers", [handler])
    monkeypatch.setattr(logging.getLogger("bentopack.serve.access"), "disabled", False)
    access.write()
    stream.truncate(0)
    stream.seek(0)
    return stream


def test_client_that_leaves_is_499(ended: KeysView[int], log: StringIO) -> None:
    """A client that goes away before its answer is no failure of the service, and nothing is raised."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise ClientGone

    _request(app, {"path": "/x", "raw_path": b"/x"})
    assert list(ended) == [499]
    assert re.fullmatch(r'at [-0-9]+ [:,0-9]+: - "POST /x" 499 [.0-9]+ms [0-9a-f]{16}-[0-9a-f]+\n', log.getvalue())


def test_path_cannot_forge_a_line_of_the_log(ended: KeysView[int], log: StringIO) -> None:
    """A quoted newline or escape in a path is logged quoted."""

    async def app(scope: Any, receive: Any, send: Any) -> None: ...

    _request(app, {"path": "/x\n\x1b[31m forged", "raw_path": b"/x%0A%1B[31m forged\x9b"})
    assert '"POST /x%0A%1B[31m forged\\x9b"' in log.getvalue()
    assert "\x1b" not in log.getvalue()


@pytest.mark.parametrize("own", [[(b"X-Request-Id", b"its own")], []])
def test_an_application_may_name_its_requests_itself(own: list[Any]) -> None:
    """The id of an application's own answer stays; it knows ours, and gives its headers in whatever form it likes."""
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["state"]["request_id"] == "mine"
        await send({"type": "http.response.start", "status": 200, "headers": iter([(b"a", b"b"), *own])})

    async def send(message: Any) -> None:
        sent.append(message)

    gated = Gate(app, waiting_for=lambda: "", label=lambda path: "api")
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"x-request-id", b"mine")]}
    asyncio.run(gated(scope, _never, send))
    assert list(sent[0]["headers"]) == [(b"a", b"b"), *(own or [(b"x-request-id", b"mine")])]


def test_an_access_log_that_is_switched_off_keeps_nothing(ended: KeysView[int], log: StringIO) -> None:
    """Without an access log no line is written, also not when it is switched on later."""

    async def app(scope: Any, receive: Any, send: Any) -> None: ...

    logging.getLogger("bentopack.serve.access").disabled = True
    _request(app, {"path": "/x", "raw_path": b"/x"})
    logging.getLogger("bentopack.serve.access").disabled = False
    access.write()
    assert log.getvalue() == ""
