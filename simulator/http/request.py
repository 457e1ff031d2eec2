"""A request as it arrived.

The module is long because each header has a property, so that no other module reads the WSGI environment.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.wsgi import get_input_stream

from simulator.errors import BodyTooLarge, Fault, MalformedBody, Refusal, UnknownPath
from simulator.http.wsgi import HEAD, HEADER
from simulator.settings import Settings
from simulator.state.redaction import without_secrets
from simulator.state.sandboxes import DEFAULT, NAME, NAME_IN_WORDS

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

CONTROL = "/_simulator/"
"""The beginning of the control interface's paths."""
HEALTH = f"{CONTROL}health"
"""The only call of the control interface that everybody may make. It never takes long."""
EVENTS = f"{CONTROL}events"
ASSETS = f"{CONTROL}assets/"
SWAGGER = f"{CONTROL}docs/"
"""What the console's pages open and load by themselves."""
SANDBOXES = "/_sandboxes/"
"""The beginning of the paths of named sandboxes."""
LONGEST_REMEMBERED = 500
"""How many characters a path may have so that its form without secrets is remembered."""

SMALL_HEADER = 4_000
"""How many characters a header may have so that its form without secrets is remembered."""

Header = tuple[tuple[str, str], ...]

_HOST = re.compile(r"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")


class Request(NamedTuple):
    """A request as it arrived. Nothing in it changes.

    `number` counts the requests of the server, and `id` contains it. `started` is in seconds of the performance
    counter. `asked` is the whole path. `base` is the part of it that names the sandbox, and `path` is the rest. In a
    path, each character stands for a byte. `sandbox_name` is `None` if no sandbox can have the name in the path.
    `refusal` says why the path cannot be used (G-16, G-17). `body` returns the bytes of the body, or raises the refusal
    that reading them led to (G-2, G-10).
    """

    environ: WSGIEnvironment
    number: int
    id: str
    started: float
    method: str
    asked: str
    base: str
    path: str
    sandbox_name: str | None
    is_control: bool
    refusal: UnknownPath | None
    body: Callable[[], bytes]

    @property
    def host(self) -> str:
        """The `Host` header. Empty if there is none."""
        host: str = self.environ.get("HTTP_HOST", "")
        return host

    @property
    def host_name(self) -> str:
        """The name in the `Host` header, without the port, in lower case. Empty if there is none or it is malformed."""
        parts = _HOST.fullmatch(self.host)
        return "" if parts is None else parts[1].strip("[]").lower().removesuffix(".")

    @property
    def origin(self) -> str | None:
        """The `Origin` header."""
        return self.environ.get("HTTP_ORIGIN")

    @property
    def fetch_site(self) -> str | None:
        """The `Sec-Fetch-Site` header: how the browser itself relates the page's site to the site that it asks."""
        return self.environ.get("HTTP_SEC_FETCH_SITE")

    @property
    def accept(self) -> str | None:
        """The `Accept` header."""
        return self.environ.get("HTTP_ACCEPT")

    @property
    def last_event_id(self) -> str | None:
        """The `Last-Event-ID` header: where a stream of events is to go on."""
        return self.environ.get("HTTP_LAST_EVENT_ID")

    @property
    def authorization(self) -> str | None:
        """The `Authorization` header."""
        return self.environ.get("HTTP_AUTHORIZATION")

    @property
    def cookies(self) -> str | None:
        """The `Cookie` headers."""
        return self.environ.get("HTTP_COOKIE")

    @property
    def content_type(self) -> str | None:
        """The media type of the body, with its parameters."""
        return self.environ.get("CONTENT_TYPE")

    @property
    def content_encoding(self) -> str | None:
        """The `Content-Encoding` header."""
        return self.environ.get("HTTP_CONTENT_ENCODING")

    @property
    def content_length(self) -> int:
        """The length of the body that the header announces, in bytes."""
        length = self.environ.get("CONTENT_LENGTH")
        return int(length) if length and length.isdecimal() else 0

    @property
    def may_have_body(self) -> bool:
        """Whether the header announces a body. An invalid length counts as a body."""
        return bool(self.environ.get("CONTENT_LENGTH", "").strip("0"))

    @property
    def query(self) -> str:
        """The query string, as it was sent."""
        query: str = self.environ.get("QUERY_STRING", "")
        return query

    @property
    def encoded_path(self) -> str:
        """The path within the sandbox as it was sent, if a part of it is percent-encoded. Empty otherwise."""
        target: str = self.environ.get("REQUEST_URI", "")
        if "%" not in target:
            return ""
        path = target.partition("?")[0]
        return path.removeprefix(self.base) if "%" in path and path.startswith(f"{self.base}/") else ""

    @property
    def is_preflight(self) -> bool:
        """Whether a browser asks if a page may make a call (CORS)."""
        return self.method == "OPTIONS" and self.origin is not None and self.method_of_preflight is not None

    @property
    def method_of_preflight(self) -> str | None:
        """The method that a page wants to use."""
        return self.environ.get("HTTP_ACCESS_CONTROL_REQUEST_METHOD")

    @property
    def headers_of_preflight(self) -> str:
        """The headers that a page wants to send."""
        headers: str = self.environ.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "")
        return headers

    @property
    def head(self) -> bytes | None:
        """The bytes of first line and header, if they tell everything about the request (see `wsgi.HEAD`)."""
        return self.environ.get(HEAD)

    @property
    def header(self) -> Header:
        """The header fields, with names as WSGI has them (see `field_name`). Requests often share this value."""
        shared: Header | None = self.environ.get(HEADER)
        if shared is not None:
            return shared
        host = [("HTTP_HOST", self.host)] if self.host else []
        others = [
            (name, value)
            for name, value in self.environ.items()
            if (name.startswith("HTTP_") and name != "HTTP_HOST")
            or (name in ("CONTENT_TYPE", "CONTENT_LENGTH") and value)
        ]
        return (*host, *others)

    @property
    def has_small_header(self) -> bool:
        """Whether the header has few characters."""
        # The server shares small headers only.
        return HEADER in self.environ or sum([len(name) + len(value) for name, value in self.header]) < SMALL_HEADER


