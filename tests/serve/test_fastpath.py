"""The short way of a prediction gives the very bytes that uvicorn's own way gives, whatever a client sends."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bentopack.serve.fastpath import FastProtocol, Watch
from bentopack.serve.held import relieve
from tests.serve.front_end import LONGEST, ODD, Workers, as_one, front_end, post, settings_of


class Wire(asyncio.Transport):
    """A client's connection: keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False
        self.unread = 0

    def write(self, data: Any) -> None:
        assert not self.closed, data
        self.written += data

    def close(self) -> None:
        self.closed = True

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def arrive(self, data: bytes) -> None:
        """Hand over what the client has sent."""
        if isinstance(self.protocol, asyncio.BufferedProtocol):
            memoryview(self.protocol.get_buffer(len(data)))[: len(data)] = data
            self.protocol.buffer_updated(len(data))
        else:
            cast(asyncio.Protocol, self.protocol).data_received(data)

    def abort(self) -> None:
        self.closed = True
        self.unread = 0

    def get_write_buffer_size(self) -> int:
        return self.unread

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)}.get(name, default)


async def exchange(chunks: list[bytes], *, fast: bool, held: int = 0) -> tuple[bytes, bool]:
    """Send chunks over one connection and return all that came back, and whether the server closed it.

    Other connections hold so many bytes, of 200 that may be held then.
    """
    app = front_end()
    if held:
        app.held, app.max_held = held, 200
    config, state = settings_of(app)
    kind = FastProtocol.serving(cast(Any, app.calls), LONGEST, Watch())
    protocol = (kind if fast else HttpToolsProtocol)(config, state, {}, asyncio.get_running_loop())
    wire = Wire()
    wire.set_protocol(protocol)
    protocol.connection_made(wire)
    for chunk in chunks:
        if wire.closed:
            break
        wire.arrive(chunk)
        for _ in range(40):
            await asyncio.sleep(0)
    closed = wire.closed
    cast(asyncio.Protocol, wire.protocol).connection_lost(None)
    await asyncio.gather(*state.tasks)
    await asyncio.sleep(0)
    assert (app.in_flight, app.held) == (0, held)
    return wire.written, closed


def both(chunks: list[bytes], held: int = 0) -> tuple[bytes, bool]:
    """Send the same both ways, and make sure that the same came back."""
    short = asyncio.run(exchange(chunks, fast=True, held=held))
    long = asyncio.run(exchange(chunks, fast=False, held=held))
    assert (as_one(short[0]), short[1]) == (as_one(long[0]), long[1])
    return as_one(short[0]), short[1]


@pytest.mark.parametrize("request_", ODD, ids=lambda each: repr(each[:60]))
def test_odd_requests_are_answered_alike(request_: bytes) -> None:
    """Alone, followed by a plain one, behind a plain one, twice, and cut at each byte, both ways answer the same."""
    both([request_])
    both([request_ + post()])
    both([post() + request_ + post()])
    both([request_, request_, post()])
    for at in range(1, min(len(request_), 200)):
        both([request_[:at], request_[at:]])


def test_the_plain_case_goes_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nearly every client sends is not what the long way is for."""
    plain = post(b'{"x": 1}', b"Content-Type: application/json", b"User-Agent: x", b"Accept: */*", b"Cookie: a=b")
    answer, closed = both([plain, plain])
    head = b"HTTP/1.1 200 OK\r\ndate: now\r\ncontent-type: application/json\r\ncontent-length: 12\r\n"
    head += b"x-request-id: made\r\n\r\n"
    assert answer == (head + b'0 0 {"x": 1}') * 2
    assert not closed
    monkeypatch.setattr(FastProtocol, "_the_long_way", lambda self: pytest.fail("the long way"))
    assert as_one(asyncio.run(exchange([plain, plain], fast=True))[0]) == answer
    mine = post(b"{}", b"X-Request-ID: mine")
    assert b"\r\nx-request-id: mine\r\n" in asyncio.run(exchange([mine], fast=True))[0]


@pytest.mark.parametrize("at", ["share", "submit"])
def test_a_failure_of_our_own_is_told_as_one(monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    """What goes wrong behind the parser is a 500 and a line of the log, and no fault of the client's."""
    monkeypatch.setattr(Workers, at, lambda *arguments: 1 / 0)
    answer, _ = asyncio.run(exchange([post()], fast=True))
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert answer.endswith(b'{"error":"internal error"}')


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(ODD), min_size=1, max_size=4), st.data())
def test_any_sequence_split_anywhere_is_answered_alike(requests: list[bytes], data: st.DataObject) -> None:
    """Pipelined in any order, cut into any pieces, and with the client gone at any point."""
    stream = b"".join(requests)
    end = data.draw(st.integers(1, len(stream)))
    cuts = sorted({0, end, *data.draw(st.lists(st.integers(1, end), max_size=5))})
    both([stream[start:stop] for start, stop in pairwise(cuts)])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([b"", b"{}", b"x" * 190, post(b"smuggled")]), min_size=1, max_size=4), st.data())
