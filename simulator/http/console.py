"""Sends the console to browsers: pages, their style sheet and script, and the way to the overview (S-11)."""

from __future__ import annotations

import hashlib
import importlib.util
import time
from collections.abc import Mapping
from functools import cache
from mimetypes import MimeTypes
from pathlib import Path
from types import MappingProxyType

import flask
import orjson
from flask import send_from_directory
from werkzeug.exceptions import NotFound
from werkzeug.http import parse_accept_header, parse_etags, quote_etag
from werkzeug.wrappers import Response

from simulator.console.assets import assets
from simulator.console.pages import Ask, address_of, page, refusal_page
from simulator.contract.operation import HTML, JSON, Operation
from simulator.control.call import Control
from simulator.errors import Refusal
from simulator.http.context import RequestContext, context_of
from simulator.http.request import CONTROL, Request
from simulator.http.responses import Reply, refused
from simulator.http.routes import preferred

PAGE = f"{HTML}; charset=utf-8"
HEADERS: Mapping[str, str] = MappingProxyType(
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
"""What each page demands of a browser. Journals hold hostile text, so a page has no script and no style in it."""
CHALLENGE = 'Basic realm="apio-simulator: any name, and the control token as the password"'


def wants_page(request: Request) -> bool:
    """Return whether a client would rather have a page than JSON, as browsers do."""
    return preferred(request.accept, (JSON, HTML)) == HTML


def page_reply(
    view: object, context: RequestContext, operation: Operation, control: Control, ask: Ask, *, is_private: bool
) -> Reply:
    """Return the page that shows the view of an operation, or 304 if the browser has it already (S-11).

    `view` is `None` if the page `waits`. `Server-Timing` says how many milliseconds it took to make the page. The
    script of the page asks less often for a slow one.
    """
    began = time.perf_counter()
    request = context.request
    # The documentation pages have no JSON: their script asks for the contract.
    data = orjson.loads(operation.render(view)) if JSON in operation.media and view is not None else {}
    where = address_of(request.path, request.query, request.base, request.host)
    content = page(operation.operation_id, data, control, where, ask, is_private=is_private)
    tag = hashlib.sha256(content).hexdigest()[:24]
    headers = {
        **HEADERS,
        "ETag": quote_etag(tag),
        "Server-Timing": f"page;dur={1000 * (time.perf_counter() - began):.1f}",
    }
    if parse_etags(request.environ.get("HTTP_IF_NONE_MATCH")).contains_weak(tag):
        return Reply(304, headers=headers)
    return Reply(operation.success, content, headers, media=PAGE)


def refusal_reply(refusal: Refusal, context: RequestContext, operation: Operation | None, control: Control) -> Reply:
    """Return the page that shows why a page is refused. A browser is asked for the control token (S-2).

    `operation` is `None` if there is none at the address.
    """
    request = context.request
    reply = refused(refusal, context, operation)
    headers = {name: value for name, value in reply.fields if not name.startswith("Content-")}
    if "WWW-Authenticate" in headers:
        headers["WWW-Authenticate"] = CHALLENGE
    where = address_of(request.path, request.query, request.base, request.host)
    content = refusal_page(reply.status, orjson.loads(reply.body), control, where)
    return Reply(reply.status, content, {**headers, **HEADERS}, media=PAGE)


def asset(request: Request, name: str) -> Reply:
    """Return a style sheet or a script of the console. Its name changes with its content. Raises `NotFound`."""
    found = next((each for each in assets().values() if each.name == name), None)
    if found is None:
        raise NotFound
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable",
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
    }
    if not parse_accept_header(request.environ.get("HTTP_ACCEPT_ENCODING")).quality("gzip"):
        return Reply(200, found.data, headers, media=found.media_type)
    return Reply(200, found.compressed, {**headers, "Content-Encoding": "gzip"}, media=found.media_type)


def lead_to_overview() -> Response:
    """Lead a browser to the overview (S-11). For others, there is nothing here (G-1). Raises `NotFound`."""
    request = context_of(flask.request.environ).request
    if request.method != "GET" or not wants_page(request):
        raise NotFound
    # Relative addresses hold behind a proxy too. This one is relative to the last slash of what was asked for.
    step = "." if request.path else request.base.rpartition("/")[2]
    return Reply(303, headers={"Location": f"{step}{CONTROL}", "Vary": "Accept"}).for_flask()


def swagger_file(name: str) -> Response:
    """Return a file of Swagger UI. Raises `NotFound`."""
    if flask.request.path.endswith("/"):
        raise NotFound
    # Without ranges and conditions, because the errors that they can cause do not have our errors' shape.
    media, _ = _media_types().guess_type(name)
    answer: Response = send_from_directory(_swagger_ui(), name, mimetype=media, conditional=False)
    return answer


@cache
def _media_types() -> MimeTypes:
    """Return Python's own table. The system's may say that JavaScript is text, as that of many Windows machines does.

    It is made when it is needed, because Python reads the system's table first.
    """
    return MimeTypes()


def _swagger_ui() -> Path:
    """Return the folder of the documentation page's assets. Importing their package would take 10 % of the start."""
    spec = importlib.util.find_spec("flask_swagger_ui")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("flask-swagger-ui, which holds the documentation page's assets, is not installed")
    return Path(spec.origin).parent / "dist"
