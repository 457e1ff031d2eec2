"""The gateway in front of Flask: sandbox, CORS, delays, injected faults, journal and log.

The module is long because it holds the whole way of a call, so that one can read it from top to bottom.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from simulator.contract.operation import Operation
from simulator.contract.profile import NO_PROFILE, Profile
from simulator.control.body import LARGE
from simulator.errors import Refusal
from simulator.http.auth import WARNING
from simulator.http.console import PAGE
from simulator.http.context import CONTEXT, RequestContext
from simulator.http.events import STREAM_FIELDS
from simulator.http.recording import Record, Recorder
from simulator.http.request import ASSETS, CONTROL, EVENTS, HEALTH, SWAGGER, Request, path_text, receive
from simulator.http.responses import NO_CONTENT, Fields, Reply, injected, refused
from simulator.http.routes import Routes
from simulator.http.wsgi import ONE_BY_ONE, Background, ConnectionAborted, Delayed
from simulator.settings import Settings
from simulator.state.answers import Remembered
from simulator.state.events import FAULTS
from simulator.state.journal import REQUEST_ID
from simulator.state.sandboxes import DEFAULT, Sandboxes

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

FAULT_ID = "X-Simulator-Fault"
ASSUMED = "X-Simulator-Assumed"
EXPOSED_HEADERS = f"{REQUEST_ID}, {FAULT_ID}, {ASSUMED}, {WARNING}, Allow, Retry-After, WWW-Authenticate"
PREFLIGHT_SECONDS = "600"
LARGE_BODY = 32 * 1024
"""A call with a longer body may take long, so other calls are answered meanwhile."""
RESERVED_SECONDS = 0.05
"""After how long a call checks again whether its sandbox is still reserved."""


class _Repeated(NamedTuple):
    """What the gateway needs to answer the same call again: answer, added headers, record, and the caller's account."""

    reply: Reply
    more: Fields
    record: Record
    account: str | None
    operation: Operation | None


