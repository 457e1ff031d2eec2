"""The contract's schemas, compiled once at the start into marshmallow schemas.

The compiler takes the part of JSON Schema that the contract uses and refuses every other keyword. In the compiled form an
attribute has the name Python would give it: the wire's `maxCalls` is `max_calls` in what a load returns and in the
records a dump reads. What is absent stays absent and `null` becomes `None`; a dump leaves out what is `None`, because
answers hold no `null`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import marshmallow
from marshmallow import ValidationError, fields, missing

from simulator.document import Document, token
from simulator.errors import BrokenDocument, Fault, InvalidAttribute, Problem

ANNOTATIONS = {"title", "description", "default", "examples", "deprecated", "x-rule", "x-ignored", "$ref"}
KEYWORDS = {
    "string": {"enum", "minLength", "maxLength", "pattern"},
    "integer": {"minimum", "maximum", "enum"},
    "boolean": set[str](),
    "array": {"items", "minItems", "maxItems", "uniqueItems"},
    "object": {"properties", "required", "additionalProperties"},
}
Rules = Mapping[str, str]
Validator = Callable[[Any], None]


class CompiledSchema(marshmallow.Schema):
    """A schema that takes documented attributes only and leaves unset ones out of a dump."""

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
        """The attribute's value; a `None` counts as unset."""
        value = obj.get(attr, missing) if isinstance(obj, dict) else getattr(obj, attr, missing)
        return missing if value is None else value

    def read(self, data: Any) -> dict[str, Any]:
        """The attributes of a JSON document. Raises `InvalidAttribute` with every fault there is and its place."""
        valid, faults = self.read_what_is_valid(data)
        if faults:
            raise InvalidAttribute(*faults)
        return valid

    def read_what_is_valid(self, data: Any) -> tuple[dict[str, Any], list[Fault]]:
        """The valid attributes of a JSON document, and the faults of the others."""
        try:
            return cast("dict[str, Any]", self.load(data)), []
        except ValidationError as error:
            return cast("dict[str, Any]", error.valid_data or {}), list(_faults(error.messages, ""))


class StrictString(fields.String):
    """A JSON string and nothing that could be made into one (G-5)."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, str):
            raise self.make_error("invalid", input=shown(value))
        return value


class StrictInteger(fields.Integer):
    """A JSON integer: `5` and `5.0` are, `"5"`, `5.5` and `true` are not (G-5)."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
            raise self.make_error("invalid", input=shown(value))
        return int(value)


class StrictList(fields.List[Any]):
    """A JSON array; marshmallow's own list takes an object for the list of its keys."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, list):
            raise self.make_error("invalid", input=shown(value))
        return super()._deserialize(value, attr, data, **kwargs)


class StrictNested(fields.Nested):
    """A JSON object whose attributes a schema documents."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, partial: Any = None, **kwargs: Any) -> Any:
        if not isinstance(value, dict):
            raise self.make_error("invalid", input=shown(value))
        return super()._deserialize(value, attr, data, partial=partial, **kwargs)


