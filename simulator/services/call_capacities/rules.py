"""The rules of Call Capacity Management. They are functions from one state of a group's capacities to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sized
from typing import Any

from simulator.directory import User
from simulator.errors import MOST_FAULTS, Fault, RuleViolation, UnknownResource
from simulator.services.call_capacities.model import CAPACITY_BYTES, MEMBER_BYTES, CallCapacities, CallCapacity

RESERVED_NAME = "available_users"
LIMITS = frozenset({"max_calls", "max_incoming_calls", "max_outgoing_calls"})

FindUser = Callable[[str], User | None]
"""Finds a user of the group by an id as the client wrote it (G-11)."""

Changes = Mapping[str, Any]
"""New values for attributes of a `CallCapacity`. `user_ids` are as the client wrote them."""


def capacity_named(capacities: CallCapacities, name: str) -> CallCapacity:
    """Return the capacity of this name. Raises `UnknownResource` (G-9)."""
    capacity = capacities.by_name.get(name)
    if capacity is None:
        reason = f"the group has no call capacity {name!r}"
        raise UnknownResource(Fault("G-9", reason, asked=name, known=list(capacities.by_name)))
    return capacity


def create(capacities: CallCapacities, attributes: Changes, find_user: FindUser) -> tuple[CallCapacities, CallCapacity]:
    """Add a capacity (CC-2). Raises `RuleViolation` with every fault (CC-3, CC-7)."""
    faults = list(_name_faults(capacities, None, attributes["name"]))
    user_ids = _member_ids(capacities, None, attributes.get("user_ids", ()), find_user, faults)
    if faults:
        raise RuleViolation(*faults)
    capacity = CallCapacity(**{**attributes, "number": capacities.created, "user_ids": user_ids})
    return _put(capacities._replace(created=capacities.created + 1), None, capacity)


def update(
    capacities: CallCapacities, capacity: CallCapacity, changes: Changes, find_user: FindUser
) -> tuple[CallCapacities, CallCapacity]:
    """Change only the given attributes (G-6, CC-5, CC-8, CC-10). Raises `RuleViolation` with every fault."""
    faults = list(_name_faults(capacities, capacity, changes["name"])) if "name" in changes else []
    if "user_ids" in changes:
        user_ids = _member_ids(capacities, capacity, changes["user_ids"] or (), find_user, faults)
        changes = {**changes, "user_ids": user_ids}
    if faults:
        raise RuleViolation(*faults)
    return _put(capacities, capacity, capacity._replace(**changes))


def delete(capacities: CallCapacities, capacity: CallCapacity) -> CallCapacities:
    """Remove the capacity. Its members become available, and the group may then have no default (CC-11)."""
    return _without(capacities, capacity)


def available(capacities: CallCapacities, users: Iterable[User]) -> list[User]:
    """Return the users without a capacity, in the given order (CC-12)."""
    return [user for user in users if user.user_id not in capacities.membership]


def has_limit_over_total(capacity: CallCapacity) -> bool:
    """Return whether the limit of a direction is above the limit of all calls (CC-4)."""
    limits = (capacity.max_incoming_calls, capacity.max_outgoing_calls)
    return any(limit is not None and limit > capacity.max_calls for limit in limits)


def _name_faults(capacities: CallCapacities, capacity: CallCapacity | None, name: str) -> Iterable[Fault]:
    if name == RESERVED_NAME:
        reason = f"the name {name!r} is refused: its address is that of the available users"
        yield Fault("CC-3", reason, "/name", assumed=True)
    elif name in capacities.by_name and (capacity is None or capacity.name != name):
        rule = "CC-3" if capacity is None else "CC-10"
        yield Fault(rule, f"the group has a call capacity {name!r} already", "/name")


def _member_ids(
    capacities: CallCapacities,
    capacity: CallCapacity | None,
    asked: Iterable[str],
    find_user: FindUser,
    faults: list[Fault],
) -> tuple[str, ...]:
    """Return the exact ids of the requested users. Reasons against their membership are added to `faults` (CC-7)."""
    members: dict[str, None] = {}
    for i, user_id in enumerate(asked):
        if len(faults) > MOST_FAULTS:
            break
        user, place = find_user(user_id), f"/userIds/{i}"
        if user is None:
            faults.append(Fault("CC-7", f"the group has no user {user_id!r}", place))
            continue
        other = capacities.membership.get(user.user_id)
        if other is not None and (capacity is None or other != capacity.name):
            faults.append(Fault("CC-7", f"the user {user.user_id!r} is a member of the call capacity {other!r}", place))
        if user.user_id in members:
            faults.append(Fault("CC-7", f"the user {user.user_id!r} is listed twice", place))
        members[user.user_id] = None
    return tuple(members)


def _put(
    capacities: CallCapacities, before: CallCapacity | None, after: CallCapacity
) -> tuple[CallCapacities, CallCapacity]:
    """Store a new or changed capacity. A new default replaces the old default (CC-6)."""
    added = capacities.added + CAPACITY_BYTES
    if before is not None and before.name == after.name and before.user_ids is after.user_ids:
        membership = capacities.membership
    else:
        capacities = capacities if before is None else _without(capacities, before)
        membership = capacities.membership
        for user_id in after.user_ids:
            membership = membership.insert(user_id, after.name)
        added += MEMBER_BYTES * len(after.user_ids)
    by_name, default = capacities.by_name, capacities.default
    if after.is_default:
        if default is not None and default != after.name:
            by_name = by_name.insert(default, by_name[default]._replace(is_default=False))
            added += CAPACITY_BYTES
        default = after.name
    elif default == after.name:
        default = None
    by_name = by_name.insert(after.name, after)
    return CallCapacities(by_name, membership, default, capacities.created, _at_most(added, by_name, membership)), after


def _without(capacities: CallCapacities, capacity: CallCapacity) -> CallCapacities:
    membership = capacities.membership
    for user_id in capacity.user_ids:
        membership = membership.discard(user_id)
    default = None if capacities.default == capacity.name else capacities.default
    by_name = capacities.by_name.remove(capacity.name)
    return CallCapacities(
        by_name, membership, default, capacities.created, _at_most(capacities.added, by_name, membership)
    )


def _at_most(added: int, by_name: Sized, membership: Sized) -> int:
    """Return how many bytes calls have added: no more than everything takes, however often it was replaced."""
    return min(added, CAPACITY_BYTES * len(by_name) + MEMBER_BYTES * len(membership))
