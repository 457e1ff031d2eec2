"""The gateway in front of Flask: sandbox, body, CORS, delays, injected faults, journal and log."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.wsgi import get_input_stream

from simulator.control.body import LARGE
from simulator.errors import BodyTooLarge, Fault, MalformedBody, Refusal, UnknownPath
from simulator.http.recording import Record, Recorder, printable
from simulator.http.responses import NO_CONTENT, Fields, Reply, injected, refused
from simulator.http.routes import Found, Routes
from simulator.http.visit import CONTROL, HEAD, HEALTH, VISIT, Background, ConnectionAborted, Delayed, Visit
from simulator.settings import Settings
from simulator.state.answers import Remembered
from simulator.state.faults import Disturbance
from simulator.state.journal import REQUEST_ID
from simulator.state.sandboxes import NAME, NAME_IN_WORDS, Sandboxes

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PREFIX = "/_sandboxes/"
FAULT_ID = "X-Simulator-Fault"
ASSUMED = "X-Simulator-Assumed"
EXPOSED_HEADERS = f"{REQUEST_ID}, {FAULT_ID}, {ASSUMED}, Allow, Retry-After, WWW-Authenticate"
PREFLIGHT_SECONDS = "600"
LARGE_BODY = 32 * 1024
"""From how many bytes of a body on a call may take so long that others are answered meanwhile."""
ONE_BY_ONE = "/"
"""What control calls with a large body have in common, and no sandbox is named by."""
RESERVED_SECONDS = 0.05
"""How long a call waits until it looks again whether it may change something."""


class _Repeated(NamedTuple):
    """What the gateway needs to answer the same call again: the answer, headers added to it, and the record."""

    reply: Reply
    more: Fields
    record: Record


class Gateway:
    """The WSGI application around Flask's.

    What lies under `/_simulator` is passed on as it comes. Calls of the simulated API, and of paths that are nobody's,
    get their number, CORS headers, delays and faults here, and are put into the journal of their sandbox. Where path
    and method are an operation's and there is no query, it answers without Flask, unless `direct` is unset. What it
    answers is the same.
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
        self.direct = True
        self.cors_origins = frozenset(settings.cors_origins)
        self._count = itertools.count(1)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        visit = Visit(environ, self.sandboxes.run, next(self._count))
        refusal = self._select_sandbox(environ, visit)
        if visit.is_control:
            return self._control(visit, refusal, start_response)
        head = environ.get(HEAD)
        if head is not None and visit.sandbox is not None:
            known = visit.sandbox.answers.find(head, visit.sandbox.version.world)
            if known is not None and not visit.sandbox.faults:
                return self._repeat(visit, known.answer, start_response)
        visit.body = _received_body(environ, self.settings.max_body)
        method = environ["REQUEST_METHOD"]
        visit.preflight = method == "OPTIONS" and _is_preflight(environ)
        found = None
        if refusal is None and not visit.preflight:
            found = self.routes.find(_text(environ["PATH_INFO"]), method)
            if found is not None and visit.sandbox is None:
                # Only for calls of operations: others would let any page fill the server with sandboxes.
                try:
                    visit.sandbox = self.sandboxes.sandbox(visit.sandbox_name)
                except Refusal as no_room:
                    refusal, found = no_room, None
        delay = self.settings.delay_ms
        if found is not None and visit.own_sandbox.faults:
            disturbance = self._disturb(visit, found)
            delay += disturbance.delay_ms
            visit.fault = disturbance.fault
        answer = partial(self._answer, visit, refusal, found, start_response)
        if found is not None and _announced(environ) > LARGE_BODY:
            answer = partial(self._in_background, visit, answer)
        return Delayed(delay / 1000, answer) if delay else answer()

    def _select_sandbox(self, environ: WSGIEnvironment, visit: Visit) -> Refusal | None:
        """Note the sandbox that the path names, if there is one, and leave the rest of the path to the app.

        Returns a refusal where the sandbox's name is none (G-17) or the path cannot be read (G-16).
        """
        name, path = visit.sandbox_name, visit.asked
        if path.startswith(PREFIX):
            name, slash, rest = path.removeprefix(PREFIX).partition("/")
            path = environ["PATH_INFO"] = slash + rest
        visit.is_control = f"{path}/".startswith(CONTROL)
        if path is not visit.asked:
            if not NAME.fullmatch(name):
                reason = f"a sandbox is named by {NAME_IN_WORDS}, not by {printable(name)[:100]!r}"
                return UnknownPath(Fault("G-17", reason))
            visit.sandbox_name = name
            environ["SCRIPT_NAME"] = f"{environ.get('SCRIPT_NAME', '')}{PREFIX}{name}"
        if not visit.is_control:
            visit.sandbox = self.sandboxes.find(name, visit.started)
        if not path.isascii():
            try:
                path.encode("latin-1").decode()
            except UnicodeDecodeError:
                return UnknownPath(Fault("G-16", "the path's percent-encoding is not UTF-8"))
        target = environ.get("REQUEST_URI", "")
        if "%" in target and "%2f" in target.partition("?")[0].lower():
            return UnknownPath(Fault("G-16", "an identifier cannot hold a slash, and %2F cannot be told from one"))
        return None

    def _disturb(self, visit: Visit, found: Found) -> Disturbance:
        """What the sandbox's faults make of the call of an operation."""
        visit.operation, parameters = found
        operation_id, sandbox = visit.operation.operation_id, visit.own_sandbox
        directory = sandbox.version.world.directory
        users = directory.users_of(parameters.get("tenant_id"), parameters.get("group_id"))

        def same_user(one: str, other: str) -> bool:
            return directory.exact_user_id(users, one) == directory.exact_user_id(users, other)

        return sandbox.faults.disturb(lambda fault: fault.matches(operation_id, parameters, same_user))

    def _control(self, visit: Visit, refusal: Refusal | None, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a call of the control interface; all but the health may take long, and wait for those before.

        Those with a large body wait for each other, whatever they act on: to read one takes much memory.
        """
        environ = visit.environ
        visit.body = _received_body(environ, self.settings.max_state)
        answer = partial(self._answer_control, visit, refusal, start_response)
        if environ["PATH_INFO"] == HEALTH:
            return answer()
        length = environ.get("CONTENT_LENGTH") or "0"
        if length.isdecimal() and int(length) > LARGE:
            return Background(ONE_BY_ONE, answer)
        named = environ["PATH_INFO"].partition(f"{CONTROL}sandboxes/")[2]
        return Background(named or visit.sandbox_name, answer)

    def _answer_control(self, visit: Visit, refusal: Refusal | None, start_response: StartResponse) -> Iterable[bytes]:
        reply = self._through_flask(visit) if refusal is None else refused(refusal, visit)
        self.recorder.keep(visit, reply.status)
        start_response(reply.line, list(reply.fields))
        return [reply.body]

    def _in_background(self, visit: Visit, answer: Callable[[], Iterable[bytes]]) -> Iterable[bytes]:
        """Answer a call with a large body; others that change its sandbox wait for it without holding up anybody."""
        sandbox = visit.own_sandbox
        if sandbox.is_reserved:
            return Delayed(RESERVED_SECONDS, partial(self._in_background, visit, answer))
        visit.has_reserved = True

        def make() -> Iterable[bytes]:
            with sandbox.reserved():
                return answer()

        return Background(visit.sandbox_name, make)

    def _answer(
        self, visit: Visit, refusal: Refusal | None, found: Found | None, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Make the answer, record it, and send what an injected fault leaves of it."""
        fault, environ = visit.fault, visit.environ
        if _has_to_wait(visit):
            return Delayed(RESERVED_SECONDS, partial(self._answer, visit, refusal, found, start_response))
        if fault is not None and fault.abort == "close":
            self.recorder.record(visit, None)
            raise ConnectionAborted
        reply = self._reply(visit, refusal, found)
        visit.assumed = self.recorder.explanations.assumed(visit.notes, visit.refusal)
        more: Fields = self._cors_fields(environ, visit) if "HTTP_ORIGIN" in environ else ()
        if visit.assumed and self.settings.fidelity == "strict":
            more += ((ASSUMED, ", ".join(visit.assumed)),)
        if fault is not None:
            more += ((FAULT_ID, fault.id),)
        record = self.recorder.record(visit, reply, more)
        if visit.remembered is not None and record is not None and fault is None:
            self._remember(visit, _Repeated(reply, more, record), visit.remembered)
        body = reply.body
        if fault is not None and fault.abort == "truncate":
            # Of an answer without body there is nothing to send a half of.
            if len(body) < 2:
                raise ConnectionAborted
            body = body[: len(body) // 2]
        start_response(reply.line, [*reply.fields, *more, (REQUEST_ID, visit.id)])
        return [body]

    def _remember(self, visit: Visit, repeated: _Repeated, remembered: Remembered) -> None:
        """Keep what is needed to answer the next call that is byte for byte the same.

        A call with a cookie is left out: its session may end, and then the answer is another one.
        """
        head = visit.environ.get(HEAD)
        if head is None or "HTTP_COOKIE" in visit.environ or self.settings.delay_ms or not self.direct:
            return
        *_, size = repeated.record
        visit.own_sandbox.answers.remember_with(remembered, head, repeated, len(head) + size)

    def _repeat(self, visit: Visit, repeated: _Repeated, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a call as the same one was answered before. Nothing that the answer was made from has changed."""
        reply, more, record = repeated
        self.recorder.keep(visit, reply.status, record)
        start_response(reply.line, [*reply.fields, *more, (REQUEST_ID, visit.id)])
        return [reply.body]

    def _reply(self, visit: Visit, refusal: Refusal | None, found: Found | None) -> Reply:
        """The answer of the one who is to give it."""
        fault = visit.fault
        if refusal is not None:
            return refused(refusal, visit)
        if visit.preflight:
            return NO_CONTENT
        if fault is not None and fault.status is not None:
            return injected(fault, fault.status)
        if found is not None and self.direct and not visit.environ.get("QUERY_STRING"):
            return self.routes.reply(visit, *found)
        return self._through_flask(visit)

    def _through_flask(self, visit: Visit) -> Reply:
        """The whole answer of Flask."""
        # A copy: an environment and a visit that hold each other would be garbage for the collector to find.
        environ = {**visit.environ, VISIT: visit}
        # Flask would take a request that offers WebSocket for nothing else.
        environ.pop("HTTP_UPGRADE", None)
        started: list[tuple[str, Fields]] = []

        def start(line: str, fields: list[tuple[str, str]], *_: object) -> Any:
            started.append((line, tuple(fields)))

        answer = self.app(environ, start)
        body = b"".join(answer)
        if hasattr(answer, "close"):
            answer.close()
        return Reply.of_flask(*started[-1], body)

    def _cors_fields(self, environ: WSGIEnvironment, visit: Visit) -> Fields:
        origin = environ["HTTP_ORIGIN"]
        fields: Fields = (("Vary", "Origin"),)
        if not self.cors_origins or origin in self.cors_origins:
            fields += (
                ("Access-Control-Allow-Origin", origin),
                ("Access-Control-Allow-Credentials", "true"),
                ("Access-Control-Expose-Headers", EXPOSED_HEADERS),
            )
            if visit.preflight:
                # The method asked for, documented or not: so the page's script gets to read the 405 and its reason.
                fields += (
                    ("Access-Control-Allow-Methods", environ["HTTP_ACCESS_CONTROL_REQUEST_METHOD"]),
                    ("Access-Control-Allow-Headers", environ.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "")),
                    ("Access-Control-Max-Age", PREFLIGHT_SECONDS),
                )
        return fields


def _has_to_wait(visit: Visit) -> bool:
    """Whether a call must change nothing now, because another one has reserved its sandbox."""
    sandbox = visit.sandbox
    if sandbox is None or not sandbox.is_reserved:
        return False
    return visit.environ["REQUEST_METHOD"] != "GET" and not visit.has_reserved


def _announced(environ: WSGIEnvironment) -> int:
    """How many bytes of a body are announced."""
    length = environ.get("CONTENT_LENGTH")
    return int(length) if length and length.isdecimal() else 0


def _received_body(environ: WSGIEnvironment, limit: int) -> Callable[[], bytes]:
    """The body's bytes, off the wire before a lock is taken; a fault of theirs is raised when they are asked for."""
    if not environ.get("CONTENT_LENGTH") and "HTTP_TRANSFER_ENCODING" not in environ:
        return bytes
    refusal: Refusal | None = None
    try:
        if environ.get("wsgi.input_terminated"):
            # The server has received it, as far as it goes.
            raw = environ["wsgi.input"].read(limit + 1)
        else:
            raw = get_input_stream(environ, max_content_length=limit).read()
        if len(raw) <= limit:
            return lambda: raw
    except RequestEntityTooLarge:
        # It is refused like one that turns out to be too large.
        pass
    except ClientDisconnected:
        refusal = MalformedBody(Fault("G-2", "the body ended before its announced length"))

    def say() -> bytes:
        raise refusal or BodyTooLarge(Fault("G-10", f"the body is over the limit of {limit} bytes"))

    return say


def _is_preflight(environ: WSGIEnvironment) -> bool:
    return "HTTP_ORIGIN" in environ and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ


def _text(path: str) -> str:
    """A path of the WSGI environment as text, of which it is known that it is UTF-8."""
    return path if path.isascii() else path.encode("latin-1").decode()