class StrictBoolean(fields.Field[bool]):
    """A JSON boolean; `0` and `"true"` are none (G-5)."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=shown(value))
        return value


class ObjectOf(fields.Field[dict[str, Any]]):
    """A JSON object with free keys and one schema for all its values."""

    def __init__(self, inner: fields.Field[Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.inner = inner

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, dict):
            raise self.make_error("invalid", input=shown(value))
        result, errors = {}, {}
        for key, item in value.items():
            try:
                result[key] = self.inner.deserialize(item)
            except ValidationError as error:
                errors[key] = error.messages
                if isinstance(error.valid_data, dict):
                    result[key] = error.valid_data
        if errors:
            raise ValidationError(errors, valid_data=result)
        return result


class OneOf(fields.Field[Any]):
    """A value that satisfies exactly one of several schemas, of which one at the most is an object."""

    def __init__(self, alternatives: list[fields.Field[Any]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alternatives = alternatives
        self.object = next((field for field in alternatives if isinstance(field, StrictNested)), None)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        accepted = []
        for alternative in self.alternatives:
            try:
                accepted.append(alternative.deserialize(value))
            except ValidationError:
                continue
        if len(accepted) != 1:
            raise self.make_error("invalid", input=shown(value))
        return accepted[0]

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        if self.object is None or isinstance(value, str | int):
            return value
        return self.object._serialize(value, attr, obj, **kwargs)


class Ignored(fields.Field[Any]):
    """An attribute that a request may carry and that changes nothing (`x-ignored`, G-4)."""

    def __init__(self, inner: fields.Field[Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.inner = inner

    def deserialize(self, value: Any, attr: str | None = None, data: Any = None, **kwargs: Any) -> Any:
        """Check the value as far as its schema asks, then drop it."""
        if value is not missing:
            self.inner.deserialize(value, attr, data, **kwargs)
        return missing


class SchemaCompiler:
    """Compiles the schemas of one document; `problems` collects what is wrong with them.

    `others` are documents that a `$ref` may reach by their name (`openapi.yaml#/components/…`).
    """

    def __init__(self, document: Document, ledger: Mapping[str, Any], others: Mapping[str, Document] | None = None) -> None:
        self.documents = {"": document, **(others or {})}
        self.ledger = ledger
        self.problems: list[Problem] = []

    def object_schema(self, pointer: str) -> CompiledSchema:
        """The schema of an object, by its place in the document. Its problems are collected, not raised."""
        field = self._compile("", pointer, {}, ())
        if isinstance(field, StrictNested):
            return cast(CompiledSchema, field.schema)
        if field is not None:
            self._refuse("", pointer, "must be a schema of type object")
        return CompiledSchema()

    def field(self, pointer: str) -> fields.Field[Any]:
        """The field of any schema, by its place in the document. Its problems are collected, not raised."""
        return self._compile("", pointer, {}, ()) or fields.Raw()

    def finish(self) -> None:
        """Raise `BrokenDocument` if anything was wrong."""
        if self.problems:
            raise BrokenDocument(self.problems)

    def _refuse(self, name: str, pointer: str, message: str) -> None:
        problem = self.documents[name].problem(pointer, message)
        if problem not in self.problems:
            self.problems.append(problem)

    def _compile(
        self, name: str, pointer: str, rules: Rules, seen: tuple[str, ...], **options: Any
    ) -> fields.Field[Any] | None:
        schema = find(self.documents[name], pointer)
        if not isinstance(schema, dict):
            self._refuse(name, pointer, "must be a schema (a mapping)")
            return None
        ignored = schema.get("x-ignored", False)
        rules = self._rules(name, pointer, schema, rules)
        if "$ref" in schema:
            for keyword in schema.keys() - ANNOTATIONS:
                self._refuse(name, pointer + token(keyword), "does not go beside $ref")
            other, _, target = str(schema["$ref"]).partition("#")
            place = schema["$ref"]
            if other not in self.documents and other:
                self._refuse(name, pointer, f"$ref {place!r} names an unknown document")
                return None
            name = other or name
            if f"{name}#{target}" in seen:
                self._refuse(name, pointer, f"$ref {place!r} leads back to itself")
                return None
            if find(self.documents[name], target) is None:
                self._refuse(name, pointer, f"$ref {place!r} leads nowhere")
                return None
            field = self._compile(name, target, rules, (*seen, f"{name}#{target}"), **options)
        else:
            field = self._build(name, pointer, schema, rules, seen, options)
        if field is None or not ignored:
            return field
        field.required = False
        return Ignored(field, data_key=options.get("data_key"))

    def _rules(self, name: str, pointer: str, schema: dict[str, Any], inherited: Rules) -> Rules:
        stated = schema.get("x-rule")
        if stated is None:
            return inherited
        stated = {"default": stated} if isinstance(stated, str) else stated
        if not isinstance(stated, dict):
            self._refuse(name, pointer + "/x-rule", "must be a rule id, or a mapping of keyword to rule id")
            return inherited
        for rule in stated.values():
            if rule not in self.ledger:
                self._refuse(name, pointer + "/x-rule", f"names {rule!r}, which is not in the ledger")
        return {**inherited, **stated}

    def _build(
        self, name: str, pointer: str, schema: dict[str, Any], rules: Rules, seen: tuple[str, ...], options: dict[str, Any]
    ) -> fields.Field[Any] | None:
        if "oneOf" in schema:
            places = [f"{pointer}/oneOf/{i}" for i in range(len(schema["oneOf"]))]
            alternatives = [self._compile(name, place, rules, seen) for place in places]
            self._check_keywords(name, pointer, schema, {"oneOf"})
            kept = [field for field in alternatives if field is not None]
            return OneOf(kept, **options, error_messages=_messages(rules, "one of the documented alternatives"))
        if "type" not in schema:
            self._check_keywords(name, pointer, schema, set())
            return fields.Raw(allow_none=True, **options, error_messages=_messages(rules, "any value"))
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        kind = next((kind for kind in kinds if kind != "null"), None)
        if kind not in KEYWORDS or len(kinds) - ("null" in kinds) != 1:
            self._refuse(name, pointer + "/type", f"must be one of {', '.join(KEYWORDS)}, alone or with null")
            return None
        self._check_keywords(name, pointer, schema, {"type", *KEYWORDS[kind]})
        options = {**options, "allow_none": "null" in kinds}
        builder = getattr(self, f"_build_{kind}")
        return cast("fields.Field[Any] | None", builder(name, pointer, schema, rules, seen, options))

    def _check_keywords(self, name: str, pointer: str, schema: dict[str, Any], known: set[str]) -> None:
        for keyword in schema.keys() - known - ANNOTATIONS:
            self._refuse(name, pointer + token(keyword), f"the keyword {keyword!r} is not supported here")

    def _build_string(
        self, name: str, pointer: str, schema: dict[str, Any], rules: Rules, seen: tuple[str, ...], options: dict[str, Any]
    ) -> fields.Field[Any]:
        checks: list[Validator] = []
        expected = "a string"
        if "enum" in schema:
            checks.append(_one_of(schema["enum"], rules))
        if "minLength" in schema or "maxLength" in schema:
            checks.append(_size(schema.get("minLength", 0), schema.get("maxLength"), "characters", rules))
        if "pattern" in schema:
            pattern = str(schema["pattern"])
            # A search for an anchored pattern is a full match; Python's `$` alone would let a last line feed through.
            if pattern.startswith("^") and pattern.endswith("$"):
                checks.append(_matches(re.compile(pattern), schema.get("title", "pattern"), rules))
            else:
                self._refuse(name, pointer + "/pattern", "must be anchored with ^ and $")
        return StrictString(validate=checks, error_messages=_messages(rules, expected), **options)

    def _build_integer(
        self, name: str, pointer: str, schema: dict[str, Any], rules: Rules, seen: tuple[str, ...], options: dict[str, Any]
    ) -> fields.Field[Any]:
        checks: list[Validator] = []
        low, high = schema.get("minimum"), schema.get("maximum")
        if "enum" in schema:
            checks.append(_one_of(schema["enum"], rules))
        if low is not None or high is not None:
            checks.append(_between(low, high, rules))
        expected = "an integer" + (f" from {low} to {high}" if low is not None and high is not None else "")
        return StrictInteger(validate=checks, error_messages=_messages(rules, expected), **options)

    def _build_boolean(
        self, name: str, pointer: str, schema: dict[str, Any], rules: Rules, seen: tuple[str, ...], options: dict[str, Any]
    ) -> fields.Field[Any]:
        return StrictBoolean(error_messages=_messages(rules, "true or false"), **options)

    def _build_array(
        self, name: str, pointer: str, schema: dict[str, Any], rules: Rules, seen: tuple[str, ...], options: dict[str, Any]
    ) -> fields.Field[Any] | None:
        items = self._compile(name, pointer + "/items", rules, seen)
        checks: list[Validator] = []
        if "minItems" in schema or "maxItems" in schema:
            checks.append(_size(schema.get("minItems", 0), schema.get("maxItems"), "items", rules))
        if schema.get("uniqueItems"):
            checks.append(_unique(rules))
        if items is None:
            return None
        if schema.get("uniqueItems") and not isinstance(items, StrictString | StrictInteger):
            self._refuse(name, pointer + "/uniqueItems", "is supported for strings and integers only")
        return StrictList(items, validate=checks, error_messages=_messages(rules, "an array"), **options)

    def _build_object(
        self, name: str, pointer: str, schema: dict[str, Any], rules: Rules, seen: tuple[str, ...], options: dict[str, Any]
    ) -> fields.Field[Any] | None:
        messages = _messages(rules, "an object")
        free = schema.get("additionalProperties")
        if isinstance(free, dict) and not schema.get("properties"):
            inner = self._compile(name, pointer + "/additionalProperties", rules, seen)
            return None if inner is None else ObjectOf(inner, error_messages=messages, **options)
        if free is not False:
            self._refuse(name, pointer, "an object needs additionalProperties: false")
        properties = schema.get("properties", {})
        required = schema.get("required", [])
        for attribute in required:
            if attribute not in properties:
                self._refuse(name, pointer + "/required", f"{attribute!r} is no property")
        attributes: dict[str, fields.Field[Any] | type] = {}
        for attribute in properties:
            place = pointer + "/properties" + token(attribute)
            field = self._compile(name, place, rules, seen, data_key=attribute, required=attribute in required)
            if field is not None:
                if attribute in required:
                    field.error_messages["required"] = cast(str, [Fault(_rule(rules, "required"), "is required")])
                attributes[snake_case(attribute)] = field
        compiled = CompiledSchema.from_dict(attributes, name="Compiled")()
        known = ", ".join(properties) or "none"
        compiled.error_messages["unknown"] = cast(
            str, Fault("G-4", f"is not a documented attribute; documented here: {known}")
        )
        return StrictNested(compiled, error_messages=messages, **options)


def find(document: Document, pointer: str) -> Any:
    """What stands at a JSON Pointer of the document, or `None`."""
    value = document.data
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value


def snake_case(attribute: str) -> str:
    """The Python name of a wire attribute: `maxCalls` is `max_calls`."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda match: "_" + match[1], attribute).lower()


