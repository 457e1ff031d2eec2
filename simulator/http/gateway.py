"""The gateway in front of Flask: sandbox, body, CORS, delays, injected faults, journal and log."""

from __future__ import annotations

import itertools
import logging
import secrets
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.http import HTTP_STATUS_CODES
from werkzeug.wrappers import Response
from werkzeug.wsgi import get_input_stream

from simulator.errors import BodyTooLarge, Fault, MalformedBody, Refusal, UnknownPath
from simulator.http.errors import injected_report, no_content, refuse
from simulator.http.recording import Headers, Recorder, path_text
from simulator.http.routes import Routes, answered
from simulator.http.visit import CONTROL, HEALTH, VISIT, Background, ConnectionAborted, Delayed, Visit
from simulator.settings import Settings
from simulator.state.faults import WITHOUT_BODY, Disturbance, InjectedFault
from simulator.state.redaction import without_secrets
from simulator.state.sandbox import NAME, NAME_IN_WORDS, Sandboxes

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

logger = logging.getLogger("simulator.requests")

PREFIX = "/_sandboxes/"
REQUEST_ID = "X-Simulator-Request-Id"
FAULT_ID = "X-Simulator-Fault"
ASSUMED = "X-Simulator-Assumed"
EXPOSED_HEADERS = f"{REQUEST_ID}, {FAULT_ID}, {ASSUMED}, Allow, Retry-After, WWW-Authenticate"
PREFLIGHT_SECONDS = "600"


