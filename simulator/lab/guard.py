"""What a run may send to a laboratory: a closed list of methods and paths for each permission.

`LabClient` asks the guard about every request, so no caller can get around it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any
from urllib.parse import quote, unquote

from simulator.contract.contract import Contract
from simulator.lab.exchange import LabRequest, path_of
from simulator.lab.ledger import Change, Creation, RunLedger

PARTS = ("updateAssistants", "updateFiltering", "updateScreening", "updateAlerting")
"""The operations that change a part of an executive's settings."""
PREFIX = "zz-conform-"
"""How the names of everything begin that a run creates. The name of the run follows."""
OWN_PREFIX = re.compile(f"{PREFIX}[0-9a-z]{{6,}}-")
"""The prefix of one run."""

CONCERNING = ("name", "isDefault", "userIds")
"""The attributes that can concern what others have created."""


class Permission(IntEnum):
    """What a run may do. A higher permission includes the lower ones."""

    READ = 0
    """GET and HEAD only."""
    OWN = 1
    """Also create call capacities, and change and delete these."""
    SCRATCH = 2
    """Also change a group and a user that were named for it, and put them back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Where a run may write. Everything that it creates has a name with `prefix`.

    `collections` are the paths at which it may create something, each with whether it may also change the default and
    the members there. `parts` are the paths of the scratch user's settings. `scratch_default` is the path of the
    capacity that was the default of the scratch group. `scratch_members` are its users who were in no capacity.
    """

    permission: Permission = Permission.READ
    prefix: str = PREFIX
    collections: Mapping[str, bool] = field(default_factory=dict)
    parts: Set[str] = frozenset()
    scratch_default: str | None = None
    scratch_members: Set[str] = frozenset()


def scope_of(
    contract: Contract,
    permission: Permission,
    prefix: str,
    tenant: str,
    group: str,
    scratch_group: str = "",
    scratch_user: tuple[str, str] | None = None,
) -> Scope:
    """Return the scope of a run that may create capacities in `group`, and change the scratch group and user."""

    def path(operation_id: str, **parameters: str) -> str:
        return path_of(contract.operations[operation_id].path, {"tenant_id": tenant, **parameters})

    collections, parts = {}, set()
    if permission >= Permission.OWN and group:
        collections[path("createCallCapacity", group_id=group)] = False
    if permission >= Permission.SCRATCH and scratch_group:
        collections[path("createCallCapacity", group_id=scratch_group)] = True
    if permission >= Permission.SCRATCH and scratch_user is not None:
        owner = {"group_id": scratch_user[0], "user_id": scratch_user[1]}
        collections[path("createCriterion", **owner)] = True
        parts = {path(each, **owner) for each in PARTS}
    return Scope(permission=permission, prefix=prefix, collections=collections, parts=frozenset(parts))


class Guard:
    """Says why a request must not be sent."""

    def __init__(self, contract: Contract) -> None:
        # A path without its last slash is asked for to see what the API says (G-1). Literal paths come first.
        paths = sorted(contract.paths, key=lambda path: path.count("{"))
        self._templates = {path: re.compile(f"{_pattern(path.rstrip('/'))}/?") for path in paths}
        self._unknown = re.compile(rf"/api/v1/{PREFIX}[a-z0-9-]+/")

    def template_of(self, path: str) -> str:
        """Return the path of the contract that a path follows. A path that follows none is one of a run's own."""
        return next((template for template, pattern in self._templates.items() if pattern.fullmatch(path)), path)

    def reason_against(self, request: LabRequest, scope: Scope, ledger: RunLedger) -> str | None:
        """Return why the request must not be sent, or `None` if it may."""
        if any(unquote(each) in (".", "..") for each in request.path.split("/")):
            return "servers on the way may change a path with dots"
        if request.method in ("GET", "HEAD"):
            known = self.template_of(request.path) != request.path or request.path in self._templates
            return None if known or self._unknown.fullmatch(request.path) else "no operation has this path"
        if scope.permission == Permission.READ:
            return "the run may only read"
        entry = ledger.entries.get(request.path)
        if request.method == "POST":
            return self._reason_against_creation(request, scope, ledger)
        if request.method not in ("PUT", "DELETE"):
            return "no probe needs this method"
        if entry is None:
            return "the ledger of the run does not name it"
        if isinstance(entry, Creation):
            free = scope.collections.get(entry.collection)
            if free is None:
                return "it lies outside of what the run may change"
            if not is_own(entry.name, scope.prefix) or entry.path != item_path(entry.collection, entry.name):
                return "the name is not one of the run"
            return _reason_against_body(request, entry.collection, free, scope, ledger)
        return _reason_against_change(request, entry, scope)

    def _reason_against_creation(self, request: LabRequest, scope: Scope, ledger: RunLedger) -> str | None:
        free = scope.collections.get(request.path)
        if free is None:
            return "nothing may be created there"
        content = _content(request)
        if not isinstance(content, dict) or not isinstance(content.get("name"), str):
            return "what is created must have a name"
        return _reason_against_body(request, request.path, free, scope, ledger)


