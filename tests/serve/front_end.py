"""A front end before workers that need no process, and requests that a client may send it."""

from __future__ import annotations

import asyncio
import re
from copy import copy
from functools import partial
from typing import Any, ClassVar, cast

import uvicorn
from uvicorn.server import ServerState

from bentopack.serve.asking import Receiver
from bentopack.serve.config import ServeConfig
from bentopack.serve.frontend import FrontEnd
from bentopack.serve.gate import Gate
from bentopack.serve.hello import ApiRoute, Hello
from bentopack.serve.pool import Pool
from bentopack.spec.manifest import ServiceInfo

LONGEST = 1000
"""Bytes of a body."""


class Workers(Pool):
    """Workers that answer a turn later, with what they were asked, as a worker does that fails where it is told to."""

    numbers: ClassVar = {("/json", (0,)): 0, ("/a b/ü", (0, 2)): 1}
    answers: ClassVar[dict[int, asyncio.Handle]] = {}

    def having(self, key: Any) -> Any:
        self._key = key
        return copy(self)

    def share(self, count: int) -> Any:
        return [(self, self.numbers[self._key], count)]

    def submit(self, api: int, media: int, bodies: list[bytes], receivers: list[Receiver]) -> None:
        loop = asyncio.get_running_loop()
        for body, receiver in zip(bodies, receivers, strict=True):
            receiver.link, receiver.identity = cast(Any, self), id(receiver)
            status, answer = 503 if body == b"busy" else 200, b"%d %d %s" % (api, media, body)
            self.answers[id(receiver)] = loop.call_soon(receiver.answered, status, 0, answer)

    def drop(self, identity: int) -> None:
        """Nobody waits."""
        self.answers.pop(identity).cancel()


def front_end() -> FrontEnd:
    service = ServiceInfo(target="m:S", kind="service", name="s", workers=1)
    config = ServeConfig(service=service, source="", max_body=LONGEST)
    found = FrontEnd(
        config, partial(cast(Any, Workers), lambda number: "", workers=1, timeout=None, watchdog=None, front_ends=1)
    )
    apis = (
        ApiRoute(name="json", route="/json", accepts=(0,), max_latency=60, at_once=1),
        ApiRoute(name="text", route="/a b/ü", accepts=(0, 2), max_latency=60, at_once=1),
    )
    found._greeted(
        Hello(service="s", workers=1, timeout=None, max_concurrency=None, pid=1, apis=apis, openapi=cast(Any, b"{}"))
    )
    return found


def settings_of(app: FrontEnd) -> tuple[uvicorn.Config, ServerState]:
    """What uvicorn gives each connection to a front end."""
    gate = Gate(app, waiting_for=app.waiting_for, label=app.label)
    config = uvicorn.Config(cast(Any, gate), http="httptools", ws="none", lifespan="off", log_config=None)
    config.load()
    state = ServerState()
    state.default_headers = [(b"date", b"now")]
    return config, state


def as_one(answers: bytes) -> bytes:
    """Answers with every id that was made here the same."""
    return re.sub(rb"x-request-id: [0-9a-f]{16}-[0-9a-f]+\r", b"x-request-id: made\r", answers)


def post(body: bytes = b"{}", *headers: bytes, path: bytes = b"/json", version: bytes = b"1.1") -> bytes:
    lines = [b"POST %s HTTP/%s" % (path, version), b"Host: h", b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join([*lines, b"", body])


ODD = [
    post(),
    post(b""),
    post(b"busy"),
    post(b"x" * LONGEST),
    post(b"x" * (LONGEST + 1)),
    post(version=b"1.0"),
    post(b"{}", b"Connection: close"),
    post(b"{}", b"Connection: keep-alive", version=b"1.0"),
    post(b"{}", b"Connection: Upgrade", b"Upgrade: websocket"),
    post(b"{}", b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAA"),
    post(b"{}", b"Content-Type: application/json; charset=utf-8"),
    post(b"{}", b"CONTENT-TYPE: Application/JSON"),
    post(b"{}", b"Content-Type: text/plain"),
    post(b"{}", b"Content-Type: text/plain", path=b"/a%20b/%C3%BC"),
    post(b"{}", b"Content-Type: text/plain; charset=latin-1", path=b"/a%20b/%c3%bc"),
    post(b"{}", b"Content-Type: application/json", b"Content-Type: text/plain"),
    post(b"{}", b"Content-Encoding: gzip"),
    post(b"{}", b"Content-Encoding: identity"),
    post(b"{}", b"Expect: 100-continue"),
    post(b"{}", b"Expect: something"),
    post(b"{}", b"X-Request-ID: 0f1e-mine"),
    post(b"busy", b"x-request-id: " + b"a" * 128),
    post(b"{}", b"X-Request-ID: " + b"a" * 129),
    post(b"{}", b"X-Request-ID: two words"),
    post(b"{}", b"X-Request-ID: \xfc"),
    post(b"{}", b"X-Request-ID:", b"X-Request-ID: second"),
    post(b"{}", b"X-Request-ID: first", b"X-Request-ID: second"),
    post(b"{}", b"Content-Length: 2"),
    post(b"{}", b"Content-Length: 3"),
    post(b"{}", b"Transfer-Encoding: chunked"),
    post(b"{}", b"Transfer-Encoding: identity"),
    post(b"{}", b"X-Long: " + b"y" * 5000),
    post(b"{}", *[b"X-%d: 1" % number for number in range(120)]),
    post(path=b"/json?a=1"),
    post(path=b"/json/"),
    post(path=b"/JSON"),
    post(path=b"/%6Ason"),
    post(path=b"//json"),
    post(path=b"/./json"),
    post(path=b"http://h/json"),
    post(path=b"*"),
    post(path=b"/nowhere"),
    post(path=b"/docs"),
    b"GET /json HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET /json HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}",
    b"HEAD /json HTTP/1.1\r\nHost: h\r\n\r\n",
    b"PUT /json HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}",
    b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
    b"POST /json HTTP/1.1\r\nHost: h\r\n\r\n",
    b"POST /json HTTP/1.1\r\n\r\n",
    b"POST /json HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"POST /json HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\n{}\r\n0\r\nT: 1\r\n\r\n",
    b"POST /json HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"POST /json HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"POST /json HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n{}",
    b"POST /json HTTP/1.1\r\nHost: h\r\nContent-Length: +2\r\n\r\n{}",
    b"POST /json HTTP/1.1\r\nHost: h\r\nContent-Length: 2, 2\r\n\r\n{}",
    b"POST /json HTTP/1.1\r\nHost: h\r\nContent-Length:\t2 \r\n\r\n{}",
    b"POST /json HTTP/1.1\r\nHost: h\r\nContent-Length: 02\r\n\r\n{}",
    b"POST /json HTTP/1.1\r\nHost: h\r\nContent-Length: 0x2\r\n\r\n{}",
    b"POST /json HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n{}",
    b"POST /json HTTP/1.1\nHost: h\nContent-Length: 2\n\n{}",
    b"POST /json HTTP/1.1\r\nHost: h\r\n folded: x\r\nContent-Length: 2\r\n\r\n{}",
    b"POST /json HTTP/1.1\r\nHost: h\r\nX: a\x00b\r\nContent-Length: 2\r\n\r\n{}",
    b"POST /json HTTP/2.0\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}",
    b"POST /json HTTP/0.9\r\n\r\n",
    b"post /json HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\r\n\r\n" + post(),
    b"\x16\x03\x01\x02\x00\x01\x00",
    b"nonsense\r\n\r\n",
]
