"""The direct functions of compiled schemas: marshmallow's result or none, and always one for plain values."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, partial
from types import MappingProxyType, SimpleNamespace
from typing import Any, NamedTuple, cast
from urllib.parse import quote

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from marshmallow import ValidationError, fields
from werkzeug.test import TestResponse

from simulator.app import Simulation, shipped
from simulator.contract.compiler import SchemaCompiler
from simulator.contract.contract import Contract
from simulator.contract.direct import reader, writer
from simulator.contract.fields import Ignored, ObjectOf, OneOf, StrictList, StrictNested, StrictString
from simulator.contract.operation import Operation
from simulator.contract.schemas import AnyObject, CompiledSchema
from simulator.contract.view import View
from simulator.directory import Level
from simulator.document import Document, parse_document, pointer_step, read_document
from simulator.state.world import World
from tests.contract.test_schemas import compile_schema, names_of_objects

# One schema for each kind of keyword. Values of `Alternatives` and `Numbers` are not always plain.
KEYWORDS = parse_document(
    "keywords.yaml",
    """
    components:
      schemas:
        Scalars:
          type: object
          additionalProperties: false
          required: [shortText, maxCalls]
          properties:
            shortText: {type: string, minLength: 1, maxLength: 2}
            someLetters: {type: string, pattern: '^[a-z]*$'}
            oneOfTwo: {type: string, enum: [a, ""]}
            secretText: {type: string, writeOnly: true, minLength: 1}
            textOrNull: {type: [string, "null"], maxLength: 2}
            maxCalls: {type: integer, minimum: 0, maximum: 20}
            atLeast: {type: [integer, "null"], minimum: 5}
            oneOfThree: {type: integer, enum: [0, 1, 2]}
            isDefault: {type: boolean}
            anyThing: {}
        Arrays:
          type: object
          additionalProperties: false
          required: [someNumbers]
          properties:
            someNumbers: {type: array, minItems: 1, maxItems: 2, items: {type: integer}}
            uniqueTexts: {type: array, uniqueItems: true, items: {type: string, minLength: 1}}
            uniqueNumbers: {type: array, uniqueItems: true, items: {type: integer}}
            nestedArrays: {type: array, items: {type: array, maxItems: 2, items: {type: [integer, "null"]}}}
            manyScalars: {type: array, items: {$ref: '#/components/schemas/Scalars'}}
            arrayOrNull: {type: [array, "null"], items: {}}
        Objects:
          type: object
          additionalProperties: false
          required: [allScalars]
          properties:
            allScalars: {$ref: '#/components/schemas/Scalars'}
            objectOrNull: {type: [object, "null"], additionalProperties: false, properties: {aText: {type: string}}}
            emptyObject: {type: object, additionalProperties: false, properties: {}}
            limitsByName: {type: object, additionalProperties: {type: integer, minimum: 0}}
            namesOrNull: {type: [object, "null"], additionalProperties: {type: [string, "null"]}}
            arraysByName: {type: object, additionalProperties: {$ref: '#/components/schemas/Arrays'}}
        Ignored:
          type: object
          additionalProperties: false
          required: [maxCalls]
          properties:
            maxCalls: {type: integer}
            ignoredThing: {x-ignored: G-4}
            ignoredLimit: {type: integer, maximum: 5, x-ignored: G-4}
            ignoredScalars: {$ref: '#/components/schemas/Scalars', x-ignored: G-4}
            lastCalls: {type: integer}
            ignoredItems: {type: array, items: {type: integer, x-ignored: G-4}}
        Numbers:
          type: object
          additionalProperties: false
          properties:
            someNumber: {type: number}
            numberOrNull: {type: [number, "null"]}
        Alternatives:
          type: object
          additionalProperties: false
          properties:
            objectOrBlank: {oneOf: [{$ref: '#/components/schemas/Scalars'}, {type: string, maxLength: 0}]}
            textOrNumber: {oneOf: [{type: string}, {type: integer, minimum: 1}]}
            textOrArray: {oneOf: [{type: string}, {type: array, items: {type: integer}}]}
            textOrObjects: {oneOf: [{type: string}, {type: array, items: {$ref: '#/components/schemas/Numbers'}}]}
            mapOrFlag: {oneOf: [{type: object, additionalProperties: {type: number}}, {type: boolean}]}
            objectOrAny: {oneOf: [{$ref: '#/components/schemas/Numbers'}, {}]}
            objectOrMap: {oneOf: [{$ref: '#/components/schemas/Numbers'}, {type: object, additionalProperties: {}}]}
            twoTexts: {oneOf: [{type: string, maxLength: 1}, {type: string, minLength: 1}]}
            twoNumbers: {oneOf: [{type: integer}, {type: number}]}
            nullOrFlag: {oneOf: [{type: [boolean, "null"]}, {type: string}]}
            manyNumbers: {type: array, items: {$ref: '#/components/schemas/Numbers'}}
            manyAlternatives:
              type: array
              items: {oneOf: [{$ref: '#/components/schemas/Numbers'}, {type: string}, {type: number}]}
    """,
)
NOT_ALWAYS_PLAIN = ("Numbers", "Alternatives")

TEXTS = ["", "a", "ab", "abc", "A", " a", "a ", ".", "a/b", "a\n", "x" * 24, "é" * 50, "😀" * 80, "x" * 81]
VALUES: list[Any] = [
    *(None, True, False, [], {}, [[]], {"extra": None}, ["same", "same"], [1, 1.0]),
    *(-1, 0, 1, 2, 4, 5, 6, 20, 21, 200, 7200, 7201, 99_999, 100_000, 600_001, 1_000_001),
    *(-0.0, 0.5, 1.0, 5.0, 1e300),
    *TEXTS,
]


def right(schema: Any, root: Any) -> st.SearchStrategy[Any]:
    """Return documents that the schema allows. For `oneOf`, they are valid for any of the alternatives."""
    if "$ref" in schema:
        return right_by_reference(schema["$ref"], root)
    if "oneOf" in schema:
        return st.one_of(*(right(each, root) for each in schema["oneOf"]))
    kinds = schema.get("type", ())
    if "array" in kinds:
        key = repr if schema.get("uniqueItems") else None
        size = {"min_size": schema.get("minItems", 0), "max_size": schema.get("maxItems", 3)}
        return st.lists(right(schema["items"], root), unique_by=key, **size) | nothing(kinds)
    if "object" in kinds and "properties" not in schema:
        values = right(schema["additionalProperties"], root)
        return st.dictionaries(st.sampled_from(TEXTS), values, max_size=3) | nothing(kinds)
    if "object" in kinds:
        attributes = {name: right(each, root) for name, each in schema["properties"].items()}
        needed = {name: attributes.pop(name) for name in schema.get("required", [])}
        return st.fixed_dictionaries(needed, optional=attributes) | nothing(kinds)
    allows = jsonschema_rs.Draft202012Validator(schema).is_valid
    candidates = [each for each in VALUES if "number" in kinds or not isinstance(each, float)]
    return st.sampled_from(list(filter(allows, [*schema.get("enum", ()), *candidates])))


def nothing(kinds: Any) -> st.SearchStrategy[Any]:
    return st.none() if "null" in kinds else st.nothing()


@cache
def right_by_reference(reference: str, root: Any) -> st.SearchStrategy[Any]:
    return right(root.find(reference.removeprefix("#")), root)


def changed(data: st.DataObject, document: Any) -> Any:
    """Return the document with one value replaced, added or removed."""
    document = deepcopy(document)
    containers = list(containers_in(document))
    if not containers:
        return data.draw(st.sampled_from(VALUES))
    container = containers[data.draw(st.integers(0, len(containers) - 1))]
    keys = list(container) if isinstance(container, dict) else list(range(len(container)))
    change = data.draw(st.sampled_from(["replace", "replace", "remove", "add"] if keys else ["add"]))
    if change == "add":
        value = deepcopy(data.draw(st.sampled_from(VALUES)))
        container.update(extra=value) if isinstance(container, dict) else container.append(value)
        return document
    key = data.draw(st.sampled_from(keys))
    if change == "replace":
        container[key] = deepcopy(data.draw(st.sampled_from(VALUES)))
    else:
        del container[key]
    return document


def containers_in(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        yield value
        for each in value.values() if isinstance(value, dict) else value:
            yield from containers_in(each)


class Subject(NamedTuple):
    """A schema: as it is written, and compiled."""

    name: str
    document: Document
    schema: CompiledSchema

    @property
    def plain(self) -> bool:
        return self.document is not KEYWORDS or self.name not in NOT_ALWAYS_PLAIN

    def draw(self, data: st.DataObject) -> Any:
        """Return a document that the schema allows."""
        return data.draw(right_by_reference(f"#/components/schemas/{self.name}", self.document))

    def draw_nearly(self, data: st.DataObject) -> Any:
        """Return a document that is valid or nearly valid."""
        document = self.draw(data)
        for _ in range(data.draw(st.sampled_from([0, 1, 1, 2]))):
            document = changed(data, document)
        return document


_SUBJECTS: list[Subject] = []


def subjects(simulation: Simulation) -> list[Subject]:
    """Return all objects of both contracts, and about as many of the keywords above."""
    if not _SUBJECTS:
        for document in (simulation.contract.document, simulation.control_contract.document, *[KEYWORDS] * 5):
            compiler = SchemaCompiler(document, simulation.ledger)
            for name in names_of_objects(document):
                if "x-checked-by-handler" in document.find(f"/components/schemas/{name}"):
                    continue
                field = compiler.field(f"/components/schemas/{name}")
                _SUBJECTS.append(Subject(name, document, cast(CompiledSchema, cast(StrictNested, field).nested)))
            compiler.finish()
    return _SUBJECTS


def outcome(function: Callable[[Any], Any], value: Any) -> str | None:
    """Return the result as text, with its types and its order, or `None` if the value is refused."""
    try:
        return repr(function(value))
    except ValidationError:
        return None


def leaves(value: Any) -> Iterator[object]:
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from leaves(each)
    else:
        yield value


def holds_float(value: Any) -> bool:
    return any(isinstance(each, float) for each in leaves(value))


def dumped_and_loaded(schema: CompiledSchema, view: Any) -> Any:
    try:
        document = schema.dump(view)
    except (ValueError, TypeError, AttributeError) as error:
        raise ValidationError("cannot be dumped") from error
    schema.load(document)
    return document


@settings(max_examples=250, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_document_is_read_directly_as_marshmallow_reads_it_or_not_at_all(
    simulation: Simulation, data: st.DataObject
) -> None:
    subject = data.draw(st.sampled_from(subjects(simulation)))
    document = subject.draw_nearly(data)
    direct, by_marshmallow = outcome(reader(subject.schema), document), outcome(subject.schema.load, document)
    assert direct in (by_marshmallow, None), f"{subject.name}: {document!r}"
    if subject.plain and not holds_float(document):
        assert direct == by_marshmallow, f"{subject.name}: {document!r} is plain"


@settings(max_examples=250, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_view_is_written_directly_as_marshmallow_writes_and_checks_it_or_not_at_all(
    simulation: Simulation, data: st.DataObject
) -> None:
    subject = data.draw(st.sampled_from(subjects(simulation)))
    schema, document = subject.schema, subject.draw_nearly(data)
    view = view_of(data, schema, document, ordinary=False) if isinstance(document, dict) else document
    direct, by_marshmallow = outcome(writer(schema), view), outcome(partial(dumped_and_loaded, schema), view)
    assert direct in (by_marshmallow, None), f"{subject.name}: {document!r}"


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_an_ordinary_view_is_written_directly(simulation: Simulation, data: st.DataObject) -> None:
    subject = data.draw(st.sampled_from([each for each in subjects(simulation) if each.plain]))
    schema, document = subject.schema, subject.draw(data)
    assume(isinstance(document, dict) and not list(schema.ignored(document)))
    view = view_of(data, schema, document, ordinary=True)
    if not holds_float(schema.dump(view)):
        by_marshmallow = outcome(partial(dumped_and_loaded, schema), view)
        assert outcome(writer(schema), view) == by_marshmallow, f"{subject.name}: {document!r} is plain"


def view_of(data: st.DataObject, schema: CompiledSchema, document: dict[str, Any], ordinary: bool) -> Any:
    """Return a value to serialize: a dictionary, a record, or a `View` of a record with some changes."""
    shown = {
        name: shown_as(data, field, document[str(field.data_key)], ordinary)
        for name, field in schema.fields.items()
        if field.data_key in document
    }
    unset = [name for name in schema.fields if name not in shown]
    shown |= dict.fromkeys(data.draw(st.lists(st.sampled_from(unset), max_size=2)) if unset else [])
    kind = data.draw(st.sampled_from(["dictionary", "record", "view"]))
    if kind == "dictionary":
        return shown
    if kind == "record":
        return SimpleNamespace(**shown)
    more = {name: value for name, value in shown.items() if data.draw(st.booleans())}
    of_record = {name: "another value" if name in more else value for name, value in shown.items()}
    return View(SimpleNamespace(**of_record), **more)


def shown_as(data: st.DataObject, field: fields.Field[Any], value: Any, ordinary: bool) -> Any:
    """Return a value as a view might hold it. Unless `ordinary` is set, it sometimes has a strange form."""
    if isinstance(field, Ignored):
        return shown_as(data, field.inner, value, ordinary)
    if isinstance(field, StrictNested | OneOf) and isinstance(value, dict):
        nested = field if isinstance(field, StrictNested) else field.object
        return value if nested is None else view_of(data, cast(CompiledSchema, nested.schema), value, ordinary)
    if isinstance(field, StrictList) and isinstance(value, list):
        kinds: list[Callable[[list[Any]], Any]] = [list, tuple] if ordinary else [list, tuple, deque]
        return data.draw(st.sampled_from(kinds))([shown_as(data, field.inner, each, ordinary) for each in value])
    if isinstance(field, ObjectOf) and isinstance(value, dict):
        shown = {key: shown_as(data, field.inner, each, ordinary) for key, each in value.items()}
        return shown if ordinary else data.draw(st.sampled_from([shown, MappingProxyType(shown), {**shown, 5: 5}]))
    return value if ordinary else data.draw(st.sampled_from([value] * 20 + list(strange_forms(value))))


class Text(str):
    __slots__ = ()


ATTRIBUTES = [
    f"/components/schemas/{schema}/properties/{name}"
    for schema, stated in KEYWORDS.data["components"]["schemas"].items()
    for name in stated["properties"]
]
OBJECTS: list[Any] = [{"someNumber": 1.5}, [{"someNumber": 1.5}], {"shortText": "a", "maxCalls": 1}, {"aText": "a"}]
VIEWS: list[Any] = [
    *({"some_number": 1.5}, SimpleNamespace(some_number=1.5), View(SimpleNamespace(), some_number=1.5), View({})),
    *({"short_text": "a", "max_calls": 1}, OrderedDict(some_number=1.5), MappingProxyType({"a": 1}), {5: 5}),
    *([None], (None,), [{}], ({},), ("a", "b"), [5.5], deque([1]), {1}, (1, 2), [Text("a")], [Level.END_USER], [b"a"]),
    *(Text("a"), Text(""), b"a", "5", Level.GROUP_ADMIN, Level.END_USER, Decimal(1)),
]


@pytest.mark.parametrize("place", ATTRIBUTES)
def test_each_kind_of_value_alone_is_read_and_written_directly_as_by_marshmallow_or_not_at_all(
    simulation: Simulation, place: str
) -> None:
    field = SchemaCompiler(KEYWORDS, simulation.ledger).field(place)
    field.data_key = "theValue"
    schema = cast(CompiledSchema, CompiledSchema.from_dict({"the_value": field})())
    for value in [*VALUES, *OBJECTS]:
        read = outcome(reader(schema), {"theValue": value})
        assert read in (outcome(schema.load, {"theValue": value}), None), value
    for value in [*VALUES, *OBJECTS, *VIEWS]:
        written = outcome(writer(schema), {"the_value": value})
        assert written in (outcome(partial(dumped_and_loaded, schema), {"the_value": value}), None), value


def strange_forms(value: Any) -> Iterator[object]:
    yield from (None, True, 1, 1.0, "", "1", [], {}, Level.END_USER)
    if isinstance(value, str):
        yield from (Text(value), value.encode("utf-8", "replace"))
    if isinstance(value, int):
        yield from (float(value), str(value), bool(value))


def test_a_number_is_plain_as_an_integer_too_but_not_where_it_is_written() -> None:
    schema = compile_schema(
        """
        type: object
        additionalProperties: false
        properties: {someNumber: {type: number}, numberOrNull: {type: [number, "null"]}}
        """
    )
    assert repr(reader(schema)({"someNumber": 2, "numberOrNull": 2.5})) == "{'some_number': 2, 'number_or_null': 2.5}"
    assert writer(schema)({"some_number": 2.5}) == {"someNumber": 2.5}
    assert repr(schema.write({"some_number": 2})) == "{'someNumber': 2.0}"


def test_a_value_that_needs_marshmallow_is_found_valid_after_all() -> None:
    schema = compile_schema("{type: object, additionalProperties: false, properties: {maxCalls: {type: integer}}}")
    assert outcome(reader(schema), {"maxCalls": 5.0}) is None
    assert repr(schema.read({"maxCalls": 5.0})) == "{'max_calls': 5}"
    assert outcome(writer(schema), {"max_calls": Level.GROUP_ADMIN}) is None
    assert repr(schema.write({"max_calls": Level.GROUP_ADMIN})) == "{'maxCalls': 8}"


def test_a_field_of_another_class_has_its_own_word() -> None:
    class Shouted(StrictString):
        def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
            return str(value).upper()

    schema = cast(CompiledSchema, CompiledSchema.from_dict({"word": Shouted(data_key="word", allow_none=True)})())
    assert schema.read({"word": "hello"}) == {"word": "HELLO"}
    assert outcome(reader(schema), {"word": None}) is None


def test_what_is_remembered_of_a_record_is_what_it_shows_and_a_changing_one_is_written_anew() -> None:
    @dataclass(frozen=True)
    class Record:
        name: str

    named = CompiledSchema.from_dict({"name": StrictString(data_key="name")})
    items = StrictList(StrictNested(named()), data_key="items")
    write = writer(CompiledSchema.from_dict({"items": items})())
    first, changing = Record("first"), SimpleNamespace(name="before")
    shown = [first, Record("second"), View(first, name="another"), first, {"name": "no record"}, changing]
    names = ["first", "second", "another", "first", "no record", "before"]
    for _ in range(2):
        assert write({"items": shown}) == {"items": [{"name": name} for name in names]}
    changing.name = "after"
    assert write({"items": [changing]}) == {"items": [{"name": "after"}]}


def test_only_a_field_that_allows_null_takes_it_directly() -> None:
    for allowed in (True, False):
        field = fields.Raw(data_key="anyThing", allow_none=allowed)
        schema = cast(CompiledSchema, CompiledSchema.from_dict({"any_thing": field})())
        assert outcome(reader(schema), {"anyThing": None}) == ("{'any_thing': None}" if allowed else None)


def test_however_deep_a_value_is_of_which_nothing_is_stated_it_is_read_at_once() -> None:
    schema = compile_schema("{type: object, additionalProperties: false, properties: {anyThing: {}}}")
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert reader(schema)({"anyThing": deep})["any_thing"] is deep
    assert writer(schema)({"any_thing": deep})["anyThing"] is deep


def contracts(simulation: Simulation) -> list[Contract]:
    return [simulation.contract, simulation.control_contract]


def examples(contract: Contract, operation: Operation, part: str) -> Iterator[tuple[str, Any]]:
    """Yield the examples of an operation's body or answers, with their names."""
    document = contract.document
    place = f"/paths{pointer_step(operation.path)}/{operation.method.lower()}/{part}"
    reference = (document.find(place) or {}).get("$ref", place)
    for media, content in (document.find(reference.removeprefix("#") + "/content") or {}).items():
        for name, example in content.get("examples", {}).items() if media.endswith("json") else ():
            yield name, (document.find(example["$ref"].removeprefix("#")) if "$ref" in example else example)["value"]


