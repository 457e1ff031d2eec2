"""Settings for a contract run with Schemathesis, with the ids of one world."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

from simulator.contract.operation import Call, Content
from simulator.control.call import Control, ControlHandler
from simulator.control.documents import SERVER
from simulator.directory import Directory, Group, Level
from simulator.reports.page import render, render_file
from simulator.state.world import Fork, World

TOML = "application/toml"
NOTHING = ["none"]
"""Used if the world has no id of a kind. A request with this id gets 404."""


def get_schemathesis_settings(_: Call, control: Control) -> object:
    """GET schemathesis.toml: the settings for the sandbox's current world (S-1)."""
    world = control.sandbox.version.world
    found = {**_ids(control, world), **_accounts(world.directory)}
    credentials_required = control.settings.auth == "required"

    def ids(kind: str) -> list[str]:
        return list(found.get(kind) or NOTHING)

    templates = [each.contract_run for each in control.fixtures.services if each.contract_run is not None]
    text = render(
        "control/schemathesis.toml",
        address=control.address or SERVER,
        ids=ids,
        services=[render_file(each, ids=ids, toml=_toml) for each in templates],
        credentials_required=credentials_required,
        token=_token(world.directory) if credentials_required else None,
        toml=_toml,
    )
    return Content(TOML, text.encode())


def _ids(control: Control, world: World) -> Mapping[str, Sequence[str]]:
    """Returns the ids of a tenant, of a group in it, and of everything in that group.

    Takes the group with the most kinds of things. If several have equally many, it prefers the one in the contract's
    examples.
    """
    fork, services = Fork(world), control.fixtures.services

    def ids(group: Group) -> dict[str, Sequence[str]]:
        found: dict[str, Sequence[str]] = {"tenants": [group.tenant_id], "groups": [group.group_id]}
        for service in services:
            found.update(service.ids(fork, group))
        return found

    document = control.contract.document
    example = [
        document.find(f"/components/parameters/{name}/examples/documented/value") for name in ("TenantId", "GroupId")
    ]
    candidates = [
        ((sum(map(bool, found.values())), [group.tenant_id, group.group_id] == example), found)
        for tenant in world.directory.tenants.values()
        for group in tenant.groups.values()
        for found in [ids(group)]
    ]
    return max(candidates, key=lambda candidate: candidate[0])[1] if candidates else {}


def _accounts(directory: Directory) -> dict[str, list[str]]:
    accounts = directory.accounts.values()
    return {
        "accounts": [account.name for account in accounts],
        "passwords": list(dict.fromkeys(account.password for account in accounts)),
    }


def _token(directory: Directory) -> str | None:
    """Returns the token of a System Admin account, or `None`."""
    tokens = (each.token for each in directory.accounts.values() if each.level == Level.SYSTEM_ADMIN)
    return next((token for token in tokens if token is not None), None)


def _toml(value: str | list[str]) -> str:
    """Writes a text or a list of texts in TOML. It looks as in JSON, but TOML also escapes the character DEL."""
    return orjson.dumps(value).decode().replace("\x7f", "\\u007f")


HANDLERS: dict[str, ControlHandler] = {"getSchemathesisSettings": get_schemathesis_settings}