def test_refusals_among_requests_that_follow_each_other(bodies: list[bytes], data: st.DataObject) -> None:
    """Wherever the bytes are cut, those that are too large are, in their turn, and nothing stays counted."""
    stream = b"".join(map(post, bodies))
    cuts = sorted({0, len(stream), *data.draw(st.lists(st.integers(1, len(stream)), max_size=5))})
    both([stream[start:stop] for start, stop in pairwise(cuts)], held=60)


def test_a_refusal_does_not_make_a_request_of_what_follows_it() -> None:
    """One that is refused while the next has begun in the same bytes is answered alone, and the next as it is."""
    inner = post(b"smuggled")
    stream = post(b"x" * 190) + post(inner)
    at = len(stream) - len(inner)
    answers, _ = both([stream[:at], stream[at:], post(b"last")], held=60)
    assert [answers.count(each) for each in (b"HTTP/1.1 503", b"HTTP/1.1 200")] == [1, 2]
    both([stream[: at - 10], stream[at - 10 : at], stream[at:]], held=60)


async def connected(watch: Watch, longest: int = LONGEST) -> tuple[FastProtocol, Wire]:
    """A connection that nothing has come by yet."""
    app = front_end()
    kind = FastProtocol.serving(cast(Any, app.calls), longest, watch)
    protocol, wire = kind(*settings_of(app), {}, asyncio.get_running_loop()), Wire()
    wire.set_protocol(protocol)
    protocol.connection_made(wire)
    return protocol, wire


@pytest.mark.parametrize(
    ("sent", "seconds", "closed"),
    [
        (b"", 60, False),
        (b"", 80, True),
        (post(), 60, False),
        (post(), 80, True),
        (b"POST /json HTTP/1.1\r\nHost: ", 10, False),
        (b"POST /json HTTP/1.1\r\nHost: ", 20, True),
        (post(b"{}")[:-1], 20, False),
    ],
)
def test_a_client_that_keeps_a_connection_waiting_is_left(sent: bytes, seconds: float, closed: bool) -> None:
    """An idle connection outlives a load balancer's minute; a head that does not end is given up sooner."""

    async def go() -> bool:
        watch = Watch()
        protocol, wire = await connected(watch)
        if sent:
            wire.arrive(sent)
        for _ in range(3):  # it is sent at the end of a turn of the loop, and answered a turn later
            await asyncio.sleep(0)
        protocol.sweep(watch.now + seconds)
        return wire.closed

    assert asyncio.run(go()) is closed


def test_a_process_that_stood_still_blames_no_client() -> None:
    """What has come while nothing was read came in time."""

    async def go() -> bool:
        watch = Watch()
        protocol, wire = await connected(watch)
        wire.arrive(post(b"{}")[:-1])
        watch.now -= 40  # as if it were read after a call of 40 s
        watch.sweep([protocol])
        protocol.sweep(watch.now)
        return wire.closed

    assert asyncio.run(go()) is False


def test_a_client_that_does_not_read_is_left() -> None:
    """An answer that nobody reads is dropped after a while; a client that reads slowly is waited for."""

    async def go() -> list[bool]:
        watch = Watch()
        protocol, wire = await connected(watch)
        wire.arrive(post())
        await asyncio.sleep(0)
        found = []
        for unread, seconds in ((1000, 0), (1000, 70), (500, 70), (500, 80)):
            wire.unread = unread
            watch.now += seconds
            protocol.sweep(watch.now)
            found.append(wire.closed)
        assert wire.unread == 0
        return found

    assert asyncio.run(go()) == [False, False, False, True]


def test_a_body_that_stops_is_408() -> None:
    """A client that sends half a body and stops is told, and its connection closed."""

    async def go() -> Wire:
        watch = Watch()
        protocol, wire = await connected(watch)
        wire.arrive(post(b"{}")[:-1])
        protocol.sweep(watch.now + 31)
        return wire

    wire = asyncio.run(go())
    assert wire.written.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close\r\n" in wire.written
    assert wire.closed


