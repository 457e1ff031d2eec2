"""Write what is generated from the schemas of a fixture: `python -m tools.contract_checks.fixture_schema`.

It writes the JSON Schema of fixtures, and the schemas of a state in the contract of the control interface. Both come
from the schemas that read a fixture: those of `simulator/fixture/shape.py` and the request schemas of `openapi.yaml`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import yaml

from simulator.app import SERVICES, shipped
from simulator.control.operations import CONTRACT as CONTROL_CONTRACT
from simulator.directory import LEVELS
from simulator.document import Document, read_document
from simulator.fixture.shape import FIXTURE, fixture_shape

SCHEMA = shipped("fixtures/fixture.schema.json")
BEGIN = "    # Written by `python -m tools.contract_checks.fixture_schema`: the state\n\n"
END = "    # Written by hand: the rest\n"

ROOT = FIXTURE.removeprefix("/")
USABLE_ID = r"^(?!\.\.?$)[^\x00-\x1f\x7f-\x9f/]+$"
"""An id that a path can name (G-18)."""


def fixture_schema(contract: Document) -> dict[str, Any]:
    """Returns the JSON Schema of fixtures.

    Some checks of `simulator/fixture/reading.py` need no other part of the fixture, so JSON Schema can state them too.
    """
    schemas = _schemas(contract, "#/$defs/")
    fixture, tenant, group, account = (schemas[name]["properties"] for name in (ROOT, "Tenant", "Group", "Account"))
    for map_of_ids in (fixture["tenants"], tenant["groups"], group["users"]):
        map_of_ids["propertyNames"] = {"pattern": USABLE_ID}
    fixture["accounts"]["propertyNames"] = {"minLength": 1}
    for name, sections in (
        ("Group", [each.group_section for each in SERVICES]),
        ("User", [each.user_section for each in SERVICES]),
    ):
        # Not with `dependentSchemas`: many editors do not know it yet.
        schemas[name]["allOf"] = [
            {
                "if": {"required": [each.key]},
                "then": {"required": ["services"], "properties": {"services": {"contains": {"const": each.service}}}},
            }
            for each in sections
            if each is not None
        ]
    ids = [name for name in account if name.endswith("Id")]
    schemas["Account"]["allOf"] = [
        {
            "if": {"required": ["level"], "properties": {"level": {"const": title}}},
            "then": {
                "required": [name for name in ids if _scope(name) in level.scope],
                "properties": {name: False for name in ids if _scope(name) not in level.scope},
            },
        }
        for title, level in LEVELS.items()
    ]
    root = schemas.pop(ROOT)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A fixture of apio-simulator",
        **root,
        "$defs": schemas,
    }


def state_schemas(contract: Document) -> dict[str, Any]:
    """Returns the schemas of a state for the contract of the control interface, by name."""
    schemas = _schemas(contract, "#/components/schemas/")
    fixture = schemas.pop(ROOT)
    description = "A fixture document: the whole state of a sandbox."
    own = {"x-rule": "S-4", "x-checked-by-handler": True}
    return {
        "State": {"type": "object", "description": description, **own, **_without(fixture, "description")},
        **schemas,
    }


def written_schema(contract: Document) -> str:
    """Returns the content of the JSON Schema's file."""
    return json.dumps(fixture_schema(contract), indent=2, ensure_ascii=False) + "\n"


def written_contract(text: str, contract: Document) -> str:
    """Returns the text of the control interface's contract with the schemas of a state in it."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    assert after, f"{CONTROL_CONTRACT} lacks the lines between which the schemas are written"
    options: dict[str, Any] = {"sort_keys": False, "allow_unicode": True, "default_flow_style": False, "width": 116}
    schemas = yaml.dump(state_schemas(contract), Dumper=_Dumper, **options)
    return before + BEGIN + "".join(f"    {line}\n" for line in schemas.splitlines()) + "\n" + END + after


class _Dumper(yaml.SafeDumper):
    """Writes each list in one line, as the rest of the contract does."""

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        return super().represent_sequence(tag, sequence, flow_style=True)


def _schemas(contract: Document, place: str) -> dict[str, Any]:
    """Returns the schemas of a fixture's parts, and those of the contract that they need. `place` is where they are."""
    found = fixture_shape(SERVICES)
    waiting = list(found)
    while waiting:
        for name in _references(found[waiting.pop()]):
            if name not in found:
                found[name] = contract.find(f"/components/schemas/{name}")
                waiting.append(name)

    def plain(schema: dict[str, Any]) -> dict[str, Any]:
        kept = {key: value for key, value in schema.items() if not key.startswith("x-")}
        return kept | {"$ref": place + _name(kept["$ref"])} if "$ref" in kept else kept

    return {name: _mapped(schema, plain) for name, schema in found.items()}


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield _name(value["$ref"])
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _references(each)


def _mapped(value: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """Returns a copy of a schema in which `change` is applied to each object."""
    if isinstance(value, dict):
        return {key: _mapped(inner, change) for key, inner in change(value).items()}
    return [_mapped(each, change) for each in value] if isinstance(value, list) else value


def _name(reference: str) -> str:
    return reference.rpartition("/")[2]


def _scope(attribute: str) -> str:
    return attribute.replace("Id", "_id")


def _without(schema: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key not in keys}


if __name__ == "__main__":
    contract = read_document(shipped("openapi.yaml"))
    SCHEMA.write_text(written_schema(contract), encoding="utf-8")
    text = CONTROL_CONTRACT.read_text(encoding="utf-8")
    CONTROL_CONTRACT.write_text(written_contract(text, contract), encoding="utf-8")
