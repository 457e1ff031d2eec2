"""The words that probes use, such as `{executive}`, and what they stand for in one laboratory."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any

CAPACITIES = "Call Capacity Management"
EXECUTIVE = "Executive"
ASSISTANT = "Executive-Assistant"
LONG_NAME = 81
"""One more than the characters that a name may have (CC-3)."""

MISSING = {
    "group": "no group has Call Capacity Management",
    "plain_group": "no group without Call Capacity Management is known to exist; name one with --group, and one of "
    "its executives with --user",
    "group_with_members": "no capacity has members",
    "group_with_departments": "no user without a capacity has a department",
    "empty_capacity": "there is no capacity without members",
    "executive": "no user has Executive",
    "executive_elsewhere": "it needs a second account of one group, and an executive of another one",
    "executive_of_plain_assistant": "no executive has an assistant without a department",
    "executive_with_assistants": "no executive has assistants of the same group",
    "executive_with_others": "no assistant was seen in another group",
    "plain_user": "all users have Executive",
    "short_id": "no user id ends in the default domain",
    "fresh_user": "it needs --fresh-user",
    "scratch_group": "it needs --scratch-group",
    "scratch_user": "it needs --scratch-user",
    "scratch_user_without_criteria": "it needs --scratch-user with a user who has no criteria",
    "scratch_id": "it needs --scratch-user",
    "member": "all users of the scratch group are in a capacity",
    "assistant": "the group of the scratch user has no assistants",
    "plain_assistant": "all assistants of the scratch user's group have a department",
    "no_assistant": "all users of the scratch user's group are assistants",
}
"""Why a word can stand for nothing. The other words always stand for something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What the words of the probes stand for: texts, and users with their groups. What is not there has no word.

    `has_token` is set if the run calls with a token.
    """

    tenant: str
    texts: dict[str, str] = field(default_factory=dict)
    users: dict[str, tuple[str, str]] = field(default_factory=dict)
    has_token: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What the user of the command has named. A user is named by group and id.

    `asked` are the ids of the users of whom it is known whether they are executives.

    `second_group` and `second_user` are those of the second account.
    """

    tenant: str
    groups: tuple[str, ...]
    scratch_group: str = ""
    scratch_user: tuple[str, str] | None = None
    fresh_user: tuple[str, str] | None = None
    second_group: str = ""
    second_user: str = ""
    has_token: bool = False
    asked: Set[str] = frozenset()


def words_of(content: Mapping[str, Any], named: Named, prefix: str) -> Words:
    """Return the words for a laboratory whose world is the content of a fixture."""
    words = Words(tenant=named.tenant, has_token=named.has_token)
    groups: Mapping[str, Any] = content["tenants"][named.tenant].get("groups") or {}
    own = {"new": f"{prefix}a", "newer": f"{prefix}b", "short": f"{prefix}s", "unknown": f"{prefix}unknown"}
    words.texts.update(own, long=prefix.ljust(LONG_NAME, "x"))
    _add_groups(words, {name: groups[name] for name in named.groups if name in groups})
    _add_executives(words, content, groups, named)
    if named.scratch_group in groups:
        words.texts["scratch_group"] = named.scratch_group
        _add_first(words.texts, "member", free_members(groups[named.scratch_group]))
    if named.scratch_user is not None:
        _add_scratch_user(words, groups, named.scratch_user)
    if named.fresh_user is not None:
        words.users["fresh_user"] = named.fresh_user
    return words


def free_members(group: Mapping[str, Any]) -> list[str]:
    """Return the ids of the users of a group who are in no capacity."""
    taken = {user_id for each in group.get("callCapacities") or () for user_id in each.get("userIds") or ()}
    return [user_id for user_id in group.get("users") or {} if user_id not in taken]


def _add_groups(words: Words, groups: Mapping[str, Any]) -> None:
    for group_id, group in groups.items():
        if CAPACITIES not in (group.get("services") or ()):
            # Only an executive who was read proves that the group exists.
            if _holders(group, EXECUTIVE):
                words.texts.setdefault("plain_group", group_id)
            continue
        capacities, users = group.get("callCapacities") or (), group.get("users") or {}
        if "group" not in words.texts:
            words.texts["group"] = group_id
            _add_first(words.texts, "empty_capacity", [each["name"] for each in capacities if not each.get("userIds")])
        if any(each.get("userIds") for each in capacities):
            words.texts.setdefault("group_with_members", group_id)
        if any(users[user_id].get("department") for user_id in free_members(group)):
            words.texts.setdefault("group_with_departments", group_id)


def _add_executives(words: Words, content: Mapping[str, Any], groups: Mapping[str, Any], named: Named) -> None:
    domain = f"@{content['defaultDomain']}"
    for group_id in named.groups:
        users = groups.get(group_id, {}).get("users") or {}
        for user_id, user in users.items():
            owner = (group_id, user_id)
            if EXECUTIVE not in (user.get("services") or ()):
                if user_id in named.asked:
                    words.users.setdefault("plain_user", owner)
                continue
            if owner == named.fresh_user:
                continue  # Its settings are not known: they are what EX-16 says, or something else.
            assistants = [users[each] for each in _assistants(user) if each in users]
            if user_id != named.second_user and ("executive" not in words.users or "short_id" not in words.texts):
                if user_id.endswith(domain):
                    words.users["executive"] = owner
                    words.texts["short_id"] = user_id.removesuffix(domain)
                words.users.setdefault("executive", owner)
            if named.second_group not in ("", group_id):
                words.users.setdefault("executive_elsewhere", owner)
            if assistants:
                words.users.setdefault("executive_with_assistants", owner)
            if any(not each.get("department") for each in assistants):
                words.users.setdefault("executive_of_plain_assistant", owner)
            if any(_holders(other, ASSISTANT) for name, other in groups.items() if name != group_id):
                words.users.setdefault("executive_with_others", owner)


def _add_scratch_user(words: Words, groups: Mapping[str, Any], owner: tuple[str, str]) -> None:
    group_id, user_id = owner
    words.users["scratch_user"] = owner
    words.texts["scratch_id"] = user_id
    users = groups[group_id].get("users") or {}
    if not (users[user_id].get("executive") or {}).get("criteria"):
        # A system may read a list of criteria as the complete list, and delete the others. No PUT brings these back.
        words.users["scratch_user_without_criteria"] = owner
    assistants = [each for each in _holders(groups[group_id], ASSISTANT) if each != user_id]
    _add_first(words.texts, "assistant", assistants)
    _add_first(words.texts, "plain_assistant", [each for each in assistants if not users[each].get("department")])
    _add_first(words.texts, "no_assistant", [each for each in users if each not in assistants and each != user_id])


def _assistants(user: Mapping[str, Any]) -> list[str]:
    found: list[str] = (user.get("executive") or {}).get("assistants", {}).get("assistantUserIds") or []
    return found


def _holders(group: Mapping[str, Any], service: str) -> list[str]:
    users = group.get("users") or {}
    return [user_id for user_id, user in users.items() if service in (user.get("services") or ())]


def _add_first(texts: dict[str, str], name: str, found: list[str]) -> None:
    for each in found[:1]:
        texts[name] = each
