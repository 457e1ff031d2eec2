"""What the operations of the control interface act on, and how their handlers look."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from simulator.contract.contract import Contract
from simulator.contract.ledger import Rule
from simulator.contract.operation import Call
from simulator.control.documents import SERVER, Documents
from simulator.document import LONGEST_KEY, deeper_than
from simulator.document.values import collections
from simulator.errors import MOST_FAULTS, Fault, MalformedBody, RuleViolation
from simulator.fixture.fixtures import Fixtures
from simulator.settings import Settings
from simulator.state.sandbox import ServerSandbox
from simulator.state.sandboxes import DEFAULT, NAME, NAME_IN_WORDS, Sandboxes


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """What a call of the control interface acts on: the parts of a server, and the sandbox that the call's path names.

    `address` is the address at which the client reaches that sandbox, or `None` if the client did not send it. If
    `may_create` is set, the call creates the sandbox if need be.
    """

    sandboxes: Sandboxes
    fixtures: Fixtures
    contract: Contract
    ledger: Mapping[str, Rule]
    documents: Documents
    settings: Settings
    sandbox_name: str = DEFAULT
    address: str | None = None
    may_create: bool = False

    @property
    def base_url(self) -> str:
        """The address that clients of the sandbox use. If the client did not send it, the server's usual address."""
        if self.address is not None:
            return self.address
        return SERVER if self.sandbox_name == DEFAULT else f"{SERVER}/_sandboxes/{self.sandbox_name}"

    @property
    def sandbox(self) -> ServerSandbox:
        """The sandbox that the call's path names (G-17).

        Raises `UnknownSandbox` if there is none and the call may not create it, `TooManySandboxes` if there is no room
        for a new one.
        """
        return self.sandboxes.sandbox(self.sandbox_name, may_create=self.may_create)

    def body(self, call: Call) -> dict[str, Any]:
        """Returns the call's body (see `Operation.read_body`).

        Also raises `MalformedBody` if the body is nested too deeply or has a key that is too long (S-3).
        """
        body = call.body
        limit = self.settings.max_depth
        if deeper_than(body, limit):
            raise MalformedBody(Fault("S-3", f"the body is nested more deeply than {limit} levels"))
        lengths = (len(key) for level in collections(body) for each in level if isinstance(each, dict) for key in each)
        too_long = list(islice((length for length in lengths if length > LONGEST_KEY), MOST_FAULTS + 1))
        if too_long:
            reason = f"a key has at most {LONGEST_KEY} characters, not"
            raise MalformedBody(*(Fault("S-3", f"{reason} {length}") for length in too_long))
        return body


ControlHandler = Callable[[Call, Control], object]
"""Carries out one operation of the control interface; returns a view, or `Content`."""


def new_name(call: Call, parameter: str, rule: str) -> str:
    """Returns the name in the path for something new. Raises `RuleViolation` if it is not a valid name."""
    name = call.path[parameter]
    if not NAME.fullmatch(name):
        raise RuleViolation(Fault(rule, f"{name[:100]!r} cannot be a name: a name is {NAME_IN_WORDS}"))
    return name


def time_text(seconds: float) -> str:
    """Returns a time, given in seconds since the epoch, as the interface writes it (RFC 3339, UTC, milliseconds)."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
