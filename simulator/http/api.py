"""The simulated API: the contract's paths in Flask, and the way of a request from route to answer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from flask import Flask, request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.routing import Rule
from werkzeug.wrappers import Response

from simulator.contract.contract import Contract
from simulator.contract.operation import JSON, Answer, Call, Operation
from simulator.directory import LEVELS, authorize
from simulator.errors import (
    BodyTooLarge,
    ContractBreach,
    Fault,
    MalformedBody,
    MethodNotAllowed,
    NotAcceptable,
    Refusal,
    UnknownPath,
)
from simulator.http.auth import authenticate
from simulator.http.environ import RULE, SANDBOX
from simulator.http.errors import CATALOGUE, failure, refusal_headers, refuse, report
from simulator.services.service import Handler
from simulator.state.sandbox import Moment, Sandbox
from simulator.state.world import Fork

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

logger = logging.getLogger("simulator.api")


class Api:
    """Answers the operations of a contract with their handlers."""

    def __init__(self, contract: Contract, handlers: Mapping[str, Handler], *, credentials_required: bool) -> None:
        self.contract = contract
        self.handlers = handlers
        self.credentials_required = credentials_required

    def register(self, app: Flask) -> None:
        """Give the app one rule for each path of the contract, for any method: Flask would answer some by itself."""
        for template, operations in self.contract.paths.items():
            app.url_map.add(Rule(template.replace("{", "<").replace("}", ">"), endpoint=template))
            app.view_functions[template] = partial(self.serve, operations)

    def serve(self, operations: Mapping[str, Operation], **path: str) -> Response:
        """Answer a request to a path: route, credentials, scope, then the operation itself (A-7)."""
        operation, environ = None, request.environ
        try:
            operation = _route(operations, environ)
            return self._answer(operation, environ, path)
        except Refusal as refusal:
            return self._refuse(operation, environ, refusal)
        except ContractBreach as breach:
            logger.exception("the contract was about to be broken")
            return failure(f"the simulator was about to break its contract, and changed nothing: {breach}")

    def _answer(self, operation: Operation, environ: WSGIEnvironment, path: Mapping[str, str]) -> Response:
        sandbox: Sandbox = environ[SANDBOX]
        if operation.secured:
            directory = sandbox.moment.world.directory
            account = authenticate(environ, sandbox, directory, required=self.credentials_required)
            if operation.minimum_right is not None:
                authorize(account, LEVELS[operation.minimum_right], path, directory)
        call = Call(
            operation=operation,
            path=path,
            query_pairs=request.args.items(multi=True) if operation.query else (),
            raw_body=_raw_body(operation),
            content_type=environ.get("CONTENT_TYPE"),
            content_encoding=environ.get("HTTP_CONTENT_ENCODING"),
        )
        handler = self.handlers[operation.operation_id]
        headers: Mapping[str, str] = {}
        if operation.method == "GET":
            body = _read(call, handler, sandbox.moment, environ)
        else:
            with sandbox.transaction() as fork:
                view = handler(call, fork)
                answer = view if isinstance(view, Answer) else Answer(view, {})
                body, headers = operation.render(answer.view), answer.headers
        return _response(body, operation.success, headers)

    def _refuse(self, operation: Operation | None, environ: WSGIEnvironment, refusal: Refusal) -> Response:
        if operation is None:
            return refuse(refusal, environ)
        environ[RULE] = refusal.faults[0].rule
        kind = CATALOGUE[type(refusal)]
        try:
            body = operation.render_as(kind.status, report(kind, refusal.faults))
        except ContractBreach as breach:
            logger.exception("the contract was about to be broken")
            return failure(str(breach))
        return _response(body, kind.status, refusal_headers(refusal))


def _route(operations: Mapping[str, Operation], environ: WSGIEnvironment) -> Operation:
    """The operation of the method. Raises `UnknownPath` (G-1), `MethodNotAllowed` or `NotAcceptable` (G-10)."""
    path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
    if "//" in path:
        raise UnknownPath(Fault("G-1", "the path has a slash too many"))
    if not path.endswith("/"):
        raise UnknownPath(Fault("G-1", f"the slash at the end is missing: {request.script_root}{request.path}/"))
    operation = operations.get(method)
    if operation is None:
        reason = f"{method} is not documented here; documented: {', '.join(operations)}"
        raise MethodNotAllowed(Fault("G-10", reason), operations)
    accept = environ.get("HTTP_ACCEPT")
    if accept and not _takes_json(accept):
        raise NotAcceptable(Fault("G-10", f"the answer is {JSON}, which Accept: {accept[:100]} rules out"))
    return operation


@lru_cache(maxsize=256)
def _takes_json(accept: str) -> bool:
    """Whether an `Accept` header leaves JSON in: the most specific range that covers it has a quality above zero."""
    ranges = ("*/*", "application/*", JSON)
    best, allowed = -1, False
    for item in accept.split(","):
        media, options = parse_options_header(item)
        if media.lower() in ranges and ranges.index(media.lower()) >= best:
            best, allowed = ranges.index(media.lower()), options.get("q", "1").strip("0.") != ""
    return allowed


def _raw_body(operation: Operation) -> Callable[[], bytes]:
    """The body's bytes, off the wire before a lock is taken; a fault of theirs is raised when they are asked for."""
    if operation.body is None:
        return bytes
    refusal: Refusal
    try:
        raw = request.get_data(cache=False)
        return lambda: raw
    except RequestEntityTooLarge:
        refusal = BodyTooLarge(Fault("G-10", f"the body is over the limit of {request.max_content_length} bytes"))
    except ClientDisconnected:
        refusal = MalformedBody(Fault("G-2", "the body ended before its announced length"))

    def say() -> bytes:
        raise refusal

    return say


def _read(call: Call, handler: Handler, moment: Moment, environ: WSGIEnvironment) -> bytes:
    """The answer to a GET, which depends on the call and the world alone and is remembered with that world."""
    operation = call.operation
    plain = operation.body is None or not environ.get("CONTENT_LENGTH", "").strip("0")
    key = (operation.operation_id, *call.path.values(), environ.get("QUERY_STRING") if operation.query else None)
    body = moment.answers.get(key) if plain else None
    if body is None:
        body = operation.render(handler(call, Fork(moment.world)))
        if plain:
            moment.remember(key, body)
    return body


def _response(body: bytes, status: int, headers: Mapping[str, str]) -> Response:
    response = Response(body, status, headers, content_type=JSON)
    if not body:
        del response.headers["Content-Type"]
    return response
