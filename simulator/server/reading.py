"""Turns the bytes of a connection into requests, with httptools. Refuses bytes that are not a request (G-16).

The module is long because the parser calls one object for each part of a request, and this object holds the state
between the calls.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping
from functools import lru_cache
from io import BytesIO
from typing import Any, NamedTuple, cast

from httptools import (
    HttpParserCallbackError,
    HttpParserError,
    HttpParserInvalidMethodError,
    HttpParserUpgrade,
    HttpRequestParser,
)

from simulator.http.wsgi import HEAD, HEADER
from simulator.server.variables import field_variables, target_variables

LARGEST_HEADER = 256 * 1024
"""How many bytes a request may have without its body."""
MOST_FIELDS = 1_000
"""How many fields the header of a request may have."""
LONGEST_METHOD = 40
SMALL = 2048
"""The parsed header is remembered for requests of at most this many bytes."""
NO_ROOM = "too many bytes are on their way, a quarter of --memory-limit: send the request again a little later"
"""Why a request is refused if there is no room for it at the moment (S-10)."""
SHORT = 512
"""The parsed target is remembered if it has at most this many bytes."""
FRAMING = 5
"""How many bytes of framing a chunked body may have for each body byte: `1 CR LF x CR LF` has five for `x`."""

KNOWN_METHODS = frozenset((b"GET", b"PUT", b"POST", b"DELETE", b"PATCH", b"HEAD", b"OPTIONS", b"TRACE", b"CONNECT"))
_STAND_IN = b"GET"
_METHOD = re.compile(rb"[A-Z][A-Z-]*")
_PROTOCOLS = {"1.0": "HTTP/1.0", "1.1": "HTTP/1.1"}


class Request(NamedTuple):
    """A whole request: its WSGI environment, and whether its connection stays open after the answer."""

    environ: dict[str, Any]
    keep_alive: bool


class Unreadable(NamedTuple):
    """Stands for bytes that are not a request: the HTTP status to answer with, and the reason.

    Nothing can be read after it.
    """

    status: int
    reason: str


class RequestReader:
    """Reads the requests of one connection, in their order.

    `environ` holds the WSGI variables that all its requests share. `largest_body` is the limit of bodies, in bytes.
    `ask_for_body` is called when a client waits for `100 Continue` before it sends its body. `hold` is called with a
    number of further body bytes, and returns whether there is room for them.
    """

    def __init__(
        self,
        environ: Mapping[str, Any],
        largest_body: int,
        ask_for_body: Callable[[], None] = lambda: None,
        hold: Callable[[int], bool] = lambda _: True,
    ) -> None:
        self.requests: deque[Request | Unreadable] = deque()
        self.is_over = False
        self._common = dict(environ)
        self._largest_body = largest_body
        self._ask_for_body = ask_for_body
        self._hold = hold
        self._parser = HttpRequestParser(self)
        self._opening = b""
        self._start_over()

    def _start_over(self) -> None:
        self._has_begun = False
        self._received = 0
        self._method: str | None = None
        self._target = b""
        self._fields: list[tuple[bytes, bytes]] = []
        self._environ: dict[str, Any] | None = None
        self._body: list[bytes] = []
        self._body_size = 0

    @property
    def is_reading(self) -> bool:
        """Whether a request has begun and is not complete yet."""
        return self._has_begun or bool(self._opening)

    def feed(self, data: bytes) -> None:
        """Read more bytes, and append complete requests to `requests`. After an `Unreadable`, bytes are ignored."""
        if self.is_over:
            return
        if not self._has_begun:
            request = None if self._opening or len(data) > SMALL else self._repeated(data)
            if request is not None:
                self.requests.append(request)
                return
            data = self._opened(data)
        self._parse(data)

    def _repeated(self, data: bytes) -> Request | None:
        """Returns the request if the data are exactly one request, else `None`.

        Clients repeat their headers, so each header is parsed once and remembered.
        """
        head, end, body = data.partition(b"\r\n\r\n")
        header = _header(head) if end else None
        if header is None or header.length != len(body) or header.length > self._largest_body:
            return None
        return Request({**self._common, **header.variables, "wsgi.input": BytesIO(body)}, header.keep_alive)

    def _parse(self, data: bytes) -> None:
        if not data:
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            self._stay_with_http(data[upgrade.args[0] :])
        except HttpParserCallbackError as error:
            raise error.__context__ or error from None
        except HttpParserError as error:
            what = "it begins with no method" if isinstance(error, HttpParserInvalidMethodError) else str(error)
            self._refuse(400, f"this is no HTTP request: {what}")
        if self._has_begun and self._received - self._body_size >= LARGEST_HEADER + FRAMING * self._body_size:
            self._refuse(431, f"the header is over the limit of {LARGEST_HEADER} bytes")

    def end(self) -> None:
        """Drop the parser and the connection, which refer to their reader."""
        self.is_over = True
        del self._parser, self._ask_for_body, self._hold

    def _opened(self, data: bytes) -> bytes:
        """Returns the data from the beginning of a request on, once the method is complete.

        The parser refuses methods that it does not know, but here the application has to refuse them (G-10). So an
        unknown method is replaced and remembered.
        """
        data = (self._opening + data).lstrip(b"\r\n")
        method, blank, _ = data[: LONGEST_METHOD + 1].partition(b" ")
        self._opening = b""
        if method in KNOWN_METHODS or not _METHOD.fullmatch(method):
            return data
        if not blank:
            self._opening = data
            return b""
        self._method = method.decode()
        return _STAND_IN + data[len(method) :]

    def _stay_with_http(self, rest: bytes) -> None:
        """Read on after a request that asks for another protocol. It is not accepted.

        The parser expects no body after such a request, so a new parser reads the body.
        """
        parser = self._parser = HttpRequestParser(self)
        if self._environ is not None:
            names = {"CONTENT_LENGTH": "Content-Length", "HTTP_TRANSFER_ENCODING": "Transfer-Encoding"}
            fields = [f"{name}: {self._environ[key]}" for key, name in names.items() if key in self._environ]
            parser.feed_data("\r\n".join(["PUT / HTTP/1.1", *fields, "", ""]).encode())
        self.feed(rest)

    def _refuse(self, status: int, reason: str) -> None:
        if not self.is_over:
            self.is_over = True
            self.requests.append(Unreadable(status, reason))

    def on_message_begin(self) -> None:
        """The first byte of a request. The parser calls this method and all `on_…` methods below."""
        self._has_begun = True

    def on_url(self, url: bytes) -> None:
        """A part of the target."""
        if self._environ is None:
            self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the header. Fields after a chunked body are ignored."""
        if self._environ is None and not self.is_over:
            self._fields.append((name, value))
            if len(self._fields) > MOST_FIELDS:
                self._refuse(431, f"the header has more than {MOST_FIELDS} fields")

    def on_headers_complete(self) -> None:
        """The end of the header."""
        if self._environ is not None:
            return None
        version = self._parser.get_http_version()
        environ = self._environ = self._common.copy()
        is_small = self._received <= SMALL
        try:
            variables_of = target_variables if len(self._target) <= SHORT else target_variables.__wrapped__
            environ.update(variables_of(self._target))
        except ValueError:
            return self._refuse(400, "this is no HTTP request: its target cannot be read")
        if version not in _PROTOCOLS:
            return self._refuse(400, f"the version of HTTP must be one of {', '.join(_PROTOCOLS)}, not {version}")
        environ["REQUEST_METHOD"] = self._method or self._parser.get_method().decode()
        environ["SERVER_PROTOCOL"] = _PROTOCOLS[version]
        fields = tuple(self._fields)
        if is_small:
            environ[HEADER] = variables = field_variables(fields)
        else:
            variables = field_variables.__wrapped__(fields)
        environ.update(variables)
        host = environ.get("HTTP_HOST")
        if version == "1.1" and (host is None or "," in host):
            return self._refuse(
                400, f"a request of HTTP/1.1 has one Host header, not {'none' if host is None else 'more'}"
            )
        if "HTTP_TRANSFER_ENCODING" in environ and environ["HTTP_TRANSFER_ENCODING"].lower() != "chunked":
            return self._refuse(400, "the transfer encoding must be chunked, or none")
        if "CONTENT_LENGTH" in environ and int(environ["CONTENT_LENGTH"]) > self._largest_body:
            return self._refuse_body()
        if "HTTP_EXPECT" in environ and environ["HTTP_EXPECT"].lower() == "100-continue" and version == "1.1":
            self._ask_for_body()
        return None

    def on_body(self, data: bytes) -> None:
        """A part of the body."""
        self._body_size += len(data)
        if self.is_over:
            return
        if self._body_size > self._largest_body:
            self._body.clear()
            self._refuse_body()
        elif self._hold(len(data)):
            self._body.append(data)
        else:
            self._body.clear()
            self._refuse(503, NO_ROOM)

    def on_message_complete(self) -> None:
        """The end of a request."""
        environ = self._environ
        if environ is not None and self._parser.should_upgrade() and _announces_body(environ):
            return
        if environ is not None and not self.is_over:
            body = b"".join(self._body)
            environ["wsgi.input"] = BytesIO(body)
            if environ.pop("HTTP_TRANSFER_ENCODING", None):
                environ["CONTENT_LENGTH"] = str(len(body))
            self.requests.append(Request(environ, self._parser.should_keep_alive()))
        self._start_over()

    def _refuse_body(self) -> None:
        self._refuse(413, f"the body is over the limit of {self._largest_body} bytes")


