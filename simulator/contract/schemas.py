"""Schemas as the simulator uses them: they read JSON documents, and write views of records.

Attributes have Python names: `maxCalls` on the wire is `max_calls` in the result of a load and in the records for a
dump. In a load, an absent attribute stays absent, and `null` becomes `None`. A dump leaves out `None`, because answers
have no `null`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import islice
from typing import Any, cast

import marshmallow
from marshmallow import ValidationError, fields, missing

from simulator.contract.direct import Converter, reader, writer
from simulator.contract.fields import MOST_ERRORS, Ignored, StrictList, StrictNested
from simulator.document import pointer_step
from simulator.errors import Fault, InvalidAttribute


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

    def documented(self, data: Any, dropped: dict[str, str | None], pointer: str = "") -> Any:
        """Return a document without its undocumented attributes. They are added to `dropped`, like `ignored` ones."""
        if not isinstance(data, dict):
            return data
        known = {field.data_key: field for field in self.fields.values()}
        dropped.update((pointer + pointer_step(key), "G-4") for key in data if key not in known)
        return {
            key: _documented(known[key], value, dropped, pointer + pointer_step(key))
            for key, value in data.items()
            if key in known
        }

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


def _documented(field: fields.Field[Any], value: Any, dropped: dict[str, str | None], pointer: str) -> Any:
    if isinstance(field, StrictList) and isinstance(value, list):
        return [_documented(field.inner, item, dropped, pointer + "/*") for item in value]
    if isinstance(field, StrictNested):
        return cast(CompiledSchema, field.schema).documented(value, dropped, pointer)
    return value


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
