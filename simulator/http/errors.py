"""The status, the code and the body of each kind of refusal over HTTP (G-8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulator import errors
from simulator.errors import MOST_FAULTS, Fault, Refusal


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of error: the status, the stable code, and what the code means."""

    status: int
    code: int
    message: str


KINDS: Mapping[type[Refusal], Kind] = {
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
    errors.UnknownSandbox: Kind(404, 40404, "Unknown sandbox"),
    errors.MethodNotAllowed: Kind(405, 40501, "Method not allowed"),
    errors.NotAcceptable: Kind(406, 40601, "Not acceptable"),
    errors.BodyTooLarge: Kind(413, 41301, "Body too large"),
    errors.UnsupportedContentType: Kind(415, 41501, "Unsupported content type"),
    errors.TooManySandboxes: Kind(429, 42901, "Too many sandboxes"),
    errors.HeaderTooLarge: Kind(431, 43101, "Header too large"),
    errors.InsufficientMemory: Kind(507, 50701, "Insufficient memory"),
}
OVERLOADED = Kind(503, 50301, "Too much on its way")
FAILED = Kind(500, 50001, "The simulator failed")

_MALFORMED = {
    413: KINDS[errors.BodyTooLarge],
    431: KINDS[errors.HeaderTooLarge],
    500: FAILED,
    503: OVERLOADED,
}


def kind_of_malformed(status: int) -> Kind:
    """Return the kind of an error that the server finds before there is a request, by the server's status.

    500 means that the application failed without an answer, 503 that there is no room for the request (S-10).
    """
    return _MALFORMED.get(status, KINDS[errors.MalformedRequest])


def report(kind: Kind, *faults: Fault) -> dict[str, Any]:
    """Return the body of an error answer. It lists at most `MOST_FAULTS` faults, and says if there are more."""
    if len(faults) > MOST_FAULTS:
        more = Fault(faults[MOST_FAULTS].rule, f"there are more than {MOST_FAULTS:,} faults; no others are listed")
        faults = (*faults[:MOST_FAULTS], more)
    return {"errors": [{"code": kind.code, "message": kind.message, "details": _details(fault)} for fault in faults]}


def _details(fault: Fault) -> dict[str, str]:
    details = {"reason": fault.reason, "rule": fault.rule}
    return details if fault.pointer is None else {**details, "pointer": fault.pointer}
