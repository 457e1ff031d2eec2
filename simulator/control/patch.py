"""JSON merge patches (RFC 7396) of the state, and what they mean for the services that are assigned in it."""

from __future__ import annotations

from typing import Any

from simulator.fixture.fixtures import Fixtures
from simulator.services.service import Owner, assign_services
from simulator.state.world import Fork, World


def patched_content(world: World, patch: dict[str, Any], fixtures: Fixtures) -> dict[str, Any] | None:
    """Returns the fixture of a world after a merge patch, or `None` if the patch changes nothing.

    If the patch takes a service away, everything that depends on the service goes too, as if it were taken away in the
    world itself (EX-17, CC-1). Then the rest of the patch is applied.
    """
    content = fixtures.content_of(world)
    wanted = merged(content, patch)
    assignments = _assignments(world, wanted)
    if assignments:
        fork = Fork(world)
        assign_services(fork, fixtures.services, assignments)
        wanted = merged(fixtures.content_of(fork.world), patch)
    return None if wanted == content else wanted


def merged(target: Any, patch: Any) -> Any:
    """Returns the target after a merge patch: `null` removes, objects merge, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def _assignments(world: World, content: dict[str, Any]) -> list[tuple[Owner, tuple[str, ...]]]:
    """Returns the groups and users whose services in `content` differ from those in `world`, with the new services."""
    found: list[tuple[Owner, tuple[str, ...]]] = []
    for tenant in world.directory.tenants.values():
        groups = _at(content, "tenants", tenant.tenant_id, "groups")
        # A user who moved to another group of the tenant keeps the services that the new group's entry still lists.
        users = {user_id: user for group_id in groups for user_id, user in _at(groups, group_id, "users").items()}
        owners: list[tuple[Owner, dict[str, Any]]] = [
            (group, _at(groups, group.group_id)) for group in tenant.groups.values()
        ]
        owners += [(user, _at(users, user.user_id)) for user in tenant.users.values()]
        for owner, described in owners:
            services = described.get("services", [])
            # A wrong shape is refused later, together with all other faults.
            if not isinstance(services, list) or not all(isinstance(each, str) for each in services):
                continue
            if tuple(services) != owner.services:
                found.append((owner, tuple(services)))
    return found


def _at(content: Any, *keys: str) -> dict[str, Any]:
    for key in keys:
        content = content.get(key) if isinstance(content, dict) else None
    return content if isinstance(content, dict) else {}
