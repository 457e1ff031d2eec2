"""Call Capacity Management as a client sees it, rule by rule."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from tests.conftest import CAPACITIES, Api

NEW = {"name": "New", "isDefault": False, "maxCalls": 3}


def names(api: Api) -> list[str]:
    return [capacity["name"] for capacity in api.ok("GET", CAPACITIES)["call_capacities"]]


def default(api: Api) -> list[str]:
    return [each["name"] for each in api.ok("GET", CAPACITIES)["call_capacities"] if each["isDefault"]]


def member_ids(capacity: dict[str, Any]) -> list[str]:
    return [user["userId"] for user in capacity["users"]]


@pytest.mark.rule("CC-1")
def test_every_call_for_a_group_without_the_service_is_404(api: Api) -> None:
    path = CAPACITIES.replace("foogroup", "bargroup")
    for method, below in [
        ("POST", ""),
        ("GET", ""),
        ("GET", "available_users/"),
        ("GET", "x/"),
        ("PUT", "x/"),
        ("DELETE", "x/"),
    ]:
        assert api.refused(method, path + below, NEW if method in ("POST", "PUT") else None) == (404, {("CC-1", None)})


@pytest.mark.rule("CC-2")
def test_post_answers_201_and_what_a_get_of_the_new_instance_answers(api: Api) -> None:
    response = api("POST", CAPACITIES, {**NEW, "maxIncomingCalls": 2, "maxOutgoingCalls": 1, "userIds": ["user_1"]})
    assert response.status_code == 201
    created = response.json()
    assert created == api.ok("GET", CAPACITIES + "New/")
    assert {key: created[key] for key in ("name", "isDefault", "maxCalls", "maxIncomingCalls", "maxOutgoingCalls")} == {
        **NEW,
        "maxIncomingCalls": 2,
        "maxOutgoingCalls": 1,
    }
    assert member_ids(created) == ["user_1@sip.netaxis.be"]


@pytest.mark.rule("CC-2", "G-8")
def test_post_without_required_attributes_names_each_of_them(api: Api) -> None:
    status, found = api.refused("POST", CAPACITIES, {})
    assert (status, found) == (400, {("CC-2", "/name"), ("CC-2", "/isDefault"), ("CC-2", "/maxCalls")})
    assert names(api) == ["Reception", "disposable"]


@pytest.mark.rule("CC-3")
def test_a_name_has_1_to_80_characters(api: Api) -> None:
    assert api.refused("POST", CAPACITIES, {**NEW, "name": ""}) == (400, {("CC-3", "/name"), ("G-12", "/name")})
    assert api.refused("POST", CAPACITIES, {**NEW, "name": "n" * 81}) == (400, {("CC-3", "/name")})
    api.ok("POST", CAPACITIES, {**NEW, "name": "n" * 80})
    api.ok("POST", CAPACITIES, {**NEW, "name": "n"})


@pytest.mark.rule("CC-3", "G-7")
def test_a_name_in_use_is_refused_and_nothing_changes(api: Api) -> None:
    before = api.ok("GET", CAPACITIES + "Reception/")
    assert api.refused("POST", CAPACITIES, {**NEW, "name": "Reception"}) == (400, {("CC-3", "/name")})
    assert api.ok("GET", CAPACITIES + "Reception/") == before


@pytest.mark.rule("CC-3")
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_the_name_available_users_is_refused_because_its_address_is_taken(api: Api, method: str) -> None:
    path = CAPACITIES if method == "POST" else CAPACITIES + "Reception/"
    body = {**NEW, "name": "available_users"} if method == "POST" else {"name": "available_users"}
    assert api.refused(method, path, body) == (400, {("CC-3", "/name")})


@pytest.mark.rule("CC-4")
@pytest.mark.parametrize("limit", ["maxCalls", "maxIncomingCalls", "maxOutgoingCalls"])
def test_a_limit_is_0_to_99999(api: Api, limit: str) -> None:
    for value in (0, 99999):
        assert api.ok("PUT", CAPACITIES + "Reception/", {limit: value})[limit] == value
    for value in (-1, 100000, 10**30):
        assert api.refused("PUT", CAPACITIES + "Reception/", {limit: value}) == (400, {("CC-4", f"/{limit}")})


@pytest.mark.rule("CC-4")
def test_no_rule_ties_the_three_limits_together(api: Api) -> None:
    changes = {"maxCalls": 0, "maxIncomingCalls": 99999, "maxOutgoingCalls": 1}
    assert api.ok("PUT", CAPACITIES + "Reception/", changes).items() >= changes.items()


@pytest.mark.rule("CC-5")
def test_null_removes_a_limit_and_0_means_no_call(api: Api) -> None:
    path = CAPACITIES + "Reception/"
    assert api.ok("PUT", path, {"maxIncomingCalls": 0})["maxIncomingCalls"] == 0
    changed = api.ok("PUT", path, {"maxIncomingCalls": None, "maxOutgoingCalls": None})
    assert changed.keys() & {"maxIncomingCalls", "maxOutgoingCalls"} == set()
    assert api.ok("GET", path) == changed


@pytest.mark.rule("CC-5")
def test_a_limit_that_is_not_set_is_absent_from_answers_and_null_on_post_is_the_same(api: Api) -> None:
    bare = api.ok("POST", CAPACITIES, {**NEW, "name": "bare"})
    nulled = api.ok("POST", CAPACITIES, {**NEW, "name": "nulled", "maxIncomingCalls": None, "maxOutgoingCalls": None})
    assert set(bare) == {"name", "isDefault", "maxCalls", "users"}
    assert {**nulled, "name": "bare"} == bare


@pytest.mark.rule("CC-5")
@pytest.mark.parametrize(
    ("method", "attribute"),
    [*product(["POST", "PUT"], ["name", "isDefault", "maxCalls"]), ("POST", "userIds")],
)
def test_null_for_any_other_attribute_is_refused(api: Api, method: str, attribute: str) -> None:
    path = CAPACITIES if method == "POST" else CAPACITIES + "Reception/"
    body = {**NEW, attribute: None} if method == "POST" else {attribute: None}
    assert api.refused(method, path, body) == (400, {("CC-5", f"/{attribute}")})


@pytest.mark.rule("CC-6")
def test_a_new_default_takes_the_flag_from_the_previous_one(api: Api) -> None:
    assert default(api) == ["Reception"]
    api.ok("POST", CAPACITIES, {**NEW, "isDefault": True})
    assert default(api) == ["New"]
    api.ok("PUT", CAPACITIES + "disposable/", {"isDefault": True})
    assert default(api) == ["disposable"]
    assert api.ok("GET", CAPACITIES + "New/")["isDefault"] is False


@pytest.mark.rule("CC-6")
def test_false_on_the_default_leaves_the_group_without_one(api: Api) -> None:
    api.ok("PUT", CAPACITIES + "Reception/", {"isDefault": False})
    assert default(api) == []
    api.ok("PUT", CAPACITIES + "disposable/", {"isDefault": False})
    assert default(api) == []


@pytest.mark.rule("CC-6")
def test_to_become_the_default_makes_nobody_a_member(api: Api) -> None:
    available = api.ok("GET", CAPACITIES + "available_users/")
    members = api.ok("GET", CAPACITIES + "Reception/")["users"]
    assert api.ok("POST", CAPACITIES, {**NEW, "isDefault": True})["users"] == []
    assert api.ok("PUT", CAPACITIES + "disposable/", {"isDefault": True})["users"] == []
    assert api.ok("GET", CAPACITIES + "available_users/") == available
    assert api.ok("GET", CAPACITIES + "Reception/")["users"] == members


@pytest.mark.rule("CC-6", "CC-10")
def test_a_renamed_default_stays_the_only_default(api: Api) -> None:
    api.ok("PUT", CAPACITIES + "Reception/", {"name": "Desk"})
    assert default(api) == ["Desk"]
    api.ok("PUT", CAPACITIES + "disposable/", {"isDefault": True})
    assert default(api) == ["disposable"]


@pytest.mark.rule("CC-7", "G-7")
def test_who_is_a_member_elsewhere_cannot_become_one(api: Api) -> None:
    wanted = {"userIds": ["user_1@sip.netaxis.be", "user_2@sip.netaxis.be"]}
    assert api.refused("POST", CAPACITIES, {**NEW, **wanted}) == (400, {("CC-7", "/userIds/1")})
    assert api.refused("PUT", CAPACITIES + "disposable/", wanted) == (400, {("CC-7", "/userIds/1")})
    assert names(api) == ["Reception", "disposable"]
    assert api.ok("GET", CAPACITIES + "disposable/")["users"] == []


@pytest.mark.rule("CC-7")
def test_unknown_users_users_of_another_group_and_repetitions_are_refused_all_at_once(api: Api) -> None:
    wanted = ["nobody", "user_1", "ApioEntUserTest2@sip.netaxis.be", "user_1@sip.netaxis.be"]
    status, found = api.refused("PUT", CAPACITIES + "disposable/", {"userIds": wanted})
    assert (status, found) == (400, {("CC-7", "/userIds/0"), ("CC-7", "/userIds/2"), ("CC-7", "/userIds/3")})


@pytest.mark.rule("CC-7")
def test_the_same_text_twice_in_a_list_is_refused(api: Api) -> None:
    status, found = api.refused("PUT", CAPACITIES + "disposable/", {"userIds": ["user_1", "user_9", "user_1"]})
    assert (status, found) == (400, {("CC-7", "/userIds/2")})


@pytest.mark.rule("CC-7", "CC-8")
def test_a_user_who_left_one_capacity_may_join_another(api: Api) -> None:
    api.ok("PUT", CAPACITIES + "Reception/", {"userIds": ["ApioUserTest1"]})
    assert member_ids(api.ok("PUT", CAPACITIES + "disposable/", {"userIds": ["user_2"]})) == ["user_2@sip.netaxis.be"]


@pytest.mark.rule("CC-8")
def test_null_for_user_ids_on_put_empties_the_membership(api: Api) -> None:
    assert member_ids(api.ok("GET", CAPACITIES + "Reception/")) != []
    assert member_ids(api.ok("PUT", CAPACITIES + "Reception/", {"userIds": None})) == []


@pytest.mark.rule("CC-8")
def test_user_ids_on_put_replace_the_whole_membership_and_an_empty_list_empties_it(api: Api) -> None:
    path = CAPACITIES + "Reception/"
    assert member_ids(api.ok("PUT", path, {"userIds": ["user_9", "user_2"]})) == [
        "user_9@sip.netaxis.be",
        "user_2@sip.netaxis.be",
    ]
    assert api.ok("PUT", path, {"userIds": []})["users"] == []


@pytest.mark.rule("CC-9")
def test_the_list_has_no_users_and_the_instance_always_has(api: Api) -> None:
    listed = api.ok("GET", CAPACITIES)
    assert set(listed) == {"call_capacities"}
    assert all("users" not in capacity for capacity in listed["call_capacities"])
    assert api.ok("GET", CAPACITIES + "disposable/")["users"] == []


@pytest.mark.rule("CC-10")
def test_put_renames_and_afterwards_only_the_new_name_answers(api: Api) -> None:
    before = api.ok("GET", CAPACITIES + "Reception/")
    assert api.ok("PUT", CAPACITIES + "Reception/", {"name": "Front desk"}) == {**before, "name": "Front desk"}
    assert api("GET", CAPACITIES + "Reception/").status_code == 404
    assert api.ok("GET", CAPACITIES + "Front desk/") == {**before, "name": "Front desk"}
    assert names(api) == ["Front desk", "disposable"]
    assert api.refused("PUT", CAPACITIES + "disposable/", {"userIds": ["user_2"]}) == (400, {("CC-7", "/userIds/0")})
    assert api.ok("PUT", CAPACITIES + "Front desk/", {"userIds": ["user_2"]})["users"] == before["users"][:1]


@pytest.mark.rule("CC-10")
def test_a_name_in_use_by_another_is_refused_and_the_own_name_is_no_change(api: Api) -> None:
    before = api.ok("GET", CAPACITIES + "Reception/")
    assert api.refused("PUT", CAPACITIES + "Reception/", {"name": "disposable"}) == (400, {("CC-10", "/name")})
    assert api.ok("PUT", CAPACITIES + "Reception/", {"name": "Reception"}) == before


@pytest.mark.rule("CC-11")
def test_delete_answers_200_without_a_body_and_frees_the_members(api: Api) -> None:
    response = api("DELETE", CAPACITIES + "Reception/")
    assert (response.status_code, response.content) == (200, b"")
    assert "Content-Type" not in response.headers
    assert names(api) == ["disposable"]
    assert default(api) == []
    available = api.ok("GET", CAPACITIES + "available_users/")["users"]
    assert "user_2@sip.netaxis.be" in [user["userId"] for user in available]
    api.ok("POST", CAPACITIES, {"name": "Reception", "isDefault": True, "maxCalls": 1, "userIds": ["user_2"]})


@pytest.mark.rule("CC-12", "G-13")
def test_available_are_the_users_of_the_group_who_are_members_of_no_capacity_in_the_order_of_the_seed(api: Api) -> None:
    def available() -> list[str]:
        return [user["userId"] for user in api.ok("GET", CAPACITIES + "available_users/")["users"]]

    others = ["test_user@netaxis.be", "another_user@netaxis.be"]
    assert available() == ["foouser@sip.netaxis.be", "user_1@sip.netaxis.be", "user_9@sip.netaxis.be", *others]
    api.ok("PUT", CAPACITIES + "Reception/", {"userIds": ["foouser"]})
    in_seed_order = ["user_1@sip.netaxis.be", "user_2@sip.netaxis.be", "user_9@sip.netaxis.be"]
    assert available() == [*in_seed_order, "ApioUserTest1@sip.netaxis.be", *others]


@pytest.mark.rule("G-9")
def test_an_unknown_capacity_is_404_for_every_method(api: Api) -> None:
    for method in ("GET", "PUT", "DELETE"):
        body = {"maxCalls": 1} if method == "PUT" else None
        assert api.refused(method, CAPACITIES + "none/", body) == (404, {("G-9", None)})


@pytest.mark.rule("G-13")
def test_capacities_are_listed_in_the_order_of_creation(api: Api) -> None:
    for name in ("zebra", "ant"):
        api.ok("POST", CAPACITIES, {**NEW, "name": name})
    api.ok("DELETE", CAPACITIES + "disposable/")
    api.ok("PUT", CAPACITIES + "Reception/", {"name": "zzz", "maxCalls": 1})
    api.ok("POST", CAPACITIES, {**NEW, "name": "disposable"})
    assert names(api) == ["zzz", "zebra", "ant", "disposable"]
