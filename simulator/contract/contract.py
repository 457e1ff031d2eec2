"""Loads the contract from `openapi.yaml` and checks it completely before anything is served.

The contract is refused, with file, line and place, if the simulator could not follow it exactly. Reasons are: an
unknown keyword, an example that does not satisfy its schema, an undocumented status that an operation can answer, an
operation without handler.

The module is long because each part of the contract is checked where it is read.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from marshmallow import ValidationError

from simulator.contract.compiler import SchemaCompiler
from simulator.contract.operation import EVENTS, HTML, JSON, YAML, Operation, QueryParameter
from simulator.contract.schemas import AnyObject, CompiledSchema, snake_case
from simulator.document import Document, pointer_step, read_document
from simulator.errors import InvalidAttribute

METHODS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")
OPERATION_KEYS = {
    "operationId", "tags", "summary", "description", "parameters", "requestBody", "responses", "security",
    "x-minimum-right", "x-rules", "x-companion",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """The differences between contracts: trailing slashes, media types, and whether unknown parameters are refused.

    The path `root` always ends in a slash.
    """

    trailing_slash: bool
    media_types: tuple[str, ...]
    closed_query: bool
    root: str = "/"


API = Dialect(trailing_slash=True, media_types=(JSON,), closed_query=False)
CONTROL = Dialect(
    trailing_slash=False,
    media_types=(JSON, "application/merge-patch+json", YAML, "application/toml", HTML, EVENTS),
    closed_query=True,
    root="/_simulator/",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """The operations by id and, for routing, by path and method. `document` and `text` are the contract's file."""

    document: Document
    text: str
    operations: Mapping[str, Operation]
    paths: Mapping[str, Mapping[str, Operation]]


def load_contract(
    path: Path,
    ledger: Collection[str],
    levels: Collection[str],
    handlers: Collection[str],
    dialect: Dialect = API,
) -> Contract:
    """Load and check the contract.

    `levels` are the names of all rights, `handlers` the ids of all operations with a handler. Raises `BrokenDocument`
    with all mistakes.
    """
    document = read_document(path)
    reader = _Reader(document, ledger, levels, dialect)
    paths = {
        template: {operation.method: operation for operation in reader.path_item(template)}
        for template in _mapping(document, "/paths")
    }
    operations = {operation.operation_id: operation for methods in paths.values() for operation in methods.values()}
    reader.check_document(operations, handlers)
    reader.compiler.finish()
    return Contract(document=document, text=path.read_text(encoding="utf-8"), operations=operations, paths=paths)


