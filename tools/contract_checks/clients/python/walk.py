"""A program with the generated Python client. Prints a line per call. A failed assertion ends it."""

import sys
from collections.abc import Callable
from http.cookies import SimpleCookie
from typing import TypeVar

from client import (
    AlertingUpdate,
    ApiClient,
    ApiResponse,
    CallCapacitiesApi,
    CallCapacityCreate,
    CallCapacityUpdate,
    Configuration,
    CriterionCreate,
    CriterionUpdate,
    Department,
    ErrorCode,
    ErrorReport,
    ExecutiveApi,
    FromDnCriteriaCreate,
    FromDnCriteriaUpdate,
    Login,
    LoginApi,
    ScheduleLevel,
    TimeScheduleReference,
)
from client.exceptions import NotFoundException

GROUP = ("foo", "foogroup")
USER = (*GROUP, "foouser")

T = TypeVar("T")


def answered(status: int, answer: ApiResponse[T]) -> T:
    assert answer.status_code == status, answer
    print(answer.status_code, type(answer.data).__name__)
    return answer.data


def refused(call: Callable[[], object]) -> NotFoundException:
    try:
        call()
    except NotFoundException as refusal:
        return refusal
    raise AssertionError("it was found")


def not_found(rule: str, call: Callable[[], object]) -> None:
    report = refused(call).data
    assert isinstance(report, ErrorReport)
    assert report.errors[0].code == ErrorCode.UNKNOWN_RESOURCE
    assert report.errors[0].details.rule == rule
    print(404, rule)


def log_in(configuration: Configuration) -> None:
    """From now on, the cookie of the session is sent."""
    with ApiClient(configuration) as client:
        answer = LoginApi(client).login_with_http_info(Login(username="groupadmin", password="secret"))
    login = answered(200, answer)
    assert login.ids.group_id == "foogroup"
    assert login.profile.user_level == 8
    assert answer.headers is not None
    configuration.api_key["sessionCookie"] = SimpleCookie(answer.headers["Set-Cookie"])["sessionid"].value


def walk_call_capacities(api: CallCapacitiesApi) -> None:
    listed = answered(200, api.list_call_capacities_with_http_info(*GROUP))
    assert [each.name for each in listed.call_capacities] == ["Reception", "disposable"]

    new = CallCapacityCreate(
        name="Büro 1", isDefault=False, maxCalls=3, maxIncomingCalls=2, userIds=["user_1", "foouser"]
    )
    created = answered(201, api.create_call_capacity_with_http_info(*GROUP, new))
    assert created.max_incoming_calls == 2
    assert answered(200, api.get_call_capacity_with_http_info(*GROUP, "Büro 1")) == created

    update = CallCapacityUpdate(name="Büro 2", maxIncomingCalls=None)
    updated = answered(200, api.update_call_capacity_with_http_info(*GROUP, "Büro 1", update))
    assert updated.name == "Büro 2"
    assert updated.max_calls == 3
    assert updated.max_incoming_calls is None
    first, second = (user.department.actual_instance for user in updated.users)
    assert first == ""
    assert isinstance(second, Department)
    assert second.department_name == "Inside Sales"
    assert answered(200, api.get_call_capacity_with_http_info(*GROUP, "Büro 2")) == updated

    answered(200, api.delete_call_capacity_with_http_info(*GROUP, "Büro 2"))
    not_found("G-9", lambda: api.get_call_capacity(*GROUP, "Büro 2"))


def walk_executive(api: ExecutiveApi) -> None:
    assert answered(200, api.get_alerting_with_http_info(*USER)).cli_custom_name == "Test User"
    cleared = answered(200, api.update_alerting_with_http_info(*USER, AlertingUpdate(cliCustomName=None)))
    assert cleared.cli_custom_name is None
    assert cleared.cli_custom_name_unicode == "Test User Unicode"
    assert answered(200, api.get_alerting_with_http_info(*USER)) == cleared

    new = CriterionCreate(
        name="Büro 1",
        timeSchedule=TimeScheduleReference(level=ScheduleLevel.USER, name="Mornings"),
        fromDnCriteria=FromDnCriteriaCreate(selection="Specified Only", phoneNumbers=["+3225551120"]),
    )
    created = answered(200, api.create_criterion_with_http_info(*USER, new))
    assert created.time_schedule is not None
    assert created.time_schedule.name == "Mornings"
    assert created.active
    assert answered(200, api.get_criterion_with_http_info(*USER, "Büro 1")) == created

    update = CriterionUpdate(
        name="Büro 2", timeSchedule=None, fromDnCriteria=FromDnCriteriaUpdate(includeAnonymousCallers=True)
    )
    updated = answered(200, api.update_criterion_with_http_info(*USER, "Büro 1", update))
    assert updated.name == "Büro 2"
    assert updated.time_schedule is None
    assert updated.from_dn_criteria.include_anonymous_callers
    assert updated.from_dn_criteria.phone_numbers == ["+3225551120"]

    answered(200, api.delete_criterion_with_http_info(*USER, "Büro 2"))
    not_found("EX-14", lambda: api.get_criterion(*USER, "Büro 2"))

    here = answered(200, api.list_available_assistants_with_http_info(*USER))
    assert len(here.users) == 2
    anywhere = answered(200, api.list_available_assistants_with_http_info(*USER, same_group_only=False))
    assert len(anywhere.users) == 4


def main() -> None:
    configuration = Configuration(host=sys.argv[1])
    log_in(configuration)
    with ApiClient(configuration) as client:
        walk_call_capacities(CallCapacitiesApi(client))
        walk_executive(ExecutiveApi(client))


if __name__ == "__main__":
    main()
