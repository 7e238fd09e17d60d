"""A client that accounts for every request: HTTP/1.1 on raw connections, each answer checked against what was asked."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from itertools import count
from types import TracebackType

SLOW = 5.0  # seconds; an answer that takes longer is counted as slow too
_LONGEST_IDLE = 60.0
"""Seconds; a client does not ask again on a connection that has been idle for longer, as the server may close it in the
very moment. Load balancers do the same, most by this number."""
_AGAIN = 0.01  # seconds until a connection that was refused is tried again

_numbers = count(1)


@dataclass(eq=False)
class Request:
    """One request and what became of it. ``kind`` is ``ok``, a status, or how the answer failed to come."""

    number: int
    sent: float
    port: int
    """The client's, which tells the connection."""
    reused: bool
    """Whether the connection had given an answer before."""
    kind: str = "no answer"
    """``broken, new connection``: closed without an answer; ``broken, kept connection``: the same, where another answer
    had come before, so that the close may have crossed the request; ``cut``: closed in the middle of an answer."""
    ended: float = 0.0
    told: bytes = b""
    """The body of an answer that is no success."""

    @property
    def seconds(self) -> float:
        return self.ended - self.sent


@dataclass
class Account:
    """What became of all requests: every one of them is in ``kinds``, or still in flight."""

    sent: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    """Of the successes."""
    failures: list[Request] = field(default_factory=list)
    in_flight: dict[int, Request] = field(default_factory=dict)
    refused: int = 0
    """Connections that could not be made: no request was sent on them."""
    slow: int = 0
    last_ok: float = 0.0

    def begin(self, request: Request) -> None:
        self.sent += 1
        self.in_flight[request.number] = request

    def end(self, request: Request, kind: str, told: bytes = b"") -> None:
        request.kind, request.ended, request.told = kind, time.monotonic(), told
        del self.in_flight[request.number]
        self.kinds[kind] += 1
        self.slow += request.seconds > SLOW
        if kind == "ok":
            self.seconds.append(request.seconds)
            self.last_ok = request.ended
        else:
            self.failures.append(request)

    def close(self) -> None:
        """Whatever is in flight now has had no answer."""
        for request in list(self.in_flight.values()):
            self.end(request, "no answer")

    @property
    def adds_up(self) -> bool:
        return self.sent == sum(self.kinds.values()) + len(self.in_flight)

    def counts(self) -> dict[str, float]:
        """For the table: only what there was."""
        found: dict[str, float] = {"sent": self.sent, **dict(sorted(self.kinds.items()))}
        if self.slow:
            found[f"slower than {SLOW:g} s"] = self.slow
        if self.refused:
            found["connections refused"] = self.refused
        return found

    def quantile(self, share: float) -> float:
        """Seconds that this share of the successes took at most; infinite where there was none."""
        return quantile(self.seconds, share)


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else float("inf")