def _pattern(template: str) -> str:
    return re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template))


def item_path(collection: str, name: str) -> str:
    """Return the path of something in a collection."""
    return f"{collection}{quote(name, safe='')}/"


def is_own(name: str, prefix: str) -> bool:
    """Return whether a name is one of the run with this prefix. A system may have changed its case, or cut it."""
    folded = name.casefold()
    return prefix in folded or (prefix.startswith(folded) and OWN_PREFIX.fullmatch(f"{folded}-") is not None)


def _content(request: LabRequest) -> Any:
    """Return what the body says, or `None` if it is no JSON, or says something that concerns others twice."""
    try:
        return json.loads(request.body or b"", object_pairs_hook=_object)
    except ValueError:
        return None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs if name in CONCERNING]
    if len(set(names)) < len(names):
        raise ValueError("a name stands twice in an object")
    return dict(pairs)


def _reason_against_body(
    request: LabRequest, collection: str, free: bool, scope: Scope, ledger: RunLedger
) -> str | None:
    """Return what is wrong with the body for something that the run has created, or creates."""
    if request.method == "DELETE":
        return None
    content = _content(request)
    if not isinstance(content, dict):
        # A system that accepts such a body must find nothing in it that concerns others.
        dangerous = re.search("|".join(CONCERNING).encode(), request.body or b"")
        return "a body that is no JSON object must not name anything" if dangerous else None
    return (
        _reason_against_name(content, collection, scope, ledger)
        or _reason_against_default(content, free, scope, ledger)
        or _reason_against_members(content, free, scope)
    )


def _reason_against_name(content: Mapping[str, Any], collection: str, scope: Scope, ledger: RunLedger) -> str | None:
    name = content.get("name")
    if name is None:
        return None
    if not isinstance(name, str) or scope.prefix not in name:
        return "the name is not one of the run"
    if not isinstance(ledger.entries.get(item_path(collection, name)), Creation):
        return "the ledger of the run does not name what is created"
    return None


def _reason_against_default(content: Mapping[str, Any], free: bool, scope: Scope, ledger: RunLedger) -> str | None:
    if content.get("isDefault", False) is False:
        return None
    if not free:
        return "the default of a group may not be changed"
    if scope.scratch_default is not None and scope.scratch_default not in ledger.entries:
        return "the ledger of the run does not name the default that would lose the flag"
    return None


def _reason_against_members(content: Mapping[str, Any], free: bool, scope: Scope) -> str | None:
    members = content.get("userIds") or []
    if not members:
        return None
    if not free or not isinstance(members, list):
        return "users may not be moved into a capacity"
    others = [each for each in members if each not in scope.scratch_members and scope.prefix not in str(each)]
    return "a user of another capacity may not be moved" if others else None


def _reason_against_change(request: LabRequest, entry: Change, scope: Scope) -> str | None:
    """Return why something of others must not be changed in this way."""
    if request.method != "PUT":
        return "what others have created must not be deleted"
    if entry.path in scope.parts:
        return None
    if entry.path == scope.scratch_default and _content(request) == entry.body == {"isDefault": True}:
        return None
    return "it may only be put back"
