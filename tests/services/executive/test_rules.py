"""The rules of the Executive service as pure functions, and what follows a change of assigned services."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simulator.app import SERVICES, Simulation
from simulator.contract.operation import Call
from simulator.contract.schemas import snake_case
from simulator.directory import User
from simulator.errors import MOST_FAULTS, RuleViolation, ServiceNotAssigned
from simulator.services.executive import operations, rules
from simulator.services.executive.model import Alerting, Criterion, Executive, FromDnCriteria, Schedule
from simulator.services.service import assign_services
from simulator.state.world import Fork, World


def foouser(fork: Fork) -> User:
    return fork.directory.user("foo", "foogroup", "foouser")


def call(simulation: Simulation, operation_id: str, user: User) -> Call:
    path = {"tenant_id": user.tenant_id, "group_id": user.group_id, "user_id": user.user_id}
    return Call(operation=simulation.contract.operations[operation_id], path=path)


@pytest.mark.rule("EX-17")
def test_taking_executive_away_drops_the_settings_and_giving_it_back_starts_fresh(
    simulation: Simulation, world: World
) -> None:
    fork = Fork(world)
    user = foouser(fork)
    get_alerting = call(simulation, "getAlerting", user)
    assert operations.get_alerting(get_alerting, fork) != Alerting()
    assign_services(fork, SERVICES, [(user, ())])
    with pytest.raises(ServiceNotAssigned):
        operations.get_alerting(get_alerting, fork)
    assign_services(fork, SERVICES, [(foouser(fork), ("Executive",))])
    assert operations.get_alerting(get_alerting, fork) == Alerting()
    assert foouser(Fork(world)).services == ("Executive",)


@pytest.mark.rule("EX-17")
def test_taking_executive_assistant_away_removes_the_user_from_every_executives_list(
    simulation: Simulation, world: World
) -> None:
    fork = Fork(world)
    assistant = fork.directory.user("foo", "foogroup", "test_user@netaxis.be")
    get_assistants = call(simulation, "getAssistants", foouser(fork))
    schema = simulation.contract.operations["getAssistants"]
    assert b"test_user@netaxis.be" in schema.render(operations.get_assistants(get_assistants, fork))
    assign_services(fork, SERVICES, [(assistant, ("Executive",))])
    assert schema.render(operations.get_assistants(get_assistants, fork)) == (
        b'{"allowOptInOut":false,"assistantUsers":[]}'
    )


@pytest.mark.rule("EX-14")
def test_deleting_one_criterion_leaves_the_others_in_order() -> None:
    state = Executive(criteria=tuple(Criterion(name=name) for name in "abc"))
    after = rules.delete_criterion(state, rules.criterion_named(state, "b"))
    assert [criterion.name for criterion in after.criteria] == ["a", "c"]
    assert len(state.criteria) == 3


@pytest.mark.rule("EX-6", "G-8")
def test_of_very_many_unknown_criteria_no_more_are_looked_for_than_an_answer_tells() -> None:
    known = Executive(criteria=tuple(Criterion(name=str(number)) for number in range(5_000)))
    with pytest.raises(RuleViolation) as refusal:
        rules.update_filtering(known, {"criteria": [{"name": f"unknown {number}"} for number in range(5_000)]})
    assert len(refusal.value.faults) == MOST_FAULTS + 1
    # All faults share one list of the existing names. A list for each fault would take as much as all criteria.
    assert len({id(fault.known) for fault in refusal.value.faults}) == 1


@pytest.mark.rule("EX-12")
def test_callers_change_member_by_member() -> None:
    criterion = Criterion(name="a", from_dn_criteria=FromDnCriteria(selection="Any External", phone_numbers=("1",)))
    _, changed = rules.update_criterion(
        Executive(criteria=(criterion,)), criterion, {"from_dn_criteria": {"include_anonymous_callers": True}}
    )
    assert changed.from_dn_criteria == replace(criterion.from_dn_criteria, include_anonymous_callers=True)


@pytest.mark.rule("EX-11")
def test_a_schedule_gets_the_type_of_its_attribute() -> None:
    _, created = rules.create_criterion(
        Executive(), {"name": "a", "holiday_schedule": {"level": "User", "name": "x"}, "time_schedule": None}
    )
    assert created.holiday_schedule == Schedule(level="User", name="x", type="Holiday")
    assert created.time_schedule is None


@pytest.mark.rule("EX-7")
def test_the_alias_alone_is_the_attribute_and_a_contradiction_is_refused() -> None:
    assert rules.update_screening(Executive(), {"enable": True}).screening.enabled is True
    with pytest.raises(RuleViolation):
        rules.update_screening(Executive(), {"enable": True, "enabled": False})


@pytest.mark.rule("EX-10", "EX-12")
def test_the_records_defaults_are_those_the_contract_states(simulation: Simulation) -> None:
    types = {
        snake_case(attribute): simulation.contract.document.find(f"/components/schemas/{schema}/properties/type/enum")
        for attribute, schema in (
            ("timeSchedule", "TimeScheduleReference"),
            ("holidaySchedule", "HolidayScheduleReference"),
        )
    }
    assert types == {attribute: [kind] for attribute, kind in rules.SCHEDULE_TYPES.items()}

    def stated(schema: str) -> dict[str, object]:
        properties = simulation.contract.document.find(f"/components/schemas/{schema}/properties")
        return {name: each["default"] for name, each in properties.items() if "default" in each}

    criterion, callers = Criterion(name="a"), FromDnCriteria()
    assert stated("CriterionCreate") == {"active": criterion.active, "filter": criterion.filter}
    assert stated("FromDnCriteriaCreate") == {
        "selection": callers.selection,
        "includeAnonymousCallers": callers.include_anonymous_callers,
        "includeUnavailableCallers": callers.include_unavailable_callers,
        "phoneNumbers": list(callers.phone_numbers),
    }
