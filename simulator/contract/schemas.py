"""Compiles the contract's schemas into marshmallow schemas, once at the start.

The compiler supports the keywords of JSON Schema that the contract uses, and refuses all others. Compiled attributes
have Python names: `maxCalls` on the wire is `max_calls` in the result of a load and in the records for a dump. In a
load, an absent attribute stays absent, and `null` becomes `None`. A dump leaves out `None`, because answers have no
`null`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import Any, cast

import marshmallow
from marshmallow import ValidationError, fields, missing

from simulator.contract.direct import Converter, reader, writer
from simulator.contract.fields import (
    MOST_ERRORS,
    Ignored,
    ObjectOf,
    OneOf,
    Rules,
    Secret,
    StrictBoolean,
    StrictInteger,
    StrictList,
    StrictNested,
    StrictNumber,
    StrictString,
    Validator,
    between,
    matching,
    one_of,
    rule_for,
    sized,
    type_messages,
    unique,
)
from simulator.document import Document, pointer_step
from simulator.errors import BrokenDocument, Fault, InvalidAttribute, Problem

ANNOTATIONS = {
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "writeOnly",
    "x-rule",
    "x-ignored",
    "x-expected",
}


class CompiledSchema(marshmallow.Schema):
    """A schema that accepts only documented attributes, and leaves unset ones out of a dump.

    Plainly valid values are read and written directly (see `direct.py`). Marshmallow handles all others.
    """

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
        """Return the attribute's value. `None` means unset."""
        value = obj.get(attr, default) if isinstance(obj, dict) else getattr(obj, attr, default)
        return missing if value is None else value

    def load(self, data: Any, **options: Any) -> Any:
        """Load a document with marshmallow. If very many attributes are undocumented, it sees only the first ones."""
        if isinstance(data, dict) and len(data) > len(self.fields) + MOST_ERRORS:
            known = [str(field.data_key) for field in self.fields.values()]
            unknown = islice((key for key in data if key not in known), MOST_ERRORS)
            data = {key: data[key] for key in (*unknown, *known) if key in data}
        try:
            return super().load(data, **options)
        except ValidationError as error:
            # Marshmallow's frame holds the error, which holds the frame: only the garbage collector would find them.
            raise error.with_traceback(None) from None

    def read(self, data: Any) -> dict[str, Any]:
        """Return the attributes of a JSON document. Raises `InvalidAttribute` with every fault and its place."""
        valid, faults = self.read_what_is_valid(data)
        if faults:
            raise InvalidAttribute(*faults)
        return valid

    def read_what_is_valid(self, data: Any) -> tuple[dict[str, Any], list[Fault]]:
        """Return the valid attributes of a JSON document, and the faults of the others."""
        try:
            return self._reader(data), []
        except ValidationError:
            pass
        try:
            return cast("dict[str, Any]", self.load(data)), []
        except ValidationError as error:
            return cast("dict[str, Any]", error.valid_data or {}), list(_faults(error.messages, ""))

    def write(self, view: Any) -> dict[str, Any]:
        """Return the JSON object for a view. Raises `InvalidAttribute` if the schema does not allow the object."""
        try:
            return cast("dict[str, Any]", self._writer(view))
        except ValidationError:
            pass
        document = cast("dict[str, Any]", self.dump(view))
        self.read(document)
        return document

    def ignored(self, data: Any) -> Iterable[tuple[str, str]]:
        """Return the ignored attributes of a document that was read, each with the rule that ignores it.

        An attribute is given as a JSON Pointer, with `*` for any item of an array.
        """
        return self._find_ignored(data) if self._may_hold_ignored else ()

    def _find_ignored(self, data: Any) -> Iterator[tuple[str, str]]:
        for name in self._may_hold_ignored:
            field = self.fields[name]
            if field.data_key in data:
                yield from _ignored(field, data[field.data_key], pointer_step(str(field.data_key)))

    @cached_property
    def _reader(self) -> Converter:
        return reader(self)

    @cached_property
    def _writer(self) -> Converter:
        return writer(self)

    @cached_property
    def _may_hold_ignored(self) -> list[str]:
        return [name for name, field in self.fields.items() if _holds_ignored(field)]


