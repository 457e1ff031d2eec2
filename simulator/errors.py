"""What can go wrong, in the words of the domain.

A refusal says which rule of the ledger it rests on; which HTTP status and which error code it becomes is the business
of `simulator.http.errors`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace

MOST_FAULTS = 1_000
"""How many faults an answer lists; once there is one more, no others are looked for (G-8)."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One reason to refuse a request: the rule, a sentence for a person, and the JSON Pointer of the place in the body.

    The pointer is `None` where the fault is not at a place of the body. Where a name was `asked` for that does not
    exist, `known` are the names that do. `assumed` says whether the refusal rests on our word alone, where that is
    otherwise than with the other refusals by the rule (S-9).
    """

    rule: str
    reason: str
    pointer: str | None = None
    asked: str | None = field(default=None, compare=False)
    known: Collection[str] = field(default=(), compare=False, repr=False)
    assumed: bool | None = field(default=None, compare=False)

    def below(self, pointer: str) -> Fault:
        """The same fault, seen from a document that holds the body at `pointer`."""
        return replace(self, pointer=pointer + (self.pointer or ""))


class Refusal(Exception):
    """The API says no, for one reason or several. Each subclass is one kind of refusal in the error catalogue (G-8)."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(fault.reason for fault in faults))
        self.faults = faults


class MalformedRequest(Refusal):
    """What came is no HTTP request (G-16)."""


class MalformedBody(Refusal):
    """The body is not an object in the operation's media type and in UTF-8 (G-2)."""


class InvalidAttribute(Refusal):
    """An attribute of the body, or a query parameter, breaks the contract's schema (G-4, G-5, the bounds)."""


class RuleViolation(Refusal):
    """The request is well formed, but a rule of the service forbids it in the present state of the world."""


class CredentialsRequired(Refusal):
    """No credentials where they are required (A-6)."""


class InvalidCredentials(Refusal):
    """Credentials were presented and are wrong (A-5); `deletion` is the cookie that makes a browser forget them."""

    def __init__(self, fault: Fault, deletion: str | None = None) -> None:
        super().__init__(fault)
        self.deletion = deletion


class LoginRefused(Refusal):
    """The user name or the password of a login is wrong (A-3)."""


class InsufficientRight(Refusal):
    """The account's level is below the operation's minimum right (A-2)."""


class OutOfScope(Refusal):
    """The resource lies outside the account's own tenant, group or user (A-1)."""


class ForeignCaller(Refusal):
    """The control interface is called by a page of another origin, or under a name that is not allowed (S-2)."""


class UnknownPath(Refusal):
    """No operation has this path (G-1), or it cannot be read (G-16, G-17), or it is switched off (S-2)."""


class UnknownResource(Refusal):
    """What the path names does not exist: a tenant, a user, a capacity (G-9), a sandbox, a snapshot and so on."""


class ServiceNotAssigned(Refusal):
    """The service is not assigned to the group or user of the path (CC-1, EX-1)."""


class MethodNotAllowed(Refusal):
    """The path does not document the method (G-10)."""

    def __init__(self, fault: Fault, allowed: Iterable[str]) -> None:
        super().__init__(fault)
        self.allowed = tuple(allowed)


class NotAcceptable(Refusal):
    """The client's `Accept` rules out what the operation answers (G-10)."""


class BodyTooLarge(Refusal):
    """The body is over the limit (G-10)."""


class HeaderTooLarge(Refusal):
    """The header of the request is over the server's limit (G-16)."""


class UnsupportedContentType(Refusal):
    """The body's content type is none that the operation takes (G-3)."""


class TooManySandboxes(Refusal):
    """A new sandbox would be one too many, and all that there are were used a short time ago (G-17)."""


class InsufficientMemory(Refusal):
    """What a control call wants to bring in does not fit beside what is there already (S-10)."""


class ContractBreach(Exception):
    """The simulator was about to answer something the contract does not allow: a bug of ours, never the client's."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend in a file: where (`file:line`) and what is expected there."""

    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


class BrokenDocument(Exception):
    """A contract, ledger or fixture that cannot be used, with everything there is to mend in it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))
