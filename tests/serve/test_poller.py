"""Reading past the transports gives a client the very answers that uvicorn gives, over real sockets and both loops."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from itertools import pairwise
from typing import Any, TypeVar, cast

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bentopack.serve import fastpath
from bentopack.serve.accepting import Acceptor
from bentopack.serve.awake import Awake
from bentopack.serve.fastpath import FastProtocol, Watch
from bentopack.serve.frontend import FrontEnd
from bentopack.serve.poller import Poller
from bentopack.serve.shared import LARGE
from bentopack.serve.turn import Turn
from tests.serve.front_end import LONGEST, ODD, Workers, as_one, front_end, post, settings_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is no epoll elsewhere")

T = TypeVar("T")
Loop = Callable[[Coroutine[Any, Any, T]], T]
LOOPS = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
ANSWER = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture(autouse=True, scope="module")
def _one_is_enough() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fastpath, "FEW", 1)
        yield


class Client(asyncio.Protocol):
    """Keeps all that came back."""

    def __init__(self) -> None:
        self.came = b""
        self.closed = False

    def connection_made(self, transport: Any) -> None:
        self.transport: asyncio.Transport = transport

    def data_received(self, data: bytes) -> None:
        self.came += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True

    async def send(self, data: bytes, *, last: bool = False) -> None:
        """Send, and let the server do all that it can do with it."""
        if not self.transport.is_closing():
            self.transport.write(data)
            if last:
                self.transport.write_eof()
        await settled()

    async def answers(self, count: int) -> bytes:
        """Wait for so many answers, and return all that came."""
        end = time.monotonic() + 10
        while self.came.count(ANSWER) < count or not self.came.endswith(b"{}"):
            assert time.monotonic() < end, self.came[-1000:]
            await asyncio.sleep(0.001)
        return self.came


async def settled() -> None:
    for _ in range(40):
        await asyncio.sleep(0)


class Server:
    """A front end on a real socket."""

    def __init__(self, *, fast: bool = True, longest: int = LONGEST) -> None:
        self.app: FrontEnd = front_end()
        config, self.state = settings_of(self.app)
        self.kind = FastProtocol.serving(cast(Any, self.app.calls), longest, Watch())
        self.kind.begin()
        self._make = partial(self.kind if fast else HttpToolsProtocol, config, self.state, {})
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio looks at it
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self.where: tuple[str, int] = self._listener.getsockname()
        self._acceptor = Acceptor(self._listener, self._connection, None)

    def _connection(self, accepted: socket.socket) -> asyncio.Protocol:
        made = self._make()
        if isinstance(made, FastProtocol):
            made.accepted(accepted)
        return made

    async def client(self) -> Client:
        """A client that has sent three plain requests, and has their answers."""
        _, client = await asyncio.get_running_loop().create_connection(Client, *self.where)
        for count in range(1, 4):
            await client.send(post(b"{}"))
            await client.answers(count)
        return client

    @property
    def polled(self) -> bool:
        """Whether its only connection is read past its transport."""
        (connection,) = self.connections
        return connection._turn.socket is not None

    @property
    def connections(self) -> list[FastProtocol]:
        return cast(list[FastProtocol], list(self.state.connections))

    async def end(self) -> None:
        """Make sure that nothing is left of what has been."""
        self._acceptor.close()
        for connection in self.connections:
            connection.transport.abort()
        await settled()
        await asyncio.gather(*self.state.tasks)
        assert not self.state.connections
        if self.kind.poller is not None:
            assert not self.kind.poller._read_by
            self.kind.poller.close()
        assert (self.app.in_flight, self.app.held) == (0, 0)


async def exchange(chunks: list[bytes], *, fast: bool, half: bool = False) -> tuple[bytes, bool]:
    """Send chunks over one connection and return all that came back, and whether the server closed it.

    ``half`` ends the client's side of it with the last one.
    """
    server = Server(fast=fast)
    client = await server.client()
    if fast:
        assert server.polled
    for chunk in chunks:
        await client.send(chunk, last=half and chunk is chunks[-1])
    await asyncio.sleep(0.002)
    await settled()
    answer = client.came, client.closed
    client.transport.abort()
    await settled()
    await server.end()
    return as_one(answer[0]), answer[1]


def submitting(answer: Callable[[bytes], tuple[float, bytes]]) -> Callable[..., None]:
    """What workers do that answer each body after so many seconds, with other bytes than it has."""

    def submit(self: Workers, api: int, media: int, bodies: list[bytes], receivers: list[Any]) -> None:
        for body, receiver in zip(bodies, receivers, strict=True):
            receiver.link, receiver.identity = self, 1
            seconds, found = answer(body)
            asyncio.get_running_loop().call_later(seconds, receiver.answered, 200, 0, found)

    return submit


def both(run: Loop[tuple[bytes, bool]], chunks: list[bytes]) -> None:
    assert run(exchange(chunks, fast=True)) == run(exchange(chunks, fast=False))


@LOOPS
@pytest.mark.parametrize("request_", ODD, ids=lambda each: repr(each[:60]))
def test_odd_requests_are_answered_alike(run: Loop[Any], request_: bytes) -> None:
    """Alone, followed by a plain one, twice, and in two pieces, on a connection that brought plain ones before."""
    both(run, [request_])
    both(run, [request_ + post()])
    both(run, [request_, post(), post()])
    # Whether the answer or the client's end comes first is for the loop to say; that it ends is not.
    assert run(exchange([request_], fast=True, half=True))[1]
    for at in (1, len(request_) // 2, len(request_) - 2):
        both(run, [request_[:at], request_[at:], post()])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(ODD), min_size=1, max_size=4), st.data())
def test_any_sequence_split_anywhere_is_answered_alike(requests: list[bytes], data: st.DataObject) -> None:
    """Pipelined in any order, cut into any pieces."""
    stream = b"".join(requests)
    cuts = sorted({0, len(stream), *data.draw(st.lists(st.integers(1, len(stream)), max_size=5))})
    both(uvloop.run, [stream[start:stop] for start, stop in pairwise(cuts)])


@LOOPS
def test_a_client_that_goes_is_forgotten(run: Loop[None]) -> None:
    """By a reset or a goodbye, between requests or while one is being answered."""

    async def go() -> None:
        for reset in (True, False):
            for sent in (b"", post()[:-1], post()):
                server = Server()
                client = await server.client()
                client.transport.write(sent)
                if reset:
                    held = client.transport.get_extra_info("socket")
                    held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.transport.abort()
                await settled()
                assert not server.state.connections
                await server.end()

    run(go())


@LOOPS
def test_a_request_that_comes_before_the_last_answer_waits(run: Loop[None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers go out in the order of the requests, each its own."""

    def answer(body: bytes) -> tuple[float, bytes]:
        return 0.01 * (9 - body[0]) if body[0] < 9 else 0.0, body  # each sooner than the one before

    monkeypatch.setattr(Workers, "submit", submitting(answer))

    async def go() -> None:
        server = Server()
        client = await server.client()
        assert server.polled
        for number in range(3):
            await client.send(post(b"%c{}" % number))
        answers = (await client.answers(6)).split(ANSWER)[4:]
        assert [each[-3] for each in answers] == [0, 1, 2]
        await server.end()

    run(go())


