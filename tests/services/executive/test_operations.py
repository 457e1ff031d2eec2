"""The Executive service as a client sees it, rule by rule."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import EXECUTIVE, Api

FRESH = EXECUTIVE.replace("foouser", "user_1")
WHOLESALE = "tenants/wholesale/groups/{}/users/{}/services/executive/"
CRITERION = {
    "name": "Test Criteria 1",
    "timeSchedule": {"level": "User", "name": "My Office Hours", "type": "Time"},
    "holidaySchedule": {"level": "Tenant", "name": "Group Holiday Schedule", "type": "Holiday"},
    "filter": False,
    "fromDnCriteria": {
        "selection": "Specified Only",
        "includeAnonymousCallers": True,
        "includeUnavailableCallers": True,
        "phoneNumbers": ["+3223661285", "+3267219021"],
    },
    "active": True,
}
CALLS: list[tuple[str, str, Any]] = [
    ("GET", "available_assistants/", None),
    ("GET", "assistants/", None),
    ("PUT", "assistants/", {}),
    ("GET", "filtering/", None),
    ("PUT", "filtering/", {}),
    ("GET", "screening/", None),
    ("PUT", "screening/", {}),
    ("GET", "alerting/", None),
    ("PUT", "alerting/", {}),
    ("POST", "criteria/", {"name": "x"}),
    ("GET", "criteria/x/", None),
    ("PUT", "criteria/x/", {}),
    ("DELETE", "criteria/x/", None),
]


def ids(users: list[dict[str, Any]]) -> list[str]:
    return [user["userId"] for user in users]


def criterion_names(api: Api, path: str = EXECUTIVE) -> list[str]:
    return [criterion["name"] for criterion in api.ok("GET", path + "filtering/")["criteria"]]


@pytest.mark.rule("EX-1")
def test_every_call_is_404_when_the_service_is_not_assigned_to_the_user(api: Api) -> None:
    path = "tenants/foo/groups/bargroup/users/ApioEntUserTestGrp2/services/executive/"
    for method, below, body in CALLS:
        assert api.refused(method, path + below, body) == (404, {("EX-1", None)})


class TestAssistants:
    @pytest.mark.rule("EX-2")
    def test_available_are_the_assistants_of_the_group_but_never_the_executive_himself(self, api: Api) -> None:
        both = ["test_user@netaxis.be", "another_user@netaxis.be"]
        assert ids(api.ok("GET", EXECUTIVE + "available_assistants/")["users"]) == both
        own = EXECUTIVE.replace("foouser", "test_user@netaxis.be")
        assert ids(api.ok("GET", own + "available_assistants/")["users"]) == both[1:]

    @pytest.mark.rule("EX-2")
    def test_who_is_assigned_already_stays_in_the_list(self, api: Api) -> None:
        assert ids(api.ok("GET", EXECUTIVE + "assistants/")["assistantUsers"]) == ["test_user@netaxis.be"]
        assert "test_user@netaxis.be" in ids(api.ok("GET", EXECUTIVE + "available_assistants/")["users"])

    @pytest.mark.rule("EX-3")
    @pytest.mark.parametrize("text", ["false", "False", "FALSE"])
    def test_the_whole_enterprise_is_asked_for_in_the_body_or_in_the_query(self, api: Api, text: str) -> None:
        path = EXECUTIVE + "available_assistants/"
        everywhere = ids(api.ok("GET", path, {"sameGroupOnly": False})["users"])
        assert everywhere == [
            "test_user@netaxis.be",
            "another_user@netaxis.be",
            "ApioEntUserTestGrp2",
            "ApioEntUserTest2@sip.netaxis.be",
        ]
        assert ids(api.ok("GET", path, params={"sameGroupOnly": text})["users"]) == everywhere
        assert ids(api.ok("GET", path)["users"]) == everywhere[:2]
        assert ids(api.ok("GET", path, params={"sameGroupOnly": "TRUE"})["users"]) == everywhere[:2]

    @pytest.mark.rule("EX-3")
    def test_the_body_wins_over_the_query(self, api: Api) -> None:
        path = EXECUTIVE + "available_assistants/"
        assert len(api.ok("GET", path, {"sameGroupOnly": True}, params={"sameGroupOnly": "false"})["users"]) == 2
        assert len(api.ok("GET", path, {"sameGroupOnly": False}, params={"sameGroupOnly": "true"})["users"]) == 4
        assert len(api.ok("GET", path, {}, params={"sameGroupOnly": "false"})["users"]) == 4

    @pytest.mark.rule("EX-3")
    @pytest.mark.parametrize("text", ["", "1", "no", "null"])
    def test_another_value_is_refused(self, api: Api, text: str) -> None:
        path = EXECUTIVE + "available_assistants/"
        assert api.refused("GET", path, params={"sameGroupOnly": text}) == (400, {("EX-3", None)})
        assert api.refused("GET", path, {"sameGroupOnly": text}) == (400, {("G-5", "/sameGroupOnly")})
        twice = [("sameGroupOnly", "true"), ("sameGroupOnly", "true")]
        assert api.refused("GET", path, params=twice) == (400, {("EX-3", None)})

    @pytest.mark.rule("EX-3")
    def test_in_the_tenant_of_a_service_provider_it_is_always_the_same_group(self, api: Api) -> None:
        path = WHOLESALE.format(*wholesale_executive(api)) + "available_assistants/"
        assert api.ok("GET", path, {"sameGroupOnly": False}) == api.ok("GET", path)

    @pytest.mark.rule("EX-4")
    def test_the_list_given_replaces_the_assistants_and_keeps_its_order(self, api: Api) -> None:
        wanted = ["another_user@netaxis.be", "ApioEntUserTest2", "test_user@netaxis.be"]
        changed = api.ok("PUT", EXECUTIVE + "assistants/", {"allowOptInOut": True, "assistantUserIds": wanted})
        full = ["another_user@netaxis.be", "ApioEntUserTest2@sip.netaxis.be", "test_user@netaxis.be"]
        assert (changed["allowOptInOut"], ids(changed["assistantUsers"])) == (True, full)
        assert api.ok("GET", EXECUTIVE + "assistants/") == changed
        emptied = api.ok("PUT", EXECUTIVE + "assistants/", {"assistantUserIds": []})
        assert emptied == {"allowOptInOut": True, "assistantUsers": []}

    @pytest.mark.rule("EX-4")
    def test_null_is_an_empty_list_of_assistants(self, api: Api) -> None:
        assert api.ok("GET", EXECUTIVE + "assistants/")["assistantUsers"]
        assert api.ok("PUT", EXECUTIVE + "assistants/", {"assistantUserIds": None})["assistantUsers"] == []

    @pytest.mark.rule("EX-4", "G-7")
    def test_who_cannot_assist_is_refused_and_nothing_changes(self, api: Api) -> None:
        before = api.ok("GET", EXECUTIVE + "assistants/")
        wanted = ["nobody", "user_1", "test_user@netaxis.be", "foouser", "another_user@netaxis.be"]
        changes = {"allowOptInOut": True, "assistantUserIds": wanted}
        expected = {("EX-4", f"/assistantUserIds/{i}") for i in (0, 1, 3)}
        assert api.refused("PUT", EXECUTIVE + "assistants/", changes) == (400, expected)
        assert api.ok("GET", EXECUTIVE + "assistants/") == before

    @pytest.mark.rule("EX-4")
    def test_the_same_assistant_twice_is_refused_however_written(self, api: Api) -> None:
        wanted = {"assistantUserIds": ["ApioEntUserTest2", "ApioEntUserTest2@sip.netaxis.be"]}
        assert api.refused("PUT", EXECUTIVE + "assistants/", wanted) == (400, {("EX-4", "/assistantUserIds/1")})

    @pytest.mark.rule("EX-4")
    def test_in_the_tenant_of_a_service_provider_assistants_are_of_the_same_group(self, api: Api) -> None:
        group_id, user_id = wholesale_executive(api)
        path = WHOLESALE.format(group_id, user_id) + "assistants/"
        foreign = {"assistantUserIds": ["test_user@netaxis.be"]}
        assert api.refused("PUT", path, foreign) == (400, {("EX-4", "/assistantUserIds/0")})


def wholesale_executive(api: Api) -> tuple[str, str]:
    """An executive in the tenant of a service provider."""
    for group_id in ("ghent", "namur"):
        available = api("GET", f"tenants/wholesale/groups/{group_id}/services/call_capacities/available_users/")
        for user in available.json().get("users", []):
            if api("GET", WHOLESALE.format(group_id, user["userId"]) + "screening/").is_success:
                return group_id, user["userId"]
    raise AssertionError("the fixture has no executive in the tenant of a service provider")


class TestFiltering:
    @pytest.mark.rule("EX-5")
    def test_all_four_attributes_are_answered_whatever_the_mode(self, api: Api) -> None:
        for mode in ("Simple", "Advanced"):
            answer = api.ok("PUT", EXECUTIVE + "filtering/", {"mode": mode})
            assert list(answer) == ["enabled", "mode", "type", "criteria"]
            full = [api.ok("GET", f"{EXECUTIVE}criteria/{name}/") for name in ("foocriteria", "disposable")]
            assert answer["criteria"] == full

    @pytest.mark.rule("EX-5")
    def test_mode_and_type_are_of_the_documented_ones(self, api: Api) -> None:
        for kind in ("All Calls", "All Internal Calls", "All External Calls"):
            assert api.ok("PUT", EXECUTIVE + "filtering/", {"type": kind})["type"] == kind
        wrong = {"mode": "simple", "type": "Some Calls"}
        assert api.refused("PUT", EXECUTIVE + "filtering/", wrong) == (400, {("EX-5", "/mode"), ("EX-5", "/type")})

    @pytest.mark.rule("EX-6")
    def test_of_the_criteria_only_the_active_flag_changes(self, api: Api) -> None:
        before = {each["name"]: each for each in api.ok("GET", EXECUTIVE + "filtering/")["criteria"]}
        item = {**CRITERION, "name": "foocriteria", "active": False, "filter": True, "timeSchedule": None}
        changed = api.ok("PUT", EXECUTIVE + "filtering/", {"enabled": True, "criteria": [item]})
        after = {each["name"]: each for each in changed["criteria"]}
        assert changed["enabled"] is True
        assert after == {**before, "foocriteria": {**before["foocriteria"], "active": False}}

    @pytest.mark.rule("EX-6")
    def test_a_criterion_named_without_the_flag_stays_as_it_is(self, api: Api) -> None:
        before = api.ok("GET", EXECUTIVE + "filtering/")
        assert api.ok("PUT", EXECUTIVE + "filtering/", {"criteria": [{"name": "foocriteria"}]}) == before
        assert api.ok("PUT", EXECUTIVE + "filtering/", before) == before

    @pytest.mark.rule("EX-6", "G-7")
    def test_an_unknown_name_a_repeated_name_and_a_missing_name_are_refused_and_nothing_changes(self, api: Api) -> None:
        before = api.ok("GET", EXECUTIVE + "filtering/")
        flag = {"name": "foocriteria", "active": False}
        changes = {"enabled": True, "criteria": [flag, {"name": "none", "active": True}, flag]}
        expected = {("EX-6", "/criteria/1/name"), ("EX-6", "/criteria/2/name")}
        assert api.refused("PUT", EXECUTIVE + "filtering/", changes) == (400, expected)
        nameless = {"criteria": [{"active": False}]}
        assert api.refused("PUT", EXECUTIVE + "filtering/", nameless) == (400, {("EX-6", "/criteria/0/name")})
        assert api.ok("GET", EXECUTIVE + "filtering/") == before


class TestScreening:
    @pytest.mark.rule("EX-7")
    def test_answers_say_enabled_and_put_takes_enable_for_it_too(self, api: Api) -> None:
        path = EXECUTIVE + "screening/"
        changed = api.ok("PUT", path, {"enable": True})
        assert list(changed) == [
            "enabled",
            "alertType",
            "alertMobilityLocation",
            "alertAnywhereLocations",
            "alertSharedCallAppearanceLocations",
        ]
        assert changed["enabled"] is True
        assert api.ok("PUT", path, {"enabled": False})["enabled"] is False
        assert api.ok("PUT", path, {"enabled": True, "enable": True})["enabled"] is True
        assert api.refused("PUT", path, {"enabled": True, "enable": False}) == (400, {("EX-7", "/enable")})
        assert api.ok("GET", path)["enabled"] is True

    @pytest.mark.rule("EX-7")
    def test_the_alert_type_is_one_of_the_documented(self, api: Api) -> None:
        assert api.ok("PUT", EXECUTIVE + "screening/", {"alertType": "Ring Splash"})["alertType"] == "Ring Splash"
        assert api.refused("PUT", EXECUTIVE + "screening/", {"alertType": "Loud"}) == (400, {("EX-7", "/alertType")})


ALERTING_BOUNDS = {"callPushRecallAfter": (2, 20), "nextAssistantAfter": (1, 20), "rolloverWaitTime": (0, 7200)}
ALERTING_LENGTHS = {
    "cliCustomName": 80,
    "cliCustomNameUnicode": 80,
    "cliCustomPhoneNumber": 23,
    "rolloverForwardTo": 161,
}
ALERTING_VALUES = {
    "mode": ["Simultaneous", "Sequential"],
    "cliNameMode": ["Executive", "Executive-Originator", "Originator-Executive", "Originator", "Custom"],
    "cliPhoneNumberMode": ["Executive", "Originator", "Custom"],
    "rolloverAction": ["Voice Messaging", "Forward", "No Answer Processing"],
}


class TestAlerting:
    @pytest.mark.rule("EX-8")
    @pytest.mark.parametrize("attribute", ALERTING_BOUNDS)
    def test_numbers_have_their_bounds(self, api: Api, attribute: str) -> None:
        low, high = ALERTING_BOUNDS[attribute]
        for value in (low, high):
            assert api.ok("PUT", EXECUTIVE + "alerting/", {attribute: value})[attribute] == value
        for value in (low - 1, high + 1):
            expected = (400, {("EX-8", f"/{attribute}")})
            assert api.refused("PUT", EXECUTIVE + "alerting/", {attribute: value}) == expected

    @pytest.mark.rule("EX-8")
    @pytest.mark.parametrize("attribute", ALERTING_LENGTHS)
    def test_texts_have_their_lengths(self, api: Api, attribute: str) -> None:
        longest = ALERTING_LENGTHS[attribute]
        for value in ("é", "é" * longest):
            assert api.ok("PUT", EXECUTIVE + "alerting/", {attribute: value})[attribute] == value
        for value in ("", "é" * (longest + 1)):
            expected = (400, {("EX-8", f"/{attribute}")})
            assert api.refused("PUT", EXECUTIVE + "alerting/", {attribute: value}) == expected

    @pytest.mark.rule("EX-8")
    @pytest.mark.parametrize("attribute", ALERTING_VALUES)
    def test_choices_are_the_documented_ones(self, api: Api, attribute: str) -> None:
        for value in ALERTING_VALUES[attribute]:
            assert api.ok("PUT", EXECUTIVE + "alerting/", {attribute: value})[attribute] == value
        expected = (400, {("EX-8", f"/{attribute}")})
        assert api.refused("PUT", EXECUTIVE + "alerting/", {attribute: "None"}) == expected

    @pytest.mark.rule("EX-9")
    def test_null_clears_what_may_be_unset_and_it_is_absent_then(self, api: Api) -> None:
        optional = ["cliCustomName", "cliCustomNameUnicode", "cliCustomPhoneNumber", "rolloverWaitTime"]
        optional.append("rolloverForwardTo")
        before = api.ok("GET", EXECUTIVE + "alerting/")
        changed = api.ok("PUT", EXECUTIVE + "alerting/", dict.fromkeys(optional))
        assert changed == {key: value for key, value in before.items() if key not in optional}
        assert api.ok("GET", EXECUTIVE + "alerting/") == changed

    @pytest.mark.rule("EX-9")
    def test_null_for_an_attribute_that_is_always_set_is_refused(self, api: Api) -> None:
        assert api.refused("PUT", EXECUTIVE + "alerting/", {"mode": None}) == (400, {("G-5", "/mode")})

    @pytest.mark.rule("EX-9")
    def test_what_a_mode_used_stays_stored_when_the_mode_is_left_and_no_attribute_asks_for_another(
        self, api: Api
    ) -> None:
        changed = api.ok("PUT", EXECUTIVE + "alerting/", {"cliNameMode": "Executive", "rolloverAction": "Forward"})
        assert changed["cliCustomName"] == "Test User"
        forward = api.ok("PUT", EXECUTIVE + "alerting/", {"rolloverForwardTo": None, "cliNameMode": "Custom"})
        assert forward["rolloverAction"] == "Forward"


class TestCriteria:
    @pytest.mark.rule("EX-10", "EX-12", "EX-13")
    def test_post_requires_the_name_only_answers_200_and_fills_in_the_rest(self, api: Api) -> None:
        response = api("POST", EXECUTIVE + "criteria/", {"name": "bare"})
        assert response.status_code == 200
        assert response.json() == {
            "name": "bare",
            "active": True,
            "fromDnCriteria": {
                "selection": "Any",
                "includeAnonymousCallers": False,
                "includeUnavailableCallers": False,
                "phoneNumbers": [],
            },
            "filter": True,
        }
        assert criterion_names(api) == ["foocriteria", "disposable", "bare"]
        assert api.refused("POST", EXECUTIVE + "criteria/", {}) == (400, {("EX-13", "/name")})

    @pytest.mark.rule("EX-10")
    def test_a_criterion_answers_what_was_posted(self, api: Api) -> None:
        assert api.ok("POST", EXECUTIVE + "criteria/", CRITERION) == CRITERION
        assert api.ok("GET", EXECUTIVE + "criteria/Test Criteria 1/") == CRITERION

    @pytest.mark.rule("EX-10")
    def test_a_name_has_1_to_50_characters(self, api: Api) -> None:
        api.ok("POST", EXECUTIVE + "criteria/", {"name": "n" * 50})
        assert api.refused("POST", EXECUTIVE + "criteria/", {"name": "n" * 51}) == (400, {("EX-10", "/name")})

    @pytest.mark.rule("EX-10", "EX-11")
    def test_null_clears_a_schedule_on_put_and_is_no_schedule_on_post(self, api: Api) -> None:
        path = EXECUTIVE + "criteria/foocriteria/"
        changed = api.ok("PUT", path, {"timeSchedule": None})
        assert "timeSchedule" not in changed
        assert "holidaySchedule" in changed
        created = api.ok("POST", EXECUTIVE + "criteria/", {"name": "none", "timeSchedule": None})
        assert "timeSchedule" not in created

    @pytest.mark.rule("EX-11")
    def test_a_schedule_may_leave_out_its_type_and_is_returned_with_it(self, api: Api) -> None:
        path = EXECUTIVE + "criteria/foocriteria/"
        schedules = {"timeSchedule": {"level": "Group", "name": "t"}, "holidaySchedule": {"level": "User", "name": "h"}}
        changed = api.ok("PUT", path, schedules)
        assert changed["timeSchedule"] == {"level": "Group", "name": "t", "type": "Time"}
        assert changed["holidaySchedule"] == {"level": "User", "name": "h", "type": "Holiday"}

    @pytest.mark.rule("EX-11")
    @pytest.mark.parametrize(
        ("schedule", "place"),
        [
            ({"level": "Site", "name": "n"}, "/level"),
            ({"level": "User", "name": ""}, "/name"),
            ({"level": "User", "name": "n" * 41}, "/name"),
            ({"level": "User", "name": "n", "type": "Holiday"}, "/type"),
            ({"name": "n"}, "/level"),
        ],
    )
    def test_a_schedule_has_a_level_a_name_and_its_own_type(self, api: Api, schedule: Any, place: str) -> None:
        changes = {"timeSchedule": schedule}
        expected = (400, {("EX-11", f"/timeSchedule{place}")})
        assert api.refused("PUT", EXECUTIVE + "criteria/foocriteria/", changes) == expected

    @pytest.mark.rule("EX-12")
    def test_put_changes_the_members_of_the_callers_that_are_present_and_replaces_the_numbers(self, api: Api) -> None:
        path = EXECUTIVE + "criteria/foocriteria/"
        before = api.ok("GET", path)["fromDnCriteria"]
        changed = api.ok("PUT", path, {"fromDnCriteria": {"phoneNumbers": ["1"]}})["fromDnCriteria"]
        assert changed == {**before, "phoneNumbers": ["1"]}
        changed = api.ok("PUT", path, {"fromDnCriteria": {"selection": "Any Internal"}})["fromDnCriteria"]
        assert changed == {**before, "phoneNumbers": ["1"], "selection": "Any Internal"}

    @pytest.mark.rule("EX-12")
    def test_there_are_at_most_12_numbers_of_1_to_23_characters(self, api: Api) -> None:
        path = EXECUTIVE + "criteria/foocriteria/"
        api.ok("PUT", path, {"fromDnCriteria": {"phoneNumbers": ["9" * 23] * 12}})
        place = "/fromDnCriteria/phoneNumbers"
        for numbers, fault in [(["1"] * 13, place), ([""], f"{place}/0"), (["9" * 24], f"{place}/0")]:
            changes = {"fromDnCriteria": {"phoneNumbers": numbers}}
            assert api.refused("PUT", path, changes) == (400, {("EX-12", fault)})

    @pytest.mark.rule("EX-13", "G-7")
    def test_a_name_in_use_is_refused_on_post(self, api: Api) -> None:
        before = api.ok("GET", EXECUTIVE + "filtering/")
        assert api.refused("POST", EXECUTIVE + "criteria/", {"name": "foocriteria"}) == (400, {("EX-13", "/name")})
        assert api.ok("GET", EXECUTIVE + "filtering/") == before

    @pytest.mark.rule("EX-14")
    def test_put_with_a_name_renames_and_keeps_the_place_in_the_order(self, api: Api) -> None:
        changed = api.ok("PUT", EXECUTIVE + "criteria/foocriteria/", {"name": "other"})
        assert changed["name"] == "other"
        assert criterion_names(api) == ["other", "disposable"]
        assert api.refused("GET", EXECUTIVE + "criteria/foocriteria/") == (404, {("EX-14", None)})
        assert api.ok("PUT", EXECUTIVE + "criteria/other/", {"name": "other"}) == changed

    @pytest.mark.rule("EX-14")
    def test_a_name_in_use_by_another_is_refused_on_put(self, api: Api) -> None:
        path = EXECUTIVE + "criteria/foocriteria/"
        assert api.refused("PUT", path, {"name": "disposable"}) == (400, {("EX-14", "/name")})

    @pytest.mark.rule("EX-14")
    def test_delete_answers_200_without_a_body(self, api: Api) -> None:
        response = api("DELETE", EXECUTIVE + "criteria/disposable/")
        assert (response.status_code, response.content) == (200, b"")
        assert criterion_names(api) == ["foocriteria"]

    @pytest.mark.rule("EX-14")
    def test_an_unknown_criterion_is_404(self, api: Api) -> None:
        for method, body in (("GET", None), ("PUT", {}), ("DELETE", None)):
            assert api.refused(method, EXECUTIVE + "criteria/none/", body) == (404, {("EX-14", None)})

    @pytest.mark.rule("EX-15")
    def test_get_of_the_criteria_is_405_and_names_post(self, api: Api) -> None:
        response = api("GET", EXECUTIVE + "criteria/")
        assert (response.status_code, response.headers["Allow"]) == (405, "POST")


@pytest.mark.rule("EX-16")
def test_a_freshly_assigned_service_has_its_defaults(api: Api) -> None:
    filtering = {"enabled": False, "mode": "Simple", "type": "All Calls", "criteria": []}
    assert api.ok("GET", FRESH + "filtering/") == filtering
    assert api.ok("GET", FRESH + "screening/") == {
        "enabled": False,
        "alertType": "Silent",
        "alertMobilityLocation": False,
        "alertAnywhereLocations": False,
        "alertSharedCallAppearanceLocations": False,
    }
    assert api.ok("GET", FRESH + "assistants/") == {"allowOptInOut": False, "assistantUsers": []}
    assert api.ok("GET", FRESH + "alerting/") == {
        "mode": "Simultaneous",
        "cliNameMode": "Executive-Originator",
        "cliPhoneNumberMode": "Executive",
        "callPushRecallAfter": 4,
        "nextAssistantAfter": 5,
        "rolloverEnabled": False,
        "rolloverAction": "Voice Messaging",
    }
