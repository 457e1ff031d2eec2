"""The operations of the Executive service.

The module is long because the service has 13 operations, each with a short handler, and details for pages.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, fields, replace
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any, cast

from simulator.contract.operation import Call
from simulator.contract.view import View
from simulator.directory import Group, Tenant, User
from simulator.errors import Fault, ServiceNotAssigned
from simulator.services.executive import rules
from simulator.services.executive.model import (
    Alerting,
    Criterion,
    Defaults,
    Executive,
    Filtering,
    FromDnCriteria,
    Screening,
)
from simulator.services.executive.rules import Changes
from simulator.services.service import (
    MOST_LISTED,
    Attempt,
    DefaultValues,
    Owner,
    Section,
    Service,
    as_member,
    first_of,
    lost,
    reference,
)
from simulator.state.world import Fork, Key

NAME = "executive"
SERVICE = "Executive"

# For each part, the attributes that a newly assigned service shows.
PARTS = {
    "assistants": frozenset({"assistants.allow_opt_in_out", "assistants.assistant_user_ids"}),
    **{
        part: frozenset(f"{part}.{name}" for name, value in asdict(record).items() if value is not None)
        for part, record in (("filtering", Filtering()), ("screening", Screening()), ("alerting", Alerting()))
    },
}

DEFAULTS: Key = (NAME,)
"""Where a world holds the defaults of its profile, if it follows one that has other defaults (S-14)."""

Update = Callable[[Executive, Changes], Executive]


def list_available_assistants(call: Call, fork: Fork) -> object:
    """GET …/available_assistants/ (EX-2). `sameGroupOnly` is in the body or the query; the body wins (EX-3)."""
    user = _executive(call, fork)
    choices = call.profile.choices
    body, query = call.body, {} if choices.get("EX-3") == "ignored" else call.query
    same_group_only = {"same_group_only": True, **query, **body}["same_group_only"]
    tenant = fork.directory.tenant(user.tenant_id)
    users = rules.available_assistants(tenant, user, same_group_only=same_group_only)
    call.assume("G-13", when=len(users) > 1)
    # Always assumed: without our rule about who is an assistant, the list would have at least the executive.
    call.assume("EX-2")
    if not tenant.is_enterprise:
        call.assume("EX-3", when=bool(body or query))
    elif query and query != {"same_group_only": True, **body}:
        others = rules.available_assistants(tenant, user, same_group_only=not same_group_only)
        call.assume("EX-3", when=others != users)
    if choices.get("EX-2") == "leave":
        assigned = _state(fork, user).assistant_ids
        users = [each for each in users if each.user_id not in assigned]
    return {"users": users}


def get_assistants(call: Call, fork: Fork) -> object:
    """GET …/assistants/ (EX-4)."""
    user = _executive(call, fork)
    state = _state(fork, user)
    _assume_fresh(call, state, "assistants")
    return _assistants(call, fork, user, state)


def update_assistants(call: Call, fork: Fork) -> object:
    """PUT …/assistants/ (EX-4)."""
    user = _executive(call, fork)
    update = partial(rules.update_assistants, executive=user, directory=fork.directory)
    state = _update(call, fork, update, "assistants")
    call.assume("EX-4", when=call.body.get("assistant_user_ids", ()) is None)
    return _assistants(call, fork, user, state)


def get_filtering(call: Call, fork: Fork) -> object:
    """GET …/filtering/ (EX-5)."""
    state = _state(fork, _executive(call, fork))
    _assume_fresh(call, state, "filtering")
    return _filtering(call, state)


def update_filtering(call: Call, fork: Fork) -> object:
    """PUT …/filtering/ (EX-6)."""
    state = _update(call, fork, rules.update_filtering, "filtering")
    call.assume("EX-6", when="EX-6" in call.notes.ignored.values())
    return _filtering(call, state)


def get_screening(call: Call, fork: Fork) -> object:
    """GET …/screening/ (EX-7)."""
    state = _state(fork, _executive(call, fork))
    _assume_fresh(call, state, "screening")
    return state.screening


def update_screening(call: Call, fork: Fork) -> object:
    """PUT …/screening/ (EX-7)."""
    screening = _update(call, fork, rules.update_screening, "screening").screening
    call.assume("EX-7", when="enable" in call.body)
    return screening


def get_alerting(call: Call, fork: Fork) -> object:
    """GET …/alerting/ (EX-8)."""
    state = _state(fork, _executive(call, fork))
    _assume_fresh(call, state, "alerting")
    return _alerting(call, state)


def update_alerting(call: Call, fork: Fork) -> object:
    """PUT …/alerting/ (EX-8, EX-9)."""
    return _alerting(call, _update(call, fork, rules.update_alerting, "alerting"))


def create_criterion(call: Call, fork: Fork) -> object:
    """POST …/criteria/ (EX-13)."""
    user = _executive(call, fork)
    before = _state(fork, user)
    state, criterion = rules.create_criterion(before, call.body, _defaults(fork).criterion)
    _store(fork, user, before, state)
    callers = call.body.get("from_dn_criteria", {})
    emptied = any(call.body.get(each, each) is None for each in rules.SCHEDULE_TYPES)
    call.assume("EX-10", when=emptied or not {"active", "filter"} <= call.body.keys())
    call.assume("EX-12", when=len(callers) < len(fields(FromDnCriteria)))
    _assume_schedule(call)
    return criterion


def get_criterion(call: Call, fork: Fork) -> object:
    """GET …/criteria/{instance_name}/ (EX-10)."""
    return rules.criterion_named(_state(fork, _executive(call, fork)), call.path["instance_name"])


def update_criterion(call: Call, fork: Fork) -> object:
    """PUT …/criteria/{instance_name}/ (EX-14)."""
    user = _executive(call, fork)
    before = _state(fork, user)
    criterion = rules.criterion_named(before, call.path["instance_name"])
    state, criterion = rules.update_criterion(before, criterion, call.body)
    _store(fork, user, before, state)
    _assume_schedule(call)
    return criterion


def delete_criterion(call: Call, fork: Fork) -> object:
    """DELETE …/criteria/{instance_name}/ (EX-14)."""
    user = _executive(call, fork)
    state = _state(fork, user)
    criterion = rules.criterion_named(state, call.path["instance_name"])
    _store(fork, user, state, rules.delete_criterion(state, criterion))
    return None


def load(fork: Fork, user: User, parts: dict[str, Any], attempt: Attempt) -> None:
    """Store a fixture's parts for one executive, each as the API's update does.

    The weight of the fixture counts them, so they are no changes (S-10).
    """
    defaults = _defaults(fork)
    state = defaults.executive
    for i, attributes in enumerate(parts.get("criteria", ())):
        state = attempt(f"/criteria/{i}", partial(_load_criterion, state, attributes, defaults.criterion), state)
    updates: dict[str, Update] = {
        "assistants": partial(rules.update_assistants, executive=user, directory=fork.directory),
        "filtering": rules.update_filtering,
        "screening": rules.update_screening,
        "alerting": rules.update_alerting,
    }
    for part, update in updates.items():
        if part in parts:
            state = attempt(f"/{part}", partial(_updated, state, update, part, parts[part]), state)
    fork.store(_key(user), replace(state, changes=0) if state.changes else state)


def _load_criterion(state: Executive, attributes: Changes, default: Criterion) -> Executive:
    return rules.create_criterion(state, attributes, default)[0]


def show(fork: Fork, user: User) -> object:
    """Return the parts of a fixture for this executive."""
    state = _state(fork, user)
    return {
        "assistants": View(state, assistant_user_ids=state.assistant_ids),
        "filtering": state.filtering,
        "screening": state.screening,
        "alerting": state.alerting,
        "criteria": state.criteria,
    }


def ids(fork: Fork, group: Group) -> dict[str, list[str]]:
    """Return executives with criteria, one without (the newcomer), criteria, one that may be deleted, and assistants.

    Generated requests draw ids at random. So that they often fit, `executives` lists those with criteria, if any.
    """
    states = {user_id: _state(fork, user) for user_id, user in group.users.items() if SERVICE in user.services}
    busy = [user_id for user_id, state in states.items() if state.criteria]
    newcomer = [user_id for user_id in states if user_id not in busy][:1]
    criteria = list(dict.fromkeys(criterion.name for user_id in busy for criterion in states[user_id].criteria))
    assistants = [user_id for user_id, user in group.users.items() if rules.ASSISTANT_SERVICE in user.services]
    return {
        "executives": busy or newcomer,
        "newcomer": newcomer or busy[:1],
        "criteria": criteria[:-1] or criteria,
        "disposable_criteria": criteria[-1:],
        "assistants": assistants,
    }


def services_changed(fork: Fork, changes: Sequence[tuple[Owner, Owner]]) -> None:
    """Remove the state of users that lost Executive, and assistants that lost Executive-Assistant (EX-17)."""
    for user in lost(SERVICE, changes):
        if isinstance(user, User):
            fork.discard(_key(user))
    assistants = {user.user_id for user in lost(rules.ASSISTANT_SERVICE, changes) if isinstance(user, User)}
    for tenant_id in {owner.tenant_id for _, owner in changes} if assistants else ():
        for user in fork.directory.tenant(tenant_id).users.values():
            state = _state(fork, user)
            if not assistants.isdisjoint(state.assistant_ids):
                fork.store(_key(user), rules.without_assistants(state, assistants))


def details(fork: Fork, owner: Owner) -> dict[str, Any]:
    """Return an executive's assistants and who else could assist (EX-2), and the executives of an assistant (EX-4)."""
    found: dict[str, Any] = {}
    if not isinstance(owner, User):
        return found
    tenant = fork.directory.tenant(owner.tenant_id)
    if SERVICE in owner.services:
        assistants = [tenant.users[user_id] for user_id in _state(fork, owner).assistant_ids]
        shown = assistants[:MOST_LISTED]
        executives = _executives_of(fork, tenant, {each.user_id for each in shown})
        others = rules.available_assistants(tenant, owner, same_group_only=False)
        assigned = {each.user_id for each in assistants}
        found[SERVICE] = {
            "alsoRemoves": ["the settings of the executive"],
            "assistants": {
                "count": len(assistants),
                "first": [{**reference(each), "executives": first_of(executives[each.user_id])} for each in shown],
            },
            "availableAssistants": first_of([each for each in others if each.user_id not in assigned]),
        }
    if rules.ASSISTANT_SERVICE in owner.services:
        own = _executives_of(fork, tenant, {owner.user_id})[owner.user_id]
        count = len(own)
        found[rules.ASSISTANT_SERVICE] = {
            "alsoRemoves": [f"the place in the list of {count} executive{'' if count == 1 else 's'}"] if count else [],
            "executives": first_of(own),
        }
    return found


