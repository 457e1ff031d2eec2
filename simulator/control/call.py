"""A call of the control interface, as its handlers see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from simulator.contract.contract import Contract
from simulator.contract.ledger import Rule
from simulator.contract.operation import Call
from simulator.control.body import MOST_PROBLEMS
from simulator.control.documents import Documents
from simulator.document import LONGEST_KEY, deeper_than
from simulator.document.values import collections
from simulator.errors import Fault, MalformedBody, RuleViolation, UnknownResource
from simulator.fixture.fixtures import Fixtures
from simulator.settings import Settings
from simulator.state.sandbox import ServerSandbox
from simulator.state.sandboxes import NAME, NAME_IN_WORDS, Sandboxes


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """What the control interface acts on: the sandboxes of a server, and all that handlers need to change them."""

    sandboxes: Sandboxes
    fixtures: Fixtures
    contract: Contract
    ledger: Mapping[str, Rule]
    documents: Documents
    settings: Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlCall:
    """A call, the sandbox that its path names, and the address at which the client reaches that sandbox.

    The address is `None` if the client did not send it.
    """

    control: Control
    call: Call
    sandbox_name: str
    address: str | None

    @property
    def sandbox(self) -> ServerSandbox:
        """The sandbox the call acts on. A call that changes something creates it if need be (G-17).

        Raises `UnknownResource` if a GET finds no sandbox, `TooManySandboxes` if there is no room for a new one.
        """
        sandboxes = self.control.sandboxes
        if self.call.operation.method != "GET":
            return sandboxes.sandbox(self.sandbox_name)
        sandbox = sandboxes.find(self.sandbox_name)
        if sandbox is None:
            raise self.no_such_sandbox(self.sandbox_name)
        return sandbox

    def no_such_sandbox(self, name: str) -> UnknownResource:
        """Returns the refusal of a call about a sandbox that does not exist (G-17)."""
        known = [each.name for each in self.control.sandboxes.all()]
        return UnknownResource(Fault("G-17", f"there is no such sandbox: {name[:100]!r}", asked=name, known=known))

    @property
    def query(self) -> dict[str, Any]:
        """The query parameters by their Python names (see `Operation.read_query`)."""
        return self.call.query

    @property
    def path(self) -> Mapping[str, str]:
        """The parameters of the path."""
        return self.call.path

    @property
    def body(self) -> dict[str, Any]:
        """The body (see `Operation.read_body`).

        Also raises `MalformedBody` if the body is nested too deeply or has a key that is too long (S-3).
        """
        body = self.call.body
        limit = self.control.settings.max_depth
        if deeper_than(body, limit):
            raise MalformedBody(Fault("S-3", f"the body is nested more deeply than {limit} levels"))
        lengths = (len(key) for level in collections(body) for each in level if isinstance(each, dict) for key in each)
        too_long = list(islice((length for length in lengths if length > LONGEST_KEY), MOST_PROBLEMS))
        if too_long:
            reason = f"a key has at most {LONGEST_KEY} characters, not"
            raise MalformedBody(*(Fault("S-3", f"{reason} {length}") for length in too_long))
        return body

    def name(self, parameter: str, rule: str) -> str:
        """Returns the name in the path for something new. Raises `RuleViolation` if it is not a valid name."""
        name = self.path[parameter]
        if not NAME.fullmatch(name):
            raise RuleViolation(Fault(rule, f"a name is {NAME_IN_WORDS}, not {name[:100]!r}"))
        return name


ControlHandler = Callable[[ControlCall], object]
"""Carries out one operation of the control interface; returns a view, or `Content`."""


def time_text(seconds: float) -> str:
    """Returns a time, given in seconds since the epoch, as the interface writes it (RFC 3339, UTC, milliseconds)."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
