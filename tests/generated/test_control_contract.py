"""The control interface keeps its contract: for the examples, and for generated requests."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig

from simulator.app import standard_simulation
from simulator.settings import DEFAULTS, Settings
from simulator.state.sandboxes import NAME
from simulator.state.world import World

pytestmark = pytest.mark.rule("S-1")

SIMULATION = standard_simulation()
USER: dict[str, Any] = {
    "acme": {"type": "Enterprise", "groups": {"main": {"users": {"boss@example.com": {"firstName": "B"}}}}}
}
NAMELESS = {"version": 1, "defaultDomain": "example.com", "tenants": USER}

# For each error that the contract shows, the request that gets it.
PROVOKING: dict[str, tuple[str, str, dict[str, Any]]] = {
    "InvalidQuery": ("GET", "diff?colour=red", {}),
    "InvalidState": ("PUT", "state", {"json": NAMELESS}),
    "InvalidSnapshot": ("PUT", "snapshots/seed", {}),
    "InvalidSandbox": ("PUT", "sandboxes/x", {"json": {"fixture": NAMELESS}}),
    "DefaultSandboxStays": ("DELETE", "sandboxes/default", {}),
    "InvalidFault": ("POST", "faults", {"json": {"operationId": "*", "delayMs": 1, "retryAfter": 1}}),
    "ForeignHost": ("GET", "state", {"headers": {"Host": "evil.example"}}),
    "ForeignCaller": ("POST", "reset", {"headers": {"Origin": "http://evil.example"}}),
    "SnapshotNotFound": ("DELETE", "snapshots/before-the-test", {}),
    "SandboxNotFound": ("DELETE", "sandboxes/test-17", {}),
    "NotCreated": ("POST", "reset", {}),
    "WorldNotFound": ("GET", "world/nowhere/main", {}),
    "RequestNotFound": ("GET", "requests/3f9a1c-43", {}),
    "FaultNotFound": ("DELETE", "faults/1", {}),
    "NotAcceptable": ("POST", "logout", {"headers": {"Accept": "image/png"}}),
    "TooManySandboxes": ("PUT", "sandboxes/test-17", {}),
    "InsufficientMemory": ("POST", "faults", {"json": {"operationId": "*", "status": 500}}),
    "BodyTooLarge": ("PUT", "state", {"data": b" " * (DEFAULTS.max_state + 1)}),
    "UnsupportedContentType": ("POST", "faults", {"data": b"{}", "content_type": "text/plain"}),
    "TokenRequired": ("POST", "reset", {}),
    "SwitchedOff": ("POST", "reset", {}),
}
OTHER_SETTINGS = {
    "TokenRequired": Settings(control_token="t"),
    "SwitchedOff": Settings(control=False),
    "NotCreated": Settings(sandboxes="created"),
    "TooManySandboxes": Settings(sandbox_limit=0),
    "InsufficientMemory": Settings(memory_limit=65_536),
}


@pytest.mark.parametrize("name", SIMULATION.control_contract.document.find("/components/responses"))
def test_every_error_that_the_contract_shows_is_what_is_answered(world: World, name: str) -> None:
    method, path, options = PROVOKING[name]
    client = SIMULATION.app(world, OTHER_SETTINGS.get(name, DEFAULTS)).test_client()
    shown = SIMULATION.control_contract.document.find(
        f"/components/responses/{name}/content/application~1json/examples/documented/value"
    )
    sandbox = "/_sandboxes/test-17" if name == "NotCreated" else ""
    assert client.open(f"{sandbox}/_simulator/{path}", method=method, **options).json == shown


@pytest.mark.parametrize(("path", "method", "status"), [("faults", "post", 201), ("state", "patch", 200)])
def test_a_success_that_the_contract_shows_is_what_is_answered(
    world: World, path: str, method: str, status: int
) -> None:
    client = SIMULATION.app(world).test_client()
    here = f"/paths/~1_simulator~1{path}/{method}"
    example = "content/application~1json/examples/documented/value"
    asked = SIMULATION.control_contract.document.find(f"{here}/requestBody/{example}")
    shown = SIMULATION.control_contract.document.find(f"{here}/responses/{status}/{example}")
    response = client.open(f"/_simulator/{path}", method=method.upper(), json=asked)
    assert (response.status_code, response.json) == (status, shown)


def test_errors_have_the_shape_of_the_apis() -> None:
    for name in ("ErrorReport", "ErrorEntry", "ErrorCode", "ErrorDetails"):
        stated = [
            each.document.find(f"/components/schemas/{name}")
            for each in (SIMULATION.contract, SIMULATION.control_contract)
        ]
        assert stated[0] == stated[1]


def test_the_bounds_of_names_are_those_of_the_program() -> None:
    parameters = SIMULATION.control_contract.document.find("/components/parameters")
    assert {parameters[name]["schema"]["pattern"] for name in ("SnapshotName", "SandboxName")} == {f"^{NAME.pattern}$"}


# No schema can say which names exist and what fits together, so valid data may be refused.
GENERATION = """
[generation]
deterministic = true
database = "none"
max-examples = 15

[checks]
positive_data_acceptance.enabled = false

# A state has many attributes. `tests/test_fixture_schema.py` looks at each of them in less time.
[[operations]]
include-operation-id = ["replaceState", "patchState", "createSandbox"]
phases.coverage.enabled = false
phases.fuzzing.generation.max-examples = 5

# A stream waits as long as it is told.
[dictionaries]
seconds = { values = [0] }

[[operations]]
include-operation-id = "watchEvents"
phases.coverage.enabled = false
parameters = { "query.seconds" = { dictionary = "seconds", probability = 1.0 } }
"""
APP = SIMULATION.app(settings=Settings(sandbox_limit=5, max_state=100_000))
SCHEMA = schemathesis.openapi.from_wsgi("/_simulator/control.json", APP, config=SchemathesisConfig.from_str(GENERATION))


@SCHEMA.parametrize()
def test_made_up_requests_get_documented_answers(case: schemathesis.Case[Any]) -> None:
    case.call_and_validate()
