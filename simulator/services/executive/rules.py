"""The rules of the Executive service. They are functions from one state of an executive to the next."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from simulator.directory import Directory, Tenant, User
from simulator.errors import MOST_FAULTS, Fault, RuleViolation, UnknownResource
from simulator.services.executive.model import (
    Alerting,
    Criterion,
    Defaults,
    Executive,
    Filtering,
    FromDnCriteria,
    Schedule,
)

ASSISTANT_SERVICE = "Executive-Assistant"
SCHEDULE_TYPES = {"time_schedule": "Time", "holiday_schedule": "Holiday"}

DEFAULTS = Defaults()
"""The defaults unless a profile has others (EX-10, EX-12, EX-16)."""

ALIASES = {"enable": "enabled"}
"""Other names of attributes (EX-7)."""

Changes = Mapping[str, Any]
"""New values for attributes of a record."""


def available_assistants(tenant: Tenant, executive: User, *, same_group_only: bool) -> list[User]:
    """Return the users who could assist the executive (EX-2).

    They are in the executive's group. In an enterprise without `same_group_only`, they are in all groups (EX-3).
    """
    everywhere = tenant.is_enterprise and not same_group_only
    groups = tenant.groups.values() if everywhere else (tenant.groups[executive.group_id],)
    return [
        user
        for group in groups
        for user in group.users.values()
        if ASSISTANT_SERVICE in user.services and user.user_id != executive.user_id
    ]


def update_assistants(state: Executive, changes: Changes, executive: User, directory: Directory) -> Executive:
    """Change the list of assistants and the right to opt in and out, if given (EX-4). Raises `RuleViolation`."""
    state = replace(state, allow_opt_in_out=changes.get("allow_opt_in_out", state.allow_opt_in_out))
    if "assistant_user_ids" not in changes:
        return state
    faults: list[Fault] = []
    assistants: dict[str, None] = {}
    for i, user_id in enumerate(changes["assistant_user_ids"] or ()):
        if len(faults) > MOST_FAULTS:
            break
        user, reason = _assistant(user_id, executive, directory)
        if user is not None and user.user_id in assistants:
            reason = f"the user {user.user_id!r} is listed twice"
        if reason is not None:
            faults.append(Fault("EX-4", reason, f"/assistantUserIds/{i}"))
        elif user is not None:
            assistants[user.user_id] = None
    if faults:
        raise RuleViolation(*faults)
    return replace(state, assistant_ids=tuple(assistants))


def _assistant(user_id: str, executive: User, directory: Directory) -> tuple[User | None, str | None]:
    """Return the user of this id, and the reason why the user cannot be an assistant, if there is one (EX-4)."""
    tenant = directory.tenants[executive.tenant_id]
    user = directory.find_user(tenant.users, user_id)
    if user is None:
        return None, f"the tenant {tenant.tenant_id!r} has no user {user_id!r}"
    if user.user_id == executive.user_id:
        return user, "an executive cannot be his own assistant"
    if user.group_id != executive.group_id and not tenant.is_enterprise:
        reason = f"the user {user.user_id!r} is in another group, and {tenant.tenant_id!r} is no enterprise"
        return user, reason
    if ASSISTANT_SERVICE not in user.services:
        return user, f"the service {ASSISTANT_SERVICE} is not assigned to the user {user.user_id!r}"
    return user, None


def update_filtering(state: Executive, changes: Changes) -> Executive:
    """Change the filtering, and the `active` flag of the named criteria (EX-6). Raises `RuleViolation`."""
    own = {name: value for name, value in changes.items() if name != "criteria"}
    criteria = {criterion.name: criterion for criterion in state.criteria}
    faults: list[Fault] = []
    named: set[str] = set()
    for i, item in enumerate(changes.get("criteria", ())):
        if len(faults) > MOST_FAULTS:
            break
        name = item["name"]
        if name in named:
            faults.append(Fault("EX-6", f"the criterion {name!r} is listed twice", f"/criteria/{i}/name"))
        elif name not in criteria:
            faults.append(_unknown_criterion("EX-6", name, criteria, f"/criteria/{i}/name"))
        else:
            criteria[name] = replace(criteria[name], **item)
        named.add(name)
    if faults:
        raise RuleViolation(*faults)
    filtering: Filtering = replace(state.filtering, **own)
    count = state.changes + len(named)
    return replace(state, filtering=filtering, criteria=tuple(criteria.values()), changes=count)


def update_screening(state: Executive, changes: Changes) -> Executive:
    """Change the screening. `enable` is another name of `enabled` (EX-7). Raises `RuleViolation` if they differ."""
    changes = dict(changes)
    alias = changes.pop("enable", None)
    if alias is not None and changes.setdefault("enabled", alias) != alias:
        raise RuleViolation(
            Fault("EX-7", "enable and enabled are two names of one attribute and must agree", "/enable")
        )
    return replace(state, screening=replace(state.screening, **changes))


def update_alerting(state: Executive, changes: Changes) -> Executive:
    """Change the alerting. No attribute depends on another (EX-8, EX-9)."""
    return replace(state, alerting=replace(state.alerting, **changes))


def has_unused_or_missing_values(alerting: Alerting) -> bool:
    """Return whether a mode needs a value that is unset, or a value is set that no mode uses (EX-9)."""
    names = (alerting.cli_custom_name, alerting.cli_custom_name_unicode)
    pairs = (
        (alerting.cli_name_mode == "Custom", any(each is not None for each in names)),
        (alerting.cli_phone_number_mode == "Custom", alerting.cli_custom_phone_number is not None),
        (alerting.rollover_action == "Forward", alerting.rollover_forward_to is not None),
    )
    return any(asked != there for asked, there in pairs)


def criterion_named(state: Executive, name: str) -> Criterion:
    """Return the criterion of this name. Raises `UnknownResource` (EX-14)."""
    for criterion in state.criteria:
        if criterion.name == name:
            return criterion
    raise UnknownResource(_unknown_criterion("EX-14", name, [criterion.name for criterion in state.criteria]))


def create_criterion(
    state: Executive, attributes: Changes, default: Criterion = DEFAULTS.criterion
) -> tuple[Executive, Criterion]:
    """Add a criterion (EX-13). What is not given is as in `default`. Raises `RuleViolation` if the name is in use."""
    _check_name_free(state, attributes["name"], "EX-13")
    criterion = _changed(default, attributes)
    return replace(state, criteria=(*state.criteria, criterion), changes=state.changes + 1), criterion


def update_criterion(state: Executive, criterion: Criterion, changes: Changes) -> tuple[Executive, Criterion]:
    """Change a criterion, perhaps also its name (EX-14). Raises `RuleViolation` if another one has the name."""
    if changes.get("name", criterion.name) != criterion.name:
        _check_name_free(state, changes["name"], "EX-14")
    changed = _changed(criterion, changes)
    criteria = tuple(changed if each is criterion else each for each in state.criteria)
    return replace(state, criteria=criteria, changes=state.changes + 1), changed


def delete_criterion(state: Executive, criterion: Criterion) -> Executive:
    """Remove a criterion (EX-14)."""
    criteria = tuple(each for each in state.criteria if each is not criterion)
    return replace(state, criteria=criteria, changes=state.changes + 1)


def with_values(defaults: Defaults, values: Mapping[str, Changes]) -> Defaults:
    """Return the defaults with the values that a profile has, by rule (EX-10, EX-12, EX-16)."""
    state, parts = defaults.executive, values.get("EX-16", {})
    callers = _changed_callers(defaults.criterion.from_dn_criteria, values.get("EX-12", {}))
    return Defaults(
        executive=replace(
            state,
            filtering=replace(state.filtering, **parts.get("filtering", {})),
            screening=replace(state.screening, **parts.get("screening", {})),
            alerting=replace(state.alerting, **parts.get("alerting", {})),
            **parts.get("assistants", {}),
        ),
        criterion=replace(defaults.criterion, **values.get("EX-10", {}), from_dn_criteria=callers),
    )


def without_assistants(state: Executive, user_ids: Collection[str]) -> Executive:
    """Return the executive's state without the assistants that lost the service (EX-17)."""
    return replace(state, assistant_ids=tuple(each for each in state.assistant_ids if each not in user_ids))


