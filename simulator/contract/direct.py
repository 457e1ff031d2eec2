"""A fast way to read and write plainly valid values, without marshmallow.

The fields of a schema are compiled once into plain functions. For a valid value of exactly the expected type, such a
function returns the same as marshmallow. For every other value it gives up: it raises `ValidationError`, as the
fields' validators do. Marshmallow then handles the value: it reports the faults, or accepts the value after all.

The module is long because reading and writing are together: the writer is the reader with a few differences.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NoReturn

import marshmallow
from marshmallow import ValidationError, fields, missing

from simulator.contract.constraints import Validator
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
from simulator.contract.view import parts

Converter = Callable[[Any], Any]
"""Converts one value. Raises `ValidationError` to leave it to marshmallow."""

_Types = tuple[type, ...]

RECORDS_REMEMBERED = 1_000
"""How many written records a schema remembers."""

_SCALARS: Mapping[type, _Types] = {
    StrictString: (str,),
    Secret: (str,),
    StrictInteger: (int,),
    StrictNumber: (int, float),
    StrictBoolean: (bool,),
}
_JSON: Mapping[type, _Types] = {**_SCALARS, StrictList: (list,), StrictNested: (dict,), ObjectOf: (dict,)}


def reader(schema: marshmallow.Schema) -> Converter:
    """Return a function that reads a JSON document like `schema.load`, or gives up."""
    return _ReaderCompiler().attributes(schema)


def writer(schema: marshmallow.Schema) -> Converter:
    """Return a function that writes a view like `schema.dump`, if the result satisfies the schema, or gives up."""
    return _WriterCompiler().attributes(schema)


class _ReaderCompiler:
    """Compiles fields into readers. The reader of an unknown class of field always gives up."""

    scalars: ClassVar[Mapping[type, _Types]] = _SCALARS
    arrays: ClassVar[_Types] = (list,)

    def __init__(self) -> None:
        self.compounds: Mapping[type, Callable[[Any], Converter]] = {
            StrictNested: lambda field: self.attributes(field.schema),
            StrictList: lambda field: _array(self.arrays, self.value(field.inner)),
            ObjectOf: lambda field: _mapping(self.value(field.inner)),
            OneOf: self.one_of,
            Ignored: self.ignored,
            fields.Raw: lambda _: _anything,
        }

    def value(self, field: fields.Field[Any]) -> Converter:
        """Return the converter for the values of a field."""
        # The exact class counts: a subclass may accept other values.
        kind = type(field)
        if kind in self.scalars:
            convert = _scalar(self.scalars[kind], field.validators)
        elif kind in self.compounds:
            convert = self.compounds[kind](field)
            convert = _checked(convert, field.validators) if field.validators else convert
        else:
            return _give_up
        return _or_none(convert) if field.allow_none else convert

    def attributes(self, schema: marshmallow.Schema) -> Converter:
        """Return the reader of an object. Its result has the attributes in the documented order."""
        attributes = [
            (str(field.data_key), name, self.value(field), field.required) for name, field in schema.fields.items()
        ]

        def read(document: Any) -> dict[str, Any]:
            if type(document) is not dict:
                _give_up(document)
            result, known = {}, 0
            for key, name, convert, required in attributes:
                if key in document:
                    known += 1
                    value = convert(document[key])
                    if value is not missing:
                        result[name] = value
                elif required:
                    _give_up(document)
            if known != len(document):
                _give_up(document)
            return result

        return read

    def one_of(self, field: OneOf) -> Converter:
        """Return the reader of a value, if the type alone decides between the alternatives."""
        by_type: dict[type, Converter] = {}
        for alternative in field.alternatives:
            types = _JSON.get(type(alternative), ())
            if not types or not by_type.keys().isdisjoint(types):
                return _give_up
            by_type.update(dict.fromkeys(types, self.value(alternative)))
        return lambda value: by_type.get(type(value), _give_up)(value)

    def ignored(self, field: Ignored) -> Converter:
        """Return a reader that checks a value and drops it."""
        check = self.value(field.inner)

        def read(value: Any) -> Any:
            check(value)
            return missing

        return read


class _WriterCompiler(_ReaderCompiler):
    """Compiles fields into writers. A writer also checks what it writes."""

    # Marshmallow writes an integer as a float where a number is expected.
    scalars: ClassVar[Mapping[type, _Types]] = {**_SCALARS, StrictNumber: (float,)}
    arrays: ClassVar[_Types] = (list, tuple)

    def __init__(self) -> None:
        super().__init__()
        self.compounds = {**self.compounds, StrictNested: lambda field: _remembered(self.attributes(field.schema))}

    def attributes(self, schema: marshmallow.Schema) -> Converter:
        """Return the writer of a view: attributes in the documented order, without the unset ones."""
        attributes = [
            (name, str(field.data_key), self.plain(field), self.value(field), field.required)
            for name, field in schema.fields.items()
        ]

        def write(view: Any) -> dict[str, Any]:
            if view is None:
                _give_up(view)
            mapping, record = parts(view)
            document = {}
            for name, key, plain, convert, required in attributes:
                value = mapping[name] if name in mapping else getattr(record, name, None)
                if type(value) is plain:
                    document[key] = value
                elif value is not None:
                    document[key] = convert(value)
                elif required:
                    _give_up(view)
            return document

        return write

    def plain(self, field: fields.Field[Any]) -> type | None:
        """Return the type whose values need no conversion, if there is one. It saves a call for each value."""
        types = self.scalars.get(type(field), ())
        return types[0] if len(types) == 1 and not field.validators else None

    def one_of(self, field: OneOf) -> Converter:
        """Return a writer that keeps scalars, and writes everything else as the alternative that is an object."""
        read_scalar = _ReaderCompiler().one_of(field)
        if read_scalar is _give_up or field.object is None:
            return _give_up
        write_object = self.attributes(field.object.schema)
        return lambda value: read_scalar(value) if isinstance(value, str | int) else write_object(value)

    def ignored(self, _: Ignored) -> Converter:
        """Return a writer that gives up, because answers have no ignored attributes."""
        return _give_up


def _remembered(write: Converter) -> Converter:
    """Return the same writer, but remember what it wrote for immutable records. Many answers show the same records.

    A record is recognized by identity, because a comparison takes as long as writing the record.
    """
    known: dict[int, tuple[object, Mapping[str, object], Any]] = {}

    def written(view: Any) -> Any:
        mapping, record = parts(view)
        found = known.get(id(record))
        if found is not None and found[0] is record and found[1] == mapping:
            return found[2]
        document = write(view)
        params = getattr(type(record), "__dataclass_params__", None)
        if isinstance(record, tuple) or (params is not None and params.frozen):
            if len(known) >= RECORDS_REMEMBERED:
                known.clear()
            known[id(record)] = record, mapping, document
        return document

    return written


def _give_up(_: Any) -> NoReturn:
    raise ValidationError("not plainly right")


def _scalar(types: _Types, checks: Sequence[Validator]) -> Converter:
    def convert(value: Any) -> Any:
        # Not isinstance: in Python a boolean is an integer, in JSON it is not.
        if type(value) not in types:
            _give_up(value)
        for check in checks:
            check(value)
        return value

    return convert


def _array(types: _Types, item: Converter) -> Converter:
    def convert(value: Any) -> list[Any]:
        if type(value) not in types:
            _give_up(value)
        return [item(each) for each in value]

    return convert


def _mapping(item: Converter) -> Converter:
    def convert(value: Any) -> dict[str, Any]:
        if type(value) is not dict or not all(type(key) is str for key in value):
            _give_up(value)
        return {key: item(each) for key, each in value.items()}

    return convert


def _anything(value: Any) -> Any:
    return _give_up(value) if value is None else value


def _checked(convert: Converter, checks: Sequence[Validator]) -> Converter:
    def converted(value: Any) -> Any:
        result = convert(value)
        for check in checks:
            check(result)
        return result

    return converted


def _or_none(convert: Converter) -> Converter:
    return lambda value: None if value is None else convert(value)