class Connection(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(
        self, account: Account, free: Callable[[Connection], None], lost: Callable[[Connection], None]
    ) -> None:
        self._account = account
        self._free = free
        self._lost = lost
        self._buffer = b""
        self._request: Request | None = None
        self._answers = 0
        self.is_open = False
        self.closes = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.port: int = transport.get_extra_info("sockname")[1]
        self.is_open = True

    def ask(self, path: str = "/echo", body: str = '{{"x": {}}}') -> None:
        number = next(_numbers)
        self._request = Request(number, time.monotonic(), self.port, self._answers > 0)
        self._account.begin(self._request)
        self.transport.write(post(path, body.format(number).encode()))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, mark, body = self._buffer.partition(b"\r\n\r\n")
        request = self._request
        if not mark:
            return
        head = head.lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        self._buffer, self._request = b"", None
        self.closes = b"connection: close" in head
        if request is None or len(body) > length:  # an answer that nobody asked for
            self._account.kinds["wrong"] += 1
            self.transport.abort()
            return
        self._answers += 1
        status = head[9:12]
        if status != b"200":
            self._account.end(request, status.decode(), body)
        else:
            right = body == str(request.number).encode()
            self._account.end(request, "ok" if right else "wrong", b"" if right else body)
        if self.closes:
            self.transport.close()
        else:
            self._free(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        request, self._request = self._request, None
        if request is not None and request.number in self._account.in_flight:
            kept = "kept" if request.reused else "new"
            self._account.end(request, "cut" if self._buffer else f"broken, {kept} connection")
        self._lost(self)


async def _finish(account: Account, connections: Collection[Connection], patience: float) -> None:
    """Wait so long for the answers that are under way, then close the connections."""
    end = time.monotonic() + patience
    while account.in_flight and time.monotonic() < end:
        await asyncio.sleep(0.01)
    account.close()
    for connection in list(connections):
        connection.transport.abort()


class ClosedLoop:
    """Connections that each send the next request when the last is answered, and connect again when they are closed.

    Args:
        pause: seconds between an answer and the next request.
    """

    def __init__(self, port: int, connections: int = 64, *, pause: float = 0.0) -> None:
        self.account = Account()
        self._port = port
        self._count = connections
        self._pause = pause
        self._going = True
        self._open: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> ClosedLoop:
        for _ in range(self._count):
            self._connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self, patience: float = 30.0) -> None:
        """Send no more, and wait for the answers that are under way."""
        self._going = False
        await _finish(self.account, self._open, patience)
        for task in list(self._tasks):
            task.cancel()

    def _connect(self) -> None:
        task = asyncio.ensure_future(self._begin())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        while self._going:
            try:
                _, connection = await loop.create_connection(
                    lambda: Connection(self.account, self._next, self._lost), "127.0.0.1", self._port
                )
            except OSError:
                self.account.refused += 1
                await asyncio.sleep(_AGAIN)
                continue
            self._open.add(connection)
            if self._going:
                connection.ask()
            return

    def _next(self, connection: Connection) -> None:
        if self._going:
            asyncio.get_running_loop().call_later(self._pause, self._ask, connection)

    def _ask(self, connection: Connection) -> None:
        if self._going and connection.is_open:
            connection.ask()

    def _lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        if self._going:
            self._connect()


class OpenLoop:
    """Requests at a rate, whatever becomes of those before: each on a connection that is free, or on a new one."""

    def __init__(self, port: int) -> None:
        self.account = Account()
        self.lags: list[float] = []
        """Seconds by which this client itself was late: what the machine had not for it, it may not have for others."""
        self._port = port
        self._free: list[tuple[float, Connection]] = []
        self._all: set[Connection] = set()

    async def run(self, rate: float, seconds: float, *, most: int = 4000) -> None:
        """Send for so long.

        Args:
            most: connections; what would need another is not sent, but counted as ``no connection``.
        """
        loop = asyncio.get_running_loop()
        began, sent = loop.time(), 0
        while (passed := loop.time() - began) < seconds:
            due = int(passed * rate)
            for _ in range(min(due - sent, 500)):
                if free := self._usable():
                    free.ask()
                elif len(self._all) < most:
                    connection = await self._connect()
                    connection.ask()
                else:
                    self.account.sent += 1
                    self.account.kinds["no connection"] += 1
                sent += 1
            turn = loop.time() + 0.002
            await asyncio.sleep(0.002)
            self.lags.append(loop.time() - turn)

    async def end(self, patience: float = 30.0) -> None:
        """Wait for the answers that are under way, and close the connections."""
        await _finish(self.account, self._all, patience)

    def _usable(self) -> Connection | None:
        """The connection that has become free last, unless that is too long ago."""
        while self._free:
            since, connection = self._free.pop()
            if connection.is_open:
                if time.monotonic() - since < _LONGEST_IDLE:
                    return connection
                connection.transport.close()
        return None

    def _give_back(self, connection: Connection) -> None:
        self._free.append((time.monotonic(), connection))

    async def _connect(self) -> Connection:
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(self.account, self._give_back, self._all.discard), "127.0.0.1", self._port
        )
        self._all.add(connection)
        return connection


def post(path: str, body: bytes, kind: str = "application/json") -> bytes:
    """A whole request."""
    return head(path, len(body), kind) + body


def head(path: str, length: int, kind: str = "application/json") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: h\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n".encode()