class _Reader:
    """Reads operations, and adds the problems it finds to those of the schema compiler."""

    def __init__(self, document: Document, ledger: Collection[str], levels: Collection[str], dialect: Dialect) -> None:
        self.document = document
        self.dialect = dialect
        self.ledger = ledger
        self.levels = levels
        self.compiler = SchemaCompiler(document, ledger)
        self.places: dict[str, str] = {}

    def refuse(self, pointer: str, message: str) -> None:
        self.compiler.problems.append(self.document.problem(pointer, message))

    def check_document(self, operations: Mapping[str, Operation], handlers: Collection[str]) -> None:
        """Check the document as a whole: version, unused schemas, handlers, links."""
        if not str(self.document.find("/openapi")).startswith("3.1."):
            self.refuse("/openapi", "must be 3.1.x")
        for name in _mapping(self.document, "/components/schemas"):
            self.compiler.field("/components/schemas" + pointer_step(name))
        for operation_id in operations.keys() - set(handlers):
            self.refuse(self.places[operation_id], f"the operation {operation_id} has no handler")
        for operation_id in sorted(set(handlers) - operations.keys()):
            self.refuse("/paths", f"there is a handler for {operation_id}, but no such operation")
        for place in self.places.values():
            self._check_links(place, operations)

    def path_item(self, template: str) -> Iterator[Operation]:
        """Yield the operations of one path."""
        place = "/paths" + pointer_step(template)
        has_slash = self.dialect.trailing_slash or template == self.dialect.root
        if not template.startswith("/") or template.endswith("/") is not has_slash:
            wanted = "starts and ends with /" if self.dialect.trailing_slash else "starts with / and ends without one"
            self.refuse(place, f"a path {wanted}")
        for method in _mapping(self.document, place):
            if method in METHODS:
                yield self.operation(template, method, place + pointer_step(method))
            else:
                self.refuse(
                    place + pointer_step(method), f"{method!r} is not supported here; parameters belong to operations"
                )

    def operation(self, template: str, method: str, place: str) -> Operation:
        """Return one operation, with its parameters, body and answers compiled."""
        data = _mapping(self.document, place)
        for key in data.keys() - OPERATION_KEYS:
            self.refuse(place + pointer_step(key), f"the key {key!r} is not supported here")
        for key in ("operationId", "summary", "description", "tags", "responses", "security", "x-rules"):
            if key not in data:
                self.refuse(place, f"an operation needs {key}")
        operation_id = str(data.get("operationId"))
        if operation_id in self.places:
            self.refuse(place + "/operationId", f"{operation_id} is in use")
        self.places[operation_id] = place
        for i, rule in enumerate(data.get("x-rules", [])):
            if rule not in self.ledger:
                self.refuse(f"{place}/x-rules/{i}", f"{rule!r} is not in the ledger")
        right = data.get("x-minimum-right")
        if right is not None and right not in self.levels:
            self.refuse(place + "/x-minimum-right", f"must be one of {', '.join(self.levels)}")
        body_place = self._resolve(place + "/requestBody")
        answers, success = self._answers(place)
        success_place = self._resolve(f"{place}/responses/{success}") or ""
        operation = Operation(
            operation_id=operation_id,
            method=method.upper(),
            path=template,
            path_parameters=tuple(re.findall(r"{(\w+)}", template)),
            secured=bool(data.get("security")),
            minimum_right=right,
            rules=tuple(data.get("x-rules", [])),
            query=self._parameters(template, place),
            closed_query=self.dialect.closed_query,
            body=self._content(body_place) if body_place else None,
            body_types=tuple(_mapping(self.document, f"{body_place}/content")),
            body_required=bool(self.document.find(f"{body_place}/required")) if body_place else False,
            success=success,
            media=tuple(_mapping(self.document, success_place + "/content")),
            answers=answers,
        )
        for status in sorted(_possible_statuses(operation, "{" in template) - answers.keys()):
            self.refuse(place + "/responses", f"{operation_id} can answer {status}, which is not documented")
        return operation

    def _resolve(self, place: str) -> str | None:
        """Return the place or, if it holds a `$ref`, the target of the `$ref`. Return `None` if nothing is there."""
        value = self.document.find(place)
        if isinstance(value, dict) and "$ref" in value:
            target = str(value["$ref"]).removeprefix("#")
            if self.document.find(target) is None:
                self.refuse(place, f"$ref {value['$ref']!r} leads nowhere")
                return None
            return target
        return None if value is None else place

    def _parameters(self, template: str, place: str) -> dict[str, QueryParameter]:
        query, in_path = {}, []
        for i in range(len(_mapping(self.document, place).get("parameters", []))):
            at = self._resolve(f"{place}/parameters/{i}")
            if at is None:
                continue
            data = _mapping(self.document, at)
            compiled = self.compiler.field(at + "/schema")
            for name, example in data.get("examples", {}).items():
                self._check(at + f"/examples/{name}/value", compiled, example.get("value"))
            if data.get("in") == "path":
                in_path.append(data.get("name"))
            elif data.get("in") == "query":
                rule = data.get("x-rule")
                if rule not in self.ledger:
                    self.refuse(at, "a query parameter needs x-rule, a rule of the ledger")
                name = str(data.get("name"))
                query[name] = QueryParameter(name=name, attribute=snake_case(name), field=compiled, rule=str(rule))
            else:
                self.refuse(at + "/in", "must be path or query")
        if in_path != re.findall(r"{(\w+)}", template):
            self.refuse(place, f"must have the path's parameters, in the path's order, not {in_path}")
        return query

    def _answers(self, place: str) -> tuple[dict[int, CompiledSchema | None], int]:
        answers: dict[int, CompiledSchema | None] = {}
        for status in _mapping(self.document, place + "/responses"):
            at = self._resolve(f"{place}/responses/{status}")
            if not re.fullmatch(r"[2-5][0-9][0-9]", status):
                self.refuse(f"{place}/responses/{status}", "must be a status")
            elif at is not None:
                has_content = self.document.find(at + "/content") is not None
                answers[int(status)] = self._content(at) if has_content else None
        successes = [status for status in answers if status < 300]
        if len(successes) != 1:
            self.refuse(place + "/responses", "must have exactly one 2xx status")
        return answers, successes[0] if successes else 0

    def _content(self, place: str) -> CompiledSchema:
        """Return the schema of the JSON content. Content of other media types is plain text, without a schema."""
        content = _mapping(self.document, place + "/content")
        if not content or set(content) - set(self.dialect.media_types):
            self.refuse(place + "/content", f"must be {' or '.join(self.dialect.media_types)}")
        schemas: list[CompiledSchema] = []
        for media in content:
            at = f"{place}/content{pointer_step(media)}"
            is_json = media.endswith("json")
            schema = self.compiler.object_schema(at + "/schema") if is_json else self.compiler.field(at + "/schema")
            for name in _mapping(self.document, at + "/examples"):
                example = self._resolve(f"{at}/examples/{name}")
                if example is not None:
                    self._check(f"{example}/value", schema, self.document.find(f"{example}/value"))
            if isinstance(schema, CompiledSchema):
                schemas.append(schema)
        return schemas[0] if schemas else AnyObject()

    def _check(self, place: str, schema: Any, value: Any) -> None:
        try:
            if isinstance(schema, CompiledSchema):
                schema.read(value)
            else:
                schema.deserialize(value)
        except InvalidAttribute as error:
            for fault in error.faults:
                self.refuse(place + (fault.pointer or ""), f"the example does not satisfy its schema: {fault.reason}")
        except ValidationError as error:
            self.refuse(place, f"the example does not satisfy its schema: {error.messages}")

    def _check_links(self, place: str, operations: Mapping[str, Operation]) -> None:
        for status, response in _mapping(self.document, place + "/responses").items():
            for name, link in response.get("links", {}).items():
                at = f"{place}/responses/{status}/links{pointer_step(name)}"
                target = operations.get(link.get("operationId"))
                if target is None:
                    self.refuse(at + "/operationId", "names no operation")
                elif set(link.get("parameters", {})) != set(re.findall(r"{(\w+)}", target.path)):
                    self.refuse(at + "/parameters", f"must be the path parameters of {target.operation_id}")


def _possible_statuses(operation: Operation, names_resource: bool) -> set[int]:
    """Return the statuses that requests to the operation can get, whatever its handler does."""
    statuses = {406}
    if operation.secured:
        statuses.add(401)
    if operation.minimum_right is not None:
        statuses.add(403)
    if names_resource:
        statuses.add(404)
    if operation.body is not None:
        statuses |= {400, 413, 415}
    if operation.query:
        statuses.add(400)
    return statuses


def _mapping(document: Document, place: str) -> dict[str, Any]:
    """Return the mapping at a place, or an empty one. Callers that need content refuse an empty mapping."""
    value = document.find(place)
    return value if isinstance(value, dict) else {}