class Gateway:
    """The WSGI application around Flask's.

    What lies under `/_simulator` is passed on as it comes. Calls of the simulated API, and of paths that are nobody's,
    get their number, CORS headers, delays and faults here, and are put into the journal of their sandbox.
    """

    def __init__(
        self,
        app: WSGIApplication,
        sandboxes: Sandboxes,
        routes: Routes,
        recorder: Recorder,
        settings: Settings,
    ) -> None:
        self.app = app
        self.sandboxes = sandboxes
        self.routes = routes
        self.recorder = recorder
        self.settings = settings
        self.cors_origins = frozenset(settings.cors_origins)
        self._run = secrets.token_hex(3)
        self._count = itertools.count(1)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        number = next(self._count)
        visit = Visit(f"{self._run}-{number}", number, time.perf_counter(), environ["PATH_INFO"])
        visit.preflight = _is_preflight(environ)
        environ[VISIT] = visit
        app = self.app
        try:
            self._select_sandbox(environ, visit)
        except Refusal as refusal:
            app = refuse(refusal, environ)
        if visit.is_control:
            visit.body = _received_body(environ, self.settings.max_state)
            answer = partial(self._answer_control, app, environ, visit, start_response)
            return answer() if environ["PATH_INFO"] == HEALTH else Background(visit.sandbox_name, answer)
        visit.body = _received_body(environ, self.settings.max_body)
        disturbance = Disturbance()
        if visit.preflight:
            app = no_content()
        elif visit.sandbox is not None and visit.sandbox.faults and app is self.app:
            disturbance = self._disturb(environ, visit)
        visit.fault = disturbance.fault
        if visit.fault is not None and visit.fault.status is not None:
            app = _injected_answer(visit.fault, visit.fault.status)
        answer = partial(self._answer, app, environ, visit, start_response)
        delay = self.settings.delay_ms + disturbance.delay_ms
        return Delayed(delay / 1000, answer) if delay else answer()

    def _select_sandbox(self, environ: WSGIEnvironment, visit: Visit) -> None:
        """Note the sandbox that the path names, and leave the rest of the path to the app.

        Raises `UnknownPath` where the sandbox's name is none (G-17) or the path cannot be read (G-16).
        """
        # Flask refuses every request whose Host header it dislikes; what the host is good for is looked at elsewhere.
        visit.host = environ.pop("HTTP_HOST", "")
        name = visit.sandbox_name
        if visit.asked.startswith(PREFIX):
            name, slash, rest = visit.asked.removeprefix(PREFIX).partition("/")
            environ["PATH_INFO"] = slash + rest
        visit.is_control = f"{environ['PATH_INFO']}/".startswith(CONTROL)
        if not NAME.fullmatch(name):
            reason = f"a sandbox is named by {NAME_IN_WORDS}, not by {_printable(name)[:100]!r}"
            raise UnknownPath(Fault("G-17", reason))
        visit.sandbox_name = name
        if environ["PATH_INFO"] != visit.asked:
            environ["SCRIPT_NAME"] = f"{environ.get('SCRIPT_NAME', '')}{PREFIX}{name}"
        if not visit.is_control:
            visit.sandbox = self.sandboxes.sandbox(name)
        try:
            environ["PATH_INFO"].encode("latin-1").decode()
        except UnicodeDecodeError:
            raise UnknownPath(Fault("G-16", "the path's percent-encoding is not UTF-8")) from None
        if "%2f" in environ.get("REQUEST_URI", "").partition("?")[0].lower():
            raise UnknownPath(Fault("G-16", "an identifier cannot hold a slash, and %2F cannot be told from one"))

    def _disturb(self, environ: WSGIEnvironment, visit: Visit) -> Disturbance:
        """What the sandbox's faults make of the call, if it is one of an operation."""
        path = environ["PATH_INFO"].encode("latin-1").decode()
        found = self.routes.find(path, environ["REQUEST_METHOD"])
        if found is None or visit.sandbox is None:
            return Disturbance()
        visit.operation, parameters = found
        operation_id = visit.operation.operation_id
        directory = visit.sandbox.moment.world.directory
        users = directory.users_of(parameters.get("tenant_id"), parameters.get("group_id"))

        def same_user(one: str, other: str) -> bool:
            return directory.exact_user_id(users, one) == directory.exact_user_id(users, other)

        return visit.sandbox.faults.disturb(lambda fault: fault.matches(operation_id, parameters, same_user))

    def _answer_control(
        self, app: WSGIApplication, environ: WSGIEnvironment, visit: Visit, start_response: StartResponse
    ) -> Iterable[bytes]:
        started: list[str] = []

        def start(status: str, headers: Headers, *exc_info: Any) -> Any:
            started.append(status)
            return start_response(status, headers, *exc_info)

        answer = app(environ, start)
        self._log(environ, visit, int(started[-1][:3]) if started else 500)
        return answer

    def _answer(
        self, app: WSGIApplication, environ: WSGIEnvironment, visit: Visit, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Make the answer, record it, and send what an injected fault leaves of it."""
        abort = visit.fault.abort if visit.fault is not None else None
        if abort == "close":
            self.recorder.record(environ, visit, None, None)
            self._log(environ, visit, None)
            raise ConnectionAborted
        status, headers, body = _run(app, environ)
        visit.assumed = self.recorder.explanations.assumed(visit.notes, visit.refusal)
        headers += [(REQUEST_ID, visit.id), *self._cors_headers(environ, visit)]
        if visit.assumed and self.settings.fidelity == "strict":
            headers.append((ASSUMED, ", ".join(visit.assumed)))
        if visit.fault is not None:
            headers.append((FAULT_ID, visit.fault.id))
        self.recorder.record(environ, visit, int(status[:3]), (headers, body))
        self._log(environ, visit, int(status[:3]))
        if abort == "truncate":
            # Of an answer without body there is nothing to send a half of.
            if len(body) < 2:
                raise ConnectionAborted
            body = body[: len(body) // 2]
        start_response(status, headers)
        return [body]

    def _log(self, environ: WSGIEnvironment, visit: Visit, status: int | None) -> None:
        if self.settings.log_requests:
            _log(environ, visit, status)

    def _cors_headers(self, environ: WSGIEnvironment, visit: Visit) -> Headers:
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
            if visit.preflight:
                # The method asked for, documented or not: so the page's script gets to read the 405 and its reason.
                headers += [
                    ("Access-Control-Allow-Methods", environ["HTTP_ACCESS_CONTROL_REQUEST_METHOD"]),
                    ("Access-Control-Allow-Headers", environ.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "")),
                    ("Access-Control-Max-Age", PREFLIGHT_SECONDS),
                ]
        return headers


def _received_body(environ: WSGIEnvironment, limit: int) -> Callable[[], bytes]:
    """The body's bytes, off the wire before a lock is taken; a fault of theirs is raised when they are asked for."""
    if not environ.get("CONTENT_LENGTH") and "HTTP_TRANSFER_ENCODING" not in environ:
        return bytes
    refusal: Refusal
    try:
        raw = get_input_stream(environ, max_content_length=limit).read()
        return lambda: raw
    except RequestEntityTooLarge:
        refusal = BodyTooLarge(Fault("G-10", f"the body is over the limit of {limit} bytes"))
    except ClientDisconnected:
        refusal = MalformedBody(Fault("G-2", "the body ended before its announced length"))

    def say() -> bytes:
        raise refusal

    return say


def _run(app: WSGIApplication, environ: WSGIEnvironment) -> tuple[str, Headers, bytes]:
    """Status, headers and the whole body of an application's answer."""
    status, headers = "", Headers()

    def start(line: str, fields: Headers, *_: Any) -> Any:
        nonlocal status, headers
        status, headers = line, list(fields)

    answer = app(environ, start)
    body = b"".join(answer)
    if hasattr(answer, "close"):
        answer.close()
    return status, headers, body


def _injected_answer(fault: InjectedFault, status: int) -> Response:
    """The answer of a fault in the place of the operation's."""
    body = b""
    if status not in WITHOUT_BODY:
        body = orjson.dumps(injected_report(fault.id, status) if fault.body is None else fault.body)
    line = f"{status} {HTTP_STATUS_CODES.get(status, 'Injected')}"
    response = answered(body, line, {})
    if fault.retry_after is not None:
        response.headers["Retry-After"] = str(fault.retry_after)
    return response


def _is_preflight(environ: WSGIEnvironment) -> bool:
    return (
        environ["REQUEST_METHOD"] == "OPTIONS"
        and "HTTP_ORIGIN" in environ
        and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ
    )


def _log(environ: WSGIEnvironment, visit: Visit, status: int | None) -> None:
    if not logger.isEnabledFor(logging.INFO):
        return
    fields = {
        "method": environ["REQUEST_METHOD"],
        "path": without_secrets(_printable(visit.asked)),
        "status": status,
        "ms": round((time.perf_counter() - visit.started) * 1000, 2),
        "rule": visit.rule,
        "fault": visit.fault.id if visit.fault else None,
        "sandbox": visit.sandbox_name,
        "id": visit.id,
    }
    why = f" fault {visit.fault.id}" if visit.fault else f" {visit.rule}" if visit.rule else ""
    line = f"{fields['method']} {fields['path']} {status or 'closed'} {fields['ms']} ms{why}"
    logger.info(line, extra={"fields": fields})


def _printable(path: str) -> str:
    """A path of the WSGI environment for a line of text: one line, whatever it holds."""
    text = path_text(path)
    return text if text.isprintable() and " " not in text else quote(text)
