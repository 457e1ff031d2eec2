"""Undoes what a run may have changed in a laboratory, and proves it by reading."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from http import HTTPStatus
from typing import Any

import orjson

from simulator.contract.contract import Contract
from simulator.contract.operation import JSON, Operation
from simulator.lab.client import LabClient, Unanswered
from simulator.lab.exchange import LabAnswer, LabRequest
from simulator.lab.guard import OWN_PREFIX, PARTS, Guard, Permission, Scope, is_own, item_path
from simulator.lab.ledger import BrokenLedger, Change, Creation, RunLedger

ATTEMPTS = 4
"""How often something is tried, because a system may fail or take its time."""


def clean(client: LabClient, is_same: Callable[[Any, Any], bool], absent: Collection[int]) -> list[str]:
    """Undo all entries of the client's ledger. Return a sentence for each that could not be undone.

    `is_same` says whether two contents are the same. `absent` are the statuses of what does not exist.
    """
    was_cleaning, client.is_cleaning = client.is_cleaning, True
    try:
        entries = list(client.ledger.newest_first())
        created = [each for each in entries if isinstance(each, Creation)]
        created += _others(client, {each.collection for each in created}, {each.path for each in created})
        changed = [each for each in entries if isinstance(each, Change)]
        # What was changed can only be as it was once nothing of the run is there any more.
        stubborn = [each for each in created if not _delete(client, each, absent)]
        left = [client.shown(each.path) for each in changed if not _put_back(client, each, is_same)]
        left = [f"{path} is not as it was" for path in left]
        return left + [
            f"{each.name} is still there" for each in stubborn if not _empty_and_delete(client, each, absent)
        ]
    finally:
        client.is_cleaning = was_cleaning


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


def names_in(answer: LabAnswer) -> list[str]:
    """Return the names in the answer to a GET of a collection, or of the filtering. Empty if there are none."""
    try:
        content = answer.content()
    except ValueError:
        return []
    found = content.values() if isinstance(content, dict) else ()
    items = [item for each in found if isinstance(each, list) for item in each]
    return [str(item["name"]) for item in items if isinstance(item, dict) and "name" in item]


def listing_path(collection: str) -> str:
    """Return the path of the GET that lists what is in a collection. Criteria are a part of the filtering (EX-5)."""
    return collection.removesuffix("criteria/") + "filtering/" if collection.endswith("/criteria/") else collection


def _others(client: LabClient, collections: Collection[str], known: Collection[str]) -> list[Creation]:
    """Return what stands in a collection under a name of the run, but not under one that was sent: a trimmed one."""
    found = []
    for collection in collections:
        answer = _ask(client, LabRequest(method="GET", target=listing_path(collection)))
        for name in names_in(answer) if answer is not None and answer.status == HTTPStatus.OK else ():
            path = item_path(collection, name)
            if is_own(name, client.scope.prefix) and path not in known:
                client.ledger.add(Creation(collection=collection, name=name, path=path))
                found.append(Creation(collection=collection, name=name, path=path))
    return found


def _delete(client: LabClient, entry: Creation, absent: Collection[int]) -> bool:
    for _ in range(ATTEMPTS):
        _ask(client, LabRequest(method="DELETE", target=entry.path))
        answer = _ask(client, LabRequest(method="GET", target=entry.path))
        if answer is not None and answer.status in absent:
            client.ledger.undone(entry.path)
            return True
    return False


def _empty_and_delete(client: LabClient, entry: Creation, absent: Collection[int]) -> bool:
    """Delete a capacity that a system may keep while it is the default or has members (CC-11)."""
    _ask(client, _put(entry.path, {"isDefault": False, "userIds": []}))
    return _delete(client, entry, absent)


def _put_back(client: LabClient, entry: Change, is_same: Callable[[Any, Any], bool]) -> bool:
    for _ in range(ATTEMPTS):
        answer = _ask(client, LabRequest(method="GET", target=entry.path))
        if answer is not None and answer.status == HTTPStatus.OK and is_same(_content(answer), entry.content):
            client.ledger.undone(entry.path)
            return True
        _ask(client, _put(entry.path, entry.body))
    return False


def _put(path: str, body: object) -> LabRequest:
    return LabRequest(method="PUT", target=path, body=orjson.dumps(body), headers={"Content-Type": JSON})


def _content(answer: LabAnswer) -> Any:
    try:
        return answer.content()
    except ValueError:
        return None


def _ask(client: LabClient, request: LabRequest) -> LabAnswer | None:
    """Return the answer, or `None` if there is none. It is asked for again by the caller."""
    try:
        return client.ask(request)
    except Unanswered:
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
    return {**nullable, **{name: value for name, value in shown.items() if name in known}}
