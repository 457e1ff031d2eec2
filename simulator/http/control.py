"""The control interface over HTTP: checks who may call it, and passes a call to its handler."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial

import flask
import orjson
from flask import Flask
from werkzeug.routing import Rule
from werkzeug.wrappers import Response

from simulator.console.pages import waits
from simulator.contract.contract import Contract
from simulator.contract.operation import EVENTS, HTML, JSON, Answer, Content, Operation
from simulator.control import operations
from simulator.control.body import read_json
from simulator.control.call import Control, ControlHandler
from simulator.errors import (
    ContractBreach,
    CredentialsRequired,
    Fault,
    ForeignCaller,
    InvalidCredentials,
    Refusal,
    UnknownPath,
)
from simulator.http.auth import RequestCall, logout
from simulator.http.console import asset, lead_to_overview, page_reply, refusal_reply, swagger_file, wants_page
from simulator.http.context import RequestContext, context_of
from simulator.http.events import watch_events
from simulator.http.request import ASSETS, CONTROL, HEALTH, SWAGGER, Request
from simulator.http.responses import Reply, refused
from simulator.http.routes import Routes, rules_of
from simulator.settings import is_loopback
from simulator.state.sandboxes import DEFAULT

READING = ("GET", "HEAD")
HANDLERS: Mapping[str, ControlHandler] = {**operations.HANDLERS, "logout": logout, "watchEvents": watch_events}
"""All operations of the control interface, by id. A logout and a stream look at headers, so they are in this room."""


def control_rules(contract: Contract, *, is_on: bool) -> Iterator[Rule]:
    """Yield a rule for each path of the interface. If it is switched off, only the health path is answered (S-2)."""
    if is_on:
        yield from rules_of(contract)
        yield Rule(f"{SWAGGER}<path:name>", endpoint=SWAGGER, methods=["GET"])
        yield Rule(f"{ASSETS}<name>", endpoint=ASSETS, methods=["GET"])
        # For all methods: with a list of them, the answer to others would be 405 instead of 404.
        yield Rule("/", endpoint="overview")
        yield Rule(CONTROL.rstrip("/"), endpoint="overview", strict_slashes=True)
        return
    yield from rules_of(contract, only=HEALTH)
    for path in (CONTROL, f"{CONTROL}<path:rest>"):
        yield Rule(path, endpoint="switched_off")


class ControlInterface:
    """Answers calls of the operations in the control interface's contract."""

    def __init__(self, contract: Contract, control: Control) -> None:
        self.routes = Routes(contract, self.answer, self.refuse)
        self.control = control
        self.settings = control.settings

    def register(self, app: Flask) -> None:
        """Let the app answer the paths of `control_rules`."""
        self.routes.register(app)
        app.view_functions[SWAGGER] = self._swagger_asset
        app.view_functions[ASSETS] = self._asset
        app.view_functions["overview"] = lead_to_overview
        app.view_functions["switched_off"] = _switched_off

    def answer(
        self,
        context: RequestContext,
        operation: Operation,
        path: Mapping[str, str],
        query: Iterable[tuple[str, str]],
        media: str,
    ) -> Reply:
        """Answer a call, if the caller may make it."""
        request = context.request
        is_page = media == HTML
        if is_page:
            # A form of a browser sends its empty fields too.
            query = [(name, value) for name, value in query if value]
        call = RequestCall(context, operation, path, query, media)
        call.read_json = read_json
        control = self._at(request, may_create=operation.method != "GET")
        try:
            self._check(request, operation)
            if operation.secured:
                # Read now: a call must not act on the wrong sandbox because no handler reads `?sandbox=`.
                _ = call.query
            is_asked = not is_page or not waits(operation.operation_id, call.query, control)
            view = HANDLERS[operation.operation_id](call, control) if is_asked else None
        except Refusal as refusal:
            # The journal has no control calls, so the answer itself gives the hint.
            refusal.faults = tuple(each.with_hint() for each in refusal.faults)
            if is_page and wants_page(request):
                return refusal_reply(refusal, context, operation, control)
            raise
        if isinstance(view, Answer):
            return Reply(operation.success, operation.render(view.view), view.headers)
        if isinstance(view, Content):
            if view.media_type not in operation.media:
                raise ContractBreach(f"{operation.operation_id} does not document {view.media_type}")
            return Reply(operation.success, view.data, media=_with_charset(view.media_type))
        if is_page:
            ask = partial(self._ask, context, control)
            is_private = operation.secured or self.settings.control_token is None
            return page_reply(view, context, operation, control, ask, is_private=is_private)
        headers = {"Vary": "Accept"} if HTML in operation.media else {}
        return Reply(operation.success, operation.render(view), headers)

    def refuse(self, refusal: Refusal, context: RequestContext) -> Reply:
        """Return the answer to a request for which there is no operation. A browser gets a page (S-11)."""
        request = context.request
        if request.is_control and self.settings.control and wants_page(request):
            try:
                self._check_host(request)
            except ForeignCaller as foreign:
                refusal = foreign
            else:
                return refusal_reply(refusal, context, None, self._at(request, may_create=False))
        return refused(refusal, context)

    def _at(self, request: Request, *, may_create: bool) -> Control:
        """Return what a call of the control interface acts on."""
        return replace(
            self.control,
            sandbox_name=request.sandbox_name or DEFAULT,
            address=f"http://{request.host}{request.base}" if request.host_name else None,
            may_create=may_create,
        )

    def _ask(
        self,
        context: RequestContext,
        control: Control,
        operation_id: str,
        path: Mapping[str, str] | None = None,
        /,
        **query: str,
    ) -> object:
        """Return the answer of another operation, for a page (see `Ask`)."""
        operation = self.routes.contract.operations[operation_id]
        call = RequestCall(context, operation, path or {}, query.items(), JSON)
        return orjson.loads(operation.render(HANDLERS[operation_id](call, control)))

    def _check(self, request: Request, operation: Operation) -> None:
        """Raise a refusal if the caller may not call the operation (S-2)."""
        if operation.path != HEALTH:
            self._check_host(request)
        # A page learns nothing from an answer without CORS headers. But a stream would stay open for it.
        if operation.method not in READING or EVENTS in operation.media:
            self._check_origin(request)
        if EVENTS in operation.media and request.fetch_site in ("cross-site", "same-site"):
            # An image or a fetch without CORS has no Origin, but the browser says where its page is from.
            raise ForeignCaller(Fault("S-2", "pages of other sites may not open a stream of events"))
        if operation.secured:
            self._check_token(request)

    def _check_host(self, request: Request) -> None:
        """Raise `ForeignCaller` if the host name may be another site's that resolves to us: DNS rebinding (S-2)."""
        name = request.host_name
        if request.host and not is_loopback(name) and not {name, "*"} & set(self.settings.allowed_hosts):
            reason = (
                f"the Host {request.host[:100]!r} is neither the loopback nor allowed; "
                f"start the simulator with --allowed-host {name[:100] or 'NAME'}"
            )
            raise ForeignCaller(Fault("S-2", reason))

    def _check_origin(self, request: Request) -> None:
        """Raise `ForeignCaller` if this may be a page of another origin (S-2)."""
        origin = request.origin
        if origin is not None and origin.lower() not in (
            f"http://{request.host}".lower(),
            f"https://{request.host}".lower(),
        ):
            reason = f"pages of {origin[:100]!r} may not drive the simulator; only its own pages and programs may"
            raise ForeignCaller(Fault("S-2", reason))

    def _asset(self, name: str) -> Response:
        """Return the style sheet or a script of the console."""
        return self._unless_foreign(lambda: asset(context_of(flask.request.environ).request, name).for_flask())

    def _swagger_asset(self, name: str) -> Response:
        """Return a file of Swagger UI."""
        return self._unless_foreign(lambda: swagger_file(name))

    def _unless_foreign(self, answer: Callable[[], Response]) -> Response:
        """Return the answer, or the refusal if the host name may be another site's (S-2)."""
        context = context_of(flask.request.environ)
        try:
            self._check_host(context.request)
        except ForeignCaller as refusal:
            return refused(refusal, context).for_flask()
        return answer()

    def _check_token(self, request: Request) -> None:
        """Raise `CredentialsRequired` or `InvalidCredentials` if a required control token is missing or wrong (S-2)."""
        wanted = self.settings.control_token
        if wanted is None:
            return
        scheme, _, token = (request.authorization or "").partition(" ")
        if scheme.lower() == "basic":
            # A browser asks for a name and a password. The password is the token.
            token = _password(token)
        elif scheme.lower() != "bearer":
            reason = "the simulator runs with --control-token: send that token as a bearer token"
            raise CredentialsRequired(Fault("S-2", reason))
        if not hmac.compare_digest(token.strip(" \t").encode("latin-1"), wanted.encode()):
            raise InvalidCredentials(Fault("S-2", "the bearer token is not that of --control-token"))


def _password(encoded: str) -> str:
    """Return the password of Basic credentials, as characters that each stand for a byte. Empty if malformed."""
    try:
        return base64.b64decode(encoded.strip(" \t"), validate=True).partition(b":")[2].decode("latin-1")
    except ValueError:
        return ""


def _with_charset(media_type: str) -> str:
    return f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type


def _switched_off(**_: str) -> Response:
    reason = "the simulator runs with --no-control, which leaves only the health of this interface"
    return refused(UnknownPath(Fault("S-2", reason)), context_of(flask.request.environ)).for_flask()
