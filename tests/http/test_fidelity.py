"""Which answers rest on the assumed part of a rule, and what was sent but ignored (S-9)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from simulator.app import Simulation
from simulator.settings import Settings
from simulator.state.world import World
from tests.conftest import CAPACITIES, EXECUTIVE, Api, served

pytestmark = pytest.mark.rule("S-9")

RECEPTION, DISPOSABLE = f"{CAPACITIES}Reception/", f"{CAPACITIES}disposable/"
NEWCOMER = EXECUTIVE.replace("foouser", "user_1")
DEMO = "tenants/demo/groups/"
GHENT = "tenants/wholesale/groups/ghent/users/bart.declercq@wholesale.netaxis.be/services/executive/"
CRITERION = {
    "name": "mine",
    "active": True,
    "filter": False,
    "fromDnCriteria": {
        "selection": "Specified Only",
        "includeAnonymousCallers": False,
        "includeUnavailableCallers": False,
        "phoneNumbers": ["+3225551101"],
    },
}
SCHEDULE = {"level": "User", "name": "Hours"}
NAME = {"cliNameMode": "Custom", "cliCustomName": "Desk"}
TOKEN = {"Authorization": "Bearer system-admin"}


@pytest.fixture(scope="module")
def strict_server(simulation: Simulation, world: World) -> Iterator[str]:
    with served(simulation.app(world, Settings(fidelity="strict"))) as server:
        yield server.url


@pytest.fixture
def strict(strict_server: str) -> Iterator[Api]:
    """A sandbox whose answers name the assumed rules that they rest on."""
    with httpx.Client(base_url=strict_server, timeout=10) as client:
        api = Api(client, "strict")
        api.reset()
        yield api


def assumed(response: httpx.Response) -> list[str]:
    header = response.headers.get("X-Simulator-Assumed")
    return [] if header is None else header.split(", ")


@pytest.mark.parametrize(
    ("method", "path", "body", "rules"),
    [
        # documented, or fixed by the platform
        ("GET", RECEPTION, None, ["G-13"]),
        ("PUT", RECEPTION, {"maxIncomingCalls": None}, ["G-13"]),
        ("POST", CAPACITIES, {"name": "n", "isDefault": False, "maxCalls": 1, "userIds": ["user_1"]}, []),
        ("PUT", RECEPTION, {"isDefault": True, "userIds": ["user_2"]}, []),
        ("GET", f"{CAPACITIES}none/", None, []),
        ("PUT", RECEPTION, {"maxCalls": -1}, []),
        ("POST", CAPACITIES, {"name": "x" * 81, "isDefault": True, "maxCalls": 1}, []),
        ("POST", CAPACITIES, {"name": "Reception", "isDefault": True, "maxCalls": 1}, []),
        ("GET", f"{EXECUTIVE}filtering/", None, ["G-13"]),
        ("GET", f"{EXECUTIVE}alerting/", None, []),
        ("PUT", f"{EXECUTIVE}filtering/", {"criteria": [{"name": "foocriteria", "active": True}]}, ["G-13"]),
        ("POST", f"{EXECUTIVE}criteria/", CRITERION, []),
        ("PUT", f"{EXECUTIVE}criteria/foocriteria/", {"active": True}, []),
        ("PUT", f"{EXECUTIVE}criteria/foocriteria/", {"timeSchedule": None}, []),
        ("DELETE", f"{EXECUTIVE}criteria/foocriteria/", None, []),
        ("GET", f"{EXECUTIVE}assistants/", None, []),
        # assumed
        ("GET", CAPACITIES, None, ["G-13"]),
        ("GET", f"{CAPACITIES}available_users/", None, ["G-13", "CC-12"]),
        ("GET", f"{DEMO}antwerp/services/call_capacities/available_users/", None, ["G-13"]),
        ("POST", CAPACITIES, {"name": "n", "isDefault": True, "maxCalls": 1, "userIds": ["user_1"]}, ["CC-6"]),
        ("PUT", DISPOSABLE, {"isDefault": True, "userIds": ["user_1"]}, ["CC-6"]),
        ("PUT", DISPOSABLE, {"isDefault": False, "userIds": ["user_1"]}, []),
        ("PUT", RECEPTION, {"isDefault": False, "userIds": ["user_2"]}, ["CC-6"]),
        ("PUT", RECEPTION, {"maxCalls": 4, "userIds": ["user_2"]}, ["CC-4"]),
        ("PUT", RECEPTION, {"maxIncomingCalls": 8, "userIds": ["user_2"]}, ["CC-4"]),
        ("PUT", RECEPTION, {"maxCalls": 5, "userIds": ["user_2"]}, []),
        ("PUT", DISPOSABLE, {"userIds": ["user_2"]}, ["CC-7"]),
        ("PUT", DISPOSABLE, {"userIds": ["nobody"]}, ["CC-7"]),
        ("GET", DISPOSABLE, None, ["CC-9"]),
        ("PUT", RECEPTION, {"userIds": []}, ["CC-9"]),
        ("PUT", RECEPTION, {"userIds": None}, ["CC-8", "CC-9"]),
        ("PUT", f"{NEWCOMER}assistants/", {"allowOptInOut": True, "assistantUserIds": None}, ["EX-4"]),
        ("GET", f"{RECEPTION}?_=1", None, ["G-4", "G-13"]),
        ("PUT", RECEPTION, {"users": []}, ["G-4", "G-13"]),
        ("PUT", RECEPTION, {"users": []} | {"nobody": 1}, ["G-4"]),
        ("PUT", RECEPTION, {"maxCalls": "5"}, ["G-5"]),
        ("PUT", RECEPTION, {"maxCalls": None}, ["CC-5"]),
        ("PUT", RECEPTION, {"name": "a/b"}, ["G-12"]),
        ("PUT", RECEPTION, {"maxCalls": -1, "name": "a/b"}, ["G-12"]),
        ("POST", CAPACITIES, {"name": "available_users", "isDefault": True, "maxCalls": 1}, ["CC-3"]),
        (
            "POST",
            CAPACITIES,
            {"name": "n", "isDefault": False, "maxCalls": 1, "maxIncomingCalls": None, "userIds": ["user_1"]},
            ["CC-5"],
        ),
        ("DELETE", DISPOSABLE, None, []),
        ("DELETE", RECEPTION, None, ["CC-11"]),
        ("GET", "tenants/foo/groups/bargroup/services/call_capacities/", None, ["CC-1"]),
        ("GET", f"{EXECUTIVE}available_assistants/", None, ["G-13", "EX-2"]),
        ("GET", f"{GHENT}available_assistants/", None, ["EX-2"]),
        ("GET", f"{GHENT}available_assistants/", {"sameGroupOnly": False}, ["EX-2", "EX-3"]),
        ("GET", f"{EXECUTIVE}available_assistants/", {"sameGroupOnly": False}, ["G-13", "EX-2"]),
        ("GET", f"{NEWCOMER}assistants/", None, ["EX-16"]),
        ("GET", f"{NEWCOMER}filtering/", None, ["EX-16"]),
        ("GET", f"{NEWCOMER}screening/", None, ["EX-16"]),
        ("GET", f"{NEWCOMER}alerting/", None, ["EX-16"]),
        ("PUT", f"{NEWCOMER}alerting/", {"mode": "Sequential"}, ["EX-16"]),
        ("PUT", f"{NEWCOMER}filtering/", {"enabled": True}, ["EX-16"]),
        ("PUT", f"{NEWCOMER}filtering/", {"enabled": True, "mode": "Advanced", "type": "All Calls"}, []),
        ("PUT", f"{NEWCOMER}assistants/", {"allowOptInOut": True}, ["EX-16"]),
        ("PUT", f"{NEWCOMER}assistants/", {"allowOptInOut": True, "assistantUserIds": []}, []),
        ("PUT", f"{EXECUTIVE}screening/", {"enable": True, "alertType": "Ring Splash"}, ["EX-7", "EX-16"]),
        ("GET", f"{EXECUTIVE}screening/", None, ["EX-16"]),
        ("PUT", f"{NEWCOMER}assistants/", {"assistantUserIds": []}, ["EX-16"]),
        ("PUT", f"{EXECUTIVE}alerting/", {"rolloverAction": "Voice Messaging"}, ["EX-9"]),
        ("POST", f"{EXECUTIVE}criteria/", {**CRITERION, "fromDnCriteria": {"selection": "Any"}}, ["EX-12"]),
        ("POST", f"{EXECUTIVE}criteria/", {name: CRITERION[name] for name in CRITERION if name != "filter"}, ["EX-10"]),
        ("PUT", RECEPTION, {"userIds": ["user_1", "user_2"]}, ["G-13"]),
        ("PUT", RECEPTION, {"userIds": ["user_2"]}, []),
        ("PUT", f"{EXECUTIVE}alerting/", {"cliCustomPhoneNumber": None}, ["EX-9"]),
        ("PUT", f"{EXECUTIVE}alerting/", {"cliNameMode": "Executive"}, ["EX-9"]),
        ("POST", f"{EXECUTIVE}criteria/", {"name": "mine"}, ["EX-10", "EX-12"]),
        ("POST", f"{EXECUTIVE}criteria/", {**CRITERION, "holidaySchedule": SCHEDULE}, ["EX-11"]),
        ("PUT", f"{EXECUTIVE}criteria/foocriteria/", {"timeSchedule": SCHEDULE}, ["EX-11"]),
        ("PUT", f"{EXECUTIVE}filtering/", {"criteria": [{"name": "none"}]}, ["EX-6"]),
        ("PUT", f"{EXECUTIVE}filtering/", {"criteria": [{"name": "foocriteria", "filter": True}]}, ["G-13", "EX-6"]),
        ("POST", f"{EXECUTIVE}criteria/", {**CRITERION, "timeSchedule": None}, ["EX-10"]),
        ("PUT", f"{EXECUTIVE}assistants/", {"assistantUserIds": ["foouser"]}, ["EX-4"]),
        ("GET", "nowhere/", None, ["G-1"]),
        ("PATCH", RECEPTION, None, ["G-10"]),
    ],
)
def test_an_answer_names_the_rules_without_whose_assumed_part_it_would_be_another_one(
    strict: Api, method: str, path: str, body: Any, rules: list[str]
) -> None:
    response = strict(method, path, body, headers=TOKEN)
    assert assumed(response) == rules, response.text
    # The second answer may be a remembered one.
    if method == "GET":
        assert assumed(strict(method, path, body, headers=TOKEN)) == rules


@pytest.mark.parametrize(
    ("options", "rules"),
    [
        ({}, ["G-13", "A-6"]),
        ({"headers": {"Authorization": "Bearer nobody"}}, []),
        ({"headers": {"Authorization": "Bearer foouser"}}, []),
        ({"headers": {"Authorization": "Bearer foogroup-admin"}}, ["G-13"]),
        ({"headers": {"Authorization": "Bearer brussels-admin"}}, ["A-1"]),
        ({"headers": {**TOKEN, "Accept": "text/plain"}}, []),
    ],
)
def test_credentials_and_headers_rest_on_assumptions_too(strict: Api, options: Any, rules: list[str]) -> None:
    assert assumed(strict("GET", RECEPTION, **options)) == rules


def test_attributes_are_assumed_until_each_was_set(strict: Api) -> None:
    def alerting(method: str, body: Any = None) -> list[str]:
        return assumed(strict(method, f"{NEWCOMER}alerting/", body, headers=TOKEN))

    whole = strict.ok("GET", f"{NEWCOMER}alerting/")
    assert alerting("PUT", {}) == ["EX-16"]
    assert alerting("GET") == ["EX-16"]
    last = whole.popitem()
    assert alerting("PUT", whole) == ["EX-16"]
    assert alerting("GET") == ["EX-16"]
    assert alerting("PUT", dict([last])) == []
    assert alerting("GET") == []


def test_assistants_that_were_taken_away_are_not_those_of_a_fresh_service(strict: Api) -> None:
    strict.ok("PUT", f"{NEWCOMER}assistants/", {"allowOptInOut": False, "assistantUserIds": []})
    assert assumed(strict("GET", f"{NEWCOMER}assistants/", headers=TOKEN)) == []


def test_the_alias_sets_the_attribute_too(strict: Api) -> None:
    screening = strict.ok("GET", f"{NEWCOMER}screening/")
    body = {"enable": screening.pop("enabled"), **screening}
    assert assumed(strict("PUT", f"{NEWCOMER}screening/", body, headers=TOKEN)) == ["EX-7"]
    assert assumed(strict("GET", f"{NEWCOMER}screening/", headers=TOKEN)) == []


def test_an_assistant_without_a_department_is_shown_by_analogy_with_a_member(strict: Api) -> None:
    body = {"allowOptInOut": False, "assistantUserIds": ["ApioEntUserTestGrp2"]}
    assert assumed(strict("PUT", f"{NEWCOMER}assistants/", body, headers=TOKEN)) == ["G-14"]
    assert assumed(strict("GET", f"{NEWCOMER}assistants/", headers=TOKEN)) == ["G-14"]
    assert strict.ok("GET", f"{NEWCOMER}assistants/")["assistantUsers"][0]["department"] == ""
    assert assumed(strict("PUT", RECEPTION, {"userIds": ["user_1"]}, headers=TOKEN)) == []


def test_a_default_without_members_may_go_by_our_word(strict: Api) -> None:
    strict.ok("PUT", DISPOSABLE, {"isDefault": True})
    assert assumed(strict("DELETE", DISPOSABLE, headers=TOKEN)) == ["CC-11"]


def test_a_remembered_answer_knows_nothing_of_who_asked_first(strict: Api) -> None:
    assert assumed(strict("GET", DISPOSABLE)) == ["A-6", "CC-9"]
    assert assumed(strict("GET", DISPOSABLE, headers=TOKEN)) == ["CC-9"]


def test_where_body_and_query_lead_to_one_list_nothing_is_assumed(strict: Api) -> None:
    for user_id in ("ApioEntUserTestGrp2", "ApioEntUserTest2@sip.netaxis.be"):
        services: dict[str, Any] = {
            "tenants": {"foo": {"groups": {"bargroup": {"users": {user_id: {"services": []}}}}}}
        }
        strict.arranged("PATCH", "state", services)
    path = f"{NEWCOMER}available_assistants/?sameGroupOnly=false"
    assert "EX-3" not in assumed(strict("GET", path, {"sameGroupOnly": True}, headers=TOKEN))


def test_the_query_parameter_is_assumed_where_it_leads_to_another_list(strict: Api) -> None:
    for query, rules in {"true": [], "false": ["EX-3"]}.items():
        found = assumed(strict("GET", f"{NEWCOMER}available_assistants/?sameGroupOnly={query}", headers=TOKEN))
        assert [rule for rule in found if rule == "EX-3"] == rules


def test_a_service_provider_ignores_the_option_by_our_word(strict: Api) -> None:
    for query, rules in {"": [], "?sameGroupOnly=true": ["EX-3"]}.items():
        found = assumed(strict("GET", f"{GHENT}available_assistants/{query}", headers=TOKEN))
        assert [rule for rule in found if rule == "EX-3"] == rules


@pytest.mark.parametrize("name", ["passwordhunter2", "token%253Dhunter2", "token/hunter2", "apikey%7Chunter2"])
def test_a_secret_that_was_sent_as_a_name_is_not_kept(api: Api, name: str) -> None:
    api.ok("GET", f"{CAPACITIES}?{name}")
    assert api.arranged("GET", "requests")["requests"][0]["ignored"] == ["?[redacted]"]
    ignored = [each["ignored"] for each in api.arranged("GET", "coverage")["operations"] if each["hits"]]
    assert ignored == [{"?[redacted]": 1}]


def test_of_very_many_names_the_first_are_kept_and_of_long_ones_the_beginning(api: Api) -> None:
    api.ok("GET", f"{CAPACITIES}?{'&'.join(f'{number:0200}=1' for number in range(30))}")
    (entry,) = api.arranged("GET", "requests")["requests"]
    assert {len(name) for name in entry["ignored"]} == {100}
    api.ok("GET", f"{CAPACITIES}?{'&'.join(f'a{number}=1' for number in range(30))}")
    assert len(api.arranged("GET", "requests")["requests"][1]["ignored"]) == 20


def test_the_scope_of_an_end_user_is_assumed_and_the_level_is_documented(strict: Api) -> None:
    own = {"Authorization": "Bearer foouser"}
    assert assumed(strict("GET", f"{NEWCOMER}alerting/", headers=own)) == ["A-2"]
    assert assumed(strict("GET", CAPACITIES, headers=own)) == []


def test_a_body_and_a_query_that_disagree_are_decided_by_our_word(strict: Api) -> None:
    path = f"{NEWCOMER}available_assistants/"
    for query, rules in {"": [], "?sameGroupOnly=true": [], "?sameGroupOnly=false": ["EX-3"]}.items():
        found = assumed(strict("GET", path + query, {"sameGroupOnly": True}, headers=TOKEN))
        assert [rule for rule in found if rule == "EX-3"] == rules


def test_what_counts_as_the_first_login_is_assumed(strict: Api) -> None:
    credentials = {"username": "foouser", "password": "secret"}
    assert assumed(strict("POST", "login/", credentials)) == ["A-3"]
    assert assumed(strict("POST", "login/", {**credentials, "password": "wrong"})) == []


def test_an_answer_that_a_fault_gave_rests_on_no_rule(strict: Api) -> None:
    strict.arranged("POST", "faults", {"operationId": "listCallCapacities", "status": 500, "times": 1})
    assert assumed(strict("GET", CAPACITIES)) == []


def test_pages_of_other_origins_can_read_the_header(strict: Api) -> None:
    response = strict("GET", DISPOSABLE, headers={"Origin": "http://localhost:3000"})
    assert "X-Simulator-Assumed" in response.headers["Access-Control-Expose-Headers"]


def test_without_strict_fidelity_only_the_journal_and_the_coverage_say_so(api: Api) -> None:
    assert assumed(api("GET", DISPOSABLE)) == []
    (entry,) = api.arranged("GET", "requests")["requests"]
    assert entry["assumed"] == ["A-6", "CC-9"]
    assert [each["assumed"] for each in api.arranged("GET", "coverage")["operations"] if each["hits"]] == [
        {"A-6": 1, "CC-9": 1}
    ]


def test_the_control_interface_says_nothing_of_the_kind(strict: Api) -> None:
    assert assumed(strict.control("GET", "requests/none")) == []


def test_what_was_sent_for_nothing_is_in_the_journal_and_in_the_coverage(api: Api) -> None:
    criteria = [{"name": "foocriteria", "filter": True}, {"name": "disposable", "filter": True, "timeSchedule": None}]
    api.ok("PUT", f"{EXECUTIVE}filtering/?force=1", {"criteria": criteria})
    api.ok("PUT", RECEPTION, {"users": [], "maxCalls": 3})
    api.refused("PUT", RECEPTION, {"users": [], "maxCalls": -3})
    first, second, third = api.arranged("GET", "requests")["requests"]
    assert first["ignored"] == ["?force", "/criteria/*/filter", "/criteria/*/timeSchedule"]
    assert second["ignored"] == ["/users"]
    assert "ignored" not in third
    ignored = {each["operationId"]: each["ignored"] for each in api.arranged("GET", "coverage")["operations"]}
    assert {name: counts for name, counts in ignored.items() if counts} == {
        "updateFiltering": {"?force": 1, "/criteria/*/filter": 1, "/criteria/*/timeSchedule": 1},
        "updateCallCapacity": {"/users": 1},
    }


def test_a_documented_query_parameter_is_not_ignored(api: Api) -> None:
    api.ok("GET", f"{EXECUTIVE}available_assistants/?sameGroupOnly=false")
    assert "ignored" not in api.arranged("GET", "requests")["requests"][0]
