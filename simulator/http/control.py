"""The control interface over HTTP: checks who may call it, and passes a call to its handler."""

from __future__ import annotations

import base64
import hashlib
import hmac
import importlib.util
from collections.abc import Iterable, Mapping
from dataclasses import replace
from mimetypes import MimeTypes
from pathlib import Path
from types import MappingProxyType

import flask
import orjson
from flask import Flask, send_from_directory
from werkzeug.exceptions import NotFound
from werkzeug.routing import Rule
from werkzeug.wrappers import Response

from simulator.console.assets import assets
from simulator.console.pages import address_of, page, refusal_page
from simulator.contract.contract import Contract
from simulator.contract.operation import HTML, JSON, Answer, Content, Operation
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
from simulator.http.request import CONTROL, HEALTH, Request
from simulator.http.responses import Reply, refused
from simulator.http.routes import Routes, preferred
from simulator.settings import is_loopback
from simulator.state.sandboxes import DEFAULT

NO_HEADERS: Mapping[str, str] = MappingProxyType({})
NEGOTIATED: Mapping[str, str] = MappingProxyType({"Vary": "Accept"})
"""The header of an answer that is JSON or a page, whichever the client prefers."""
PAGE_HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Vary": "Accept",
        "Cache-Control": "no-cache",
        "Content-Security-Policy": (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        ),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
)
"""What each page demands of a browser. Journals hold hostile text, so no page may have a script or a style in it."""
READING = ("GET", "HEAD")
HANDLERS: Mapping[str, ControlHandler] = {**operations.HANDLERS, "logout": logout}
"""All operations of the control interface, by id. A logout is about a cookie, so it is beside the login."""

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
            app.add_url_rule(f"{CONTROL}docs/<path:asset>", view_func=self._swagger_asset, methods=["GET"])
            app.add_url_rule(f"{CONTROL}assets/<name>", view_func=self._asset, methods=["GET"])
            for path in ("/", CONTROL.rstrip("/")):
                app.url_map.add(Rule(path, endpoint="console", strict_slashes=True))
            app.view_functions["console"] = _lead_to_console
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
        is_page = media == HTML
        if is_page:
            # A form of a browser sends its empty fields too.
            query = [(name, value) for name, value in query if value]
        call = RequestCall(context, operation, path, query, media)
        call.read_json = read_json
        control = replace(
            self.control,
            sandbox_name=request.sandbox_name or DEFAULT,
            address=f"http://{request.host}{request.base}" if request.host_name else None,
            may_create=operation.method != "GET",
        )
        try:
            self._check(request, operation)
            if operation.secured:
                # Read now: a call must not act on the wrong sandbox because no handler reads `?sandbox=`.
                _ = call.query
            view = HANDLERS[operation.operation_id](call, control)
        except Refusal as refusal:
            # The journal has no control calls, so the answer itself gives the hint.
            refusal.faults = tuple(each.with_hint() for each in refusal.faults)
            if is_page:
                return self._refusal_page(refusal, context, operation, control)
            raise
        if isinstance(view, Answer):
            return Reply(operation.success, operation.render(view.view), view.headers)
        if isinstance(view, Content):
            if view.media_type not in operation.media:
                raise ContractBreach(f"{operation.operation_id} does not document {view.media_type}")
            return Reply(operation.success, view.data, media=_with_charset(view.media_type))
        if is_page:
            return self._page(view, context, operation, control)
        return Reply(operation.success, operation.render(view), NEGOTIATED if HTML in operation.media else NO_HEADERS)

    def _page(self, view: object, context: RequestContext, operation: Operation, control: Control) -> Reply:
        """Return the page that shows the view of an operation, or 304 if the browser has it already (S-12)."""
        request = context.request

        def ask(operation_id: str, path: Mapping[str, str] = NO_HEADERS, /, **query: str) -> object:
            asked = self.routes.contract.operations[operation_id]
            call = RequestCall(context, asked, path, list(query.items()), JSON)
            return orjson.loads(asked.render(HANDLERS[operation_id](call, control)))

        data = orjson.loads(operation.render(view)) if JSON in operation.media else None
        where = address_of(request.path, request.query, request.base, request.host)
        content = page(operation.operation_id, data, control, where, ask, is_private=operation.secured or self.settings.control_token is None)
        tag = f'"{hashlib.sha256(content).hexdigest()[:24]}"'
        headers = {**PAGE_HEADERS, "ETag": tag}
        if request.environ.get("HTTP_IF_NONE_MATCH") == tag:
            return Reply(304, headers=headers)
        return Reply(operation.success, content, headers, media=_with_charset(HTML))

    def _refusal_page(
        self, refusal: Refusal, context: RequestContext, operation: Operation, control: Control
    ) -> Reply:
        """Return the page that shows why a page is refused. A browser is asked for the control token (S-2)."""
        request = context.request
        reply = refused(refusal, context, operation)
        headers = {name: value for name, value in reply.fields if not name.startswith("Content-")}
        if "WWW-Authenticate" in headers:
            headers["WWW-Authenticate"] = 'Basic realm="apio-simulator: any name, and the control token as password"'
        where = address_of(request.path, request.query, request.base, request.host)
        content = refusal_page(reply.status, orjson.loads(reply.body), control, where)
        return Reply(reply.status, content, {**headers, **PAGE_HEADERS}, media=_with_charset(HTML))

    def _check(self, request: Request, operation: Operation) -> None:
        """Raise a refusal if the caller may not call the operation (S-2)."""
        if operation.path != HEALTH:
            self._check_host(request)
        if operation.method not in READING:
            self._check_origin(request)
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
        """Return the style sheet or a script of the console. Their names change with their content."""
        context = context_of(flask.request.environ)
        found = next((each for each in assets().values() if each.name == name), None)
        try:
            self._check_host(context.request)
        except ForeignCaller as refusal:
            return refused(refusal, context).for_flask()
        if found is None:
            raise NotFound
        accepts_gzip = "gzip" in context.request.environ.get("HTTP_ACCEPT_ENCODING", "")
        headers = {
            "Cache-Control": "public, max-age=31536000, immutable",
            "Vary": "Accept-Encoding",
            "X-Content-Type-Options": "nosniff",
            **({"Content-Encoding": "gzip"} if accepts_gzip else {}),
        }
        data = found.compressed if accepts_gzip else found.data
        return Reply(200, data, headers, media=_with_charset(found.media_type)).for_flask()

    def _swagger_asset(self, asset: str) -> Response:
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
        if scheme.lower() == "basic":
            # A browser asks for a name and a password. The password is the token.
            token = _password(token)
        elif scheme.lower() != "bearer":
            reason = "the simulator runs with --control-token: send that token as a bearer token"
            raise CredentialsRequired(Fault("S-2", reason))
        if not hmac.compare_digest(token.strip().encode("latin-1"), wanted.encode()):
            raise InvalidCredentials(Fault("S-2", "the bearer token is not that of --control-token"))


def _password(encoded: str) -> str:
    """Return the password of Basic credentials, as characters that each stand for a byte. Empty if malformed."""
    try:
        return base64.b64decode(encoded.strip(), validate=True).partition(b":")[2].decode("latin-1")
    except ValueError:
        return ""


def _lead_to_console(**_: str) -> Response:
    """Lead a browser to the overview. Others get the 404 of a path that no operation has."""
    request = context_of(flask.request.environ).request
    if request.method != "GET" or preferred(request.accept, (JSON, HTML)) != HTML:
        raise NotFound
    # Relative to the last slash, so it holds behind a proxy too.
    return Reply(303, headers={"Location": f".{CONTROL}", "Vary": "Accept"}).for_flask()


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
