"""What a simulated service brings along: its operations and its section of a fixture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from simulator.contract.operation import Call, View
from simulator.directory import User
from simulator.state.world import Fork

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


ServicesChanged = Callable[[Fork, User, User], None]
"""Follows a change of the services assigned to a user, who is given as he was and as he is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The part of a fixture that holds a service's state, below each group or each user.

    `schema` is written in the contract's language and may refer to it; `service` is what must be assigned to the owner,
    else the section is refused for breaking `rule`.
    """

    key: str
    schema: Mapping[str, Any]
    service: str
    rule: str
    seed: Callable[[Fork, Any, Any, Attempt], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One simulated service: handlers by operation id, the assignable services it knows, its sections of a fixture."""

    handlers: Mapping[str, Handler]
    group_services: tuple[str, ...] = ()
    user_services: tuple[str, ...] = ()
    group_section: Section | None = None
    user_section: Section | None = None
    services_changed: ServicesChanged | None = None


def as_member(user: User) -> View:
    """The user as lists of members show him: without a department, the attribute is the empty string (G-14)."""
    return View(user, department=user.department or "")


def assign_services(fork: Fork, services: Iterable[Service], user: User, assigned: tuple[str, ...]) -> User:
    """Assign exactly these services to the user, and let every simulated service follow (EX-17).

    The documented API has no call for it: this is for whoever arranges a world.
    """
    changed = replace(user, services=assigned)
    directory = fork.directory
    tenant = directory.tenants[user.tenant_id]
    group = tenant.groups[user.group_id]
    group = replace(group, users={**group.users, user.user_id: changed})
    groups = {**tenant.groups, group.group_id: group}
    tenant = replace(tenant, groups=groups, users={**tenant.users, user.user_id: changed})
    directory = replace(directory, tenants={**directory.tenants, tenant.tenant_id: tenant})
    fork.world = replace(fork.world, directory=directory)
    for service in services:
        if service.services_changed is not None:
            service.services_changed(fork, user, changed)
    return changed
