"""The operations of Call Capacity Management."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

from simulator.contract.operation import Call, Without
from simulator.contract.view import View
from simulator.directory import Group, User
from simulator.errors import Fault, RuleViolation, ServiceNotAssigned
from simulator.services.call_capacities import rules
from simulator.services.call_capacities.model import CallCapacities, CallCapacity
from simulator.services.service import Attempt, Owner, Section, Service, as_member, first_of, lost
from simulator.state.world import Fork, Key

NAME = "call_capacities"
SERVICE = "Call Capacity Management"
NONE = CallCapacities()


def create_call_capacity(call: Call, fork: Fork) -> object:
    """POST …/call_capacities/ (CC-2)."""
    group = _group(call, fork)
    before = _capacities(fork, group)
    capacities, capacity = rules.create(before, call.body, _find_user(fork, group))
    fork.store(_key(group), capacities, capacities.added - before.added)
    call.assume("CC-5", when=None in call.body.values())
    _assume_change(call, before, capacity)
    return _instance(call, group, capacity)


def list_call_capacities(call: Call, fork: Fork) -> object:
    """GET …/call_capacities/ (CC-9)."""
    capacities = _capacities(fork, _group(call, fork)).in_order()
    call.assume("G-13", when=len(capacities) > 1)
    if call.profile.choices.get("G-13") == "name":
        capacities.sort(key=attrgetter("name"))
    return {"call_capacities": capacities}


def get_call_capacity(call: Call, fork: Fork) -> object:
    """GET …/call_capacities/{call_capacity_name}/ (CC-9)."""
    group, name = _group(call, fork), call.path["call_capacity_name"]
    # Only this part of the state is read, so the remembered answer still holds when other capacities change.
    capacity = fork.part(_key(group), NONE, lambda capacities: capacities.by_name.get(name))
    return _instance(call, group, capacity or _capacity(call, _capacities(fork, group)))


def update_call_capacity(call: Call, fork: Fork) -> object:
    """PUT …/call_capacities/{call_capacity_name}/ (CC-5, CC-8, CC-10)."""
    group = _group(call, fork)
    before = _capacities(fork, group)
    capacity = _capacity(call, before)
    changes = call.body
    capacities, capacity = rules.update(before, capacity, changes, _find_user(fork, group))
    fork.store(_key(group), capacities, capacities.added - before.added)
    _assume_change(call, before, capacity)
    call.assume("CC-8", when=changes.get("user_ids", ()) is None)
    return _instance(call, group, capacity)


def delete_call_capacity(call: Call, fork: Fork) -> object:
    """DELETE …/call_capacities/{call_capacity_name}/ (CC-11)."""
    group = _group(call, fork)
    before = _capacities(fork, group)
    capacity = _capacity(call, before)
    capacities = rules.delete(before, capacity)
    fork.store(_key(group), capacities, capacities.added - before.added)
    call.assume("CC-11", when=capacity.is_default or bool(capacity.user_ids))
    return None


def list_available_users(call: Call, fork: Fork) -> object:
    """GET …/call_capacities/available_users/ (CC-12)."""
    group = _group(call, fork)
    users = rules.available(_capacities(fork, group), group.users.values())
    call.assume("G-13", when=len(users) > 1)
    call.assume("CC-12", when=len(users) < len(group.users))
    return {"users": users}


def load(fork: Fork, group: Group, section: list[dict[str, Any]], attempt: Attempt) -> None:
    """Create a fixture's capacities in a group, as POST does. The weight of the fixture counts them (S-10)."""
    capacities = NONE
    for i, attributes in enumerate(section):
        capacities = attempt(f"/{i}", partial(_load_one, capacities, attributes, _find_user(fork, group)), capacities)
    fork.store(_key(group), capacities._replace(added=0))


def show(fork: Fork, group: Group) -> object:
    """Return the capacities of a group as a fixture holds them."""
    return _capacities(fork, group).in_order()


