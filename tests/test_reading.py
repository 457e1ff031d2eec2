"""Requests are read alike, however their bytes are split, and whether or not an equal one came before."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from simulator.http.wsgi import HEAD, HEADER
from simulator.server.reading import SMALL, RequestReader, Unreadable

HOST = b"Host: a.example\r\n"
GET = b"GET /a?b=c HTTP/1.1\r\n" + HOST
PUT = b"PUT /a HTTP/1.1\r\n" + HOST

REQUESTS = {
    "without body": GET + b"\r\n",
    "with a repeated field": GET + b"Accept: a/b\r\nAccept: c/d\r\nX_Y: no\r\n\r\n",
    "the last one": GET + b"Connection: close\r\n\r\n",
    "of HTTP/1.0": b"GET / HTTP/1.0\r\n\r\n",
    "after blank lines": b"\r\n\r\n" + GET + b"\r\n",
    "with a body": PUT + b"Content-Length: 4\r\n\r\nabcd",
    "with a body like a header": PUT + b"Content-Length: 6\r\n\r\na\r\n\r\nb",
    "with an empty body": PUT + b"Content-Length: 0\r\n\r\n",
    "with a body in chunks": PUT + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
    "with no chunks": PUT + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two of them": (GET + b"\r\n") * 2,
    "two with bodies": (PUT + b"Content-Length: 4\r\n\r\nabcd") * 2,
    "of an unknown method": b"FETCH /a HTTP/1.1\r\n" + HOST + b"\r\n",
    "offering another protocol": GET + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + GET + b"\r\n",
    "offering it with a body": PUT
    + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nab"
    + GET
    + b"\r\n",
    "with a large header": GET + b"X: " + b"x" * SMALL + b"\r\n\r\n",
    "without end": GET,
    "without the end of the body": PUT + b"Content-Length: 5\r\n\r\nabcd",
    "to nobody": b"GET / HTTP/1.1\r\n\r\n",
    "to two": GET + HOST + b"\r\n",
    "no HTTP": b"hello\r\n\r\n",
    "of another version": b"GET / HTTP/3.0\r\n\r\n",
    "with too large a body": PUT + b"Content-Length: 100\r\n\r\n" + b"x" * 100,
    "with a huge body": PUT + b"Content-Length: 99999999999999\r\n\r\n",
    "of two lengths": PUT + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
}


def read(pieces: Iterable[bytes]) -> tuple[list[Any], bool, list[str]]:
    """Return the requests in these pieces, if another one has begun, and each time a body was asked for."""
    asked: list[str] = []
    reader = RequestReader({"SERVER_NAME": "a"}, 50, lambda: asked.append("body"))
    found: list[Any] = []
    for piece in pieces:
        reader.feed(piece)
        while reader.requests:
            request = reader.requests.popleft()
            if isinstance(request, Unreadable):
                found.append(request)
            else:
                # Only the gateway and the recorder use the kept header.
                variables = {key: value for key, value in request.environ.items() if key not in (HEAD, HEADER)}
                body = variables.pop("wsgi.input").read()
                found.append((variables, body, request.keep_alive))
    is_reading = reader.is_reading and not reader.is_over
    reader.end()
    return found, is_reading, asked


@pytest.mark.parametrize("raw", REQUESTS.values(), ids=REQUESTS)
def test_in_one_piece_again_and_byte_by_byte_a_request_is_the_same(raw: bytes) -> None:
    expected = read(bytes([byte]) for byte in raw)
    assert read([raw]) == expected
    assert read([raw]) == expected
    assert read([raw, raw])[0][: len(expected[0])] == expected[0]


def test_who_waits_to_send_a_body_is_told_each_time() -> None:
    raw = PUT + b"Expect: 100-continue\r\nContent-Length: 4\r\n\r\n"
    for _ in range(2):
        assert read([raw, b"abcd"])[2] == ["body"]
        assert read([raw + b"abcd"])[2] == ["body"]


def test_the_body_is_that_of_the_request_though_the_header_was_read_before() -> None:
    for body in (b"abcd", b"efgh"):
        assert [each[1] for each in read([PUT + b"Content-Length: 4\r\n\r\n" + body])[0]] == [body]
