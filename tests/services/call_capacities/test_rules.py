"""The rules of Call Capacity Management as pure functions."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.directory import User
from simulator.errors import MOST_FAULTS, Refusal
from simulator.services.call_capacities import rules
from simulator.services.call_capacities.model import CallCapacities

USERS = {
    user_id: User(tenant_id="t", group_id="g", user_id=user_id, first_name="", last_name="") for user_id in "abcdef"
}


def create(held: CallCapacities, name: str, *user_ids: str, is_default: bool = False) -> CallCapacities:
    attributes = {"name": name, "is_default": is_default, "max_calls": 1, "user_ids": list(user_ids)}
    return rules.create(held, attributes, USERS.get)[0]


@pytest.mark.rule("G-7")
def test_a_rule_leaves_the_set_it_was_given_as_it_was() -> None:
    before = create(CallCapacities(), "one", "a")
    after = rules.delete(before, before.by_name["one"])
    assert [capacity.name for capacity in before.in_order()] == ["one"]
    assert after.in_order() == []
    assert dict(before.membership) == {"a": "one"}


@pytest.mark.rule("CC-6")
def test_a_group_that_gave_up_its_default_knows_of_none() -> None:
    held = create(CallCapacities(), "one", is_default=True)
    held, _ = rules.update(held, held.by_name["one"], {"is_default": False}, USERS.get)
    assert (held.default, held.by_name["one"].is_default) == (None, False)


@pytest.mark.rule("CC-7", "G-8")
def test_of_very_many_unknown_users_no_more_are_looked_for_than_an_answer_tells() -> None:
    asked: list[str] = []
    with pytest.raises(Refusal) as refusal:
        rules.create(
            CallCapacities(),
            {"name": "one", "is_default": False, "max_calls": 1, "user_ids": ["nobody"] * 5_000},
            asked.append,
        )
    assert len(refusal.value.faults) == len(asked) == MOST_FAULTS + 1


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["create", "update", "delete"]),
        st.sampled_from(["one", "two", "three"]),
        st.sampled_from(["one", "two", "three", "available_users"]),
        st.none() | st.booleans(),
        st.none() | st.lists(st.sampled_from([*USERS, "nobody"]), max_size=4),
    ),
    max_size=12,
)


@pytest.mark.rule("CC-6", "CC-7", "CC-8", "CC-12")
@settings(max_examples=150, deadline=None, derandomize=True)
@given(STEPS)
def test_whatever_is_asked_the_indexes_agree_with_the_capacities(
    steps: list[tuple[str, str, str, bool | None, list[str] | None]],
) -> None:
    held = CallCapacities()
    for action, name, new_name, is_default, user_ids in steps:
        try:
            if action == "create":
                attributes = {
                    "name": new_name,
                    "is_default": bool(is_default),
                    "max_calls": 1,
                    "user_ids": user_ids or (),
                }
                held, _ = rules.create(held, attributes, USERS.get)
            elif action == "update":
                given = {"name": new_name, "is_default": is_default, "user_ids": user_ids}
                changes = {attribute: value for attribute, value in given.items() if value is not None}
                held, _ = rules.update(held, rules.capacity_named(held, name), changes, USERS.get)
            else:
                held = rules.delete(held, rules.capacity_named(held, name))
        except Refusal:
            pass
        capacities = held.in_order()
        members = {user_id: capacity.name for capacity in capacities for user_id in capacity.user_ids}
        assert sum(len(capacity.user_ids) for capacity in capacities) == len(members)
        assert dict(held.membership) == members
        assert [capacity.name for capacity in capacities if capacity.is_default] == [held.default] * bool(held.default)
        assert {name: capacity.name for name, capacity in held.by_name.items()} == {name: name for name in held.by_name}
        assert {user.user_id for user in rules.available(held, USERS.values())} == USERS.keys() - members.keys()