def test_bodies_that_arrive_are_bounded_together() -> None:
    """Where they grow beyond what may be held, the latest is answered 503; one alone goes on, whatever its size."""

    async def go() -> list[bytes]:
        app, watch = front_end(), Watch()
        app.max_held = 1000
        several = []
        for _ in range(3):
            watch.now += 1
            protocol, wire = await connected(watch)
            wire.arrive(post(b"x" * LONGEST)[:-100])
            several.append((protocol, wire))
            relieve(app, [protocol for protocol, _ in reversed(several)])
        app.max_held = 10
        relieve(app, [protocol for protocol, _ in several])
        return [wire.written for _, wire in several]

    first, *others = asyncio.run(go())
    assert first == b""
    for each in others:
        assert each.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nretry-after: 1\r\n" in each
        assert b"\r\nconnection: close\r\n" in each


@pytest.mark.parametrize("length", [100_000, 60_000])
@pytest.mark.parametrize(("piece", "ends"), [(1, True), (20_000, False)])
def test_a_body_that_trickles_is_408(length: int, piece: int, ends: bool) -> None:
    """A body whose every pause is short has to bring bytes all the same, by the socket as into shared memory."""

    async def go() -> Wire:
        watch = Watch()
        protocol, wire = await connected(watch, longest=length)
        wire.arrive(b"POST /json HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % length)
        for _ in range(2):
            watch.now += 20
            wire.arrive(b"x" * piece)
            protocol.sweep(watch.now)
        return wire

    wire = asyncio.run(go())
    assert wire.closed is ends
    assert wire.written.startswith(b"HTTP/1.1 408 " if ends else b"")
    assert (b"less than 500 bytes a second" in wire.written) is ends


def test_a_connection_of_plain_requests_is_given_back_when_anything_else_comes() -> None:
    """The turn has its place while nothing else does, and is left for a request in pieces, and for one too many."""

    async def go() -> list[str]:
        found = []
        _, wire = await connected(Watch())
        whole = post(b"{}")
        for piece in (whole, whole, whole[:20], whole[20:], whole, whole + whole, whole):
            wire.arrive(piece)
            for _ in range(12):
                await asyncio.sleep(0)
            found.append(type(wire.protocol).__name__)
        assert wire.written.count(b"HTTP/1.1 200 OK") == 7
        wire.arrive(whole)
        wire.arrive(whole)  # before it is answered
        for _ in range(12):
            await asyncio.sleep(0)
        assert wire.written.count(b"HTTP/1.1 200 OK") == 9
        return found

    here, there = "Turn", "Connection"
    assert asyncio.run(go()) == [here, here, there, there, here, there, here]


def test_a_client_that_does_not_read_gets_no_more() -> None:
    """While its buffers are full its connection is uvicorn's, which reads no more; then it goes on as before."""

    async def go() -> list[str]:
        found = []
        _, wire = await connected(Watch())
        wire.arrive(post())
        for step in ("pause_writing", "resume_writing"):
            getattr(wire.protocol, step)()
            for _ in range(12):
                await asyncio.sleep(0)
            found.append(type(wire.protocol).__name__)
        wire.arrive(post())
        found.append(type(wire.protocol).__name__)
        return found

    assert asyncio.run(go()) == ["Connection", "Connection", "Turn"]


def test_an_answer_that_cannot_be_written_keeps_no_other_from_its_client() -> None:
    """Answers of one frame are given together, and each is its own client's affair."""

    async def go() -> tuple[list[bytes], int]:
        app = front_end()
        ((_, call),) = list(app.calls.items())[:1]
        written: list[bytes] = []
        failed: list[object] = []

        def broken(data: bytes) -> None:
            raise RuntimeError("its transport has been closed")

        turns = [
            SimpleNamespace(
                alone=True,
                api=call,
                asked=None,
                began=0.0,
                size=1,
                client="-",
                socket=None,
                fail=partial(failed.append, write),
                state=SimpleNamespace(default_headers=[]),
                watch=Watch(),
                write=write,
            )
            for write in (broken, written.append, written.append)
        ]
        call.in_flight = app.held = 3
        call.answer(cast(Any, turns), 200, 0, [b"1", b"2", cast(Any, "no bytes")])
        assert failed == [written.append, broken]
        return written, call.in_flight + app.held

    written, waiting = asyncio.run(go())
    assert [each[-1:] for each in written] == [b"2"]
    assert waiting == 0