def unreadable(raw: bytes) -> Unreadable:
    """Returns how a server refuses bytes that are not an HTTP request. Raises `ValueError` if they may be one."""
    reader = RequestReader({}, 0)
    reader.feed(raw)
    for request in reader.requests:
        if isinstance(request, Unreadable):
            return request
    raise ValueError("this may be an HTTP request")


def _announces_body(environ: Mapping[str, Any]) -> bool:
    return "HTTP_TRANSFER_ENCODING" in environ or environ.get("CONTENT_LENGTH", "0").strip("0") != ""


class _Header(NamedTuple):
    """A parsed header: WSGI variables, the body's length in bytes, and whether the connection stays open."""

    variables: dict[str, Any]
    length: int
    keep_alive: bool


@lru_cache(maxsize=1_000)
def _header(head: bytes) -> _Header | None:
    """Returns the parsed header, or `None` if it is not valid or does not state the body's length."""
    reader = RequestReader({}, SMALL)
    reader._parse(reader._opened(head + b"\r\n\r\n"))
    length = 0
    if reader._environ is not None and not reader.is_over:
        # The request needs a body of this length. Its content does not matter.
        length = int(reader._environ.get("CONTENT_LENGTH", 0))
        reader._parse(bytes(length))
    is_one = len(reader.requests) == 1 and not reader.is_reading and not reader.is_over
    reader.end()
    if not is_one:
        return None
    environ, keep_alive = cast(Request, reader.requests.popleft())
    del environ["wsgi.input"]
    if not length:
        environ[HEAD] = head
    # A client that waits for `100 Continue` must get it each time.
    return None if "HTTP_EXPECT" in environ else _Header(environ, length, keep_alive)