@LOOPS
def test_a_slow_reader_gets_all_of_a_large_answer(run: Loop[None], monkeypatch: pytest.MonkeyPatch) -> None:
    """What its socket does not take is sent by the transport, in order, and requests after it are answered."""
    large = b"y" * 20_000_000

    monkeypatch.setattr(Workers, "submit", submitting(lambda body: (0.0, large if body == b"large" else b"{}")))

    async def go() -> None:
        server = Server()
        client = await server.client()
        assert server.polled
        client.came = b""
        client.transport.pause_reading()
        await client.send(post(b"large"))
        assert not server.polled
        await client.send(post(b"{}"))
        client.transport.resume_reading()
        answers = (await client.answers(2)).split(ANSWER)[1:]
        assert [len(each.partition(b"\r\n\r\n")[2]) for each in answers] == [len(large), 2]
        await server.end()

    run(go())


@LOOPS
def test_a_request_as_long_as_what_is_read_at_once_hides_none_after_it(run: Loop[None]) -> None:
    """The kernel tells once of what comes: what is left unread then must be the transport's."""

    async def go() -> None:
        for more in range(-2, 3):
            server = Server(longest=LARGE * 2)
            server.app._max_body = LARGE * 2
            client = await server.client()
            length = LARGE + more - (len(post(b"x" * (LARGE - 100))) - (LARGE - 100))
            first = post(b"x" * length)
            assert len(first) == LARGE + more
            server.kind.plain.begin(first[:200])  # as whoever reads large bodies remembers heads
            for each in [first] * 5 + [post(b"{}")] * 3:  # the kernel learns to take that much at once
                client.came = b""
                await client.send(each + post(b"{}") * (each is first))
                await client.answers(1 + (each is first))
            assert server.polled
            client.came = b""
            await client.send(first + post(b"{}"))
            await client.answers(2)
            await server.end()

    run(go())


