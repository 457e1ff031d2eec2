"""What can go wrong: one class for each kind of error.

A refusal names the rule of the ledger that it rests on. `simulator.http.errors` gives it a status and an error code.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from itertools import islice

MOST_FAULTS = 1_000
"""How many faults an answer lists. One more is looked for, and then the search ends (G-8)."""

MOST_NAMES = 1_000
"""How many names are searched for the nearest one. The limit keeps refusals fast in a large world."""
LONGEST_ASKED = 300
"""How many characters of a name are compared with others."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One reason to refuse a request: the rule, a sentence for a person, and the JSON Pointer of the place in the body.

    The pointer is `None` if the fault is not in the body. If an unknown name was `asked` for, `known` holds the names
    that exist. `assumed` says whether the refusal is only our decision. It is `None` if the ledger says this
    for all refusals by the rule (S-9).
    """

    rule: str
    reason: str
    pointer: str | None = None
    asked: str | None = field(default=None, compare=False)
    known: Collection[str] = field(default=(), compare=False, repr=False)
    assumed: bool | None = field(default=None, compare=False)

    def below(self, pointer: str) -> Fault:
        """Return the same fault for a document that holds the body at `pointer`."""
        return replace(self, pointer=pointer + (self.pointer or ""))

    @property
    def nearest(self) -> str | None:
        """The existing name that was probably meant, if the fault is about an unknown name."""
        asked = self.asked
        if asked is None and self.known and self.pointer:
            asked = self.pointer.rpartition("/")[2]
        return nearest_name(asked, self.known) if asked else None

    def narrowed(self) -> Fault:
        """Return the fault with only the nearest of the known names, so that later questions for it take no time."""
        nearest = self.nearest
        return replace(self, known=() if nearest is None else (nearest,))

    def with_hint(self) -> Fault:
        """Return the fault. If there is a similar name, its reason ends with the question whether that was meant."""
        nearest = self.nearest
        if nearest is None:
            return self
        # Without the names, so that nobody adds the hint again.
        return replace(self, reason=f"{self.reason}; did you mean {nearest!r}?", asked=None, known=())


def nearest_name(asked: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like the one asked for, or `None` if no name is like it."""
    by_folded = {name.casefold(): name for name in islice(known, MOST_NAMES)}
    # A user id is often given without its domain. The domain does not show how similar two ids are.
    by_folded.update({folded.partition("@")[0]: name for folded, name in list(by_folded.items())})
    nearest = get_close_matches(asked.casefold()[:LONGEST_ASKED], by_folded, n=1)
    return by_folded[nearest[0]] if nearest else None


class Refusal(Exception):
    """The API refuses a request, for one or more reasons. Each subclass is one kind of refusal (G-8)."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(fault.reason for fault in faults))
        self.faults = faults


class MalformedRequest(Refusal):
    """The received bytes are not an HTTP request (G-16)."""


class MalformedBody(Refusal):
    """The body is not UTF-8, not of the operation's media type, or not an object (G-2)."""


class InvalidAttribute(Refusal):
    """An attribute of the body, or a query parameter, breaks the contract's schema (G-4, G-5, the bounds)."""


class RuleViolation(Refusal):
    """The request is well formed, but in the present world a rule of the service forbids it."""


class CredentialsRequired(Refusal):
    """The request has no credentials, and they are required (A-6)."""


class InvalidCredentials(Refusal):
    """The request has wrong credentials (A-5). `deletion` is the cookie that makes a browser forget them."""

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
    """A page of another origin calls the control interface, or the host name is not allowed (S-2)."""


class UnknownPath(Refusal):
    """No operation has this path (G-1), or the path cannot be read (G-16, G-17), or it is switched off (S-2)."""


class UnknownResource(Refusal):
    """The path names something that does not exist: a user, a capacity (G-9) or a snapshot, for example."""


class UnknownSandbox(Refusal):
    """There is no sandbox of this name, and the call may not create it (G-17)."""


class ServiceNotAssigned(Refusal):
    """The service is not assigned to the group or user of the path (CC-1, EX-1)."""


class MethodNotAllowed(Refusal):
    """The path does not document the method (G-10)."""

    def __init__(self, fault: Fault, allowed: Iterable[str]) -> None:
        super().__init__(fault)
        self.allowed = tuple(allowed)


class NotAcceptable(Refusal):
    """The client's `Accept` header allows no media type of the operation's answer (G-10)."""


class BodyTooLarge(Refusal):
    """The body is over the limit (G-10)."""


class HeaderTooLarge(Refusal):
    """The header of the request is over the server's limit (G-16)."""


class UnsupportedContentType(Refusal):
    """The operation does not take bodies of this content type (G-3)."""


class TooManySandboxes(Refusal):
    """A new sandbox would exceed the limit, and all existing ones were used a short time ago (G-17)."""


class InsufficientMemory(Refusal):
    """There is not enough memory for what a call brings in (S-10)."""


class ContractBreach(Exception):
    """The simulator was about to give an answer that the contract does not allow. This is always our bug."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a file: its place, and what is expected there.

    Lines and columns count from 1. `pointer` is the JSON Pointer of the place, `rule` the rule of the ledger that is
    broken. What is `None` is not known, or does not apply.
    """

    file: str
    message: str
    line: int | None = None
    column: int | None = None
    pointer: str | None = None
    rule: str | None = None

    @property
    def place(self) -> str:
        """The place in words: `file:line: pointer`. If there is no pointer, the column takes its place."""
        position = [self.file, self.line, self.column if self.pointer is None else None]
        place = ":".join(str(each) for each in position if each is not None)
        return place if self.pointer is None else f"{place}: {self.pointer or '/'}"

    def __str__(self) -> str:
        rule = "" if self.rule is None else f" ({self.rule})"
        return f"{self.place}: {self.message}{rule}"


class BrokenDocument(Exception):
    """A contract, ledger or fixture that cannot be used, with all its mistakes."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))
