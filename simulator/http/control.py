"""The control interface over HTTP: checks who may call it, and passes a call to its handler."""

from __future__ import annotations

import hmac
import importlib.util
from collections.abc import Iterable, Mapping
from dataclasses import replace
from mimetypes import MimeTypes
from pathlib import Path

import flask
from flask import Flask, send_from_directory
from werkzeug.exceptions import NotFound
from werkzeug.routing import Rule
from werkzeug.wrappers import Response

from simulator.contract.contract import Contract
from simulator.contract.operation import EVENTS, Answer, Content, Operation
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
from simulator.http.context import RequestContext, context_of
from simulator.http.events import watch_events
from simulator.http.request import CONTROL, HEALTH, Request
from simulator.http.responses import Reply, refused
from simulator.http.routes import Routes
from simulator.settings import is_loopback
from simulator.state.sandboxes import DEFAULT

READING = ("GET", "HEAD")
HANDLERS: Mapping[str, ControlHandler] = {**operations.HANDLERS, "logout": logout, "watchEvents": watch_events}
"""All operations of the control interface, by id. A logout and a stream look at headers, so they are in this room."""

_MEDIA_TYPES = MimeTypes()
"""Python's own table. The system's may say that JavaScript is text, as the registry of many Windows machines does."""


class ControlInterface:
    """Answers calls of the operations in the control interface's contract."""

    def __init__(self, contract: Contract, control: Control) -> None:
        self.routes = Routes(contract, self.answer)
        self.control = control
        self.settings = control.settings

    def register(self, app: Flask) -> None:
        """Add the interface's paths to the app. If it is switched off, only the health path is added (S-2)."""
        if self.settings.control:
            self.routes.register(app)
            app.add_url_rule(f"{CONTROL}docs/<path:asset>", view_func=self._asset, methods=["GET"])
            return
        self.routes.register(app, only=HEALTH)
        app.url_map.add(Rule(f"{CONTROL}<path:rest>", endpoint=CONTROL))
        app.view_functions[CONTROL] = _switched_off

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
        call = RequestCall(context, operation, path, query, media)
        call.read_json = read_json
        if operation.path != HEALTH:
            self._check_host(request)
        # Of an answer without CORS headers, a page learns nothing. But a stream would stay open for it.
        if operation.method not in READING or EVENTS in operation.media:
            self._check_origin(request)
        if operation.secured:
            self._check_token(request)
            # Read now: a call must not act on the wrong sandbox because no handler reads `?sandbox=`.
            _ = call.query
        control = replace(
            self.control,
            sandbox_name=request.sandbox_name or DEFAULT,
            address=f"http://{request.host}{request.base}" if request.host_name else None,
            may_create=operation.method != "GET",
        )
        try:
            view = HANDLERS[operation.operation_id](call, control)
        except Refusal as refusal:
            # The journal has no control calls, so the answer itself gives the hint.
            refusal.faults = tuple(each.with_hint() for each in refusal.faults)
            raise
        if isinstance(view, Answer):
            return Reply(operation.success, operation.render(view.view), view.headers)
        if not isinstance(view, Content):
            return Reply(operation.success, operation.render(view))
        if view.media_type not in operation.media:
            raise ContractBreach(f"{operation.operation_id} does not document {view.media_type}")
        return Reply(operation.success, view.data, media=_with_charset(view.media_type))

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

    def _asset(self, asset: str) -> Response:
        """Return a file of the documentation pages."""
        context = context_of(flask.request.environ)
        try:
            self._check_host(context.request)
        except ForeignCaller as refusal:
            return refused(refusal, context).for_flask()
        if flask.request.path.endswith("/"):
            raise NotFound
        # Without ranges and conditions, because the errors that they can cause do not have our errors' shape.
        media, _ = _MEDIA_TYPES.guess_type(asset)
        answer: Response = send_from_directory(_swagger_ui(), asset, mimetype=media, conditional=False)
        return answer

    def _check_token(self, request: Request) -> None:
        """Raise `CredentialsRequired` or `InvalidCredentials` if a required control token is missing or wrong (S-2)."""
        wanted = self.settings.control_token
        if wanted is None:
            return
        scheme, _, token = (request.authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            reason = "the simulator runs with --control-token: send that token as a bearer token"
            raise CredentialsRequired(Fault("S-2", reason))
        if not hmac.compare_digest(token.strip().encode("latin-1"), wanted.encode()):
            raise InvalidCredentials(Fault("S-2", "the bearer token is not that of --control-token"))


def _with_charset(media_type: str) -> str:
    return f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type


def _switched_off(**_: str) -> Response:
    reason = "the simulator runs with --no-control, which leaves only the health of this interface"
    return refused(UnknownPath(Fault("S-2", reason)), context_of(flask.request.environ)).for_flask()


def _swagger_ui() -> Path:
    """Return the folder of the documentation page's assets. Importing their package would take 10 % of the start."""
    spec = importlib.util.find_spec("flask_swagger_ui")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("flask-swagger-ui, which holds the documentation page's assets, is not installed")
    return Path(spec.origin).parent / "dist"
