"""The one parser of plain requests takes these, and leaves no trace of anything else."""

from __future__ import annotations

import pytest

from bentopack.serve.plain import PlainReader


class Api:
    def media_of(self, content_type: bytes) -> int | None:
        return {b"": 0, b"application/json": 0, b"text/plain": None}.get(content_type, 3)


API = Api()
HEAD = b"POST /p HTTP/1.1\r\nHost: h\r\n"
PLAIN = HEAD + b"Content-Length: 2\r\n\r\n{}"


def reader() -> PlainReader[Api]:
    return PlainReader({b"POST /p HTTP/1.1": API}, 10)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (PLAIN, (API, 0, b"{}", None)),
        (HEAD + b"Content-Length: 0\r\n\r\n", (API, 0, b"", None)),
        (HEAD + b"content-length: 4\r\n\r\n\r\n\r\n", (API, 0, b"\r\n\r\n", None)),
        (HEAD + b"CONTENT-TYPE: a/b\r\nContent-Length: 2\r\n\r\n{}", (API, 3, b"{}", None)),
        (HEAD + b"X-Request-ID: me\r\nContent-Length: 2\r\n\r\n{}", (API, 0, b"{}", b"me")),
        (HEAD + b"Connection: Keep-Alive\r\nContent-Length: 2\r\n\r\n{}", (API, 0, b"{}", None)),
    ],
)
def test_a_plain_request_is_read(data: bytes, found: object) -> None:
    """However its headers are spelled."""
    assert reader().read(data) == found


NOT_PLAIN = [
    PLAIN[:-1],
    PLAIN[:30],
    PLAIN + b"P",
    PLAIN + PLAIN,
    HEAD + b"\r\n",
    HEAD + b"Content-Length: 11\r\n\r\n" + b"x" * 11,
    HEAD + b"Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
    HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}",
    HEAD + b"Connection: keep-alive\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
    HEAD + b"Content-Type: a/b\r\ncontent-type: c/d\r\nContent-Length: 2\r\n\r\n{}",
    HEAD + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    PLAIN.replace(b"1.1", b"1.0"),
    PLAIN.replace(b"/p", b"/q"),
    PLAIN.replace(b"POST", b"PUT"),
    PLAIN.replace(b"\r\n", b"\n"),
    b"",
]


@pytest.mark.parametrize("data", NOT_PLAIN, ids=repr)
def test_what_is_not_plain_is_left_and_forgotten(data: bytes) -> None:
    """The next request, of another connection, is read as if nothing had been before it."""
    one = reader()
    assert one.read(data) is None
    assert one.read(PLAIN) == (API, 0, b"{}", None)


BEGUN = HEAD + b"X-Request-ID: me\r\nContent-Length: 9\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (BEGUN, (API, 0, b"", b"me", 9)),
        (BEGUN + b"12345678", (API, 0, b"12345678", b"me", 9)),
        (HEAD + b"Content-Length: 9\r\nContent-Type: a/b\r\n\r\n\r\n", (API, 3, b"\r\n", None, 9)),
    ],
)
def test_the_beginning_of_a_plain_request_is_read(data: bytes, found: object) -> None:
    """Its head and what has come of its body, the second time by what is remembered of it, or anew."""
    one = reader()
    assert one.begin(data) == one.begin(data) == found
    assert one.read(data) is None
    assert one.read(PLAIN) == (API, 0, b"{}", None)


@pytest.mark.parametrize(
    "data", [*(each for each in NOT_PLAIN if each != PLAIN[:-1]), PLAIN, BEGUN[:-2], BEGUN[:-1], BEGUN + b"123456789"]
)
def test_what_is_no_beginning_is_left_and_forgotten(data: bytes) -> None:
    """A whole request, a part of a head, or anything that is not plain."""
    one = reader()
    one.read(PLAIN)
    assert one.begin(data) is None
    assert one.read(PLAIN) == (API, 0, b"{}", None)


def test_names_of_headers_are_not_remembered_without_end() -> None:
    """A client that thinks of new headers for each request fills no memory."""
    one = reader()
    for number in range(3000):
        assert one.read(HEAD + b"X-%d: 1\r\nContent-Length: 2\r\n\r\n{}" % number) is not None
    assert len(one._shapes) <= 1000


def test_heads_are_not_remembered_without_end() -> None:
    """Neither many of them, nor long ones, nor those that are never the same again."""
    one = reader()
    for number in range(3000):
        assert one.read(HEAD + b"X: %d\r\nContent-Length: 2\r\n\r\n{}" % number) is not None
    assert 0 < len(one.heads) <= 1000
    one = reader()
    assert one.read(HEAD + b"X: %b\r\nContent-Length: 2\r\n\r\n{}" % (b"x" * 3000)) is not None
    assert one.read(HEAD + b"X-Request-Id: 1\r\nContent-Length: 2\r\n\r\n{}") is not None
    assert not one.heads


def test_a_head_that_came_before_is_read_as_it_was_then() -> None:
    """Whatever its body is, as long as it has the length that the head says."""
    one = reader()
    assert one.read(PLAIN) == one.read(PLAIN) == (API, 0, b"{}", None)
    assert one.read(PLAIN[:-2] + b"\r\n") == (API, 0, b"\r\n", None)
    assert one.read(PLAIN[:-1]) is None
    assert one.read(PLAIN + b"x") is None
    assert one.read(PLAIN + PLAIN) is None


def test_a_head_that_came_before_reaches_the_api_of_today() -> None:
    """New code may have replaced the API, or left it out, and the reader is told."""
    apis = {b"POST /p HTTP/1.1": API}
    one: PlainReader[Api] = PlainReader(apis, 10)
    assert one.read(PLAIN) == (API, 0, b"{}", None)
    new = Api()
    apis[b"POST /p HTTP/1.1"] = new
    one.forget()
    found = one.read(PLAIN)
    assert found is not None
    assert found[0] is new
    apis.clear()
    one.forget()
    assert one.read(PLAIN) is None
