"""Fixtures: files that hold a whole world, read all or nothing.

A fixture can hold no state that the API would refuse: its parts are read by the contract's own request schemas and put
in place by the same rules that answer POST and PUT.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from simulator.contract.fields import CompiledSchema
from simulator.contract.schemas import SchemaCompiler, snake_case
from simulator.directory import LEVELS, Account, Department, Directory, Group, Tenant, User
from simulator.document import Document, pointer_to, read_document
from simulator.errors import BrokenDocument, Fault, Problem, Refusal
from simulator.services.service import Section, Service
from simulator.state.world import Fork, World

S = TypeVar("S")

_USABLE_ID = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff/]+")
_UNREACHABLE = "cannot be named by a path: an id is not empty, `.` or `..` and holds neither `/` nor control characters"


class FixtureReader:
    """Reads fixtures for a given list of services; `contract` is the document that their sections refer to."""

    def __init__(self, services: Sequence[Service], contract: Document, ledger: Collection[str]) -> None:
        self.services = services
        shape = Document("the shape of a fixture", _shape(services), {})
        compiler = SchemaCompiler(shape, ledger, {"openapi.yaml": contract})
        self.schema: CompiledSchema = compiler.object_schema("")
        compiler.finish()

    def read(self, path: Path) -> World:
        """The world that a file holds. Raises `BrokenDocument` with every problem, its place and the rule it breaks."""
        return self.world(read_document(path))

    def world(self, document: Document) -> World:
        """The world that a document holds. Raises `BrokenDocument` like `read`."""
        if not isinstance(document.data, dict):
            message = "must be a mapping with version, defaultDomain and tenants"
            raise BrokenDocument([*document.problems, document.problem("", message)])
        data, faults = self.schema.read_what_is_valid(document.data)
        reading = _Reading(self.services, document.data, faults)
        world = reading.world(data)
        problems = [*document.problems, *(_problem(document, fault) for fault in reading.faults)]
        if problems:
            raise BrokenDocument(problems)
        return world


class _Reading:
    """One fixture on its way to a world. `faults` collects everything that is wrong, with pointers into the fixture."""

    def __init__(self, services: Sequence[Service], raw: dict[str, Any], faults: list[Fault]) -> None:
        self.services = services
        self.raw = raw
        self.faults = faults
        self.misshapen = tuple(fault.pointer or "" for fault in faults)

    def refuse(self, path: Iterable[object], rule: str, reason: str) -> None:
        self.faults.append(Fault(rule, reason, pointer_to(path)))

    def world(self, data: dict[str, Any]) -> World:
        domain = data.get("default_domain", "")
        tenants = {
            tenant_id: self.tenant(tenant_id, tenant)
            for tenant_id, tenant in data.get("tenants", {}).items()
            if self.usable(("tenants", tenant_id), tenant_id)
        }
        directory = Directory(default_domain=domain, tenants=MappingProxyType(tenants), accounts={}, tokens={})
        accounts = {name: self.account(name, account, directory) for name, account in data.get("accounts", {}).items()}
        directory = replace(
            directory, accounts=MappingProxyType(accounts), tokens=MappingProxyType(self.tokens(accounts.values()))
        )
        fork = Fork(World(directory=directory))
        for tenant_id, tenant in tenants.items():
            for group_id, group in tenant.groups.items():
                here: tuple[str, ...] = ("tenants", tenant_id, "groups", group_id)
                content = data["tenants"][tenant_id]["groups"][group_id]
                for service in self.services:
                    self.section(fork, service.group_section, here, content, group)
                    for user_id, user in group.users.items():
                        if user_id in content.get("users", {}):
                            place = (*here, "users", user_id)
                            self.section(fork, service.user_section, place, content["users"][user_id], user)
        return fork.world

    def usable(self, path: tuple[str, ...], identifier: str) -> bool:
        """Whether a path can name the id; where not, that is a fault (G-18)."""
        if _USABLE_ID.fullmatch(identifier) and identifier not in (".", ".."):
            return True
        self.refuse(path, "G-18", _UNREACHABLE)
        return False

    def tenant(self, tenant_id: str, data: dict[str, Any]) -> Tenant:
        kind = data.get("type", "")
        users: dict[str, User] = {}
        groups: dict[str, Group] = {}
        for group_id, content in data.get("groups", {}).items():
            here = ("tenants", tenant_id, "groups", group_id)
            if not self.usable(here, group_id):
                continue
            suffix = f" ({group_id})" if kind == "Enterprise" else ""
            departments = self.departments(here, content.get("departments", {}), suffix)
            group_users = {}
            for user_id, attributes in content.get("users", {}).items():
                place = (*here, "users", user_id)
                if user_id in users:
                    reason = (
                        f"the group {users[user_id].group_id!r} has a user of this id: lists name users by it alone"
                    )
                    self.refuse(place, "G-18", reason)
                elif self.usable(place, user_id):
                    group_users[user_id] = self.user(place, attributes, departments)
            users.update(group_users)
            groups[group_id] = Group(
                tenant_id=tenant_id,
                group_id=group_id,
                services=tuple(filter(None, content.get("services", ()))),
                departments=MappingProxyType(departments),
                users=MappingProxyType(group_users),
            )
        return Tenant(tenant_id=tenant_id, type=kind, groups=MappingProxyType(groups), users=MappingProxyType(users))

    def departments(self, here: tuple[str, ...], data: dict[str, Any], suffix: str) -> dict[str, Department]:
        """The departments of a group, each with the path of its parents (G-15)."""
        departments = {}
        for name in data:
            names: list[str] = []
            above: str | None = name
            while above is not None and above in data and above not in names:
                names.insert(0, above)
                above = data[above].get("parent")
            if above is not None:
                reason = (
                    f"the parents of {name!r} go in a circle" if above in data else f"there is no department {above!r}"
                )
                self.refuse((*here, "departments", name, "parent"), "G-15", reason)
            departments[name] = Department(
                tenant_id=here[1],
                group_id=here[3],
                department_name=name,
                full_path_name=" \\ ".join(names) + suffix,
            )
        return departments

    def user(self, here: tuple[str, ...], data: dict[str, Any], departments: Mapping[str, Department]) -> User:
        department = data.get("department")
        if department is not None and department not in departments:
            self.refuse((*here, "department"), "G-18", f"the group has no department {department!r}")
        values = {key: value for key, value in data.items() if isinstance(value, str) and key != "department"}
        return User(
            **{"first_name": "", "last_name": "", **values},
            tenant_id=here[1],
            group_id=here[3],
            user_id=here[5],
            department=departments.get(department or ""),
            services=tuple(filter(None, data.get("services", ()))),
        )

    def account(self, name: str, data: dict[str, Any], directory: Directory) -> Account:
        """An account bound to exactly the ids that its level asks for, which must exist (A-1)."""
        here = ("accounts", name)
        if not name:
            self.refuse(here, "G-18", "an account has a name")
        account = Account(name=name, **{"password": "", **data, "level": LEVELS[data.get("level", "System Admin")]})
        bound = {key: data[key] for key in ("tenant_id", "group_id", "user_id") if key in data}
        scope = account.level.scope
        if "level" in data and set(bound) != set(scope):
            wanted = " and ".join(each.replace("_id", "Id") for each in scope) or "no ids"
            self.refuse(here, "A-1", f"an account of level {account.level.title} has {wanted}")
            return account
        try:
            if "user_id" in bound:
                user = directory.user(bound["tenant_id"], bound["group_id"], bound["user_id"])
                return replace(account, user_id=user.user_id)
            if "group_id" in bound:
                directory.group(bound["tenant_id"], bound["group_id"])
            elif "tenant_id" in bound:
                directory.tenant(bound["tenant_id"])
        except Refusal as refusal:
            self.refuse(here, "A-1", refusal.faults[0].reason)
        return account

    def tokens(self, accounts: Iterable[Account]) -> dict[str, Account]:
        tokens: dict[str, Account] = {}
        for account in accounts:
            if account.token is None:
                continue
            if account.token in tokens:
                reason = f"the account {tokens[account.token].name!r} has this token already"
                self.refuse(("accounts", account.name, "token"), "A-4", reason)
            tokens[account.token] = account
        return tokens

    def section(
        self, fork: Fork, section: Section | None, here: tuple[str, ...], content: dict[str, Any], owner: Group | User
    ) -> None:
        """Seed a service's section of a group or a user, if it is there and its shape is right."""
        raw: Any = self.raw
        for key in here:
            raw = raw[key]
        if section is None or section.key not in raw:
            return
        place = f"{pointer_to(here)}/{section.key}"
        if section.service not in owner.services:
            self.faults.append(Fault(section.rule, f"the service {section.service} is not assigned here", place))
        elif snake_case(section.key) in content:
            section.seed(fork, owner, content[snake_case(section.key)], partial(self.attempt, place))

    def attempt(self, section: str, pointer: str, step: Callable[[], S], otherwise: S) -> S:
        place = section + pointer
        if any(each == place or each.startswith(place + "/") for each in self.misshapen):
            return otherwise
        try:
            return step()
        except Refusal as refusal:
            self.faults.extend(fault.below(place) for fault in refusal.faults)
            return otherwise