def _executives_of(fork: Fork, tenant: Tenant, assistants: Collection[str]) -> dict[str, list[User]]:
    """Return the executives of each of the assistants, who are given by their ids."""
    executives: dict[str, list[User]] = {user_id: [] for user_id in assistants}
    for user in tenant.users.values():
        if SERVICE in user.services:
            for user_id in executives.keys() & _state(fork, user).assistant_ids:
                executives[user_id].append(user)
    return executives


def _executive(call: Call, fork: Fork) -> User:
    """Return the user of the path. Raises `UnknownResource` (G-9) or `ServiceNotAssigned` (EX-1)."""
    user = fork.directory.user(call.path["tenant_id"], call.path["group_id"], call.path["user_id"])
    if SERVICE not in user.services:
        raise ServiceNotAssigned(Fault("EX-1", f"the service {SERVICE} is not assigned to the user {user.user_id!r}"))
    return user


def _key(user: User) -> Key:
    return (NAME, user.tenant_id, user.group_id, user.user_id)


def _state(fork: Fork, user: User) -> Executive:
    return fork.state(_key(user), _defaults(fork).executive)


def _defaults(fork: Fork) -> Defaults:
    """Return the defaults of the world. They never change, so nothing is noted as read."""
    return cast(Defaults, fork.world.states.get(DEFAULTS, rules.DEFAULTS))


