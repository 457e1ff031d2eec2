"""Undoes what a run may have changed in a laboratory, and proves it by reading."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import orjson

from simulator.contract.contract import Contract
from simulator.contract.operation import JSON, Operation
from simulator.lab.client import LabClient, Untrustworthy
from simulator.lab.compare import content_differences, steady
from simulator.lab.exchange import LabAnswer, LabRequest
from simulator.lab.guard import OWN_PREFIX, PARTS, Guard, Permission, Scope, is_own, item_path
from simulator.lab.ledger import BrokenLedger, Change, Creation, RunLedger

ATTEMPTS = 4
"""How often something is tried, because a system may fail or take its time."""


def clean(client: LabClient, volatile: Collection[str], absent: Collection[int]) -> list[str]:
    """Undo all entries of the client's ledger. Return a sentence for each that could not be undone.

    `volatile` are the names of what varies by itself. `absent` are the statuses of what does not exist.
    """
    was_cleaning, client.is_cleaning = client.is_cleaning, True
    try:
        entries = list(client.ledger.newest_first())
        # What was changed cannot be as it was before while something of the run is still there.
        stubborn = _delete_all(client, [each for each in entries if isinstance(each, Creation)], absent)
        changed = [each for each in entries if isinstance(each, Change)]
        left = [client.shown(each.path) for each in changed if not _put_back(client, each, volatile)]
        for each in stubborn:
            # A system may keep a capacity while it is the default or has members (CC-11).
            _ask(client, put(each.path, {"isDefault": False, "userIds": []}))
        stubborn = _delete_all(client, stubborn, absent)
        return [f"{path} is not as it was" for path in left] + [f"{each.name} is still there" for each in stubborn]
    finally:
        client.is_cleaning = was_cleaning


def clean_later(client: LabClient, ledger: RunLedger) -> list[str]:
    """Undo what an earlier run has left. Return a sentence for each thing that is left.

    Raises `BrokenLedger` before anything is sent, or `Untrustworthy`.
    """
    about = ledger.about
    scope = scope_of_ledger(client.contract, ledger)
    if about.get("system") != client.url:
        raise BrokenLedger(f"{ledger.file} is about another system than {client.url}")
    client.log_in()
    client.ledger, client.scope = ledger, scope
    left = clean(client, about["volatile"], about["absent"])
    ledger.end()
    return left


def scope_of_ledger(contract: Contract, ledger: RunLedger) -> Scope:
    """Return the scope for undoing what a ledger names.

    Raises `BrokenLedger` if it names anything that no run creates or changes: somebody may have edited the file.
    """
    about = ledger.about
    guard = Guard(contract)

    def are_paths(found: object, *operation_ids: str) -> bool:
        templates = {contract.operations[each].path for each in operation_ids}
        return isinstance(found, list | dict) and all(
            isinstance(each, str) and guard.template_of(each) in templates for each in found
        )

    collections, parts, default = (about.get(each) for each in ("collections", "parts", "scratch_default"))
    is_whole = (
        isinstance(about.get("prefix"), str)
        and OWN_PREFIX.fullmatch(about["prefix"])
        and isinstance(collections, dict)
        and are_paths(collections, "createCallCapacity", "createCriterion")
        and are_paths(parts, *PARTS)
        and are_paths([] if default is None else [default], "getCallCapacity")
        and all(isinstance(about.get(each), list) for each in ("parts", "absent", "volatile"))
        and all(isinstance(each, int) for each in about["absent"])
        and all(isinstance(each, str) for each in about["volatile"])
    )
    if not is_whole:
        raise BrokenLedger(f"{ledger.file} is no ledger of a run")
    scope = Scope(
        permission=Permission.SCRATCH,
        prefix=about["prefix"],
        collections=about["collections"],
        parts=frozenset(about["parts"]),
        scratch_default=default,
    )
    for entry in ledger.entries.values():
        if isinstance(entry, Creation):
            undoing = LabRequest(method="DELETE", target=entry.path)
        else:
            undoing = LabRequest(method="PUT", target=entry.path, body=orjson.dumps(entry.body))
        if guard.reason_against(undoing, scope, ledger) is not None:
            raise BrokenLedger(f"{ledger.file} names something that its run did not create or change")
    return scope


def names_in(answer: LabAnswer) -> list[str] | None:
    """Return the names in the answer to a GET of a collection, or of the filtering. `None` if it is no JSON object."""
    content = _content(answer)
    if not isinstance(content, dict):
        return None
    items = [item for each in content.values() if isinstance(each, list) for item in each]
    return [str(item["name"]) for item in items if isinstance(item, dict) and "name" in item]


def listing_path(collection: str) -> str:
    """Return the path of the GET that lists what is in a collection. Criteria are a part of the filtering (EX-5)."""
    return collection.removesuffix("criteria/") + "filtering/" if collection.endswith("/criteria/") else collection


def _delete_all(client: LabClient, entries: Sequence[Creation], absent: Collection[int]) -> list[Creation]:
    """Delete what a run has created. Return what is not proved to be gone.

    The proof is a GET, and that the collection does not list the name. What is listed under another name of the run,
    such as a trimmed one, is deleted too.
    """
    left, found = [], []
    gone = {each.path: _delete(client, each, absent) for each in entries}
    for collection in dict.fromkeys(each.collection for each in entries):
        own = [each for each in entries if each.collection == collection]
        names = _own_names(client, collection)
        listed = {item_path(collection, name) for name in names or ()}
        left += [each for each in own if names is None or each.path in listed or not gone[each.path]]
        for name in names or ():
            path = item_path(collection, name)
            if path not in gone:
                found.append(Creation(collection=collection, name=name, path=path))
    for each in entries:
        if each not in left:
            client.ledger.undone(each.path)
    for each in found:
        if each.path not in client.ledger.entries:
            # Something that is not noted is not deleted, but it is reported.
            with suppress(OSError):
                client.ledger.add(each)
    return left + (_delete_all(client, found, absent) if found else [])


def _own_names(client: LabClient, collection: str) -> list[str] | None:
    """Return the names of the run that a collection lists, or `None` if it does not answer."""
    for _ in range(ATTEMPTS):
        answer = _ask(client, LabRequest(method="GET", target=listing_path(collection)))
        names = names_in(answer) if answer is not None and answer.status == HTTPStatus.OK else None
        if names is not None:
            return [each for each in names if is_own(each, client.scope.prefix)]
    return None


def _delete(client: LabClient, entry: Creation, absent: Collection[int]) -> bool:
    for _ in range(ATTEMPTS):
        _ask(client, LabRequest(method="DELETE", target=entry.path))
        answer = _ask(client, LabRequest(method="GET", target=entry.path))
        if answer is not None and answer.status in absent:
            return True
    return False


def _put_back(client: LabClient, entry: Change, volatile: Collection[str]) -> bool:
    for _ in range(ATTEMPTS):
        answer = _ask(client, LabRequest(method="GET", target=entry.path))
        if answer is not None and answer.status == HTTPStatus.OK and is_as_before(entry, answer, volatile):
            client.ledger.undone(entry.path)
            return True
        _ask(client, put(entry.path, entry.body))
    return False


def is_as_before(entry: Change, answer: LabAnswer, volatile: Collection[str]) -> bool:
    """Return whether an answer shows what was there before the run. What the run writes always counts."""
    names = set(_names(entry.body)) | {"assistantUsers"}
    return not steady(content_differences(_content(answer), entry.content), set(volatile) - names)


def _names(body: Any) -> Iterator[str]:
    for key, value in body.items() if isinstance(body, dict) else ():
        yield key
        for each in value if isinstance(value, list) else ():
            yield from _names(each)


def put(path: str, body: object) -> LabRequest:
    """Return the request that changes what is at a path."""
    return LabRequest(method="PUT", target=path, body=orjson.dumps(body), headers={"Content-Type": JSON})


def _content(answer: LabAnswer) -> Any:
    try:
        return answer.content()
    except ValueError:
        return None


def _ask(client: LabClient, request: LabRequest) -> LabAnswer | None:
    """Return the answer, or `None` if there is none. One request that fails must not stop the others."""
    try:
        return client.ask(request)
    except Untrustworthy:
        return None


def restoring_body(operation: Operation, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of the PUT that takes a part of an executive's settings back to what a GET has shown.

    It has the attributes that the PUT takes. What is absent from the answer is unset, and null clears it (EX-9).
    """
    shown = dict(content)
    if "assistantUsers" in shown:
        shown["assistantUserIds"] = [user["userId"] for user in shown.pop("assistantUsers")]
    if "criteria" in shown:
        shown["criteria"] = [{"name": each["name"], "active": each["active"]} for each in shown["criteria"]]
    fields = () if operation.body is None else operation.body.fields.values()
    nullable = {str(each.data_key): None for each in fields if each.allow_none}
    known = {str(each.data_key) for each in fields}
    body = {**nullable, **{name: value for name, value in shown.items() if name in known}}
    if not body.get("criteria"):
        # There is nothing to put back, and a system may refuse an empty list.
        body.pop("criteria", None)
    return body
