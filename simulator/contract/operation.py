"""One operation of the contract: how a request to it is read and how an answer of it is rendered."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import orjson
from marshmallow import ValidationError, fields

from simulator.contract.fields import CompiledSchema, shown
from simulator.errors import ContractBreach, Fault, InvalidAttribute, MalformedBody, UnsupportedContentType

JSON = "application/json"
_JSON_TYPES = (JSON, f'"{JSON}"')
_LONE_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryParameter:
    """A documented query parameter: its field, the values it takes, and the rule that a wrong one breaks."""

    name: str
    attribute: str
    field: fields.Field[Any]
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An operation as the contract states it.

    `answers` holds the schema of every documented status, `None` where the answer has no body; `success` is the one
    2xx status. `minimum_right` is the name of a level, or `None` where anybody may call.
    """

    operation_id: str
    method: str
    path: str
    secured: bool
    minimum_right: str | None
    rules: tuple[str, ...]
    query: Mapping[str, QueryParameter]
    body: CompiledSchema | None
    body_required: bool
    success: int
    answers: Mapping[int, CompiledSchema | None]

    def read_query(self, pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
        """The documented query parameters by their Python names; undocumented ones count for nothing.

        Raises `InvalidAttribute` for a value that is not allowed, and for a parameter given twice.
        """
        result: dict[str, Any] = {}
        for name, text in pairs:
            parameter = self.query.get(name)
            if parameter is None:
                continue
            if parameter.attribute in result:
                raise InvalidAttribute(Fault(parameter.rule, f"the query parameter {name} must be given once only"))
            value = {"true": True, "false": False}.get(text.lower(), text)
            try:
                result[parameter.attribute] = parameter.field.deserialize(value)
            except ValidationError as error:
                reason = error.messages[0] if isinstance(error.messages, list) else f"must not be {shown(text)}"
                raise InvalidAttribute(Fault(parameter.rule, f"the query parameter {name} {reason}")) from None
        return result

    def read_body(self, raw: bytes, content_type: str | None, content_encoding: str | None = None) -> dict[str, Any]:
        """The attributes of the body by their Python names, without those that are documented as ignored.

        Raises `UnsupportedContentType` (G-3), `MalformedBody` (G-2) or `InvalidAttribute` with all faults (G-4, …).
        """
        if self.body is None or (not self.body_required and not raw.strip()):
            return {}
        if content_type and content_type.partition(";")[0].strip().lower() not in _JSON_TYPES:
            reason = f"the content type {shown(content_type)} is not application/json; send that, or none"
            raise UnsupportedContentType(Fault("G-3", reason))
        if content_encoding and content_encoding.lower() != "identity":
            reason = f"the content encoding {shown(content_encoding)} is not supported; send the body as it is"
            raise UnsupportedContentType(Fault("G-16", reason))
        if not raw.strip():
            raise MalformedBody(Fault("G-2", "the body is empty; this operation needs a JSON object"))
        try:
            data = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise MalformedBody(_json_fault(raw, error)) from None
        if not isinstance(data, dict):
            raise MalformedBody(Fault("G-2", f"the body must be a JSON object, not {shown(data)}"))
        return self.body.read(data)

    def render(self, view: Any) -> bytes:
        """The body of the successful answer: the view's attributes in the documented order, checked.

        Raises `ContractBreach` if the contract does not allow what came out.
        """
        return self.render_as(self.success, view)

    def render_as(self, status: int, view: Any) -> bytes:
        """The body of an answer with this status. Raises `ContractBreach` if status or body are not documented."""
        if status not in self.answers:
            raise ContractBreach(f"{self.operation_id} does not document the status {status}")
        schema = self.answers[status]
        if schema is None:
            if view is not None:
                raise ContractBreach(f"{self.operation_id} documents no body for the status {status}")
            return b""
        try:
            answer = schema.dump(view)
            schema.read(answer)
        except (InvalidAttribute, ValueError, TypeError, AttributeError) as error:
            faults = [f"{fault.pointer} {fault.reason}" for fault in getattr(error, "faults", ())] or [repr(error)]
            raise ContractBreach(f"{self.operation_id} was to answer {status} with: {'; '.join(faults)}") from error
        return orjson.dumps(answer)


def _json_fault(raw: bytes, error: orjson.JSONDecodeError) -> Fault:
    try:
        raw.decode()
    except UnicodeDecodeError as undecodable:
        reason = f"the body is not UTF-8: {undecodable.reason} at byte {undecodable.start}"
        return Fault("G-2", reason)
    if "surrogate" in error.msg and _LONE_SURROGATE.search(raw):
        return Fault("G-12", f"the body holds a lone surrogate, which is no character: {error}")
    return Fault("G-2", f"the body is not valid JSON: {error}")


class View:
    """A record with some attributes more, or others, than it has: what an answer shows where that is not one record."""

    def __init__(self, record: object, **attributes: object) -> None:
        self.__dict__.update(attributes)
        self._record = record

    def __getattr__(self, attribute: str) -> object:
        return getattr(self._record, attribute)


@dataclass(frozen=True, slots=True)
class Answer:
    """A view together with headers of the answer, for the handlers that set some."""

    view: object
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Call:
    """One request to an operation, as its handler sees it.

    `path` holds the path's parameters. `query` and `body` are read, and refused if need be, when a handler first asks
    for them: existence is checked before the body (A-7).
    """

    operation: Operation
    path: Mapping[str, str]
    query_pairs: Iterable[tuple[str, str]] = ()
    raw_body: Callable[[], bytes] = field(default=bytes)
    content_type: str | None = None
    content_encoding: str | None = None

    @cached_property
    def query(self) -> dict[str, Any]:
        """The query parameters by their Python names (see `Operation.read_query`)."""
        return self.operation.read_query(self.query_pairs)

    @cached_property
    def body(self) -> dict[str, Any]:
        """The body's attributes by their Python names (see `Operation.read_body`)."""
        return self.operation.read_body(self.raw_body(), self.content_type, self.content_encoding)
