"""A laboratory for tests: a simulator that does not show that it is one, and that can misbehave at any request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from flask.testing import FlaskClient

from simulator.app import shipped, standard_simulation
from simulator.contract.profile import VERSION, digest
from simulator.document import read_document
from simulator.lab.client import LabClient
from simulator.lab.credentials import Credentials
from simulator.lab.exchange import LabAnswer, LabRequest
from simulator.lab.plan import Plan
from simulator.lab.run import Run

Behaviour = Callable[["Laboratory", LabRequest, Mapping[str, str]], LabAnswer]
"""Answers one request in the place of the laboratory."""


@dataclass(slots=True)
class Laboratory:
    """A simulator without its control interface, headers and rules. Its clients get it as `LabClient.address`.

    `misbehaviour` answers the request with the number `at`, which counts from 1, and `always` all of them. `change`
    changes the content of each answer. `calls` are the requests that arrived.
    """

    profile: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    host: str = "lab.example.com"
    at: int = 0
    misbehaviour: Behaviour | None = None
    always: Behaviour | None = None
    change: Callable[[Any], Any] = lambda content: content
    calls: list[LabRequest] = field(default_factory=list)
    client: FlaskClient = field(init=False)

    def __post_init__(self) -> None:
        simulation = standard_simulation()
        if self.profile:
            simulation = simulation.following(profile_document(self.profile))
        app = simulation.app(simulation.world(fixture()), request_log=None)
        self.client = app.test_client(use_cookies=False)

    def exchange(self, request: LabRequest, headers: Mapping[str, str], timeout: float) -> LabAnswer:
        self.calls.append(request)
        if self.misbehaviour is not None and len(self.calls) == self.at:
            return self.misbehaviour(self, request, headers)
        if self.always is not None:
            return self.always(self, request, headers)
        return self.answer(request, headers)

    def answer(self, request: LabRequest, headers: Mapping[str, str]) -> LabAnswer:
        """The answer as it should be."""
        response = self.client.open(request.target, method=request.method, data=request.body, headers=dict(headers))
        kept = {name.lower(): value for name, value in response.headers.items() if not name.startswith("X-Simulator")}
        return LabAnswer(status=response.status_code, headers=kept, body=self.hidden(response.get_data()))

    def hidden(self, body: bytes) -> bytes:
        """The body without the rules, and with whatever else this laboratory does to it."""
        if not body:
            return body
        content = orjson.loads(body)
        for error in content.get("errors", ()) if isinstance(content, dict) else ():
            error["details"].pop("rule", None)
        return orjson.dumps(self.change(content))

    @property
    def state(self) -> Any:
        """The state of the simulator behind it, all settings included."""
        return orjson.loads(self.client.get("/_simulator/state").get_data())

    @property
    def changes(self) -> list[Any]:
        """What has changed since the seed."""
        found: list[Any] = orjson.loads(self.client.get("/_simulator/diff").get_data())["changes"]
        return found


def profile_document(rules: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "version": VERSION,
        "system": {"name": "lab", "observed": "2026-11-27"},
        "ledger": digest(standard_simulation().ledger),
        "rules": {rule: {"verdict": "contradicted", **each} for rule, each in rules.items()},
    }


ELSEWHERE = "elsewhere@sip.netaxis.be"
FRESH = "another_user@netaxis.be"
READ = Plan(tenant="foo", groups=("foogroup", "bargroup"), users=(ELSEWHERE,), fresh_user=FRESH)
OWN = replace(READ, create=True)
SCRATCH = replace(OWN, scratch_group="foogroup", scratch_user="user_2@sip.netaxis.be")
PLANS = {"read": READ, "own": OWN, "scratch": SCRATCH}
ACCOUNTS = Credentials(token="system-admin", second_username="foouser", second_password="secret")


@cache
def fixture() -> Any:
    """The default fixture, with an executive in another group, and an assistant without a department."""
    content = read_document(shipped("fixtures/default.yaml")).data
    groups = content["tenants"]["foo"]["groups"]
    named = {"firstName": "Some", "lastName": "Body"}
    groups["bargroup"]["users"][ELSEWHERE] = {**named, "services": ["Executive"]}
    users = groups["foogroup"]["users"]
    users["plain@sip.netaxis.be"] = {**named, "services": ["Executive-Assistant"]}
    users["user_1@sip.netaxis.be"].setdefault("executive", {})["assistants"] = {
        "assistantUserIds": ["plain@sip.netaxis.be"]
    }
    users[FRESH].pop("executive", None)
    return content


def run_of(
    laboratory: Laboratory, folder: Path, plan: Plan = SCRATCH, credentials: Credentials = ACCOUNTS, **options: Any
) -> Run:
    """A run that has not begun."""
    options = {"pace": 0, "most_requests": 5_000, **options}
    client = LabClient("http://lab.example.com", standard_simulation().contract, credentials, **options)
    client.address = laboratory  # type: ignore[assignment]
    return Run(standard_simulation(), client, plan, folder / "run.ledger", lambda *_: None, "1a2b3c")


def run_against(
    laboratory: Laboratory, folder: Path, plan: Plan = SCRATCH, credentials: Credentials = ACCOUNTS, **options: Any
) -> Run:
    """A run that is over."""
    run = run_of(laboratory, folder, plan, credentials, **options)
    run.go()
    return run


def contradicted(run: Run) -> dict[str, Any]:
    """The contradicted rules, each with what a profile can say about it."""
    assert run.verdicts is not None, run.problems
    return {each.rule: dict(each.correction) for each in run.verdicts.of("contradicted")}


def confirmed(run: Run) -> list[str]:
    """The confirmed rules."""
    assert run.verdicts is not None, run.problems
    return [each.rule for each in run.verdicts.of("confirmed")]


def all_choices() -> Sequence[tuple[str, str]]:
    """Each rule with each of its choices."""
    return [(rule.id, choice) for rule in standard_simulation().ledger.values() for choice in rule.choices]
