"""Makes requests for the error catalogue (G-8). Most of them are refused.

Requests that depend on the fixture's state are in refusals.yaml. All others are documented examples of the contract,
changed in one place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson

from simulator.contract.contract import METHODS, Contract
from simulator.contract.operation import Operation
from simulator.contract.schemas import CompiledSchema, inner_schema
from simulator.control.recipe import Recipe
from simulator.directory import Directory
from simulator.document import read_document
from simulator.errors import InvalidAttribute, MalformedBody
from simulator.settings import DEFAULTS

BY_HAND = Path(__file__).with_name("refusals.yaml")

BODIES = (b"", b" ", b"{", b"[]", b"\xff", b'{"name": "\\ud800"}')
"""Bodies that no operation accepts."""

VALUES: tuple[Any, ...] = (None, True, 0, -1, 1.5, 1_000_000, "", "x", "a/b", "x" * 200, [], {})
"""Every attribute refuses some of these values."""
MANY = [str(number) for number in range(13)]


def recipes(api: Contract, control: Contract, directory: Directory) -> Iterator[Recipe]:
    """Yields the requests of refusals.yaml, and changed examples of each operation of the simulated API.

    Each operation is called with the tokens of accounts in the directory.
    """
    yield from _by_hand(api, control)
    for operation in api.operations.values():
        yield from _changed_calls(api, operation, directory)


def _by_hand(api: Contract, control: Contract) -> Iterator[Recipe]:
    for stated in read_document(BY_HAND).data:
        entry = dict(stated)
        operation_id = entry.pop("operation", None)
        body = orjson.dumps(entry.pop("body")) if "body" in entry else entry.pop("text", "").encode()
        query = entry.pop("query", "")
        if operation_id is not None:
            contract = api if operation_id in api.operations else control
            operation = contract.operations[operation_id]
            path = _address(operation, {**_ids(contract, operation, "documented"), **entry.pop("path", {})})
            entry |= {"method": operation.method, "path": f"{path}?{query}" if query else path}
        yield Recipe(operation_id=operation_id, body=body, **entry)


def _changed_calls(api: Contract, operation: Operation, directory: Directory) -> Iterator[Recipe]:
    """Yields requests to an operation. Most of them are refused."""
    ids = _ids(api, operation, "documented")
    path = _address(operation, ids)

    def recipe(**changes: Any) -> Recipe:
        return Recipe(**{"operation_id": operation.operation_id, "method": operation.method, "path": path, **changes})

    for other in (path.rstrip("/"), f"{path}/"):
        yield Recipe(operation_id=None, method=operation.method, path=other)
    missing = [method.upper() for method in METHODS if method.upper() not in api.paths[operation.path]]
    yield Recipe(operation_id=None, method=missing[0], path=path)
    yield recipe(headers={"Accept": "text/plain"})
    yield recipe(settings={"auth": "required"})
    for name, value in (("Authorization", "Bearer x"), ("Authorization", "Basic x"), ("Cookie", "sessionid=x")):
        yield recipe(headers={name: value})
    addresses = [path, _address(operation, _ids(api, operation, "notAssigned"))]
    addresses += [_address(operation, {**ids, name: "none"}) for name in ids]
    for address in addresses:
        yield recipe(path=address)
        for account in directory.accounts.values():
            yield recipe(path=address, headers={"Authorization": f"Bearer {account.token}"})
    for name in operation.query:
        yield recipe(path=f"{path}?{name}=x")
        yield recipe(path=f"{path}?{name}=true&{name}=true")
    if operation.body is not None:
        for body in BODIES:
            yield recipe(body=body)
        yield recipe(body=b"{}", headers={"Content-Type": "text/plain"})
        yield recipe(body=b"{}", headers={"Content-Encoding": "gzip"})
        yield recipe(body=bytes(DEFAULTS.max_body + 1))
        for body in _wrong_bodies(api, operation):
            yield recipe(body=body)


def _wrong_bodies(api: Contract, operation: Operation) -> Iterator[bytes]:
    """Yields, for each way to break the schema, the smallest body that does so."""
    documented = api.document.find(
        f"{_pointer(operation)}/requestBody/content/application~1json/examples/documented/value"
    )
    found: dict[object, Any] = {}
    for changed in _changed(documented, operation.body):
        why = _why(operation, changed)
        if why is not None:
            found.setdefault(why, changed)
    for why, body in found.items():
        yield orjson.dumps(_shrunk(body, partial(_is_wrong, operation, why)))


def _is_wrong(operation: Operation, why: object, body: Any) -> bool:
    return _why(operation, body) == why


def _why(operation: Operation, body: Any) -> object:
    """Returns what is wrong if it is in one place: the rules, the place, and the reasons without their values."""
    try:
        operation.read_body(orjson.dumps(body), None)
    except InvalidAttribute as refusal:
        places = {place(fault.pointer or "") for fault in refusal.faults}
        return (
            (*places, *((fault.rule, reason(fault.reason)) for fault in refusal.faults)) if len(places) == 1 else None
        )
    except MalformedBody:
        return None
    return None


def _changed(value: Any, schema: CompiledSchema | None) -> Iterator[Any]:
    """Yields copies of a JSON value, each changed in one place. Absent attributes are added too."""
    yield from VALUES
    if isinstance(value, dict):
        yield {**value, "unknown": 1}
        attributes = {str(each.data_key): each for each in schema.fields.values()} if schema is not None else {}
        for key in {**value, **attributes}:
            yield {name: each for name, each in value.items() if name != key}
            below = inner_schema(attributes[key]) if key in attributes else None
            for changed in _changed(value.get(key, {} if below is not None else None), below):
                yield {**value, key: changed}
    if isinstance(value, list):
        yield MANY
        for item in value[:1]:
            yield [item, item]
            for changed in _changed(item, schema):
                yield [changed]


def _shrunk(value: Any, will_do: Callable[[Any], bool]) -> Any:
    """Returns a value without its optional attributes, and without those of nested values."""
    if not isinstance(value, dict):
        return value
    for key in list(value):
        smaller = {name: each for name, each in value.items() if name != key}
        if will_do(smaller):
            value = smaller
    for key in value:
        value = {**value, key: _shrunk(value[key], partial(_will_do_inside, will_do, value, key))}
    return value


def _will_do_inside(will_do: Callable[[Any], bool], value: Mapping[str, Any], key: str, inner: Any) -> bool:
    return will_do({**value, key: inner})


def place(pointer: str) -> str:
    """Returns a JSON Pointer with `*` instead of each item's number."""
    return re.sub(r"/\d+(?=/|$)", "/*", pointer)


def reason(text: str) -> str:
    """Returns the reason of a refusal without the values in it."""
    return re.sub(r"'[^']*'|\"[^\"]*\"|\d+|/\S*", "…", text.partition(", not ")[0].partition(": ")[0])


def _pointer(operation: Operation) -> str:
    return f"/paths/{operation.path.replace('/', '~1')}/{operation.method.lower()}"


def _ids(contract: Contract, operation: Operation, example: str) -> dict[str, str]:
    """Returns the examples of an operation's path parameters, by the parameters' names."""
    found = {}
    document, pointer = contract.document, _pointer(operation)
    for place in (pointer.rpartition("/")[0], pointer):
        parameters: Iterable[Any] = document.find(f"{place}/parameters") or ()
        for parameter in parameters:
            stated = document.find(parameter["$ref"].removeprefix("#")) if "$ref" in parameter else parameter
            if stated["in"] == "path":
                examples = stated["examples"]
                found[stated["name"]] = examples.get(example, next(iter(examples.values())))["value"]
    return found


def _address(operation: Operation, ids: Mapping[str, str]) -> str:
    return operation.path.format(**{name: quote(value, safe="@") for name, value in ids.items()})
