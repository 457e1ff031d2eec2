"""The schema compiler: it agrees with a full JSON Schema validator, and refuses unknown keywords."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marshmallow import ValidationError, fields

from simulator.app import Simulation
from simulator.contract.compiler import SchemaCompiler
from simulator.contract.schemas import CompiledSchema, snake_case
from simulator.document import Document, parse_document
from simulator.errors import BrokenDocument, InvalidAttribute

LEDGER = ("G-4", "G-5", "CC-4", "CC-5")
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 25),
    st.sampled_from([99999, 100000, 7200, 7201, 5.0, 5.5, 1e300, -0.0]),
    st.text(max_size=3),
    st.sampled_from(
        ["", " a", "a ", ".", "..", "a/b", "a\n", "x" * 23, "x" * 24, "é" * 50, "é" * 51, "😀" * 80, "x" * 81]
    ),
)


_STRATEGIES: dict[str, st.SearchStrategy[Any]] = {}


def documents(schema: Any, root: Any) -> st.SearchStrategy[Any]:
    """Return JSON documents that are often valid and often nearly valid."""
    if "$ref" in schema:
        reference = schema["$ref"]
        if reference not in _STRATEGIES:
            target = root
            for key in reference.removeprefix("#/").split("/"):
                target = target[key]
            _STRATEGIES[reference] = documents(target, root)
        return _STRATEGIES[reference]
    if "oneOf" in schema:
        return st.one_of(*(documents(each, root) for each in schema["oneOf"]), SCALARS)
    kinds = schema.get("type", "any")
    if "object" in kinds:
        properties = {name: documents(each, root) for name, each in schema["properties"].items()}
        required = {name: each for name, each in properties.items() if name in schema.get("required", [])}
        optional = {name: each for name, each in properties.items() if name not in required}
        right = st.fixed_dictionaries(required, optional=optional)
        extra = st.dictionaries(st.sampled_from(["extra", "_schema", "maxcalls"]), SCALARS, max_size=1)
        wrong = st.builds(
            lambda base, drop, more: {**{key: value for key, value in base.items() if key != drop}, **more},
            right,
            st.sampled_from([*properties, None]),
            extra,
        )
        return st.one_of(right, right, wrong, SCALARS)
    if "array" in kinds:
        items = st.lists(documents(schema["items"], root), max_size=3)
        return st.one_of(items, st.lists(st.just("same"), min_size=2, max_size=14), SCALARS, st.just({}))
    if "enum" in schema:
        return st.one_of(st.sampled_from(schema["enum"]), SCALARS)
    return st.one_of(SCALARS, st.lists(SCALARS, max_size=1))


def names_of_objects(document: Document) -> list[str]:
    schemas = document.find("/components/schemas")
    return [name for name, schema in schemas.items() if "properties" in schema]


@settings(max_examples=600, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_the_compiled_schemas_judge_every_document_as_a_json_schema_validator_does(
    simulation: Simulation, data: st.DataObject
) -> None:
    document = simulation.contract.document
    name = data.draw(st.sampled_from(names_of_objects(document)))
    field, validator = judges(simulation, name)
    value = data.draw(documents({"$ref": f"#/components/schemas/{name}"}, document.data))
    try:
        field.deserialize(value)
        accepted = True
    except ValidationError:
        accepted = False
    assert accepted == validator.is_valid(value), f"{name}: {value!r}"


_JUDGES: dict[str, tuple[fields.Field[Any], Any]] = {}


def judges(simulation: Simulation, name: str) -> tuple[fields.Field[Any], Any]:
    if name not in _JUDGES:
        document = simulation.contract.document
        compiler = SchemaCompiler(document, simulation.ledger)
        field = compiler.field(f"/components/schemas/{name}")
        compiler.finish()
        schema = {"$ref": f"#/components/schemas/{name}", "components": document.data["components"]}
        _JUDGES[name] = field, jsonschema_rs.Draft202012Validator(schema)
    return _JUDGES[name]


def compile_schema(text: str) -> CompiledSchema:
    compiler = SchemaCompiler(parse_document("test.yaml", text), LEDGER)
    schema = compiler.object_schema("")
    compiler.finish()
    return schema


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{type: object, additionalProperties: false, minProperties: 1}", "'minProperties' is not supported"),
        ("{type: object}", "additionalProperties: false"),
        ("{type: array, items: {type: string}}", "must be a schema of type object"),
        ("{type: object, additionalProperties: false, required: [a]}", "'a' is no property"),
        ("{type: [object, 'null'], additionalProperties: false}", "must be a schema of type object"),
        ("{$ref: '#/nowhere'}", "leads nowhere"),
        ("{$ref: 'other.yaml#/x'}", "leads nowhere"),
        ("{type: object, additionalProperties: false, properties: {a: {$ref: '#'}}}", "leads back to itself"),
        ("{type: object, additionalProperties: false, properties: {a: {type: decimal}}}", "must be one of string"),
        ("{type: object, additionalProperties: false, properties: {a: {type: [string, integer]}}}", "must be one of"),
        ("{type: object, additionalProperties: false, properties: {a: {type: string, format: date}}}", "'format'"),
        ("{type: object, additionalProperties: false, properties: {a: {type: string, pattern: a}}}", "anchored"),
        ("{type: object, additionalProperties: false, x-rule: XX-1}", "not in the ledger"),
        ("{type: object, additionalProperties: false, x-rule: [CC-4]}", "must be a rule id"),
        (
            "{type: object, additionalProperties: false, properties: {a: {type: array, items: {type: object, "
            "additionalProperties: false}, uniqueItems: true}}}",
            "strings and integers only",
        ),
    ],
)
def test_what_the_compiler_does_not_understand_is_refused_with_its_place(text: str, problem: str) -> None:
    with pytest.raises(BrokenDocument) as refused:
        compile_schema(text)
    assert problem in str(refused.value)
    assert str(refused.value).startswith("test.yaml:1: /")


def test_a_fault_names_the_rule_of_its_keyword_or_the_nearest_rule_above() -> None:
    schema = compile_schema(
        """
        type: object
        additionalProperties: false
        x-rule: {"null": CC-5, default: CC-4}
        required: [needed]
        properties:
          needed: {type: integer, minimum: 1}
          named: {type: string, maxLength: 1, x-rule: {maxLength: G-5}}
        """
    )
    with pytest.raises(InvalidAttribute) as refused:
        schema.read({"named": "long"})
    assert {(fault.rule, fault.pointer) for fault in refused.value.faults} == {("CC-4", "/needed"), ("G-5", "/named")}
    with pytest.raises(InvalidAttribute) as refused:
        schema.read({"needed": None})
    assert [(fault.rule, fault.pointer) for fault in refused.value.faults] == [("CC-5", "/needed")]


def test_absent_and_null_stay_different_and_a_dump_leaves_out_what_is_unset() -> None:
    schema = compile_schema(
        """
        type: object
        additionalProperties: false
        properties: {oneLimit: {type: [integer, "null"]}, otherLimit: {type: [integer, "null"]}}
        """
    )
    assert schema.read({"oneLimit": None}) == {"one_limit": None}
    assert schema.dump({"one_limit": None, "other_limit": 5.0}) == {"otherLimit": 5}


def test_wire_names_become_python_names() -> None:
    names = ["maxCalls", "cliCustomNameUnicode", "fromDnCriteria", "call_capacities", "userIds", "name"]
    expected = ["max_calls", "cli_custom_name_unicode", "from_dn_criteria", "call_capacities", "user_ids", "name"]
    assert [snake_case(name) for name in names] == expected