@LOOPS
def test_urgent_bytes_are_the_transports(run: Loop[None]) -> None:
    """They are no part of what is read, and end what the kernel gives at once."""

    async def go() -> None:
        server = Server()
        client = await server.client()
        number = client.transport.get_extra_info("socket").fileno()
        with socket.socket(fileno=number) as held:
            held.send(post(b"{}") + b"!", socket.MSG_OOB)
            held.send(post(b"{}"))
            held.detach()
        await client.answers(5)
        await server.end()

    run(go())


@LOOPS
def test_one_connection_that_fails_keeps_no_other_from_its_answer(
    run: Loop[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read together is each client's own affair."""

    async def go() -> None:
        server = Server()
        first, second = await server.client(), await server.client()
        port = first.transport.get_extra_info("sockname")[1]
        (broken,) = (each for each in server.connections if each.client and each.client[1] == port)
        monkeypatch.setattr(broken, "data_received", None)
        first.transport.write(b"GET / HTTP/1.1\r\n\r\n")
        second.transport.write(post(b"{}"))
        await second.answers(4)
        assert first.closed
        await server.end()

    run(go())


@LOOPS
def test_a_socket_that_cannot_be_read_is_left_to_its_transport(run: Loop[None]) -> None:
    """What was read of others, and what is still to be read, is not lost by it."""

    async def go() -> None:
        server = Server()
        clients = [await server.client() for _ in range(3)]
        poller = server.kind.poller
        assert poller is not None
        number, (turn, _) = list(poller._read_by.items())[1]

        def fails(size: int) -> bytes:
            raise MemoryError

        poller._read_by[number] = turn, fails
        for each in clients:
            each.transport.write(post(b"{}"))
        for each in clients:
            await each.answers(4)
        await server.end()

    run(go())


@LOOPS
def test_where_the_kernel_watches_no_more_transports_go_on(run: Loop[None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its limits are no reason to close a connection."""

    def full(self: Poller, connection: socket.socket, turn: Turn) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(Poller, "add", full)

    async def go() -> None:
        server = Server()
        client = await server.client()
        assert not server.polled
        await client.send(post(b"{}"))
        await client.answers(4)
        await server.end()

    run(go())


@LOOPS
def test_no_answer_follows_half_of_another(run: Loop[None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the rest of an answer cannot be written its connection ends."""

    class Half:
        """A socket that takes the half of what it is given."""

        def __init__(self, whole: socket.socket | None) -> None:
            assert whole is not None
            self.fileno = whole.fileno

        def send(self, data: bytes) -> int:
            return len(data) // 2

    def fails(self: Turn, data: memoryview) -> None:
        raise MemoryError

    monkeypatch.setattr(Turn, "write_rest", fails)

    async def go() -> None:
        server = Server()
        client = await server.client()
        turn = server.connections[0]._turn
        turn.socket = cast(socket.socket, Half(turn.socket))
        await client.send(post(b"{}"))
        assert client.closed
        await server.end()

    run(go())


@LOOPS
def test_only_a_lone_client_keeps_the_loop_awake(run: Loop[None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fastpath, "FEW", 3)
    asked: list[None] = []

    async def go() -> None:
        server = Server()
        assert isinstance(server.kind.awake, Awake)
        monkeypatch.setattr(server.kind.awake, "asked", lambda: asked.append(None))
        await server.client()
        assert len(asked) == 2  # the first one is a connection's, not yet a turn's
        await server.client()
        assert len(asked) == 2
        await server.end()

    run(go())