def ids(fork: Fork, group: Group) -> dict[str, list[str]]:
    """Return names of a group's capacities, one that may be deleted, and ids of users without a capacity."""
    capacities = _capacities(fork, group)
    names = [capacity.name for capacity in capacities.in_order()]
    return {
        "capacities": names[:-1] or names,
        "disposable_capacities": names[-1:],
        "members": [user.user_id for user in rules.available(capacities, group.users.values())],
    }


def services_changed(fork: Fork, changes: Sequence[tuple[Owner, Owner]]) -> None:
    """Remove the state of groups that lost the service (CC-1)."""
    for group in lost(SERVICE, changes):
        if isinstance(group, Group):
            fork.discard(_key(group))


def details(fork: Fork, owner: Owner) -> dict[str, Any]:
    """Return the users of a group without a capacity (CC-12), or the capacity of a user."""
    group = owner if isinstance(owner, Group) else fork.directory.group(owner.tenant_id, owner.group_id)
    if SERVICE not in group.services:
        return {}
    capacities = _capacities(fork, group)
    if isinstance(owner, User):
        name = capacities.membership.get(owner.user_id)
        return {} if name is None else {SERVICE: {"callCapacity": name}}
    count = len(capacities.by_name)
    return {
        SERVICE: {
            "alsoRemoves": [f"{count} call capacit{'y' if count == 1 else 'ies'}"] if count else [],
            "usersWithoutCapacity": first_of(rules.available(capacities, group.users.values())),
        }
    }


def _load_one(capacities: CallCapacities, attributes: rules.Changes, find_user: rules.FindUser) -> CallCapacities:
    if attributes["is_default"] and capacities.default is not None:
        raise RuleViolation(Fault("CC-6", f"the group has a default already, {capacities.default!r}", "/isDefault"))
    return rules.create(capacities, attributes, find_user)[0]


def _group(call: Call, fork: Fork) -> Group:
    """Return the group of the path. Raises `UnknownResource` (G-9) or `ServiceNotAssigned` (CC-1)."""
    group = fork.directory.group(call.path["tenant_id"], call.path["group_id"])
    if SERVICE not in group.services:
        raise ServiceNotAssigned(
            Fault("CC-1", f"the service {SERVICE} is not assigned to the group {group.group_id!r}")
        )
    return group


def _key(group: Group) -> Key:
    return (NAME, group.tenant_id, group.group_id)


def _capacities(fork: Fork, group: Group) -> CallCapacities:
    return fork.state(_key(group), NONE)


def _capacity(call: Call, capacities: CallCapacities) -> CallCapacity:
    return rules.capacity_named(capacities, call.path["call_capacity_name"])


def _find_user(fork: Fork, group: Group) -> rules.FindUser:
    return partial(fork.directory.find_user, group.users)


def _assume_change(call: Call, before: CallCapacities, capacity: CallCapacity) -> None:
    """Note the assumed rules: a limit exceeds the total (CC-4), or there is another default or none (CC-6)."""
    call.assume("CC-4", when=rules.has_limit_over_total(capacity) and not rules.LIMITS.isdisjoint(call.body))
    changed = before.default is not None and "is_default" in call.body
    call.assume("CC-6", when=changed and capacity.is_default != (before.default == call.path.get("call_capacity_name")))


def _instance(call: Call, group: Group, capacity: CallCapacity) -> View | Without:
    """Return the capacity with its members, as GET shows it (CC-9)."""
    call.assume("CC-9", when=not capacity.user_ids)
    call.assume("G-13", when=len(capacity.user_ids) > 1)
    view = View(capacity, users=[as_member(group.users[user_id]) for user_id in capacity.user_ids])
    return Without(view, "users") if not capacity.user_ids and call.profile.choices.get("CC-9") == "absent" else view


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
        schema={
            "type": "array",
            "description": "The call capacities of the group, oldest first.",
            "items": {"$ref": "openapi.yaml#/components/schemas/CallCapacityCreate"},
        },
        service=SERVICE,
        rule="CC-1",
        load=load,
        state_key=_key,
        show=show,
    ),
    services_changed=services_changed,
    contract_run=Path(__file__).with_name("schemathesis.toml"),
    ids=ids,
    details=details,
    group_panel=Path(__file__).with_name("panel.html"),
    user_panel=Path(__file__).with_name("user_panel.html"),
)
