"""The twin of a laboratory: a simulator in this process, with the world that was seen there."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from simulator.app import Simulation
from simulator.contract.ledger import Rule
from simulator.contract.profile import VERSION, digest
from simulator.directory import Level
from simulator.lab.exchange import Caller, LabAnswer, LabRequest
from simulator.settings import Settings
from simulator.state.sandboxes import DEFAULT, Sandboxes

ASSUMED = "x-simulator-assumed"
RULE = "rule"
"""Where an answer has the rule of its refusal. It comes from the journal: a profile may leave it out of the body."""
_TOKENS: Mapping[Caller, str] = {"first": "first", "second": "second", "wrong": "wrong"}


class Twin:
    """Answers requests as the laboratory should. It never keeps a change longer than until `restore`.

    `content` is the content of a fixture. `accounts` says what the login showed of each account, as in an answer to the
    login. Any other account is a System Admin. `corrections` are what a profile says about contradicted rules. The twin
    follows them. Raises `RuleViolation` if the world cannot exist, and `BrokenDocument` if the simulator cannot follow
    a correction.
    """

    def __init__(
        self,
        simulation: Simulation,
        content: Mapping[str, Any],
        accounts: Mapping[Caller, Mapping[str, Any]],
        corrections: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    ) -> None:
        if corrections:
            rules = {rule: {"verdict": "contradicted", **each} for rule, each in corrections.items()}
            system = {"name": "laboratory", "observed": "2000-01-01"}
            ledger = digest(simulation.ledger)
            simulation = simulation.following({"version": VERSION, "system": system, "ledger": ledger, "rules": rules})
        self.simulation = simulation
        self.ledger: Mapping[str, Rule] = simulation.ledger
        known = {"first": {"user_level": Level.SYSTEM_ADMIN}, **accounts}
        named = {name: _account(name, profile) for name, profile in known.items()}
        world = simulation.fixtures.world_of_content({**content, "accounts": named})
        app = simulation.app(world, Settings(fidelity="strict", log_requests=False), None)
        sandboxes: Sandboxes = app.extensions["sandboxes"]
        self._sandbox = sandboxes.sandbox(DEFAULT)
        self._world = world
        self._client = app.test_client(use_cookies=False)

    def restore(self) -> None:
        """Take the world back to what was seen."""
        self._sandbox.replace(self._sandbox.version, self._world)

    def ask(self, request: LabRequest) -> LabAnswer:
        """Return the answer to a request."""
        token = _TOKENS.get(request.caller)
        authorization = {} if token is None else {"Authorization": f"Bearer {token}"}
        response = self._client.open(
            request.target,
            method=request.method,
            data=request.body,
            headers={"Accept": "application/json", **authorization, **request.headers},
        )
        headers = {name.lower(): value for name, value in response.headers.items()}
        rule = self._sandbox.journal.exchanges()[-1].content.rule
        if rule is not None:
            headers[RULE] = rule
        return LabAnswer(status=response.status_code, headers=headers, body=response.get_data())

    def named_rules(self, operation_id: str, answer: LabAnswer) -> set[str]:
        """Return the rules that an answer rests on: the rule of a refusal, else the assumed and known ones (S-9)."""
        assumed = set(filter(None, answer.headers.get(ASSUMED, "").replace(" ", "").split(",")))
        if RULE in answer.headers:
            return assumed | {answer.headers[RULE]}
        rules = self.simulation.contract.operations[operation_id].rules
        return assumed | {rule for rule in rules if "assumed" not in self.ledger[rule].basis}


def _account(name: str, profile: Mapping[str, Any]) -> dict[str, Any]:
    ids = {"tenantId": "tenant_id", "groupId": "group_id", "userId": "user_id"}
    return {
        "password": name,
        "token": name,
        "level": Level(profile["user_level"]).title,
        **{key: profile[value] for key, value in ids.items() if profile.get(value)},
    }