def _problem(document: Document, fault: Fault) -> Problem:
    return document.problem(fault.pointer or "", f"{fault.reason} ({fault.rule})")


def _shape(services: Sequence[Service]) -> dict[str, Any]:
    """What a fixture may hold, in the contract's schema language, with the sections of the services."""
    group_sections = {each.group_section.key: each.group_section.schema for each in services if each.group_section}
    user_sections = {each.user_section.key: each.user_section.schema for each in services if each.user_section}
    text = {"type": "string"}
    needed = {"type": "string", "minLength": 1}
    user = _object(
        "firstName lastName",
        firstName=text,
        lastName=text,
        extension=text,
        phoneNumber=text,
        emailAddress=text,
        department=needed,
        services=_list_of(name for service in services for name in service.user_services),
        **user_sections,
    )
    group = _object(
        "",
        services=_list_of(name for service in services for name in service.group_services),
        departments=_map_of(_object("", parent=needed)),
        users=_map_of(user),
        **group_sections,
    )
    kind = {"type": "string", "enum": ["Enterprise", "ServiceProvider"]}
    account = _object(
        "password level",
        password=text,
        level={"type": "string", "enum": list(LEVELS)},
        tenantId=needed,
        groupId=needed,
        userId=needed,
        token={
            "type": "string",
            "pattern": "^[!-~]+$",
            "x-expected": "printable ASCII without blanks",
            "x-rule": "A-4",
        },
    )
    return _object(
        "version defaultDomain tenants",
        version={"type": "integer", "enum": [1]},
        defaultDomain=needed,
        tenants=_map_of(_object("type", type=kind, groups=_map_of(group))),
        accounts=_map_of(account),
    )


def _object(required: str, **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "x-rule": "G-18",
        "additionalProperties": False,
        "required": required.split(),
        "properties": properties,
    }


def _map_of(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": schema}


def _list_of(names: Iterable[str]) -> dict[str, Any]:
    return {"type": "array", "uniqueItems": True, "items": {"type": "string", "enum": list(names)}}