def _update(call: Call, fork: Fork, update: Update, part: str) -> Executive:
    """Apply the rule to the user's state with the request's body. Store and return the new state."""
    user = _executive(call, fork)
    before = _state(fork, user)
    state = _updated(before, update, part, call.body)
    _store(fork, user, before, state)
    _assume_fresh(call, state, part)
    return state


def _updated(state: Executive, update: Update, part: str, changes: Changes) -> Executive:
    """Return the state after the rule. The given attributes are noted in it."""
    state = update(state, changes)
    given = state.given | {f"{part}.{rules.ALIASES.get(each, each)}" for each in changes}
    return replace(state, given=given, changes=state.changes or 1)


def _store(fork: Fork, user: User, before: Executive, after: Executive) -> None:
    fork.store(_key(user), after, after.added - before.added)


def _assume_fresh(call: Call, state: Executive, part: str) -> None:
    """Note EX-16 if the answer shows attributes that were never set."""
    call.assume("EX-16", when=not PARTS[part] <= state.given)


def _assume_schedule(call: Call) -> None:
    """Note EX-11 if the body names a schedule: it is not checked that it exists."""
    call.assume("EX-11", when=any(call.body.get(each) is not None for each in rules.SCHEDULE_TYPES))


def _assistants(call: Call, fork: Fork, user: User, state: Executive) -> object:
    users = fork.directory.tenant(user.tenant_id).users
    assistants = [users[user_id] for user_id in state.assistant_ids]
    call.assume("G-14", when=any(each.department is None for each in assistants))
    return View(state, assistant_users=[as_member(each) for each in assistants])


