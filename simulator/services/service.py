"""What a simulated service brings along: its operations and its section of a fixture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from simulator.contract.operation import Call
from simulator.contract.view import View
from simulator.directory import Group, User
from simulator.state.world import Fork, Place

S = TypeVar("S")

Handler = Callable[[Call, Fork], object]
"""Answers one operation: looks up, calls the rules, stores what changed, returns the view to be rendered."""


class Attempt(Protocol):
    """Takes one step of seeding and returns what comes of it."""

    def __call__(self, pointer: str, step: Callable[[], S], otherwise: S) -> S:
        """Take the step for the part at `pointer` of the section.

        If it is refused, that is reported for this place, and `otherwise` comes of it; so it does, without trying, if
        the part has not the shape it should have.
        """
        ...


Owner = Group | User
"""Who has services assigned."""

ServicesChanged = Callable[[Fork, Sequence[tuple[Owner, Owner]]], None]
"""Follows changes of assigned services; each owner is given as he was and as he is."""


def lost(service: str, changes: Iterable[tuple[Owner, Owner]]) -> list[Owner]:
    """Those from whom a service was taken away."""
    return [after for before, after in changes if service in before.services and service not in after.services]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The part of a fixture that holds a service's state, below each group or each user.

    `schema` is written in the contract's language and may refer to it; `service` is what must be assigned to the owner,
    else the section is refused for breaking `rule`. `seed` puts a section into the world at the owner's `place`,
    `show` is what it would be read from: attributes of the schema by their Python names.
    """

    key: str
    schema: Mapping[str, Any]
    service: str
    rule: str
    seed: Callable[[Fork, Any, Any, Attempt], None]
    place: Callable[[Any], Place]
    show: Callable[[Fork, Any], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One simulated service: handlers by operation id, the assignable services it knows, its sections of a fixture.

    `ids` are those that made-up requests about a group can use, by the kind of thing they name.
    """

    handlers: Mapping[str, Handler]
    group_services: tuple[str, ...] = ()
    user_services: tuple[str, ...] = ()
    group_section: Section | None = None
    user_section: Section | None = None
    services_changed: ServicesChanged | None = None
    ids: Callable[[Fork, Group], Mapping[str, Sequence[str]]] = field(default=lambda *_: {})


def as_member(user: User) -> User | View:
    """The user as lists of members show him: without a department, the attribute is the empty string (G-14)."""
    return View(user, department="") if user.department is None else user


def assign_services(
    fork: Fork, services: Iterable[Service], assignments: Iterable[tuple[Owner, tuple[str, ...]]]
) -> None:
    """Assign to each group or user exactly the services given, and let every simulated service follow (EX-17, CC-1).

    The documented API has no call for it: this is for whoever arranges a world.
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
    fork.world = replace(fork.world, directory=replace(fork.directory, tenants=tenants))
    for service in services:
        if service.services_changed is not None:
            service.services_changed(fork, changes)
