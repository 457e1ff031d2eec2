"""From the bytes of a connection to requests: httptools parses, and what is no HTTP request is refused here (G-16)."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping
from functools import lru_cache
from io import BytesIO
from typing import Any, NamedTuple, cast
from urllib.parse import unquote_to_bytes, urlsplit

from httptools import (
    HttpParserCallbackError,
    HttpParserError,
    HttpParserInvalidMethodError,
    HttpParserUpgrade,
    HttpRequestParser,
)

from simulator.http.visit import HEAD, HEADER

LARGEST_HEADER = 256 * 1024
"""How many bytes a request may have besides its body."""
MOST_FIELDS = 1_000
"""How many fields the header of a request may have."""
LONGEST_METHOD = 40
SMALL = 2048
"""How long a request may be, in bytes, so that what its header says is remembered."""
NO_ROOM = "too many bytes are on their way, a quarter of --memory-limit: send the request again a little later"
"""Why a request is refused for which there is no room at present (S-10)."""
SHORT = 512
"""The same of a target."""
FRAMING = 5
"""How many bytes of framing there may be for each byte of a chunked body: `1 CR LF x CR LF` has so many."""

KNOWN_METHODS = frozenset((b"GET", b"PUT", b"POST", b"DELETE", b"PATCH", b"HEAD", b"OPTIONS", b"TRACE", b"CONNECT"))
_STAND_IN = b"GET"
_METHOD = re.compile(rb"[A-Z][A-Z-]*")
_PROTOCOLS = {"1.0": "HTTP/1.0", "1.1": "HTTP/1.1"}
_WITHOUT_PREFIX = {"CONTENT-TYPE": "CONTENT_TYPE", "CONTENT-LENGTH": "CONTENT_LENGTH"}


class Request(NamedTuple):
    """A whole request: its WSGI environment, and whether its connection stays open after the answer."""

    environ: dict[str, Any]
    keep_alive: bool


class Unreadable(NamedTuple):
    """What came instead of a request, as the HTTP status to answer and the reason; nothing can be read after it."""

    status: int
    reason: str


class RequestReader:
    """Reads the requests of one connection, in their order.

    `environ` is what the environments of all its requests have in common. `largest_body` bounds bodies, in bytes.
    `ask_for_body` is called when a client waits for the word to send its body (`Expect: 100-continue`). `hold` is asked
    whether there is room for so many bytes of a body more.
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
        """Whether a request has begun and is not whole yet."""
        return self._has_begun or bool(self._opening)

    def feed(self, data: bytes) -> None:
        """Read on; what has become whole is in `requests`. After an `Unreadable`, everything is passed over."""
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
        """The request, if the data are exactly one.

        Its header is parsed once only: clients repeat their headers, and the same bytes say the same again.
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
        """Forget the parser and the connection, which hold on to their reader."""
        self.is_over = True
        del self._parser, self._ask_for_body, self._hold

    def _opened(self, data: bytes) -> bytes:
        """The beginning of a request, once its method is there; one that the parser does not know is taken out.

        The parser refuses methods that are not on its list; here, the application does that (G-10).
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
        """Read on after a request that offers another protocol, which is not accepted.

        The parser believes that it was, and that therefore no body follows; another one has to read that.
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
        """The first byte of a request; called by the parser, like all that follow."""
        self._has_begun = True

    def on_url(self, url: bytes) -> None:
        """A part of the target."""
        if self._environ is None:
            self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the header, or one of those after a chunked body, which count for nothing."""
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
            environ.update((_target if len(self._target) <= SHORT else _target.__wrapped__)(self._target))
        except ValueError:
            return self._refuse(400, "this is no HTTP request: its target cannot be read")
        if version not in _PROTOCOLS:
            return self._refuse(400, f"the version of HTTP must be one of {', '.join(_PROTOCOLS)}, not {version}")
        environ["REQUEST_METHOD"] = self._method or self._parser.get_method().decode()
        environ["SERVER_PROTOCOL"] = _PROTOCOLS[version]
        fields = tuple(self._fields)
        if is_small:
            environ[HEADER] = variables = _variables(fields)
        else:
            variables = _variables.__wrapped__(fields)
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
    """What a server says of bytes that are no HTTP request. Raises `ValueError` if they are the beginning of one."""
    reader = RequestReader({}, 0)
    reader.feed(raw)
    for request in reader.requests:
        if isinstance(request, Unreadable):
            return request
    raise ValueError("this may be an HTTP request")


def _announces_body(environ: Mapping[str, Any]) -> bool:
    return "HTTP_TRANSFER_ENCODING" in environ or environ.get("CONTENT_LENGTH", "0").strip("0") != ""


class _Header(NamedTuple):
    """What a header says: variables of the environment, the body's length, and whether the connection stays open."""

    variables: dict[str, Any]
    length: int
    keep_alive: bool


@lru_cache(maxsize=1_000)
def _header(head: bytes) -> _Header | None:
    """What the header of a request says, if it is one and says how long the body is."""
    reader = RequestReader({}, SMALL)
    reader._parse(reader._opened(head + b"\r\n\r\n"))
    length = 0
    if reader._environ is not None and not reader.is_over:
        # The body is still missing. What it holds makes no difference.
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
    # Who waits to be told to send a body is to be told each time.
    return None if "HTTP_EXPECT" in environ else _Header(environ, length, keep_alive)


@lru_cache(maxsize=1_000)
def _target(target: bytes) -> tuple[tuple[str, str], ...]:
    """The variables of the environment that a target stands for. Raises `ValueError` if it cannot be read."""
    text = target.decode("ascii")
    parts = text
    if not text.startswith("/"):
        absolute = urlsplit(text)
        parts = f"{absolute.path or '/'}?{absolute.query}"
    path, _, query = parts.partition("#")[0].partition("?")
    decoded = unquote_to_bytes(path).decode("latin-1") if "%" in path else path
    return (("REQUEST_URI", text), ("PATH_INFO", decoded), ("QUERY_STRING", query))


@lru_cache(maxsize=500)
def _variables(fields: tuple[tuple[bytes, bytes], ...]) -> tuple[tuple[str, str], ...]:
    """The fields of a header as variables of the environment; those of one name are joined by commas, cookies as such.

    The requests of a connection have mostly the same ones.
    """
    found: dict[str, str] = {}
    repeated: dict[str, list[str]] = {}
    for name, value in fields:
        # With an underscore, one name could pass for another.
        if b"_" in name:
            continue
        field, text = name.decode("latin-1").upper(), value.decode("latin-1")
        variable = _WITHOUT_PREFIX.get(field) or f"HTTP_{field.replace('-', '_')}"
        if variable in found:
            repeated.setdefault(variable, [found[variable]]).append(text)
        else:
            found[variable] = text
    for variable, texts in repeated.items():
        found[variable] = ("; " if variable == "HTTP_COOKIE" else ", ").join(texts)
    return tuple(found.items())
