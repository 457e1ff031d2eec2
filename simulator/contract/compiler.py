"""Compiles the contract's schemas into marshmallow schemas, once at the start.

The compiler supports the keywords of JSON Schema that the contract uses, and refuses all others. The module is long
because there is a method for each type, and the methods call each other for the parts of a schema.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from marshmallow import fields

from simulator.contract.constraints import (
    TEXT,
    Rules,
    Validator,
    between,
    matching,
    one_of,
    rule_for,
    sized,
    type_messages,
    unique,
)
from simulator.contract.fields import (
    Ignored,
    ObjectOf,
    OneOf,
    Secret,
    StrictBoolean,
    StrictInteger,
    StrictList,
    StrictNested,
    StrictNumber,
    StrictString,
)
from simulator.contract.schemas import AnyObject, CompiledSchema, snake_case
from simulator.document import Document, pointer_step
from simulator.errors import BrokenDocument, Fault, Problem

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
    "x-enum-varnames",
    "x-enum-descriptions",
    "x-checked-by-handler",
    "x-secret",
}


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
        is_secret = bool(schema.get("writeOnly") or schema.get("x-secret"))
        checks: list[Validator] = []
        if "enum" in schema:
            checks.append(one_of(schema["enum"], rules))
        if "minLength" in schema or "maxLength" in schema:
            checks.append(sized(schema.get("minLength", 0), schema.get("maxLength"), "characters", rules))
        if "pattern" in schema:
            pattern = str(schema["pattern"])
            if not (pattern.startswith("^") and pattern.endswith("$")):
                self._refuse(node.document, node.pointer + "/pattern", "must be anchored with ^ and $")
            meaning = schema.get("x-expected", f"text like {pattern}")
            checks.append(matching(re.compile(pattern), meaning, rules, is_secret=is_secret))
        text = Secret if is_secret else StrictString
        return text(validate=checks, error_messages=type_messages(rules, TEXT), **options)

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
        if node.schema.get("x-checked-by-handler"):
            return ObjectOf(fields.Raw(allow_none=True), error_messages=messages, **options)
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
