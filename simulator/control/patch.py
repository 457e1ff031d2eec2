"""JSON merge patch (RFC 7396), and what a patch of a world's fixture means for the services assigned in it."""

from __future__ import annotations

from typing import Any

from simulator.fixtures.fixtures import Fixtures
from simulator.services.service import Owner, assign_services
from simulator.state.world import Fork, World


def patched_content(world: World, patch: dict[str, Any], fixtures: Fixtures) -> dict[str, Any] | None:
    """The fixture of a world after a merge patch; nothing where that changes nothing.

    Services that the patch takes away take along what depends on them, as they would if they were taken away in the
    world itself (EX-17, CC-1); then the rest of the patch applies.
    """
    content = fixtures.content(world)
    wanted = merged(content, patch)
    assignments = _assignments(world, wanted)
    if assignments:
        fork = Fork(world)
        assign_services(fork, fixtures.services, assignments)
        wanted = merged(fixtures.content(fork.world), patch)
    return None if wanted == content else wanted


def merged(target: Any, patch: Any) -> Any:
    """The target after a merge patch: `null` removes, objects merge, everything else replaces."""
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
    """The groups and users of the world that have other services in the content, with those."""
    found: list[tuple[Owner, tuple[str, ...]]] = []
    for tenant in world.directory.tenants.values():
        groups = _at(content, "tenants", tenant.tenant_id, "groups")
        # A user may have moved to another group of the tenant: that is no reason to lose what he still has.
        users = {user_id: user for group_id in groups for user_id, user in _at(groups, group_id, "users").items()}
        owners: list[tuple[Owner, dict[str, Any]]] = [
            (group, _at(groups, group.group_id)) for group in tenant.groups.values()
        ]
        owners += [(user, _at(users, user.user_id)) for user in tenant.users.values()]
        for owner, described in owners:
            services = described.get("services", [])
            # What is of wrong shape is refused later, with all that is wrong.
            if not isinstance(services, list) or not all(isinstance(each, str) for each in services):
                continue
            if tuple(services) != owner.services:
                found.append((owner, tuple(services)))
    return found


def _at(content: Any, *keys: str) -> dict[str, Any]:
    for key in keys:
        content = content.get(key) if isinstance(content, dict) else None
    return content if isinstance(content, dict) else {}