def shown(value: Any) -> str:
    """A value as an error message shows it: scalars in JSON's spelling and cut when long, the others by their kind."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = f'"{value}"' if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else text[:56] + "…" + text[-1]


def _rule(rules: Rules, keyword: str) -> str:
    return rules.get(keyword) or rules.get("default") or "G-5"


def _messages(rules: Rules, expected: str) -> dict[str, Any]:
    return {
        "invalid": f"must be {expected}, not {{input}}",
        "null": [Fault(rules.get("null", "G-5"), f"must be {expected}, not null")],
    }


def _faults(messages: Any, pointer: str) -> Iterator[Fault]:
    """marshmallow's nested messages as faults with their places; a plain text is about a type (G-5)."""
    if isinstance(messages, dict):
        # marshmallow finds unknown attributes in the order of a set: sort those, after the documented ones.
        for key, inner in sorted(messages.items(), key=lambda item: str(item[0]) if _is_unknown(item[1]) else ""):
            yield from _faults(inner, pointer + token(key))
        return
    for message in messages:
        fault = message if isinstance(message, Fault) else Fault("G-5", message)
        yield fault.below(pointer)


def _is_unknown(messages: Any) -> bool:
    return isinstance(messages, list) and isinstance(messages[0], Fault) and messages[0].rule == "G-4"


