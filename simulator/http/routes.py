"""A contract's paths in Flask: from the path and the method of a request to its operation, and to an answer."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from flask import Flask, request
from werkzeug.exceptions import HTTPException
from werkzeug.http import parse_options_header
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Response

from simulator.contract.contract import Contract
from simulator.contract.operation import JSON, Call, Operation
from simulator.errors import ContractBreach, Fault, MethodNotAllowed, NotAcceptable, Refusal, UnknownPath
from simulator.http.errors import CATALOGUE, failure, refusal_headers, refuse, report
from simulator.http.visit import visit_of

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

logger = logging.getLogger("simulator.routes")

Answering = Callable[[Call, "WSGIEnvironment"], Response]
"""Answers the call of an operation, or raises a refusal."""


class Routes:
    """The paths of one contract; `answer` is what happens at the end of each."""

    def __init__(self, contract: Contract, answer: Answering) -> None:
        self.contract = contract
        self.answer = answer
        self._map = Map(self._rules(), strict_slashes=False, merge_slashes=False).bind("")

    def register(self, app: Flask, only: str | None = None) -> None:
        """Give the app one rule for each path, or `only` for one; for any method, as Flask would answer some itself."""
        for rule in self._rules():
            if only not in (None, rule.endpoint):
                continue
            app.url_map.add(rule)
            app.view_functions[rule.endpoint] = partial(self._serve, self.contract.paths[rule.endpoint])

    def find(self, path: str, method: str) -> tuple[Operation, Mapping[str, str]] | None:
        """The operation of a path and a method, with the path's parameters."""
        try:
            template, parameters = self._map.match(path)
        except HTTPException:
            return None
        operation = self.contract.paths[template].get(method)
        return None if operation is None or _path_fault(path, template) else (operation, parameters)

    def _rules(self) -> list[Rule]:
        return [Rule(path.replace("{", "<").replace("}", ">"), endpoint=path) for path in self.contract.paths]

    def _serve(self, operations: Mapping[str, Operation], **path: str) -> Response:
        # Taken once: each look at Flask's `request` costs as much as a function call.
        environ = request.environ
        visit = visit_of(environ)
        try:
            operation = _operation(operations, environ)
            visit.operation = operation
            call = Call(
                operation=operation,
                path=path,
                query_pairs=request.args.items(multi=True) if operation.query or operation.closed_query else (),
                raw_body=visit.body,
                content_type=environ.get("CONTENT_TYPE"),
                content_encoding=environ.get("HTTP_CONTENT_ENCODING"),
                media=_media(operation, environ.get("HTTP_ACCEPT")),
                notes=visit.notes,
            )
            if environ.get("QUERY_STRING"):
                visit.notes.ignored.update(dict.fromkeys(operation.ignored_query(request.args)))
            return self.answer(call, environ)
        except Refusal as refusal:
            return _refuse(visit.operation, environ, refusal)
        except ContractBreach as breach:
            logger.exception("the contract was about to be broken")
            return failure(f"the simulator was about to break its contract, and changed nothing: {breach}")


def answered(body: bytes, status: int | str, headers: Mapping[str, str], media: str = JSON) -> Response:
    """The answer with this body; without one it has no content type."""
    response = Response(body, status, headers, content_type=media)
    if not body:
        del response.headers["Content-Type"]
    return response


def _operation(operations: Mapping[str, Operation], environ: WSGIEnvironment) -> Operation:
    """The operation of the method. Raises `UnknownPath` (G-1) or `MethodNotAllowed` (G-10)."""
    method = environ["REQUEST_METHOD"]
    template = next(iter(operations.values())).path
    path = environ["PATH_INFO"]
    fault = _path_fault(path, template)
    if fault is not None:
        right = re.sub("/+", "/", request.path.rstrip("/")) + ("/" if template.endswith("/") else "")
        raise UnknownPath(Fault("G-1", f"{fault}: {request.script_root}{right}"))
    operation = operations.get(method)
    if operation is None:
        reason = f"{method} is not documented here; documented: {', '.join(operations)}"
        raise MethodNotAllowed(Fault("G-10", reason), operations)
    return operation


def _path_fault(path: str, template: str) -> str | None:
    """What is wrong with the slashes of a path that Flask takes for one of the template."""
    if "//" in path or (path.endswith("/") and not template.endswith("/")):
        return "the path has a slash too many"
    if template.endswith("/") and not path.endswith("/"):
        return "the slash at the end is missing"
    return None


def _media(operation: Operation, accept: str | None) -> str:
    """The media type of the answer. Raises `NotAcceptable` (G-10)."""
    offered = operation.media or (JSON,)
    media = _preferred(accept, offered) if accept else offered[0]
    if accept and media is None:
        reason = f"the answer is {' or '.join(offered)}, which Accept: {accept[:100]} rules out"
        raise NotAcceptable(Fault("G-10", reason, assumed=False))
    return media or offered[0]


@lru_cache(maxsize=256)
def _preferred(accept: str, offered: tuple[str, ...]) -> str | None:
    """The offered media type that an `Accept` header likes best: the most specific range that covers one counts."""
    best, preferred = 0.0, None
    for media in offered:
        ranges = ("*/*", f"{media.partition('/')[0]}/*", media)
        specific, quality = -1, 0.0
        for item in accept.split(","):
            name, options = parse_options_header(item)
            if name.lower() in ranges and ranges.index(name.lower()) >= specific:
                specific, quality = ranges.index(name.lower()), _quality(options.get("q", "1"))
        if quality > best:
            best, preferred = quality, media
    return preferred


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 1.0


def _refuse(operation: Operation | None, environ: WSGIEnvironment, refusal: Refusal) -> Response:
    if operation is None:
        return refuse(refusal, environ)
    visit_of(environ).refusal = refusal
    kind = CATALOGUE[type(refusal)]
    try:
        body = operation.render_as(kind.status, report(kind, refusal.faults))
    except ContractBreach as breach:
        logger.exception("the contract was about to be broken")
        return failure(str(breach))
    return answered(body, kind.status, refusal_headers(refusal))
