"""The content of the measured servers: call capacities for every server, and worlds with many users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from simulator.directory import User
from simulator.state.world import World

DOMAIN = "sip.netaxis.be"
GROUP, HUNDRED, SCRATCH = "foogroup", "hundred", "scratch"
ONE = "Reception"

Capacities = Mapping[str, list[dict[str, Any]]]
"""The call capacities of each group."""


def capacities() -> Capacities:
    """A small group, one with a hundred call capacities, and one in which call capacities are created and deleted."""
    return {
        GROUP: [
            {"name": ONE, "isDefault": True, "maxCalls": 7, "maxOutgoingCalls": 5},
            {"name": "disposable", "isDefault": False, "maxCalls": 3},
        ],
        HUNDRED: [{"name": f"instance-{number}", "isDefault": False, "maxCalls": 7} for number in range(1, 101)],
        SCRATCH: [],
    }


def collection(group: str) -> str:
    """Returns the path of a group's call capacities."""
    return f"/api/v1/tenants/foo/groups/{group}/services/call_capacities/"


def fixture(users: int = 0) -> dict[str, Any]:
    """Returns a fixture with these call capacities and this number of users."""
    groups: dict[str, dict[str, Any]] = {
        group: {"services": ["Call Capacity Management"], "users": {}, "callCapacities": members}
        for group, members in capacities().items()
    }
    groups[GROUP]["users"] = {user_id(number): {"firstName": "E", "lastName": "X"} for number in range(users)}
    tenant = {"type": "Enterprise", "groups": groups}
    return {"version": 1, "defaultDomain": DOMAIN, "tenants": {"foo": tenant}}


def user_id(number: int) -> str:
    """Returns the id of one of many users."""
    return f"extra{number}@{DOMAIN}"


def enlarged(world: World, users: int) -> World:
    """Returns the world with more users, all in the group that is changed."""
    directory = world.directory
    tenant = directory.tenants["foo"]
    group = tenant.groups[GROUP]
    more = {
        each: User(
            tenant_id="foo", group_id=GROUP, user_id=each, first_name="E", last_name="X", services=("Executive",)
        )
        for each in map(user_id, range(users))
    }
    group = replace(group, users={**group.users, **more})
    tenant = replace(tenant, groups={**tenant.groups, GROUP: group}, users={**tenant.users, **more})
    states = world.states
    for each in more:
        states = states.insert(("executive", "foo", GROUP, each), object())
    return world._replace(directory=replace(directory, tenants={**directory.tenants, "foo": tenant}), states=states)
