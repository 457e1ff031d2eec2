"""JSON merge patch (RFC 7396), and what a patch of a world's fixture means for the services assigned in it."""

from __future__ import annotations

from typing import Any

from simulator.fixtures.fixtures import Fixtures
from simulator.services.service import Owner, assign_services
from simulator.state.world import Fork, World


def patched_world(world: World, patch: dict[str, Any], fixtures: Fixtures) -> World:
    """The world after a merge patch of its fixture.

    Services that the patch takes away take along what depends on them, as they would if they were taken away in the
    world itself (EX-17, CC-1); then the rest of the patch applies. Raises `RuleViolation` (S-4).
    """
    content = fixtures.content(world)
    assignments = _assignments(world, merged(content, patch))
    if assignments:
        fork = Fork(world)
        assign_services(fork, fixtures.services, assignments)
        content = fixtures.content(fork.world)
    return fixtures.load(merged(content, patch))


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
        for group in tenant.groups.values():
            in_group = _at(content, "tenants", tenant.tenant_id, "groups", group.group_id)
            owners: list[tuple[Owner, dict[str, Any]]] = [(group, in_group)]
            owners += [(user, _at(in_group, "users", user.user_id)) for user in group.users.values()]
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
