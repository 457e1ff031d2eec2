"""What a simulated service consists of: its operations and its sections of a fixture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from simulator.contract.operation import Call
from simulator.contract.view import View
from simulator.directory import Group, User
from simulator.state.world import Fork, Key

S = TypeVar("S")

MOST_LISTED = 20
"""How many users the details of an owner list at most."""

Handler = Callable[[Call, Fork], object]
"""Answers one operation: looks up records, calls the rules, stores the new state, returns the view to render."""


class Attempt(Protocol):
    """Runs one step of reading a section and returns its result."""

    def __call__(self, pointer: str, step: Callable[[], S], otherwise: S) -> S:
        """Run the step for the part at `pointer` of the section, and return its result.

        If the step is refused, the refusal is reported for this place, and `otherwise` is returned. If the part breaks
        its schema, the step is not run, and `otherwise` is returned.
        """
        ...


Owner = Group | User
"""A group or user that services are assigned to."""

ServicesChanged = Callable[[Fork, Sequence[tuple[Owner, Owner]]], None]
"""Updates a service's states after changes of assigned services. A change is the owner before and after."""


def lost(service: str, changes: Iterable[tuple[Owner, Owner]]) -> list[Owner]:
    """Return the owners that lost a service, as they are now."""
    return [after for before, after in changes if service in before.services and service not in after.services]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The part of a fixture that holds a service's state for one owner: a group or a user.

    `schema` is a JSON Schema that may refer to the contract. If `service` is not assigned to the owner, the section
    breaks `rule`. `load` reads a section and stores the state at the key that `state_key` returns for the owner. `show`
    returns the section for a state: the attributes of the schema by their Python names.
    """

    key: str
    schema: Mapping[str, Any]
    service: str
    rule: str
    load: Callable[[Fork, Any, Any, Attempt], None]
    state_key: Callable[[Any], Key]
    show: Callable[[Fork, Any], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultValues:
    """The defaults of a service that a profile may change (S-14).

    `schemas` are JSON Schemas of these defaults, by the rule that states them. `states` takes the values of a profile,
    by rule, and returns what a world that follows the profile holds from the beginning.
    """

    schemas: Mapping[str, Mapping[str, Any]]
    states: Callable[[Mapping[str, Mapping[str, Any]]], Mapping[Key, object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One simulated service: handlers by operation id, the services that can be assigned, its sections of a fixture.

    `contract_run` is a template of settings for Schemathesis: what its generated requests use as parameters. `ids`
    returns the ids that they can use in a group, by kind; in the template, `toml(ids("kind"))` is a list of them.

    `details` returns what there is to know about an owner's services besides the sections, by service, as JSON. The
    entry `alsoRemoves` says in words what goes if the service is taken away. `group_panel` and `user_panel` are
    templates inside the package: they show sections and details of an owner on a page. `defaults` are those that a
    profile may change.
    """

    handlers: Mapping[str, Handler]
    group_services: tuple[str, ...] = ()
    user_services: tuple[str, ...] = ()
    group_section: Section | None = None
    user_section: Section | None = None
    services_changed: ServicesChanged | None = None
    contract_run: Path | None = None
    ids: Callable[[Fork, Group], Mapping[str, Sequence[str]]] = field(default=lambda *_: {})
    details: Callable[[Fork, Owner], Mapping[str, Any]] = field(default=lambda *_: {})
    group_panel: Path | None = None
    user_panel: Path | None = None
    defaults: DefaultValues | None = None


def first_of(users: Sequence[User]) -> dict[str, Any]:
    """Return how many users these are, and the first of them, for details of an owner."""
    return {"count": len(users), "first": [reference(each) for each in users[:MOST_LISTED]]}


def reference(user: User) -> dict[str, Any]:
    """Return who and where a user is, for details of an owner."""
    return {
        "userId": user.user_id,
        "groupId": user.group_id,
        "firstName": user.first_name,
        "lastName": user.last_name,
    }


def as_member(user: User) -> User | View:
    """Return the user as lists of members show it. Without a department, they show the empty string (G-14)."""
    return View(user, department="") if user.department is None else user


def assign_services(
    fork: Fork, services: Iterable[Service], assignments: Iterable[tuple[Owner, tuple[str, ...]]]
) -> None:
    """Assign to each owner exactly the given services, and update the states of the services (EX-17, CC-1).

    The documented API has no call for this. The control interface uses it.
    """
    changes = [(owner, replace(owner, services=assigned)) for owner, assigned in assignments]
    changed: dict[tuple[str, str], list[Owner]] = {}
    for _, owner in changes:
        changed.setdefault((owner.tenant_id, owner.group_id), []).append(owner)
    tenants = dict(fork.directory.tenants)
    for (tenant_id, group_id), owners in changed.items():
        tenant = tenants[tenant_id]
        group = next((each for each in owners if isinstance(each, Group)), tenant.groups[group_id])
        users = {each.user_id: each for each in owners if isinstance(each, User)}
        groups = {**tenant.groups, group_id: replace(group, users={**group.users, **users})}
        tenants[tenant_id] = replace(tenant, groups=groups, users={**tenant.users, **users})
    fork.world = fork.world._replace(directory=replace(fork.directory, tenants=tenants))
    for service in services:
        if service.services_changed is not None:
            service.services_changed(fork, changes)
