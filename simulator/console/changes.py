"""Prepares the changes of a state for a page: by tenant, group and user, and as a merge patch."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any
from urllib.parse import quote

from simulator.state.sandbox import ServerSandbox

Change = Mapping[str, Any]
"""A change as `GET diff` lists it."""

MOST_USERS = 300
"""In a state with more users, pages do not compare states by themselves, since that takes long."""

MOST_CHANGES = 200
"""How many changes a page shows. Programs get all."""

LONGEST_LINE = 60
"""In characters. A longer value takes several lines."""

LONGEST_VALUE = 4_000
"""In characters. Of a longer value the page shows the beginning."""

LONGEST_PATCH = 65_536
"""In characters. A page shows no longer merge patch."""

OWNERS = ("tenants", "groups", "users")
SIGNS = {"add": "+", "remove": "\N{MINUS SIGN}", "replace": "±"}


def page_values(_: object) -> dict[str, Any]:
    """Return what the template of the changes shows besides the answer."""
    return {"most": MOST_CHANGES, "grouped": grouped, "patch_of": patch_of, "longest_patch": LONGEST_PATCH}


def is_large(sandbox: ServerSandbox) -> bool:
    """Return whether it takes long to compare the state of a sandbox."""
    world = sandbox.version.world
    users = sum(len(tenant.users) for tenant in world.directory.tenants.values())
    return world is not sandbox.seed and users > MOST_USERS


def grouped(changes: Sequence[Change]) -> list[dict[str, Any]]:
    """Return the changes by the tenant, group or user that they belong to, in their order.

    Each has `owner`, the ids that lead to it, `href`, its page below the control interface or `None`, and `changes`.
    """
    groups: dict[tuple[str, ...], dict[str, Any]] = {}
    for change in changes:
        owner, rest = _split(change["path"])
        group = groups.setdefault(owner, {"owner": owner, "href": None, "changes": []})
        if len(owner) > 1 and (rest or change["op"] != "remove"):
            group["href"] = "/".join(["world", *(quote(each, safe="") for each in owner)])
        shown = {"op": change["op"], "sign": SIGNS[change["op"]], "place": rest}
        group["changes"].append(shown | {name: _text(change[name]) for name in ("before", "after") if name in change})
    return list(groups.values())


def patch_of(changes: Sequence[Change], ask: Callable[..., Any]) -> dict[str, Any]:
    """Return the merge patch (RFC 7396) that makes these changes, for `PATCH state`.

    A merge patch replaces a list as a whole. So if an item of a list has changed, the present list is asked for.
    """

    @cache
    def sections(owner: tuple[str, ...]) -> Any:
        ids = dict(zip(("tenant_id", "group_id", "user_id"), owner, strict=False))
        return ask("getWorldUser" if "user_id" in ids else "getWorldGroup", ids)["sections"]

    patch: dict[str, Any] = {}
    for change in changes:
        keys, value = _keys(change["path"]), change.get("after")
        owner, rest = _split(change["path"])
        if len(owner) > 1 and len(rest) > 1:
            at = len(keys) - len(rest) + 1
            content = sections(owner).get(rest[0], {}).get("content")
            while isinstance(content, dict) and at < len(keys):
                content = content.get(keys[at])
                at += 1
            if isinstance(content, list) and at < len(keys):
                keys, value = keys[:at], content
        target = patch
        for key in keys[:-1]:
            target = target.setdefault(key, {})
        target[keys[-1]] = value
    return patch


def _keys(path: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:]]


def _split(path: str) -> tuple[tuple[str, ...], list[str]]:
    """Return the ids of tenant, group and user in a path, as far as it has them, and the keys that follow."""
    keys, owner = _keys(path), []
    for name in OWNERS:
        if len(keys) < 2 or keys[0] != name:
            break
        owner.append(keys[1])
        keys = keys[2:]
    return tuple(owner), keys


def _text(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    if len(text) > LONGEST_LINE:
        text = json.dumps(value, ensure_ascii=False, indent=2)
    if len(text) > LONGEST_VALUE:
        return f"{text[:LONGEST_VALUE]}\n… ({len(text)} characters in all)"
    return text
