"""The kinds of values in the contract, as marshmallow fields that are as strict as JSON Schema.

If the type is wrong, the message is plain text. All other messages are `Fault`s with their rule.
"""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields, missing

from simulator.errors import MOST_FAULTS

HIDDEN = "what was sent"
"""What a message shows in place of a secret."""
MOST_ERRORS = MOST_FAULTS + 1
"""After how many faults an array or an object is not checked any further."""


class StrictString(fields.String):
    """A JSON string. Other values are not converted to strings (G-5)."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, str):
            raise self.make_error("invalid", input=shown(value))
        return value


class Secret(StrictString):
    """A JSON string that is never shown, not even in error messages (`writeOnly` or `x-secret`, S-7)."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, str):
            raise self.make_error("invalid", input=HIDDEN)
        return value


class StrictInteger(fields.Integer):
    """A JSON integer. `5` and `5.0` are integers; `"5"`, `5.5` and `true` are not (G-5)."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float) or value % 1 != 0:
            raise self.make_error("invalid", input=shown(value))
        return int(value)


class StrictNumber(fields.Float):
    """A JSON number. `"5"` and `true` are not numbers (G-5)."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.make_error("invalid", input=shown(value))
        return value


class StrictBoolean(fields.Field[bool]):
    """A JSON boolean. `0` and `"true"` are not booleans (G-5)."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=shown(value))
        return value


class StrictList(fields.List[Any]):
    """A JSON array. Marshmallow's own list would read an object as the list of its keys.

    In the valid data of an error, items keep their index. `None` stands for an item without valid data.
    """

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, list):
            raise self.make_error("invalid", input=shown(value))
        result: list[Any] = []
        errors, found = {}, 0
        for i, item in enumerate(value):
            try:
                result.append(self.inner.deserialize(item))
            except ValidationError as error:
                errors[i] = error.messages
                result.append(error.valid_data)
                found += _count(error.messages)
                if found >= MOST_ERRORS:
                    break
        if errors:
            raise ValidationError([errors, *self._faults_of_the_whole(value)], valid_data=result)
        return result

    def _faults_of_the_whole(self, value: list[Any]) -> list[Any]:
        """Return the messages of the array's own checks. Marshmallow runs them only if all items are valid."""
        try:
            self._validate(value)
        except ValidationError as error:
            return list(error.messages)
        return []


class StrictNested(fields.Nested):
    """A JSON object whose attributes a schema documents."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, partial: Any = None, **kwargs: Any) -> Any:
        if not isinstance(value, dict):
            raise self.make_error("invalid", input=shown(value))
        return super()._deserialize(value, attr, data, partial=partial, **kwargs)


class ObjectOf(fields.Field[dict[str, Any]]):
    """A JSON object with free keys and one schema for all its values."""

    def __init__(self, inner: fields.Field[Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.inner = inner

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, dict):
            raise self.make_error("invalid", input=shown(value))
        result, errors, found = {}, {}, 0
        for key, item in value.items():
            try:
                result[key] = self.inner.deserialize(item)
            except ValidationError as error:
                errors[key] = error.messages
                if isinstance(error.valid_data, dict):
                    result[key] = error.valid_data
                found += _count(error.messages)
                if found >= MOST_ERRORS:
                    break
        if errors:
            raise ValidationError(errors, valid_data=result)
        return result

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        if value is None:
            return None
        return {str(key): self.inner._serialize(item, attr, obj, **kwargs) for key, item in value.items()}


class OneOf(fields.Field[Any]):
    """A value that satisfies exactly one of several schemas. At most one of the schemas is an object."""

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
        return self.object.schema.dump(value)


class Ignored(fields.Field[Any]):
    """An attribute that a request may have, and that is ignored by a rule (`x-ignored`)."""

    def __init__(self, inner: fields.Field[Any], rule: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.inner = inner
        self.rule = rule

    def deserialize(self, value: Any, attr: str | None = None, data: Any = None, **kwargs: Any) -> Any:
        """Check the value by its schema, then drop it."""
        if value is not missing:
            self.inner.deserialize(value, attr, data, **kwargs)
        return missing


def _count(messages: Any) -> int:
    """Return the number of faults in marshmallow's nested messages."""
    return sum(map(_count, messages.values())) if isinstance(messages, dict) else len(messages)


def shown(value: Any) -> str:
    """Return a value as error messages show it: a scalar as JSON, shortened if long, or else the kind of value."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = f'"{value}"' if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else text[:56] + "…" + text[-1]
