"""The operations of Call Capacity Management."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from simulator.contract.operation import Call
from simulator.contract.view import View
from simulator.directory import Group
from simulator.errors import Fault, RuleViolation, ServiceNotAssigned
from simulator.services.call_capacities import rules
from simulator.services.call_capacities.model import CallCapacities, CallCapacity
from simulator.services.service import Attempt, Owner, Section, Service, as_member, lost
from simulator.state.world import Fork, Place

NAME = "call_capacities"
SERVICE = "Call Capacity Management"
NONE = CallCapacities()


def create_call_capacity(call: Call, fork: Fork) -> object:
    """POST …/call_capacities/ (CC-2)."""
    group = _group(call, fork)
    before = _held(fork, group)
    held, capacity = rules.create(before, call.body, _find_user(fork, group))
    fork.store(_place(group), held)
    call.assume("CC-5", when=None in call.body.values())
    _assume_change(call, before, capacity)
    return _instance(call, group, capacity)


def list_call_capacities(call: Call, fork: Fork) -> object:
    """GET …/call_capacities/ (CC-9)."""
    capacities = _held(fork, _group(call, fork)).in_order()
    call.assume("G-13", when=len(capacities) > 1)
    return {"call_capacities": capacities}


def get_call_capacity(call: Call, fork: Fork) -> object:
    """GET …/call_capacities/{call_capacity_name}/ (CC-9)."""
    group, name = _group(call, fork), call.path["call_capacity_name"]
    # Not the whole state: the remembered answer still holds when other capacities change.
    capacity = fork.part(_place(group), NONE, lambda held: held.by_name.get(name))
    return _instance(call, group, capacity or _capacity(call, _held(fork, group)))


def update_call_capacity(call: Call, fork: Fork) -> object:
    """PUT …/call_capacities/{call_capacity_name}/ (CC-5, CC-8, CC-10)."""
    group = _group(call, fork)
    before = _held(fork, group)
    held, capacity = rules.update(before, _capacity(call, before), call.body, _find_user(fork, group))
    fork.store(_place(group), held)
    _assume_change(call, before, capacity)
    call.assume("CC-8", when=call.body.get("user_ids", ()) is None)
    return _instance(call, group, capacity)


def delete_call_capacity(call: Call, fork: Fork) -> object:
    """DELETE …/call_capacities/{call_capacity_name}/ (CC-11)."""
    group = _group(call, fork)
    held = _held(fork, group)
    capacity = _capacity(call, held)
    fork.store(_place(group), rules.delete(held, capacity))
    call.assume("CC-11", when=capacity.is_default or bool(capacity.user_ids))
    return None


def list_available_users(call: Call, fork: Fork) -> object:
    """GET …/call_capacities/available_users/ (CC-12)."""
    group = _group(call, fork)
    users = rules.available(_held(fork, group), group.users.values())
    call.assume("G-13", when=len(users) > 1)
    call.assume("CC-12", when=len(users) < len(group.users))
    return {"users": users}


def seed(fork: Fork, group: Group, capacities: list[dict[str, Any]], attempt: Attempt) -> None:
    """Create a fixture's capacities in a group, as POST does."""
    held = NONE
    for i, attributes in enumerate(capacities):
        held = attempt(f"/{i}", partial(_seed_one, held, attributes, _find_user(fork, group)), held)
    fork.store(_place(group), held)


def show(fork: Fork, group: Group) -> object:
    """Return the capacities of a group as a fixture holds them."""
    return _held(fork, group).in_order()


def ids(fork: Fork, group: Group) -> dict[str, list[str]]:
    """Return names of capacities of a group, one that may be deleted, and ids of users without a capacity."""
    held = _held(fork, group)
    names = [capacity.name for capacity in held.in_order()]
    return {
        "capacities": names[:-1] or names,
        "disposable_capacities": names[-1:],
        "members": [user.user_id for user in rules.available(held, group.users.values())],
    }


def services_changed(fork: Fork, changes: Sequence[tuple[Owner, Owner]]) -> None:
    """Remove the state of groups that lost the service (CC-1)."""
    for group in lost(SERVICE, changes):
        if isinstance(group, Group):
            fork.discard(_place(group))


def _seed_one(held: CallCapacities, attributes: rules.Changes, find_user: rules.FindUser) -> CallCapacities:
    if attributes["is_default"] and held.default is not None:
        raise RuleViolation(Fault("CC-6", f"the group has a default already, {held.default!r}", "/isDefault"))
    return rules.create(held, attributes, find_user)[0]


def _group(call: Call, fork: Fork) -> Group:
    """Return the group of the path. Raises `UnknownResource` (G-9) or `ServiceNotAssigned` (CC-1)."""
    group = fork.directory.group(call.path["tenant_id"], call.path["group_id"])
    if SERVICE not in group.services:
        raise ServiceNotAssigned(
            Fault("CC-1", f"the service {SERVICE} is not assigned to the group {group.group_id!r}")
        )
    return group


def _place(group: Group) -> Place:
    return (NAME, group.tenant_id, group.group_id)


def _held(fork: Fork, group: Group) -> CallCapacities:
    return fork.state(_place(group), NONE)


def _capacity(call: Call, held: CallCapacities) -> CallCapacity:
    return rules.capacity_named(held, call.path["call_capacity_name"])


def _find_user(fork: Fork, group: Group) -> rules.FindUser:
    return partial(fork.directory.find_user, group.users)


def _assume_change(call: Call, before: CallCapacities, capacity: CallCapacity) -> None:
    """Note the assumed rules: a limit exceeds the total (CC-4), or there is another default or none (CC-6)."""
    call.assume("CC-4", when=rules.has_limit_over_total(capacity) and not rules.LIMITS.isdisjoint(call.body))
    changed = before.default is not None and "is_default" in call.body
    call.assume("CC-6", when=changed and capacity.is_default != (before.default == call.path.get("call_capacity_name")))


def _instance(call: Call, group: Group, capacity: CallCapacity) -> View:
    """Return the capacity with its members, as GET shows it (CC-9)."""
    call.assume("CC-9", when=not capacity.user_ids)
    call.assume("G-13", when=len(capacity.user_ids) > 1)
    return View(capacity, users=[as_member(group.users[user_id]) for user_id in capacity.user_ids])


call_capacities = Service(
    handlers={
        "createCallCapacity": create_call_capacity,
        "listCallCapacities": list_call_capacities,
        "getCallCapacity": get_call_capacity,
        "updateCallCapacity": update_call_capacity,
        "deleteCallCapacity": delete_call_capacity,
        "listAvailableCallCapacityUsers": list_available_users,
    },
    group_services=(SERVICE,),
    group_section=Section(
        key="callCapacities",
        schema={"type": "array", "items": {"$ref": "openapi.yaml#/components/schemas/CallCapacityCreate"}},
        service=SERVICE,
        rule="CC-1",
        seed=seed,
        place=_place,
        show=show,
    ),
    services_changed=services_changed,
    ids=ids,
)
