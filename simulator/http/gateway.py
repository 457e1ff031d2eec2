"""The gateway in front of Flask: picks the sandbox, does CORS, numbers and logs every request."""

from __future__ import annotations

import itertools
import logging
import secrets
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from simulator.errors import Fault, Refusal, UnknownPath
from simulator.http.environ import HOST, RULE, SANDBOX
from simulator.http.errors import no_content, refuse
from simulator.state.sandbox import DEFAULT, NAME, Sandboxes

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

logger = logging.getLogger("simulator.requests")

PREFIX = "/_sandboxes/"
CONTROL = "/_simulator/"
REQUEST_ID = "X-Simulator-Request-Id"
EXPOSED_HEADERS = f"{REQUEST_ID}, Allow, WWW-Authenticate"
PREFLIGHT_SECONDS = "600"


class Gateway:
    """The WSGI application around Flask's.

    `cors_origins` are the origins whose pages may use the simulated API; none given means any. The interface under
    `/_simulator` never gets a CORS header.
    """

    def __init__(self, app: WSGIApplication, sandboxes: Sandboxes, cors_origins: Iterable[str] = ()) -> None:
        self.app = app
        self.sandboxes = sandboxes
        self.cors_origins = frozenset(cors_origins)
        self._run = secrets.token_hex(3)
        self._count = itertools.count(1)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        started = time.perf_counter()
        request_id = f"{self._run}-{next(self._count)}"
        asked = environ["PATH_INFO"]
        app: WSGIApplication = self.app
        name = DEFAULT
        try:
            name = self._select_sandbox(environ)
        except Refusal as refusal:
            app = refuse(refusal, environ)
        extra: list[tuple[str, str]] = []
        if not f"{environ['PATH_INFO']}/".startswith(CONTROL):
            extra = [(REQUEST_ID, request_id), *self._cors_headers(environ)]
            if _is_preflight(environ):
                app = no_content()
        status_line = "500"

        def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            nonlocal status_line
            status_line = status
            return start_response(status, headers + extra, *exc_info)

        answer = app(environ, start)
        if logger.isEnabledFor(logging.INFO):
            fields = {
                "method": environ["REQUEST_METHOD"],
                "path": _printable(asked),
                "status": int(status_line[:3]),
                "ms": round((time.perf_counter() - started) * 1000, 2),
                "rule": environ.get(RULE),
                "sandbox": name or None,
                "id": request_id,
            }
            rule = f" {fields['rule']}" if fields["rule"] else ""
            line = f"{fields['method']} {fields['path']} {fields['status']} {fields['ms']} ms{rule}"
            logger.info(line, extra={"fields": fields})
        return answer

    def _select_sandbox(self, environ: WSGIEnvironment) -> str:
        """Leave the sandbox that the path names in the environment, and the rest of the path to the app."""
        path: str = environ["PATH_INFO"]
        try:
            path.encode("latin-1").decode()
        except UnicodeDecodeError:
            raise UnknownPath(Fault("G-16", "the path's percent-encoding is not UTF-8")) from None
        name = DEFAULT
        if "%2f" in environ.get("REQUEST_URI", "").partition("?")[0].lower():
            raise UnknownPath(Fault("G-16", "an identifier cannot hold a slash, and %2F cannot be told from one"))
        if path.startswith(PREFIX):
            name, slash, rest = path.removeprefix(PREFIX).partition("/")
            if not NAME.fullmatch(name):
                reason = f"a sandbox is named by 1 to 64 letters, digits, '.', '_' or '-', not by {_printable(name)!r}"
                raise UnknownPath(Fault("G-17", reason))
            environ["SCRIPT_NAME"] = f"{environ.get('SCRIPT_NAME', '')}{PREFIX}{name}"
            environ["PATH_INFO"] = slash + rest
        # Flask refuses every request whose Host header it dislikes; only the served contract needs to know the host.
        environ[HOST] = environ.pop("HTTP_HOST", "")
        environ[SANDBOX] = self.sandboxes.sandbox(name)
        return name

    def _cors_headers(self, environ: WSGIEnvironment) -> list[tuple[str, str]]:
        origin = environ.get("HTTP_ORIGIN")
        if origin is None:
            return []
        headers = [("Vary", "Origin")]
        if not self.cors_origins or origin in self.cors_origins:
            headers += [
                ("Access-Control-Allow-Origin", origin),
                ("Access-Control-Allow-Credentials", "true"),
                ("Access-Control-Expose-Headers", EXPOSED_HEADERS),
            ]
            if _is_preflight(environ):
                # The method asked for, documented or not: so the page's script gets to read the 405 and its reason.
                headers += [
                    ("Access-Control-Allow-Methods", environ["HTTP_ACCESS_CONTROL_REQUEST_METHOD"]),
                    ("Access-Control-Allow-Headers", environ.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "")),
                    ("Access-Control-Max-Age", PREFLIGHT_SECONDS),
                ]
        return headers


def _is_preflight(environ: WSGIEnvironment) -> bool:
    return (
        environ["REQUEST_METHOD"] == "OPTIONS"
        and "HTTP_ORIGIN" in environ
        and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ
    )


def _printable(path: str) -> str:
    """A path of the WSGI environment for a log line: one line, whatever it holds."""
    text = path.encode("latin-1").decode(errors="replace")
    return text if text.isprintable() and " " not in text else quote(text)