def _invalid(rules: Rules, keyword: str, reason: str) -> ValidationError:
    return ValidationError([Fault(_rule(rules, keyword), reason)])


def _one_of(values: list[Any], rules: Rules) -> Validator:
    allowed = ", ".join(map(str, values))

    def check(value: Any) -> None:
        if value not in values:
            raise _invalid(rules, "enum", f"must be one of {allowed}, not {shown(value)}")

    return check


def _between(low: int | None, high: int | None, rules: Rules) -> Validator:
    def check(value: Any) -> None:
        if low is not None and value < low:
            raise _invalid(rules, "minimum", f"must be {low} or more, not {shown(value)}")
        if high is not None and value > high:
            raise _invalid(rules, "maximum", f"must be {high} or less, not {shown(value)}")

    return check


def _size(low: int, high: int | None, unit: str, rules: Rules) -> Validator:
    keywords = ("minLength", "maxLength") if unit == "characters" else ("minItems", "maxItems")

    def check(value: Any) -> None:
        if len(value) < low:
            raise _invalid(rules, keywords[0], f"must have {low} {unit} or more, not {len(value)}")
        if high is not None and len(value) > high:
            raise _invalid(rules, keywords[1], f"must have {high} {unit} or less, not {len(value)}")

    return check


def _matches(pattern: re.Pattern[str], meaning: str, rules: Rules) -> Validator:
    def check(value: Any) -> None:
        if not pattern.fullmatch(value):
            raise _invalid(rules, "pattern", f"must be {meaning}, not {shown(value)}")

    return check


def _unique(rules: Rules) -> Validator:
    def check(value: Any) -> None:
        first: dict[Any, int] = {}
        repeated = {i: first[item] for i, item in enumerate(value) if first.setdefault(item, i) != i}
        if repeated:
            rule = _rule(rules, "uniqueItems")
            raise ValidationError({i: [Fault(rule, f"repeats item {j}: {shown(value[i])}")] for i, j in repeated.items()})

    return check
