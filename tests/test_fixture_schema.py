"""The JSON Schema of fixtures: what it is made from, where it is, and that it judges fixtures as `validate` does."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest

from simulator.app import Simulation, shipped
from simulator.contract.schemas import AnyObject
from simulator.control.operations import CONTRACT
from simulator.document import Document, parse_document, pointer_to, read_document
from simulator.errors import Fault, RuleViolation
from tests.conftest import run
from tools.contract_checks.fixture_schema import SCHEMA, written_contract, written_schema

ROOT = Path(__file__).parents[1]
DEFAULT = shipped("fixtures/default.yaml")
SCHEMA_TEXT = SCHEMA.read_text(encoding="utf-8")
SCHEMA_DATA = json.loads(SCHEMA_TEXT)
VALIDATOR = jsonschema_rs.Draft202012Validator(SCHEMA_DATA)
PAGE = (ROOT / "docs" / "fixtures.md").read_text(encoding="utf-8")

# The checks of one place alone that are made by hand: the schema states them too.
OF_ONE_PLACE = "cannot be named by a path|an account has a name|an account of level|is not assigned here"


def test_the_schema_and_the_contract_are_those_that_the_program_reads_by(simulation: Simulation) -> None:
    command = "run: python -m tools.contract_checks.fixture_schema"
    assert written_schema(simulation.contract.document) == SCHEMA_TEXT, command
    text = CONTRACT.read_text(encoding="utf-8")
    assert written_contract(text, simulation.contract.document) == text, command


def test_the_schema_is_a_json_schema_with_a_text_for_every_key() -> None:
    jsonschema_rs.meta.validate(SCHEMA_DATA)

    def properties(schema: Any) -> Iterator[tuple[str, Any]]:
        if isinstance(schema, dict):
            if schema.get("type") == "object":
                yield from schema.get("properties", {}).items()
            schema = list(schema.values())
        for each in schema if isinstance(schema, list) else ():
            yield from properties(each)

    def text(schema: dict[str, Any]) -> Any:
        return schema.get("description") or SCHEMA_DATA["$defs"][schema["$ref"].rpartition("/")[2]].get("description")

    found = list(properties(SCHEMA_DATA))
    assert len(found) > 80
    assert [name for name, schema in found if not text(schema)] == []


def test_it_is_served_and_printed_and_the_default_fixture_names_it(client: httpx.Client) -> None:
    answer = client.get("/_simulator/fixture.schema.json")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.text == run("schema").stdout == SCHEMA_TEXT
    (named,) = re.findall(r"\A# yaml-language-server: \$schema=(\S+)$", DEFAULT.read_text("utf-8"), re.MULTILINE)
    assert (DEFAULT.parent / named).resolve() == SCHEMA.resolve()


def test_generated_clients_get_the_types_of_a_state_and_handlers_read_it_as_it_is(simulation: Simulation) -> None:
    document, operations = simulation.control_contract.document, simulation.control_contract.operations
    served = {"$ref": "#/components/schemas/State", "components": document.data["components"]}
    validator = jsonschema_rs.Draft202012Validator(served)
    assert validator.is_valid(read_document(DEFAULT).data)
    for place in ("get/responses/200", "put/requestBody"):
        for media in ("json", "yaml"):
            content = f"/paths/~1_simulator~1state/{place}/content/application~1{media}"
            assert document.find(content + "/schema") == {"$ref": "#/components/schemas/State"}
            validator.validate(document.find(content + "/examples/documented/value"))
    # To check it by the schema as well would take twice as long.
    assert isinstance(operations["replaceState"].body, AnyObject)
    assert isinstance(operations["getState"].answers[200], AnyObject)


@pytest.mark.parametrize(
    "path", [DEFAULT, shipped("fixtures/minimal.yaml"), ROOT / "examples/python/acme.yaml"], ids=str
)
def test_a_fixture_that_we_ship_satisfies_it(path: Path) -> None:
    VALIDATOR.validate(read_document(path).data)


def test_the_fixture_that_the_page_shows_satisfies_it() -> None:
    (fixture,) = re.findall(r"```yaml\n(version.*?)```", PAGE, re.DOTALL)
    VALIDATOR.validate(parse_document("fixtures.md", fixture).data)


# What takes the place of each value, and of each key.
VALUES: list[Any] = [None, True, -1, 0, 2.0, 2.5, 100_000, "", "x", " x", "x" * 200, [], ["x", "x"], [{}], {}, {"x": 0}]
KEYS = ["", ".", "..", "...", "a/b", "a\x01", "a\n", "5", "é", "user_2@sip.netaxis.be"]
# What no such change leads to.
OTHERS = {
    "/accounts/sysadmin/token": "foo-admin",
    "/tenants/foo/groups/foogroup/users/foouser@sip.netaxis.be/executive/screening": {"enable": True, "enabled": False},
    "/tenants/foo/groups/foogroup/users/foouser@sip.netaxis.be/executive/filtering": {"criteria": [{"name": "none"}]},
}
MAPS = ("tenants", "groups", "users", "departments", "accounts")

Steps = tuple[Any, ...]


def places(value: Any, steps: Steps = ()) -> Iterator[tuple[Steps, Steps]]:
    """Yield all places of a fixture, each with its kind: the place without ids and indices."""
    if steps:
        free = [i for i, step in enumerate(steps) if isinstance(step, int) or (i and steps[i - 1] in MAPS)]
        yield tuple("*" if i in free else step for i, step in enumerate(steps)), steps
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*steps, key))


def changed(value: Any, steps: Steps, change: Callable[[Any, Any], None]) -> Any:
    """Return a copy of the value in which `change` was called with the mapping or list of a place and the key in it."""
    copy = value.copy()
    if len(steps) > 1:
        copy[steps[0]] = changed(value[steps[0]], steps[1:], change)
    else:
        change(copy, steps[0])
    return copy


def put(new: Any) -> Callable[[Any, Any], None]:
    return lambda parent, key: parent.__setitem__(key, new)


def rename(new: str) -> Callable[[Any, Any], None]:
    return lambda parent, key: parent.__setitem__(new, parent.pop(key))


def remove(parent: Any, key: Any) -> None:
    del parent[key]


def variants(fixture: Any) -> Iterator[tuple[str, Any]]:
    """Yield wrong, odd and right variants of a fixture. At one place of each kind, everything is tried."""
    for steps in dict(places(fixture)).values():
        value = Document("", fixture).find(pointer_to(steps))
        changes = [remove, *map(put, VALUES)]
        if isinstance(steps[-1], str):
            changes += map(rename, KEYS)
        if isinstance(value, dict):
            changes.append(put({**value, "unknown": 1}))
        if isinstance(value, list):
            changes.append(put([*value, *value[-1:]]))
        for change in changes:
            variant = changed(fixture, steps, change)
            yield f"{pointer_to(steps)}: {Document('', variant).find(pointer_to(steps))!r}", variant
    for pointer, new in OTHERS.items():
        yield pointer, changed(fixture, tuple(pointer.split("/")[1:]), put(new))


def faults(simulation: Simulation, content: Any) -> tuple[Fault, ...]:
    try:
        simulation.fixtures.world_of_content(content)
    except RuleViolation as refusal:
        return refusal.faults
    return ()


@pytest.mark.rule("G-18")
def test_it_judges_right_and_wrong_fixtures_as_validate_does_except_by_the_rules_that_the_page_lists(
    simulation: Simulation,
) -> None:
    fixture = read_document(DEFAULT).data
    accounts = {name: each for name, each in fixture["accounts"].items() if each.get("tenantId", "foo") == "foo"}
    fixture = {**fixture, "tenants": {"foo": fixture["tenants"]["foo"]}, "accounts": accounts}
    assert faults(simulation, fixture) == ()
    verdicts: Counter[str] = Counter()
    beyond = set()
    for name, content in variants(fixture):
        found, accepted = faults(simulation, content), VALIDATOR.is_valid(content)
        reasons = f"{name}: {[each.reason for each in found]}"
        assert found or accepted, reasons
        verdicts[f"{'refused' if found else 'valid'}, {'accepted' if accepted else 'not accepted'}"] += 1
        if found and accepted:
            _, of_the_schema = simulation.fixtures.schema.read_what_is_valid(content)
            assert not of_the_schema, reasons
            assert not [each for each in found if re.search(OF_ONE_PLACE, each.reason)], reasons
            beyond |= {each.rule for each in found}
    assert verdicts["valid, accepted"] > 150
    assert verdicts["refused, accepted"] > 40
    assert verdicts["refused, not accepted"] > 1_000
    table = PAGE.partition("| Rule | What only `validate` finds |\n|---|---|\n")[2].partition("\n\n")[0]
    assert sorted(beyond) == sorted(line.split("|")[1].strip() for line in table.splitlines())
