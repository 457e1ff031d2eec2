"""The answer to a request as a value. Only this module turns errors into answers."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import MappingProxyType

import orjson
from werkzeug.http import HTTP_STATUS_CODES
from werkzeug.wrappers import Response

from simulator.contract.operation import JSON, Operation
from simulator.errors import ContractBreach, Fault, InvalidCredentials, MethodNotAllowed, Refusal
from simulator.http.context import RequestContext
from simulator.http.errors import FAILED, KINDS, OVERLOADED, Kind, kind_of_malformed, report
from simulator.state.faults import WITHOUT_BODY, InjectedFault
from simulator.state.journal import Message

logger = logging.getLogger("simulator.http")

Fields = tuple[tuple[str, str], ...]

_LINES = {status: f"{status} {phrase.upper()}" for status, phrase in HTTP_STATUS_CODES.items()}
_NONE: Mapping[str, str] = MappingProxyType({})
WITHOUT_LENGTH = (204, 304)
RETRY_SECONDS = "1"
"""After how many seconds a request that found no room may be sent again."""


class Reply:
    """An immutable answer: status, body, its own headers, and the media type of the body.

    `line` is the status with its phrase. `fields` are all headers, including those about the body; without a body there
    is no `Content-Type`. `kept` is what the journal keeps of the answer, for the next time that it is given.
    """

    __slots__ = ("body", "fields", "kept", "line", "status")

    fields: Fields

    def __init__(self, status: int, body: bytes = b"", headers: Mapping[str, str] = _NONE, media: str = JSON) -> None:
        self.status = status
        self.body = body
        self.kept: Message | None = None
        self.line = _LINES.get(status) or f"{status} INJECTED"
        fields: Fields = tuple(headers.items()) if headers else ()
        if body:
            fields += (("Content-Type", media), ("Content-Length", str(len(body))))
        elif status not in WITHOUT_LENGTH:
            fields += (("Content-Length", "0"),)
        self.fields = fields

    @classmethod
    def of_flask(cls, line: str, fields: Fields, body: bytes) -> Reply:
        """Return Flask's answer as a reply."""
        reply = cls(int(line[:3]), body)
        reply.line, reply.fields = line, fields
        return reply

    def for_flask(self) -> Response:
        """Return the same answer as Flask's response."""
        response = Response(self.body, self.line)
        response.headers.clear()
        response.headers.extend(self.fields)
        return response


NO_CONTENT = Reply(204)


def refused(refusal: Refusal, context: RequestContext, operation: Operation | None = None) -> Reply:
    """Return the answer to a refused request. If it was to an operation, the contract checks the answer.

    A profile may give it another status, or another body (S-14). Then the contract checks the one that it documents.
    """
    context.refuse(refusal)
    kind, profile, first = KINDS[type(refusal)], context.profile, refusal.faults[0]
    content, documented = report(kind, *refusal.faults), kind.status
    if operation is not None and first.rule in profile.refused and documented not in operation.answers:
        # The contract has no such refusal. All its error answers look the same.
        documented = next(status for status in operation.answers if status >= 400)
    try:
        body = orjson.dumps(content) if operation is None else operation.render_as(documented, content)
    except ContractBreach as breach:
        logger.exception("the contract was about to be broken")
        return failed(str(breach))
    if profile.choices.get("G-8") == "detail":
        body = orjson.dumps({"detail": first.reason})
    status = profile.statuses.get(first.rule, kind.status)
    return Reply(status, body, _refusal_headers(refusal, status))


def failed(why: str | Exception) -> Reply:
    """Return the answer to a failure of the simulator itself. `why` is a reason or an unexpected exception."""
    reason = why if isinstance(why, str) else f"the simulator failed, and changed nothing: {type(why).__name__}"
    return _error(FAILED, Fault("G-8", reason))


def malformed(status: int, reason: str) -> Reply:
    """Return the server's own answer if it has no request for the application (see `kind_of_malformed`)."""
    kind = kind_of_malformed(status)
    if kind is FAILED:
        return failed("the simulator failed; its log says why")
    if kind is OVERLOADED:
        return _error(kind, Fault("S-10", reason), {"Retry-After": RETRY_SECONDS})
    return _error(kind, Fault("G-16", reason))


def injected(fault: InjectedFault, status: int) -> Reply:
    """Return the answer of an injected fault, which replaces the operation's (S-6)."""
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    if status in WITHOUT_BODY:
        return Reply(status, b"", headers)
    if fault.body is not None:
        return Reply(status, orjson.dumps(fault.body), headers)
    reason = f"the injected fault {fault.id} answered in the place of the operation"
    return _error(Kind(status, status * 100, "Injected fault"), Fault("S-6", reason), headers)


def _error(kind: Kind, fault: Fault, headers: Mapping[str, str] = _NONE) -> Reply:
    return Reply(kind.status, orjson.dumps(report(kind, fault)), headers)


def _refusal_headers(refusal: Refusal, status: int) -> Mapping[str, str]:
    """Return headers that say which methods are allowed, how to authenticate, and which cookie to delete."""
    if isinstance(refusal, MethodNotAllowed):
        return {"Allow": ", ".join(refusal.allowed)}
    if status != 401:
        return _NONE
    headers = {"WWW-Authenticate": 'Bearer realm="apio-simulator"'}
    if isinstance(refusal, InvalidCredentials) and refusal.deletion is not None:
        headers["Set-Cookie"] = refusal.deletion
    return headers