class AnyObject(CompiledSchema):
    """The schema of any object. The object is read and written as it is."""

    def read_what_is_valid(self, data: Any) -> tuple[dict[str, Any], list[Fault]]:
        """Return the document itself."""
        return data, []

    def write(self, view: Any) -> dict[str, Any]:
        """Return the object itself."""
        return cast("dict[str, Any]", view)


@dataclass(frozen=True, kw_only=True)
class _Node:
    """A schema and its place: document, pointer, inherited rules, and the references that led there."""

    document: str
    pointer: str
    schema: dict[str, Any]
    rules: Rules
    seen: tuple[str, ...]


class SchemaCompiler:
    """Compiles the schemas of one document. `problems` collects their mistakes.

    `others` are documents that a `$ref` may name (`openapi.yaml#/components/…`).
    """

    def __init__(
        self, document: Document, ledger: Collection[str], others: Mapping[str, Document] | None = None
    ) -> None:
        self.documents = {"": document, **(others or {})}
        self.ledger = ledger
        self.problems: list[Problem] = list(document.problems)
        self._objects: dict[tuple[object, ...], CompiledSchema] = {}
        self._builders: Mapping[str, Callable[[_Node, dict[str, Any]], fields.Field[Any] | None]] = {
            "string": self._string,
            "integer": self._integer,
            "number": self._number,
            "boolean": self._boolean,
            "array": self._array,
            "object": self._object,
        }

    def object_schema(self, pointer: str) -> CompiledSchema:
        """Return the schema of an object, by its place in the document. Problems are collected, not raised."""
        field = self._compile("", pointer, {}, ())
        if isinstance(field, StrictNested) and not field.allow_none:
            # Not `field.schema`: that is a copy, and its reader and writer would be compiled again.
            return cast(CompiledSchema, field.nested)
        if isinstance(field, ObjectOf) and type(field.inner) is fields.Raw and not field.allow_none:
            return AnyObject()
        if field is not None:
            self._refuse("", pointer, "must be a schema of type object")
        return CompiledSchema()

    def field(self, pointer: str) -> fields.Field[Any]:
        """Return the field of any schema, by its place in the document. Problems are collected, not raised."""
        return self._compile("", pointer, {}, ()) or fields.Raw()

    def finish(self) -> None:
        """Raise `BrokenDocument` if there are problems."""
        if self.problems:
            raise BrokenDocument(self.problems)

    def _refuse(self, document: str, pointer: str, message: str) -> None:
        problem = self.documents[document].problem(pointer, message)
        if problem not in self.problems:
            self.problems.append(problem)

    def _compile(
        self, document: str, pointer: str, rules: Rules, seen: tuple[str, ...], **options: Any
    ) -> fields.Field[Any] | None:
        schema = self.documents[document].find(pointer)
        if not isinstance(schema, dict):
            self._refuse(document, pointer, "must be a schema (a mapping)")
            return None
        rules = self._rules(document, pointer, schema, rules)
        node = _Node(document=document, pointer=pointer, schema=schema, rules=rules, seen=seen)
        field = self._reference(node, options) if "$ref" in schema else self._build(node, options)
        if field is None or "x-ignored" not in schema:
            return field
        rule = schema["x-ignored"]
        if rule not in self.ledger:
            self._refuse(document, pointer + "/x-ignored", f"names {rule!r}, which is not in the ledger")
        field.required = False
        return Ignored(field, rule, data_key=options.get("data_key"))

    def _below(self, node: _Node, path: str, **options: Any) -> fields.Field[Any] | None:
        return self._compile(node.document, node.pointer + path, node.rules, node.seen, **options)

    def _reference(self, node: _Node, options: dict[str, Any]) -> fields.Field[Any] | None:
        self._check_keywords(node, {"$ref"})
        other, _, target = str(node.schema["$ref"]).partition("#")
        document = other or node.document
        if document not in self.documents or self.documents[document].find(target) is None:
            self._refuse(node.document, node.pointer, f"$ref {node.schema['$ref']!r} leads nowhere")
            return None
        if f"{document}#{target}" in node.seen:
            self._refuse(node.document, node.pointer, f"$ref {node.schema['$ref']!r} leads back to itself")
            return None
        return self._compile(document, target, node.rules, (*node.seen, f"{document}#{target}"), **options)

    def _rules(self, document: str, pointer: str, schema: dict[str, Any], inherited: Rules) -> Rules:
        stated = schema.get("x-rule", {})
        stated = {"default": stated} if isinstance(stated, str) else stated
        if not isinstance(stated, dict):
            self._refuse(document, pointer + "/x-rule", "must be a rule id, or a mapping of keyword to rule id")
            return inherited
        for rule in stated.values():
            if rule not in self.ledger:
                self._refuse(document, pointer + "/x-rule", f"names {rule!r}, which is not in the ledger")
        return {**inherited, **stated}

    def _check_keywords(self, node: _Node, known: Iterable[str]) -> None:
        for keyword in node.schema.keys() - set(known) - ANNOTATIONS:
            self._refuse(node.document, node.pointer + pointer_step(keyword), f"{keyword!r} is not supported here")

    def _build(self, node: _Node, options: dict[str, Any]) -> fields.Field[Any] | None:
        if "oneOf" in node.schema:
            self._check_keywords(node, {"oneOf"})
            alternatives = [self._below(node, f"/oneOf/{i}") for i in range(len(node.schema["oneOf"]))]
            messages = type_messages(node.rules, "exactly one of the documented alternatives")
            return OneOf([field for field in alternatives if field], error_messages=messages, **options)
        if "type" not in node.schema:
            self._check_keywords(node, set())
            return fields.Raw(allow_none=True, **options)
        stated = node.schema["type"]
        kinds = stated if isinstance(stated, list) else [stated]
        named = [kind for kind in kinds if kind != "null"]
        if len(named) != 1 or named[0] not in self._builders:
            message = f"must be one of {', '.join(self._builders)}, alone or with null"
            self._refuse(node.document, node.pointer + "/type", message)
            return None
        return self._builders[named[0]](node, {**options, "allow_none": "null" in kinds})

    def _string(self, node: _Node, options: dict[str, Any]) -> fields.Field[Any]:
        self._check_keywords(node, {"type", "enum", "minLength", "maxLength", "pattern"})
        schema, rules = node.schema, node.rules
        checks: list[Validator] = []
        if "enum" in schema:
            checks.append(one_of(schema["enum"], rules))
        if "minLength" in schema or "maxLength" in schema:
            checks.append(sized(schema.get("minLength", 0), schema.get("maxLength"), "characters", rules))
        if "pattern" in schema:
            pattern = str(schema["pattern"])
            if not (pattern.startswith("^") and pattern.endswith("$")):
                self._refuse(node.document, node.pointer + "/pattern", "must be anchored with ^ and $")
            checks.append(matching(re.compile(pattern), schema.get("x-expected", f"text like {pattern}"), rules))
        text = Secret if schema.get("writeOnly") else StrictString
        return text(validate=checks, error_messages=type_messages(rules, "a string"), **options)

    def _integer(self, node: _Node, options: dict[str, Any]) -> fields.Field[Any]:
        self._check_keywords(node, {"type", "enum", "minimum", "maximum"})
        low, high = node.schema.get("minimum"), node.schema.get("maximum")
        checks: list[Validator] = []
        if "enum" in node.schema:
            checks.append(one_of(node.schema["enum"], node.rules))
        if low is not None or high is not None:
            checks.append(between(low, high, node.rules))
        expected = "an integer" if low is None or high is None else f"an integer from {low} to {high}"
        return StrictInteger(validate=checks, error_messages=type_messages(node.rules, expected), **options)

    def _number(self, node: _Node, options: dict[str, Any]) -> fields.Field[Any]:
        self._check_keywords(node, {"type"})
        return StrictNumber(error_messages=type_messages(node.rules, "a number"), **options)

    def _boolean(self, node: _Node, options: dict[str, Any]) -> fields.Field[Any]:
        self._check_keywords(node, {"type"})
        return StrictBoolean(error_messages=type_messages(node.rules, "true or false"), **options)

    def _array(self, node: _Node, options: dict[str, Any]) -> fields.Field[Any] | None:
        self._check_keywords(node, {"type", "items", "minItems", "maxItems", "uniqueItems"})
        items = self._below(node, "/items")
        if items is None:
            return None
        checks: list[Validator] = []
        if "minItems" in node.schema or "maxItems" in node.schema:
            checks.append(sized(node.schema.get("minItems", 0), node.schema.get("maxItems"), "items", node.rules))
        if node.schema.get("uniqueItems"):
            if not isinstance(items, StrictString | StrictInteger):
                place = node.pointer + "/uniqueItems"
                self._refuse(node.document, place, "is supported for strings and integers only")
            checks.append(unique(node.rules))
        return StrictList(items, validate=checks, error_messages=type_messages(node.rules, "an array"), **options)

    def _object(self, node: _Node, options: dict[str, Any]) -> fields.Field[Any] | None:
        self._check_keywords(node, {"type", "properties", "required", "additionalProperties"})
        messages = type_messages(node.rules, "an object")
        free = node.schema.get("additionalProperties")
        if isinstance(free, dict) and not node.schema.get("properties"):
            inner = self._below(node, "/additionalProperties")
            return None if inner is None else ObjectOf(inner, error_messages=messages, **options)
        if free is not False:
            self._refuse(node.document, node.pointer, "an object needs additionalProperties: false")
        key = (node.document, node.pointer, *sorted(node.rules.items()))
        if key not in self._objects:
            complete = {"properties": {}, "required": [], **node.schema}
            self._objects[key] = self._attributes(replace(node, schema=complete))
        return StrictNested(self._objects[key], error_messages=messages, **options)

    def _attributes(self, node: _Node) -> CompiledSchema:
        properties, required = node.schema["properties"], node.schema["required"]
        for attribute in required:
            if attribute not in properties:
                self._refuse(node.document, node.pointer + "/required", f"{attribute!r} is no property")
        attributes: dict[str, fields.Field[Any]] = {}
        for attribute in properties:
            place = "/properties" + pointer_step(attribute)
            field = self._below(node, place, data_key=attribute, required=attribute in required)
            if field is not None:
                absent = Fault(rule_for(node.rules, "required"), "is required")
                field.error_messages["required"] = cast(str, [absent])
                attributes[snake_case(attribute)] = field
        compiled = cast(CompiledSchema, CompiledSchema.from_dict(attributes, name="Compiled")())
        reason = f"is not a documented attribute; documented here: {', '.join(properties) or 'none'}"
        unknown = Fault("G-4", reason, known=tuple(properties))
        compiled.error_messages["unknown"] = cast(str, unknown)
        return compiled


