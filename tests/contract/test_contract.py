"""A contract that the simulator cannot keep is refused at the start, with file, line and place."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from simulator.app import Simulation, shipped
from simulator.contract.operation import Call, Operation
from simulator.errors import BrokenDocument, ContractBreach
from simulator.state.world import Fork, World
from tests.conftest import CAPACITIES

CONTRACT = shipped("openapi.yaml").read_text(encoding="utf-8")

BREAKS = {
    "another version": ("openapi: 3.1.0", "openapi: 3.0.3", "must be 3.1.x"),
    "an operation without handler": (
        "get:\n      operationId: getAlerting\n",
        "get:\n      operationId: getAlert\n",
        "getAlert has no handler",
    ),
    "a handler without operation": (
        "get:\n      operationId: getAlerting\n",
        "get:\n      operationId: getAlert\n",
        "a handler for getAlerting",
    ),
    "an operationId twice": (
        "get:\n      operationId: getAlerting\n",
        "get:\n      operationId: getScreening\n",
        "getScreening is in use",
    ),
    "an unknown rule of an operation": ("x-rules: [A-1, A-3]", "x-rules: [A-1, Z-3]", "'Z-3' is not in the ledger"),
    "an unknown rule of a schema": ("x-rule: EX-7", "x-rule: EX-77", "'EX-77', which is not in the ledger"),
    "an unknown right": ("x-minimum-right: End User", "x-minimum-right: User", "must be one of End User, Group Admin"),
    "an unknown keyword of a schema": ("maxLength: 161", "maximumLength: 161", "'maximumLength' is not supported here"),
    "an unknown key of an operation": ("summary: Open a session", "sumary: x\n      summary: y", "'sumary'"),
    "a wrong request example": (
        "value: {username: groupadmin, password: secret}",
        "value: {username: a}",
        "is required",
    ),
    "a wrong answer example": ("user_level: 8", "user_level: 7", "must be one of 0, 8, 12, 16"),
    "a wrong shared example": ("          - code: 40402", "          - code: 40499", "must be one of 40001, 40002, "),
    "a reference to no example": (
        "#/components/examples/UnknownTenant",
        "#/components/examples/Tenant",
        "leads nowhere",
    ),
    "a wrong parameter example": ("          value: foocriteria", "          value: 5", "must be a string"),
    "an undocumented status": (
        "        '406':\n          $ref: '#/components/responses/NotAcceptable'",
        "        '407':\n          $ref: '#/components/responses/NotAcceptable'",
        "login can answer 406, which is not documented",
    ),
    "two successes": (
        "        '201':",
        "        '200':\n          description: x\n        '201':",
        "exactly one 2xx status",
    ),
    "a default answer": ("        '201':", "        default:\n          description: x\n        '201':", "a status"),
    "a path without its slash": ("  /api/v1/login/:", "  /api/v1/login:", "a path starts and ends with /"),
    "a path's own parameters": ("  /api/v1/login/:\n", "  /api/v1/login/:\n    parameters: []\n", "'parameters'"),
    "a parameter missing": (
        "        - $ref: '#/components/parameters/TenantId'\n",
        "",
        "must have the path's parameters, in the path's order",
    ),
    "a reference to nothing": ("#/components/parameters/GroupId", "#/components/parameters/Group", "leads nowhere"),
    "a link to nothing": (
        "operationId: getCallCapacity\n              description",
        "operationId: x\n              description",
        "names no operation",
    ),
    "another media type": ("          application/json:\n", "          text/json:\n", "must be application/json"),
    "a line that is no YAML": ("paths:", "paths: [", "is not well-formed YAML"),
    "a key twice": ("tags:\n", "openapi: 3.1.0\ntags:\n", "stands here twice"),
}

# These would hide others. The rest is broken in one contract, because reading it takes half a second.
ALONE = ("another version", "an operationId twice", "a path's own parameters", "a line that is no YAML", "a key twice")
TOGETHER = tuple(name for name in BREAKS if name not in ALONE)


@cache
def said_of(names: tuple[str, ...], broken: Path) -> list[str]:
    """Return what is said of a contract that is broken in these ways."""
    text = CONTRACT
    for before, after, _ in map(BREAKS.__getitem__, names):
        assert before in CONTRACT
        text = text.replace(before, after, 1)
    broken.write_text(text, encoding="utf-8")
    with pytest.raises(BrokenDocument) as refused:
        Simulation(broken)
    return str(refused.value).splitlines()


@pytest.mark.parametrize("name", BREAKS)
def test_the_start_is_refused_for(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    broken = tmp_path_factory.getbasetemp() / "openapi.yaml"
    said = said_of(TOGETHER if name in TOGETHER else (name,), broken)
    lines = [line for line in said if BREAKS[name][2] in line]
    assert lines, said
    assert lines[0].startswith(f"{broken}:")
    assert lines[0].removeprefix(f"{broken}:").partition(":")[0].isdigit()


def test_a_contract_whose_served_form_could_not_be_made_is_refused(tmp_path: Path, world: World) -> None:
    broken = tmp_path / "openapi.yaml"
    for before, after in (("http://127.0.0.1:4080", "http://localhost"), ("security: [{}, {", "security: [{ }, {")):
        broken.write_text(CONTRACT.replace(before, after, 1), encoding="utf-8")
        with pytest.raises(BrokenDocument, match="for the served contract to replace"):
            Simulation(broken).app(world)


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    broken = tmp_path / "openapi.yaml"
    text = CONTRACT.replace("maxLength: 161", "longest: 161").replace("x-rule: EX-7", "x-rule: EX-77")
    broken.write_text(text, encoding="utf-8")
    with pytest.raises(BrokenDocument) as refused:
        Simulation(broken)
    assert "'longest'" in str(refused.value)
    assert "EX-77" in str(refused.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BrokenDocument, match=r"none\.yaml: cannot be read: No such file"):
        Simulation(tmp_path / "none.yaml")


@pytest.fixture
def get_capacity(simulation: Simulation) -> Operation:
    return simulation.contract.operations["getCallCapacity"]


def test_an_answer_that_breaks_the_contract_is_never_rendered(get_capacity: Operation) -> None:
    right = {"name": "n", "is_default": True, "max_calls": 1, "users": []}
    assert get_capacity.render(right) == b'{"name":"n","isDefault":true,"maxCalls":1,"users":[]}'
    for wrong in ({**right, "max_calls": 100000}, {**right, "name": "a/b"}, {**right, "users": None}, None):
        with pytest.raises(ContractBreach, match="getCallCapacity was to answer 200"):
            get_capacity.render(wrong)
    with pytest.raises(ContractBreach, match="does not document the status 418"):
        get_capacity.render_as(418, right)


@pytest.mark.rule("G-7", "G-8")
def test_a_bug_of_ours_is_500_in_the_shape_of_every_error_and_commits_nothing(
    simulation: Simulation, world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    update, delete = (simulation.handlers[name] for name in ("updateCallCapacity", "deleteCallCapacity"))

    def broken(call: Call, fork: Fork) -> object:
        update(call, fork)
        return {"name": 5}

    def failing(call: Call, fork: Fork) -> object:
        delete(call, fork)
        raise ZeroDivisionError

    monkeypatch.setitem(simulation.handlers, "updateCallCapacity", broken)
    monkeypatch.setitem(simulation.handlers, "deleteCallCapacity", failing)
    client = simulation.app(world).test_client()
    path = f"/api/v1/{CAPACITIES}Reception/"
    before = client.get(path).data
    for answer in (client.put(path, json={"maxCalls": 1}), client.delete(path)):
        assert answer.status_code == 500
        error = answer.get_json()["errors"][0]
        assert error["code"] == 50001
        assert "nothing" in error["details"]["reason"]
    assert client.get(path).data == before
    assert "was to answer 200 with" in caplog.text
    assert "ZeroDivisionError" in caplog.text