def field_name(variable: str) -> str:
    """Return the usual spelling of a header field's name: `HTTP_USER_AGENT` is `User-Agent`."""
    return variable.removeprefix("HTTP_").replace("_", "-").title()


def receive(environ: WSGIEnvironment, run: str, number: int, settings: Settings) -> Request:
    """Return the request that arrived. The body is read here, before anybody waits for a lock."""
    started = time.perf_counter()
    asked: str = environ["PATH_INFO"]
    base: str = environ.get("SCRIPT_NAME", "")
    path = asked
    sandbox_name: str | None = DEFAULT
    refusal = None
    if asked.startswith(SANDBOXES):
        name, slash, rest = asked.removeprefix(SANDBOXES).partition("/")
        path = slash + rest
        if NAME.fullmatch(name):
            sandbox_name, base = name, f"{base}{SANDBOXES}{name}"
        else:
            shown = name.encode("latin-1").decode(errors="replace")
            reason = f"{printable(shown)[:100]!r} cannot be the name of a sandbox: a name is {NAME_IN_WORDS}"
            sandbox_name, refusal = None, UnknownPath(Fault("G-17", reason))
    is_control = f"{path}/".startswith(CONTROL)
    if refusal is None and ("%" in environ.get("REQUEST_URI", "") or not path.isascii()):
        refusal = _path_refusal(path, environ.get("REQUEST_URI", ""))
    body: Callable[[], bytes] = bytes
    if environ.get("CONTENT_LENGTH") or "HTTP_TRANSFER_ENCODING" in environ:
        body = _received_body(environ, settings.max_state if is_control else settings.max_body)
    return Request(
        environ,
        number,
        f"{run}-{number}",
        started,
        environ["REQUEST_METHOD"],
        asked,
        base,
        path,
        sandbox_name,
        is_control,
        refusal,
        body,
    )


def path_text(path: str) -> str:
    """Return a path as text. It must be UTF-8 (see `Request.refusal`)."""
    return path if path.isascii() else path.encode("latin-1").decode()


def shown_path(path: str) -> tuple[str, str]:
    """Return a path without secrets (S-7): as text, and for a line of the log."""
    return (_shown_path if len(path) < LONGEST_REMEMBERED else _shown_path.__wrapped__)(path)


@lru_cache(maxsize=4_096)
def _shown_path(path: str) -> tuple[str, str]:
    text = without_secrets(path if path.isascii() else path.encode("latin-1").decode(errors="replace"))
    return text, printable(text)


def printable(text: str) -> str:
    """Return a path or a method as one word of a line."""
    return text if text.isprintable() and " " not in text else quote(text)


def _path_refusal(path: str, target: str) -> UnknownPath | None:
    """Return why a path cannot be used (G-16). `target` is the path as it was sent."""
    if not path.isascii():
        try:
            path_text(path)
        except UnicodeDecodeError:
            return UnknownPath(Fault("G-16", "the path's percent-encoding is not UTF-8"))
    if "%2f" in target.partition("?")[0].lower():
        return UnknownPath(Fault("G-16", "an identifier cannot hold a slash, and %2F cannot be told from one"))
    return None


def _received_body(environ: WSGIEnvironment, limit: int) -> Callable[[], bytes]:
    """Read the body. Return a function that returns its bytes or raises the refusal from reading them."""
    refusal: Refusal | None = None
    try:
        if environ.get("wsgi.input_terminated"):
            # The server has already received the body, or refused it.
            raw = environ["wsgi.input"].read(limit + 1)
        else:
            raw = get_input_stream(environ, max_content_length=limit).read()
        if len(raw) <= limit:
            return lambda: raw
    except RequestEntityTooLarge:
        # Refused like a body that turns out to be too large.
        pass
    except ClientDisconnected:
        refusal = MalformedBody(Fault("G-2", "the body ended before its announced length"))

    def refuse() -> bytes:
        raise refusal or BodyTooLarge(Fault("G-10", f"the body is over the limit of {limit} bytes"))

    return refuse