def snake_case(attribute: str) -> str:
    """Return the Python name of a wire attribute: `max_calls` for `maxCalls`."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda match: "_" + match[1], attribute).lower()


def inner_schema(field: fields.Field[Any]) -> CompiledSchema | None:
    """Return the schema of a field's object, or of the objects in its array."""
    if isinstance(field, StrictNested):
        return cast(CompiledSchema, field.schema)
    return inner_schema(field.inner) if isinstance(field, StrictList | Ignored) else None


def _holds_ignored(field: fields.Field[Any]) -> bool:
    if isinstance(field, StrictList):
        return _holds_ignored(field.inner)
    if isinstance(field, StrictNested):
        return any(map(_holds_ignored, field.schema.fields.values()))
    return isinstance(field, Ignored)


def _ignored(field: fields.Field[Any], value: Any, pointer: str) -> Iterator[tuple[str, str]]:
    if isinstance(field, Ignored):
        yield pointer, field.rule
    elif value is None:
        return
    elif isinstance(field, StrictList):
        for item in value:
            yield from _ignored(field.inner, item, pointer + "/*")
    elif isinstance(field, StrictNested):
        for below, rule in cast(CompiledSchema, field.schema).ignored(value):
            yield pointer + below, rule


def _faults(messages: Any, pointer: str) -> Iterator[Fault]:
    """Yield all faults in marshmallow's nested messages, with their places. A plain text is about a type (G-5)."""
    if isinstance(messages, dict):
        # Marshmallow reports unknown attributes in random order, so they are sorted, after the documented ones.
        for key, inner in sorted(messages.items(), key=lambda item: str(item[0]) if _is_unknown(item[1]) else ""):
            yield from _faults(inner, pointer + pointer_step(key))
        return
    for message in messages:
        if isinstance(message, dict):
            # A validator may report places within the value. Such a mapping stands among the plain messages.
            yield from _faults(message, pointer)
            continue
        fault = message if isinstance(message, Fault) else Fault("G-5", message)
        yield fault.below(pointer)


def _is_unknown(messages: Any) -> bool:
    return isinstance(messages, list) and isinstance(messages[0], Fault) and messages[0].rule == "G-4"