class Gateway:
    """The WSGI application around Flask's.

    Calls of the control interface are passed on unchanged. All others get CORS headers, delays and faults here, and go
    into the journal of their sandbox. If `direct` is set, the gateway itself answers a call without a query whose path
    and method belong to an operation. Flask would give the same answer.
    """

    def __init__(
        self,
        app: WSGIApplication,
        sandboxes: Sandboxes,
        routes: Routes,
        recorder: Recorder,
        settings: Settings,
        profile: Profile = NO_PROFILE,
    ) -> None:
        self.app = app
        self.sandboxes = sandboxes
        self.routes = routes
        self.recorder = recorder
        self.settings = settings
        self.profile = profile
        self.direct = True
        self.cors_origins = frozenset(settings.cors_origins)
        self._count = itertools.count(1)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        context = RequestContext(receive(environ, self.sandboxes.run, next(self._count), self.settings))
        if context.request.is_control:
            return self._control(context, start_response)
        context.profile = self.profile
        self._find_sandbox(context)
        repeated = self._repeated(context)
        if repeated is not None:
            return self._repeat(context, repeated, start_response)
        self._find_operation(context)
        delay = self.settings.delay_ms + self._disturb(context)
        answer = partial(self._answer, context, start_response)
        if context.operation is not None and context.request.content_length > LARGE_BODY:
            answer = partial(self._in_background, context, answer)
        return Delayed(delay / 1000, answer) if delay else answer()

    def _find_sandbox(self, context: RequestContext) -> None:
        """Note the sandbox that the path names, if it exists."""
        request = context.request
        if request.sandbox_name is not None:
            context.sandbox = self.sandboxes.find(request.sandbox_name, request.started)

    def _find_operation(self, context: RequestContext) -> None:
        """Note the operation and its sandbox, or the refusal."""
        request = context.request
        if request.refusal is not None:
            context.refuse(request.refusal)
        elif not request.is_preflight:
            found = self.routes.find(path_text(request.path), request.method)
            # Only calls of operations create a sandbox. Otherwise any web page could fill the server with them.
            if context.sandbox is None and (found is not None or self._has_to_exist(request)):
                try:
                    context.sandbox = self.sandboxes.sandbox(request.sandbox_name or DEFAULT)
                except Refusal as refusal:
                    context.refuse(refusal)
                    return
            if found is not None:
                context.operation, context.parameters = found

    def _has_to_exist(self, request: Request) -> bool:
        """Return whether a call that no operation documents needs an existing sandbox too (G-17).

        The root of a sandbox does not: a browser is led to the console there, and the console's page is refused.
        """
        return self.settings.sandboxes == "created" and request.path.strip("/") != ""

    def _disturb(self, context: RequestContext) -> int:
        """Apply the sandbox's injected faults to the call of an operation. Return the delay in milliseconds."""
        operation, parameters = context.operation, context.parameters
        if operation is None or not context.own_sandbox.faults:
            return 0
        directory = context.own_sandbox.version.world.directory
        users = directory.users_of(parameters.get("tenant_id"), parameters.get("group_id"))

        def same_user(one: str, other: str) -> bool:
            return directory.exact_user_id(users, one) == directory.exact_user_id(users, other)

        operation_id = operation.operation_id
        disturbance = context.own_sandbox.faults.disturb(
            lambda fault: fault.matches(operation_id, parameters, same_user)
        )
        context.fault = disturbance.fault
        if context.fault is not None:
            # Its hits have changed.
            context.own_sandbox.note(FAULTS)
        return disturbance.delay_ms

    def _control(self, context: RequestContext, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a call of the control interface. Most calls may take long, and wait for earlier ones.

        The health check, the files of the console and the opening of a stream never take long.
        Calls with a large body wait for each other even if their sandboxes differ, because reading a large body takes
        much memory.
        """
        request = context.request
        answer = partial(self._answer_control, context, start_response)
        if request.path == HEALTH or request.path.startswith((ASSETS, EVENTS)):
            return answer()
        if request.content_length > LARGE:
            return Background(ONE_BY_ONE, answer)
        named = request.path.partition(f"{CONTROL}sandboxes/")[2]
        return Background(named or request.sandbox_name or DEFAULT, answer)

    def _answer_control(self, context: RequestContext, start_response: StartResponse) -> Iterable[bytes]:
        request = context.request
        refusal = request.refusal
        reply = self._through_flask(context) if refusal is None else refused(refusal, context)
        self.recorder.keep(context, reply.status, is_routine=_is_routine(request, reply))
        if context.stream is not None:
            start_response(reply.line, list(STREAM_FIELDS))
            return context.stream
        start_response(reply.line, list(reply.fields))
        return [reply.body]

    def _in_background(self, context: RequestContext, answer: Callable[[], Iterable[bytes]]) -> Iterable[bytes]:
        """Answer a call with a large body. Calls that change its sandbox wait for it, without blocking others."""
        sandbox = context.own_sandbox
        if sandbox.is_reserved:
            return Delayed(RESERVED_SECONDS, partial(self._in_background, context, answer))
        context.has_reserved = True

        def make() -> Iterable[bytes]:
            with sandbox.reserved():
                return answer()

        return Background(sandbox.name, make)

    def _answer(self, context: RequestContext, start_response: StartResponse) -> Iterable[bytes]:
        """Make the answer, record it and send it. An injected fault may cut it off."""
        fault = context.fault
        if _has_to_wait(context):
            return Delayed(RESERVED_SECONDS, partial(self._answer, context, start_response))
        if fault is not None and fault.abort == "close":
            self.recorder.record(context, None)
            raise ConnectionAborted
        reply = self._reply(context)
        context.assumed = self.recorder.explanations.assumed(context.notes, context.refusal)
        more = self._more_fields(context)
        record = self.recorder.record(context, reply, more)
        if context.remembered is not None and record is not None and fault is None:
            self._remember(
                context, _Repeated(reply, more, record, context.account, context.operation), context.remembered
            )
        body = reply.body
        if fault is not None and fault.abort == "truncate":
            # An answer without a body cannot be cut in half.
            if len(body) < 2:
                raise ConnectionAborted
            body = body[: len(body) // 2]
        start_response(reply.line, [*reply.fields, *more, (REQUEST_ID, context.request.id)])
        return [body]

    def _reply(self, context: RequestContext) -> Reply:
        """Return the answer: a refusal, an injected one, that of an operation, or Flask's."""
        request, operation, fault = context.request, context.operation, context.fault
        if context.refusal is not None:
            return refused(context.refusal, context)
        if request.is_preflight:
            return NO_CONTENT
        if fault is not None and fault.status is not None:
            return injected(fault, fault.status)
        if operation is not None and self.direct and not request.query:
            return self.routes.reply(context, operation, context.parameters)
        return self._through_flask(context)

    def _repeated(self, context: RequestContext) -> _Repeated | None:
        """Return what is kept of an earlier, byte for byte equal call, if nothing has changed since."""
        head, sandbox = context.request.head, context.sandbox
        if head is None or sandbox is None or sandbox.faults:
            return None
        known = sandbox.answers.find(head, sandbox.version.world)
        return None if known is None else known.answer

    def _remember(self, context: RequestContext, repeated: _Repeated, remembered: Remembered) -> None:
        """Keep what is needed to answer the next call that is byte for byte equal.

        A call with a cookie is left out: its session may end, and then the answer changes. So is a call of a page that
        has a session: that may end too, and then the explanation in the journal changes (A-8).
        """
        request, sandbox = context.request, context.own_sandbox
        head, origin = request.head, request.origin
        if head is None or request.cookies is not None or self.settings.delay_ms or not self.direct:
            return
        # Read before the sessions. If a page logs in after this line, the sandbox gets a new object, and this one is no
        # longer used. With a warning, there was a session a moment ago.
        answers = sandbox.answers
        if context.warning is not None or (origin is not None and sandbox.sessions.has(origin)):
            return
        *_, size = repeated.record
        answers.remember_with(remembered, head, repeated, len(head) + size)

    def _repeat(self, context: RequestContext, repeated: _Repeated, start_response: StartResponse) -> Iterable[bytes]:
        """Give the answer of the earlier, equal call."""
        reply, more, record, context.account, context.operation = repeated
        self.recorder.keep(context, reply.status, record)
        start_response(reply.line, [*reply.fields, *more, (REQUEST_ID, context.request.id)])
        return [reply.body]

    def _through_flask(self, context: RequestContext) -> Reply:
        """Return the whole answer of Flask."""
        request = context.request
        # A copy: if environment and context referred to each other, only the garbage collector could free them.
        environ = {**request.environ, "SCRIPT_NAME": request.base, "PATH_INFO": request.path, CONTEXT: context}
        # Flask would refuse some host names, and would find no rule for a request that offers WebSocket.
        environ.pop("HTTP_HOST", None)
        environ.pop("HTTP_UPGRADE", None)
        started: list[tuple[str, Fields]] = []

        def start(line: str, fields: list[tuple[str, str]], *_: object) -> Any:
            started.append((line, tuple(fields)))

        answer = self.app(environ, start)
        body = b"".join(answer)
        if hasattr(answer, "close"):
            answer.close()
        return Reply.of_flask(*started[-1], body)

    def _more_fields(self, context: RequestContext) -> Fields:
        """Return the headers that are added to an answer."""
        origin = context.request.origin
        fields: Fields = () if origin is None else self._cors_fields(context.request, origin)
        if context.assumed and self.settings.fidelity == "strict":
            fields += ((ASSUMED, ", ".join(context.assumed)),)
        if context.fault is not None:
            fields += ((FAULT_ID, context.fault.id),)
        return fields

    def _cors_fields(self, request: Request, origin: str) -> Fields:
        fields: Fields = (("Vary", "Origin"),)
        if not self.cors_origins or origin in self.cors_origins:
            fields += (
                ("Access-Control-Allow-Origin", origin),
                ("Access-Control-Allow-Credentials", "true"),
                ("Access-Control-Expose-Headers", EXPOSED_HEADERS),
            )
            if request.is_preflight:
                # Undocumented methods too: then the page's script can read the 405 and its reason.
                fields += (
                    ("Access-Control-Allow-Methods", request.method_of_preflight or ""),
                    ("Access-Control-Allow-Headers", request.headers_of_preflight),
                    ("Access-Control-Max-Age", PREFLIGHT_SECONDS),
                )
        return fields


def _is_routine(request: Request, reply: Reply) -> bool:
    """Return whether a call is one that probes or pages of the console make all the time, and is answered."""
    if reply.status == HTTPStatus.NOT_MODIFIED:
        return True
    if reply.status != HTTPStatus.OK or request.method not in ("GET", "HEAD"):
        return False
    return request.path.startswith((HEALTH, EVENTS, ASSETS, SWAGGER)) or ("Content-Type", PAGE) in reply.fields


def _has_to_wait(context: RequestContext) -> bool:
    """Return whether a call must wait because another one has reserved its sandbox."""
    sandbox = context.sandbox
    if sandbox is None or not sandbox.is_reserved:
        return False
    return context.request.method != "GET" and not context.has_reserved
