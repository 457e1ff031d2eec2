"""The operation that shows a sandbox at a glance: where it is, what it holds, and what has happened in it."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from simulator import __version__
from simulator.contract.operation import Call
from simulator.control.accounts import login_command
from simulator.control.call import Control, ControlHandler
from simulator.control.coverage import totals
from simulator.control.faults import fault_views
from simulator.control.recipe import Recipe, command
from simulator.control.requests import summary
from simulator.directory import Level
from simulator.state.coverage import Coverage
from simulator.state.world import World

NEWEST = 10
"""How many of the newest calls the overview shows, and how many kinds of undocumented calls."""


def get_overview(_: Call, control: Control) -> object:
    """GET /_simulator/: the sandbox at a glance (S-12)."""
    sandbox = control.sandbox
    world, journal, coverage = sandbox.version.world, sandbox.journal.exchanges(), sandbox.coverage.copy()
    settings = control.settings
    return {
        "version": __version__,
        "run": control.sandboxes.run,
        "sandbox": control.sandbox_name,
        "address": control.base_url,
        "settings": {"auth": settings.auth, "fidelity": settings.fidelity, "delay_ms": settings.delay_ms},
        "counts": {
            "requests": sandbox.requests,
            "refusals": _refused(coverage),
            "journal_entries": len(journal),
            "faults": len(sandbox.faults),
            "snapshots": len(sandbox.snapshots),
            "sandboxes": len(control.sandboxes.all()),
            **_sizes(world),
        },
        "changed": world is not sandbox.seed,
        "last_requests": [summary(control, each) for each in journal[: -NEWEST - 1 : -1]],
        "refusals": [
            {"operation_id": operation_id, "rule": rule, "hits": hits}
            for (operation_id, rule), hits in coverage.rules.most_common()
        ],
        "undocumented": [
            {"method": method, "path": path, "status": status, "hits": hits}
            for (method, path, status), hits in coverage.undocumented.most_common(NEWEST)
        ],
        "faults": fault_views(control),
        "coverage": totals(coverage, control.contract.operations),
        "command": _first_command(control, world),
    }


def _sizes(world: World) -> dict[str, int]:
    tenants = world.directory.tenants.values()
    return {
        "tenants": len(tenants),
        "groups": sum(len(each.groups) for each in tenants),
        "users": sum(len(each.users) for each in tenants),
        "accounts": len(world.directory.accounts),
    }


def _refused(coverage: Coverage) -> int:
    """Returns how many calls were refused, also calls that no operation documents."""
    undocumented = coverage.undocumented.items()
    return coverage.rules.total() + sum(hits for (_, _, status), hits in undocumented if (status or 0) >= 400)


def _first_command(control: Control, world: World) -> str | None:
    """Returns a command that succeeds in this world: a read of a service, or else a login. `None` without accounts.

    If credentials are required, a read needs the token of a System Admin.
    """
    accounts = world.directory.accounts.values()
    required = control.settings.auth == "required"
    tokens = (each.token for each in accounts if each.level == Level.SYSTEM_ADMIN and each.token is not None)
    token = next(tokens, None) if required else None
    path = next(_readable(control, world), None) if token is not None or not required else None
    if path is not None:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return command(Recipe(method="GET", path=path, headers=headers), control.base_url)
    account = next(iter(accounts), None)
    return None if account is None else login_command(control, account)


def _readable(control: Control, world: World) -> Iterator[str]:
    """Yields paths that a GET can read: those that need only the ids of a group, or user, that has the service."""
    groups = [group for tenant in world.directory.tenants.values() for group in tenant.groups.values()]
    for service in control.fixtures.services:
        users = (user for group in groups for user in group.users.values())
        for section, owners in ((service.group_section, groups), (service.user_section, users)):
            owner = next((each for each in owners if section is not None and section.service in each.services), None)
            ids = {name: quote(getattr(owner, name, ""), safe="") for name in ("tenant_id", "group_id", "user_id")}
            for operation_id in service.handlers if owner is not None else ():
                operation = control.contract.operations[operation_id]
                if operation.method == "GET" and all(ids.get(each) for each in operation.path_parameters):
                    yield operation.path.format(**ids)


HANDLERS: dict[str, ControlHandler] = {"getOverview": get_overview}
