"""The error catalogue (G-8): what each kind of refusal is over HTTP, and the body in which it is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from simulator import errors
from simulator.errors import Fault, InvalidCredentials, MethodNotAllowed, Refusal
from simulator.http.responses import Reply
from simulator.http.visit import Visit


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of error: the status, the stable code, and what the code means."""

    status: int
    code: int
    message: str


CATALOGUE: Mapping[type[Refusal], Kind] = {
    errors.MalformedBody: Kind(400, 40001, "Malformed body"),
    errors.InvalidAttribute: Kind(400, 40002, "Invalid attribute"),
    errors.RuleViolation: Kind(400, 40003, "Refused by a rule"),
    errors.MalformedRequest: Kind(400, 40004, "Malformed request"),
    errors.CredentialsRequired: Kind(401, 40101, "Credentials required"),
    errors.InvalidCredentials: Kind(401, 40102, "Invalid credentials"),
    errors.LoginRefused: Kind(401, 40103, "Login refused"),
    errors.InsufficientRight: Kind(403, 40301, "Insufficient right"),
    errors.OutOfScope: Kind(403, 40302, "Out of scope"),
    errors.ForeignCaller: Kind(403, 40303, "Foreign caller"),
    errors.UnknownPath: Kind(404, 40401, "Unknown path"),
    errors.UnknownResource: Kind(404, 40402, "Unknown resource"),
    errors.ServiceNotAssigned: Kind(404, 40403, "Service not assigned"),
    errors.MethodNotAllowed: Kind(405, 40501, "Method not allowed"),
    errors.NotAcceptable: Kind(406, 40601, "Not acceptable"),
    errors.BodyTooLarge: Kind(413, 41301, "Body too large"),
    errors.UnsupportedContentType: Kind(415, 41501, "Unsupported content type"),
    errors.TooManySandboxes: Kind(429, 42901, "Too many sandboxes"),
    errors.HeaderTooLarge: Kind(431, 43101, "Header too large"),
    errors.InsufficientMemory: Kind(507, 50701, "Insufficient memory"),
}
OVERLOADED = Kind(503, 50301, "Too much on its way")
MOST_FAULTS = 1_000
BREACH = Kind(500, 50001, "The simulator failed")


def report(kind: Kind, faults: tuple[Fault, ...]) -> dict[str, Any]:
    """The body of an error answer; of very many faults it names the first ones and says how many there are more."""
    if len(faults) > MOST_FAULTS:
        more = Fault(faults[MOST_FAULTS].rule, f"there are at least {len(faults) - MOST_FAULTS} faults more")
        faults = (*faults[:MOST_FAULTS], more)
    return {"errors": [{"code": kind.code, "message": kind.message, "details": _details(fault)} for fault in faults]}


def malformed_request(code: int, reason: str) -> tuple[Kind, dict[str, Any]]:
    """The answer to what the server takes for no HTTP request, by the status it has for that and its reason (G-16).

    Status 500 is the server's own word for an application that failed below everything that would have said so, 503 for
    a request for which it has no room at present (S-10).
    """
    if code == OVERLOADED.status:
        return OVERLOADED, report(OVERLOADED, (Fault("S-10", reason),))
    if code == 500:
        return BREACH, report(BREACH, (Fault("G-8", "the simulator failed; its log says why"),))
    kind = CATALOGUE[{413: errors.BodyTooLarge, 431: errors.HeaderTooLarge}.get(code, errors.MalformedRequest)]
    return kind, report(kind, (Fault("G-16", reason),))


def refusal_headers(refusal: Refusal) -> dict[str, str]:
    """The headers beside the status: what may be called instead, how to authenticate, which cookie to delete."""
    if isinstance(refusal, MethodNotAllowed):
        return {"Allow": ", ".join(refusal.allowed)}
    if CATALOGUE[type(refusal)].status != 401:
        return {}
    headers = {"WWW-Authenticate": 'Bearer realm="apio-simulator"'}
    if isinstance(refusal, InvalidCredentials) and refusal.deletion is not None:
        headers["Set-Cookie"] = refusal.deletion
    return headers


def refuse(refusal: Refusal, visit: Visit) -> Reply:
    """The answer to a request that no operation of the contract answers."""
    visit.refuse(refusal)
    kind = CATALOGUE[type(refusal)]
    return Reply(kind.status, orjson.dumps(report(kind, refusal.faults)), refusal_headers(refusal))


def injected_report(fault_id: str, status: int) -> dict[str, Any]:
    """The body of an injected answer that has none of its own (S-6)."""
    kind = Kind(status, status * 100, "Injected fault")
    return report(kind, (Fault("S-6", f"the injected fault {fault_id} answered in the place of the operation"),))


def failure(reason: str) -> Reply:
    """The answer where the simulator itself is at fault."""
    return Reply(BREACH.status, orjson.dumps(report(BREACH, (Fault("G-8", reason),))))


def _details(fault: Fault) -> dict[str, str]:
    details = {"reason": fault.reason, "rule": fault.rule}
    return details if fault.pointer is None else {**details, "pointer": fault.pointer}