def test_every_documented_body_is_read_directly(simulation: Simulation) -> None:
    for contract in contracts(simulation):
        for operation in contract.operations.values():
            bodies = list(examples(contract, operation, "requestBody"))
            assert bodies or operation.body is None
            for _, body in bodies:
                if not isinstance(operation.body, AnyObject):
                    assert operation.body is not None
                    assert reader(operation.body)(body) == operation.body.load(body)


def test_every_documented_answer_is_written_directly(simulation: Simulation) -> None:
    written = 0
    for contract in contracts(simulation):
        for operation in contract.operations.values():
            for status, schema in operation.answers.items():
                for _, answer in examples(contract, operation, f"responses/{status}"):
                    if schema is not None and not isinstance(schema, AnyObject):
                        assert writer(schema)(schema.load(answer)) == answer
                        written += 1
    assert written > 200


def test_the_default_fixture_is_read_directly(simulation: Simulation) -> None:
    schema, content = simulation.fixtures.schema, read_document(shipped("fixtures/default.yaml")).data
    assert reader(schema)(content) == schema.load(content)


@pytest.fixture
def no_marshmallow(monkeypatch: pytest.MonkeyPatch) -> None:
    def needed(schema: CompiledSchema, *_: Any, **__: Any) -> Any:
        raise AssertionError(f"marshmallow was needed for {list(schema.fields)}")

    monkeypatch.setattr(CompiledSchema, "load", needed)
    monkeypatch.setattr(CompiledSchema, "dump", needed)


