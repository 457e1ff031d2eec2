"""One operation of the contract: reads its requests and renders its answers.

The module is long because it has all that a handler deals with: operation, call, notes and answer refer to each other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from marshmallow import ValidationError, fields

from simulator.contract.bodies import exactly, may_be_rounded, parse_json, parse_yaml
from simulator.contract.fields import Secret, StrictBoolean, shown
from simulator.contract.profile import NO_PROFILE, Profile
from simulator.contract.schemas import CompiledSchema
from simulator.errors import (
    ContractBreach,
    Fault,
    InvalidAttribute,
    MalformedBody,
    RuleViolation,
    UnsupportedContentType,
)

JSON = "application/json"
YAML = "application/yaml"
HTML = "text/html"
EVENTS = "text/event-stream"
_QUOTED_JSON = f'"{JSON}"'
_INTEGER = re.compile(r"-?[0-9]{1,18}")


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryParameter:
    """A documented query parameter: its field, and the rule that a wrong value breaks."""

    name: str
    attribute: str
    field: fields.Field[Any]
    rule: str


class Notes:
    """Notes about an answer (S-9).

    `assumed` holds the rules with an assumed part that changed the answer, in the order of their use. `ignored` holds
    the attributes and query parameters that were sent and changed nothing, each with the rule that says so, if any.
    """

    __slots__ = ("assumed", "ignored")

    def __init__(self) -> None:
        self.assumed: dict[str, None] = {}
        self.ignored: dict[str, str | None] = {}

    def assume(self, rule: str, *, when: bool = True) -> None:
        """If `when` is true, note that the answer rests on the assumed part of a rule."""
        if when:
            self.assumed[rule] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An operation as the contract states it.

    `answers` holds the schema for every documented status, `None` for an answer without body. `success` is the one 2xx
    status, and `media` lists the media types of its body. `minimum_right` is the name of a level, or `None` if anybody
    may call. If `closed_query` is set, undocumented query parameters are refused.
    """

    operation_id: str
    method: str
    path: str
    path_parameters: tuple[str, ...]
    secured: bool
    minimum_right: str | None
    rules: tuple[str, ...]
    query: Mapping[str, QueryParameter]
    closed_query: bool = False
    body: CompiledSchema | None
    body_types: tuple[str, ...]
    body_required: bool
    success: int
    media: tuple[str, ...]
    answers: Mapping[int, CompiledSchema | None]
    public_attributes: tuple[str, ...] | None = field(init=False)
    """The attributes of the body that are not secret. `None` if no attribute is secret (S-7)."""

    def __post_init__(self) -> None:
        attributes = [] if self.body is None else list(self.body.fields.values())
        public = tuple(str(each.data_key) for each in attributes if not isinstance(each, Secret))
        # The dataclass is frozen, so a plain assignment would fail.
        object.__setattr__(self, "public_attributes", public if len(public) < len(attributes) else None)

    def body_media(self, content_type: str | None) -> str:
        """Return the media type of a body with this content type. The default is the first documented one (G-3)."""
        media = (content_type or self.body_types[0]).partition(";")[0].strip().lower()
        return JSON if media == _QUOTED_JSON else media

    def read_query(self, pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
        """Return the documented query parameters by their Python names. Undocumented ones are ignored.

        Raises `InvalidAttribute` for a value that is not allowed and for a repeated parameter. If the query is closed,
        it also raises for an undocumented parameter (S-1).
        """
        result: dict[str, Any] = {}
        for name, text in pairs:
            parameter = self.query.get(name)
            if parameter is None:
                if self.closed_query:
                    documented = ", ".join(self.query) or "none"
                    reason = f"there is no query parameter {shown(name)}; documented here: {documented}"
                    raise InvalidAttribute(Fault("S-1", reason, asked=name, known=tuple(self.query)))
                continue
            if parameter.attribute in result:
                raise InvalidAttribute(Fault(parameter.rule, f"the query parameter {name} must be given once only"))
            try:
                result[parameter.attribute] = parameter.field.deserialize(_value_of(text, parameter.field))
            except ValidationError as error:
                first = error.messages[0] if isinstance(error.messages, list) else f"must not be {shown(text)}"
                reason = first.reason if isinstance(first, Fault) else first
                raise InvalidAttribute(Fault(parameter.rule, f"the query parameter {name} {reason}")) from None
        return result

    def ignored_query(self, names: Iterable[str]) -> Iterator[str]:
        """Yield the undocumented query parameters as `?name`. They change nothing (G-4)."""
        return (f"?{name}" for name in names if name not in self.query)

    def read_body(
        self,
        raw: bytes,
        content_type: str | None,
        content_encoding: str | None = None,
        notes: Notes | None = None,
        read_json: Callable[[bytes], Any] | None = None,
        profile: Profile = NO_PROFILE,
    ) -> dict[str, Any]:
        """Return the attributes of the body by their Python names. Ignored attributes go only to the notes.

        `read_json` replaces `parse_json` if given. A `profile` may accept more (G-3, G-4). Raises
        `UnsupportedContentType` (G-3), `MalformedBody` (G-2) or `InvalidAttribute` with all faults (G-4, …).
        """
        if self.body is None or (not self.body_required and not raw):
            return {}
        media = self.body_media(content_type)
        if media not in self.body_types and profile.choices.get("G-3") == "accept":
            media = JSON
        if media not in self.body_types:
            reason = f"the content type {shown(content_type)} is not {' or '.join(self.body_types)}; send that, or none"
            raise UnsupportedContentType(Fault("G-3", reason))
        if content_encoding and content_encoding.lower() != "identity":
            reason = f"the content encoding {shown(content_encoding)} is not supported; send the body as it is"
            raise UnsupportedContentType(Fault("G-16", reason))
        if not raw.strip():
            wanted = (
                "this operation needs a JSON object" if self.body_required else "send a JSON object, or nothing at all"
            )
            raise MalformedBody(Fault("G-2", f"the body is {'blank' if raw else 'empty'}; {wanted}"))
        data = parse_yaml(raw) if media == YAML else (read_json or parse_json)(raw)
        if not isinstance(data, dict):
            # A string is not shown: it was sent by mistake and may hold a password.
            found = "a string" if isinstance(data, str) else shown(data)
            raise MalformedBody(Fault("G-2", f"the body must be a JSON object, not {found}"))
        undocumented: dict[str, str | None] = {}
        is_open = profile.choices.get("G-4") == "ignore"
        if is_open:
            data = self.body.documented(data, undocumented)
        try:
            attributes = self.body.read(data)
        except InvalidAttribute:
            if media == JSON and may_be_rounded(raw):
                # Read again without rounding, so that the faults show the integers that were sent.
                exact = exactly(raw)
                self.body.read(self.body.documented(exact, {}) if is_open else exact)
            raise
        if notes is not None:
            notes.ignored.update(self.body.ignored(data))
            notes.ignored.update(undocumented)
        return attributes

    def render(self, view: Any) -> bytes:
        """Return the checked body of the successful answer, with the view's attributes in the documented order.

        Raises `ContractBreach` if the contract does not allow this body.
        """
        return self.render_as(self.success, view)

    def render_as(self, status: int, view: Any) -> bytes:
        """Return the body of an answer with this status. Raises `ContractBreach` if the contract does not allow it."""
        if status not in self.answers:
            raise ContractBreach(f"{self.operation_id} does not document the status {status}")
        schema = self.answers[status]
        if schema is None:
            if view is not None:
                raise ContractBreach(f"{self.operation_id} documents no body for the status {status}")
            return b""
        absent = None
        if isinstance(view, Without):
            view, absent = view.view, view.absent
        try:
            answer = schema.write(view)
        except (InvalidAttribute, ValueError, TypeError, AttributeError) as error:
            faults = [f"{fault.pointer} {fault.reason}" for fault in getattr(error, "faults", ())] or [repr(error)]
            raise ContractBreach(f"{self.operation_id} was to answer {status} with: {'; '.join(faults)}") from error
        if absent is not None:
            # A copy: what was written may be remembered.
            answer = {name: value for name, value in answer.items() if name != absent}
        return orjson.dumps(answer)


def _value_of(text: str, field: fields.Field[Any]) -> object:
    """Return the value of a query parameter's text: an integer, a boolean or the text, depending on its field."""
    if isinstance(field, fields.Integer) and _INTEGER.fullmatch(text):
        return int(text)
    if isinstance(field, StrictBoolean):
        return {"true": True, "false": False}.get(text.lower(), text)
    return text


@dataclass(frozen=True, slots=True)
class Answer:
    """A view and headers of the answer, for handlers that set headers."""

    view: object
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Without:
    """A view whose answer lacks an attribute that the contract requires, because a profile says so (S-14).

    The contract checks the answer as if the attribute were there.
    """

    view: object
    absent: str


@dataclass(frozen=True, slots=True)
class Content:
    """The finished body of an answer, instead of a view: a text in one of the operation's media types."""

    media_type: str
    data: bytes


@dataclass(slots=True)
class Call:
    """One request to an operation, as its handler sees it.

    `path` holds the path's parameters. `query` and `body` are read and checked when the handler first uses them. So a
    handler can check that a resource exists before it reads the body (A-7). `media` is the media type chosen for the
    answer by the client's `Accept`. `notes` are for the journal and the coverage. `profile` is what the answer follows
    of a real system (S-14).
    """

    operation: Operation
    path: Mapping[str, str]
    query_pairs: Iterable[tuple[str, str]] = ()
    raw_body: Callable[[], bytes] = bytes
    content_type: str | None = None
    content_encoding: str | None = None
    media: str = JSON
    notes: Notes = field(default_factory=Notes)
    read_json: Callable[[bytes], Any] | None = None
    profile: Profile = NO_PROFILE
    _query: dict[str, Any] | None = field(default=None, init=False)
    _body: dict[str, Any] | None = field(default=None, init=False)

    @property
    def query(self) -> dict[str, Any]:
        """The query parameters by their Python names. It raises like `Operation.read_query`."""
        if self._query is None:
            self._query = self.operation.read_query(self.query_pairs)
        return self._query

    @property
    def body(self) -> dict[str, Any]:
        """The body's attributes by their Python names. It raises like `Operation.read_body`."""
        if self._body is None:
            self._body = self.operation.read_body(
                self.raw_body(), self.content_type, self.content_encoding, self.notes, self.read_json, self.profile
            )
        return self._body

    def assume(self, rule: str, *, when: bool = True) -> None:
        """If `when` is true, note that the answer rests on the assumed part of a rule (S-9).

        Raises `RuleViolation` if the profile's choice is to refuse what the rule accepts (S-14).
        """
        if when:
            self.notes.assumed[rule] = None
            refused = self.profile.refused
            if refused and rule in refused:
                raise RuleViolation(Fault(rule, refused[rule]))