def _alerting(call: Call, state: Executive) -> object:
    call.assume("EX-9", when=rules.has_unused_or_missing_values(state.alerting))
    return state.alerting


def _filtering(call: Call, state: Executive) -> object:
    call.assume("G-13", when=len(state.criteria) > 1)
    by_name = call.profile.choices.get("G-13") == "name"
    return View(state.filtering, criteria=sorted(state.criteria, key=attrgetter("name")) if by_name else state.criteria)


def _part(schema: str, description: str | None = None) -> dict[str, Any]:
    reference = {"$ref": f"openapi.yaml#/components/schemas/{schema}"}
    return reference if description is None else {**reference, "description": description}


def _members(schema: str, names: str) -> dict[str, Any]:
    """Return the schema of some attributes of a schema in the contract."""
    members = {name: _part(f"{schema}/properties/{name}") for name in names.split()}
    return {"type": "object", "additionalProperties": False, "properties": members}


# What is absent by default is left out: a state cannot say that such an attribute is unset.
DEFAULT_SCHEMAS: dict[str, dict[str, Any]] = {
    "EX-10": _members("CriterionCreate", "active filter"),
    "EX-12": _part("FromDnCriteriaCreate"),
    "EX-16": {
        "type": "object",
        "x-rule": "EX-16",
        "additionalProperties": False,
        "properties": {
            "assistants": _members("AssistantsUpdate", "allowOptInOut"),
            "filtering": _members("FilteringUpdate", "enabled mode type"),
            "screening": _members(
                "ScreeningUpdate",
                "enabled alertType alertMobilityLocation alertAnywhereLocations alertSharedCallAppearanceLocations",
            ),
            "alerting": _members(
                "AlertingUpdate",
                "mode cliNameMode cliPhoneNumberMode callPushRecallAfter nextAssistantAfter rolloverEnabled "
                "rolloverAction",
            ),
        },
    },
}


executive = Service(
    handlers={
        "listAvailableAssistants": list_available_assistants,
        "getAssistants": get_assistants,
        "updateAssistants": update_assistants,
        "getFiltering": get_filtering,
        "updateFiltering": update_filtering,
        "getScreening": get_screening,
        "updateScreening": update_screening,
        "getAlerting": get_alerting,
        "updateAlerting": update_alerting,
        "createCriterion": create_criterion,
        "getCriterion": get_criterion,
        "updateCriterion": update_criterion,
        "deleteCriterion": delete_criterion,
    },
    user_services=(SERVICE, rules.ASSISTANT_SERVICE),
    user_section=Section(
        key="executive",
        schema={
            "type": "object",
            "description": "The user's settings as an executive. What is left out has the default of the service.",
            "additionalProperties": False,
            "properties": {
                "assistants": _part("AssistantsUpdate", "The assistants of the executive."),
                "filtering": _part("FilteringUpdate", "Which calls are filtered."),
                "screening": _part("ScreeningUpdate", "How filtered calls alert the executive."),
                "alerting": _part("AlertingUpdate", "How the assistants are alerted."),
                "criteria": {
                    "type": "array",
                    "description": "The criteria of the call filtering, oldest first.",
                    "items": _part("CriterionCreate"),
                },
            },
        },
        service=SERVICE,
        rule="EX-1",
        load=load,
        state_key=_key,
        show=show,
    ),
    services_changed=services_changed,
    contract_run=Path(__file__).with_name("schemathesis.toml"),
    ids=ids,
    details=details,
    user_panel=Path(__file__).with_name("panel.html"),
    defaults=DefaultValues(
        schemas=DEFAULT_SCHEMAS,
        states=lambda values: {DEFAULTS: rules.with_values(rules.DEFAULTS, values)},
    ),
)