@pytest.mark.usefixtures("no_marshmallow")
def test_documented_calls_need_no_marshmallow(simulation: Simulation, world: World) -> None:
    for operation in simulation.contract.operations.values():
        answer = answered(simulation, simulation.contract, operation, "documented", world)
        assert answer.status_code == operation.success, operation.operation_id


@pytest.mark.usefixtures("no_marshmallow")
def test_refusals_need_no_marshmallow(simulation: Simulation, world: World) -> None:
    for operation in simulation.contract.operations.values():
        if operation.secured:
            answer = answered(simulation, simulation.contract, operation, "notAssigned", world)
            assert answer.status_code == 404, operation.operation_id


@pytest.mark.usefixtures("no_marshmallow")
def test_calls_of_the_control_interface_need_no_marshmallow(simulation: Simulation, world: World) -> None:
    contract = simulation.control_contract
    for operation in contract.operations.values():
        # These write the state as a fixture, without the contract.
        if operation.operation_id not in ("getState", "patchState"):
            answer = answered(simulation, contract, operation, "documented", world)
            assert answer.status_code < 500, operation.operation_id


def answered(
    simulation: Simulation, contract: Contract, operation: Operation, example: str, world: World
) -> TestResponse:
    """Return the answer to the documented request of this name in a fresh sandbox."""
    path = operation.path.format(**dict(ids(contract, operation, example)))
    body = dict(examples(contract, operation, "requestBody")).get(example)
    return simulation.app(world).test_client().open(path, method=operation.method, json=body)


def ids(contract: Contract, operation: Operation, example: str) -> Iterator[tuple[str, str]]:
    document = contract.document
    place = f"/paths{pointer_step(operation.path)}/{operation.method.lower()}"
    for parameter in document.find(place).get("parameters", []):
        stated = document.find(parameter["$ref"].removeprefix("#")) if "$ref" in parameter else parameter
        if stated["in"] == "path":
            shown = stated["examples"]
            yield stated["name"], quote(shown.get(example, shown["documented"])["value"])