def _unknown_criterion(rule: str, name: str, known: Collection[str], pointer: str | None = None) -> Fault:
    return Fault(rule, f"the executive has no criterion {name!r}", pointer, asked=name, known=known)


def _check_name_free(state: Executive, name: str, rule: str) -> None:
    if any(criterion.name == name for criterion in state.criteria):
        raise RuleViolation(Fault(rule, f"the executive has a criterion {name!r} already", "/name"))


def _changed(criterion: Criterion, changes: Changes) -> Criterion:
    """Return the changed criterion. Schedules are replaced as a whole (EX-11), callers by attribute (EX-12)."""
    values = dict(changes)
    for attribute in SCHEDULE_TYPES.keys() & values.keys():
        reference = values[attribute]
        values[attribute] = reference and Schedule(**{"type": SCHEDULE_TYPES[attribute], **reference})
    if "from_dn_criteria" in values:
        values["from_dn_criteria"] = _changed_callers(criterion.from_dn_criteria, values["from_dn_criteria"])
    return replace(criterion, **values)


def _changed_callers(callers: FromDnCriteria, changes: Changes) -> FromDnCriteria:
    numbers: Iterable[str] = changes.get("phone_numbers", callers.phone_numbers)
    return replace(callers, **{**changes, "phone_numbers": tuple(numbers)})
