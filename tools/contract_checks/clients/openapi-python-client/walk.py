"""A program with the client of openapi-python-client. Prints a line per call. A failed assertion ends it."""

import sys
from typing import TypeVar

from client import AuthenticatedClient, Client
from client.api.call_capacities import (
    create_call_capacity,
    delete_call_capacity,
    get_call_capacity,
    list_call_capacities,
    update_call_capacity,
)
from client.api.executive import (
    create_criterion,
    delete_criterion,
    get_alerting,
    get_criterion,
    list_available_assistants,
    update_alerting,
    update_criterion,
)
from client.api.login import login
from client.models import (
    AlertingUpdate,
    CallCapacityCreate,
    CallCapacityUpdate,
    CallerSelection,
    CriterionCreate,
    CriterionUpdate,
    Department,
    ErrorCode,
    ErrorReport,
    FromDnCriteriaCreate,
    FromDnCriteriaCreateSelection,
    FromDnCriteriaUpdate,
    Login,
    ScheduleLevel,
    TimeScheduleReferenceType0,
)
from client.types import Response, Unset

GROUP = ("foo", "foogroup")
USER = (*GROUP, "foouser")

T = TypeVar("T")


def answered(status: int, answer: Response[T | ErrorReport]) -> T:
    assert answer.status_code == status, answer
    assert answer.parsed is not None
    assert not isinstance(answer.parsed, ErrorReport)
    print(status, type(answer.parsed).__name__)
    return answer.parsed


def emptied(answer: Response[object]) -> None:
    assert answer.status_code == 200, answer
    assert answer.parsed is None
    print(200)


def not_found(rule: str, answer: Response[T | ErrorReport]) -> None:
    assert answer.status_code == 404, answer
    assert isinstance(answer.parsed, ErrorReport)
    assert answer.parsed.errors[0].code == ErrorCode.UNKNOWN_RESOURCE
    assert answer.parsed.errors[0].details.rule == rule
    print(404, rule)


def log_in(url: str) -> None:
    body = Login(username="groupadmin", password="secret")
    with Client(base_url=url) as client:
        logged_in = answered(200, login.sync_detailed(client=client, body=body))
    assert logged_in.ids.group_id == "foogroup"
    assert logged_in.profile.user_level == 8


def walk_call_capacities(client: AuthenticatedClient) -> None:
    listed = answered(200, list_call_capacities.sync_detailed(*GROUP, client=client))
    assert [each.name for each in listed.call_capacities] == ["Reception", "disposable"]

    new = CallCapacityCreate(
        name="Büro 1", is_default=False, max_calls=3, max_incoming_calls=2, user_ids=["user_1", "foouser"]
    )
    created = answered(201, create_call_capacity.sync_detailed(*GROUP, client=client, body=new))
    assert created.max_incoming_calls == 2
    assert answered(200, get_call_capacity.sync_detailed(*GROUP, "Büro 1", client=client)) == created

    update = CallCapacityUpdate(name="Büro 2", max_incoming_calls=None)
    updated = answered(200, update_call_capacity.sync_detailed(*GROUP, "Büro 1", client=client, body=update))
    assert updated.name == "Büro 2"
    assert updated.max_calls == 3
    assert isinstance(updated.max_incoming_calls, Unset)
    first, second = (user.department for user in updated.users)
    assert first == ""
    assert isinstance(second, Department)
    assert second.department_name == "Inside Sales"
    assert answered(200, get_call_capacity.sync_detailed(*GROUP, "Büro 2", client=client)) == updated

    emptied(delete_call_capacity.sync_detailed(*GROUP, "Büro 2", client=client))
    not_found("G-9", get_call_capacity.sync_detailed(*GROUP, "Büro 2", client=client))


def walk_executive(client: AuthenticatedClient) -> None:
    assert answered(200, get_alerting.sync_detailed(*USER, client=client)).cli_custom_name == "Test User"
    without_name = AlertingUpdate(cli_custom_name=None)
    cleared = answered(200, update_alerting.sync_detailed(*USER, client=client, body=without_name))
    assert isinstance(cleared.cli_custom_name, Unset)
    assert cleared.cli_custom_name_unicode == "Test User Unicode"
    assert answered(200, get_alerting.sync_detailed(*USER, client=client)) == cleared

    new = CriterionCreate(
        name="Büro 1",
        time_schedule=TimeScheduleReferenceType0(level=ScheduleLevel.USER, name="Mornings"),
        from_dn_criteria=FromDnCriteriaCreate(
            selection=FromDnCriteriaCreateSelection.SPECIFIED_ONLY, phone_numbers=["+3225551120"]
        ),
    )
    created = answered(200, create_criterion.sync_detailed(*USER, client=client, body=new))
    assert not isinstance(created.time_schedule, Unset)
    assert created.time_schedule.name == "Mornings"
    assert created.active
    assert created.from_dn_criteria.selection is CallerSelection.SPECIFIED_ONLY
    assert answered(200, get_criterion.sync_detailed(*USER, "Büro 1", client=client)) == created

    update = CriterionUpdate(
        name="Büro 2", time_schedule=None, from_dn_criteria=FromDnCriteriaUpdate(include_anonymous_callers=True)
    )
    updated = answered(200, update_criterion.sync_detailed(*USER, "Büro 1", client=client, body=update))
    assert updated.name == "Büro 2"
    assert isinstance(updated.time_schedule, Unset)
    assert updated.from_dn_criteria.include_anonymous_callers
    assert updated.from_dn_criteria.phone_numbers == ["+3225551120"]

    emptied(delete_criterion.sync_detailed(*USER, "Büro 2", client=client))
    not_found("EX-14", get_criterion.sync_detailed(*USER, "Büro 2", client=client))

    here = answered(200, list_available_assistants.sync_detailed(*USER, client=client))
    assert len(here.users) == 2
    anywhere = list_available_assistants.sync_detailed(*USER, client=client, same_group_only=False)
    assert len(answered(200, anywhere).users) == 4


def main() -> None:
    url = sys.argv[1]
    log_in(url)
    with AuthenticatedClient(base_url=url, token="foogroup-admin") as client:
        walk_call_capacities(client)
        walk_executive(client)


if __name__ == "__main__":
    main()
