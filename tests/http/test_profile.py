"""A server that follows a profile: what it answers instead, what no longer counts as assumed, and what stays (S-14)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from simulator.app import Simulation, create_app
from simulator.contract.ledger import load_ledger
from simulator.contract.profile import digest
from simulator.settings import Settings
from simulator.state.world import World
from tests.conftest import CAPACITIES, EXECUTIVE

pytestmark = pytest.mark.rule("S-14")

API = "/api/v1/"
RECEPTION, DISPOSABLE = f"{CAPACITIES}Reception/", f"{CAPACITIES}disposable/"
CRITERIA, ASSISTANTS = f"{EXECUTIVE}criteria/", f"{EXECUTIVE}assistants/"
AVAILABLE = f"{EXECUTIVE}available_assistants/"
FILTERING, SCREENING = f"{EXECUTIVE}filtering/", f"{EXECUTIVE}screening/"
USER_1 = "user_1@sip.netaxis.be"
NEWCOMER = EXECUTIVE.replace("foouser", "user_1")
GROUP_ADMIN = {"Authorization": "Bearer foogroup-admin"}
CRITERION = {"name": "mine", "active": True, "filter": True}
CAPACITY = {"name": "A", "isDefault": False, "maxCalls": 3}

Call = tuple[str, str, Any] | tuple[str, str, Any, Mapping[str, str]]


def profile(**rules: Any) -> dict[str, Any]:
    """A profile with a name of a choice, a status, the values of defaults, or `True` for a confirmed rule."""
    system = {"name": "lab-1", "observed": "2026-11-27"}
    keys: dict[type, str] = {str: "choice", int: "status", dict: "values"}
    found = {
        rule.replace("_", "-"): {"verdict": "confirmed"}
        if what is True
        else {"verdict": "contradicted", **({} if what is None else {keys[type(what)]: what})}
        for rule, what in rules.items()
    }
    return {"version": 1, "system": system, "ledger": digest(load_ledger()), "rules": found}


class Client:
    """The application of a server that follows a profile. It is called within the process."""

    def __init__(self, app: Flask) -> None:
        self.client = app.test_client()

    def __call__(
        self, method: str, path: str, json: Any = None, headers: Mapping[str, str] | None = None, **options: Any
    ) -> TestResponse:
        if json is not None:
            options["json"] = json
        return self.client.open(API + path, method=method, headers=dict(headers or {}), **options)

    def ok(self, method: str, path: str, json: Any = None, **options: Any) -> Any:
        response = self(method, path, json, **options)
        assert response.status_code < 300, response.text
        return response.json

    def control(self, method: str, path: str, json: Any = None) -> Any:
        options = {} if json is None else {"json": json}
        response = self.client.open(f"/_simulator/{path}", method=method, **options)
        assert response.status_code < 300, response.text
        return response.json

    def reset(self) -> None:
        self.control("POST", "reset")

    def rule(self, rule_id: str) -> Any:
        return next(each for each in self.control("GET", "rules")["rules"] if each["id"] == rule_id)


def content(response: TestResponse) -> Any:
    return response.json


Following = Callable[..., Client]


@pytest.fixture
def following(simulation: Simulation, world: World) -> Following:
    def make(**rules: Any) -> Client:
        followed = simulation.following(profile(**rules))
        # Only other defaults need a world of their own.
        start = followed.world() if followed.profile.values else world
        return Client(followed.app(start, Settings(fidelity="strict"), None))

    return make


@pytest.fixture
def plain(simulation: Simulation, world: World) -> Client:
    return Client(simulation.app(world, Settings(fidelity="strict"), None))


# For each choice, a call whose answer it changes.
CHANGED: dict[tuple[str, str], Call] = {
    ("G-1", "redirect"): ("GET", RECEPTION.rstrip("/"), None),
    ("G-1", "accept"): ("GET", RECEPTION.rstrip("/"), None),
    ("G-3", "accept"): ("PUT", DISPOSABLE, {"maxCalls": 4}, {"Content-Type": "text/plain"}),
    ("G-4", "ignore"): ("PUT", DISPOSABLE, {"maxCalls": 4, "colour": "red"}),
    ("G-8", "detail"): ("GET", f"{CAPACITIES}none/", None),
    ("G-13", "name"): ("GET", CAPACITIES, None),
    ("A-7", "existence"): ("GET", CAPACITIES.replace("foogroup", "nogroup"), None, GROUP_ADMIN),
    ("CC-4", "refuse"): ("PUT", DISPOSABLE, {"maxIncomingCalls": 4}),
    ("CC-5", "refuse"): ("POST", CAPACITIES, {**CAPACITY, "name": "B", "maxIncomingCalls": None}),
    ("CC-8", "refuse"): ("PUT", RECEPTION, {"userIds": None}),
    ("CC-9", "absent"): ("GET", DISPOSABLE, None),
    ("CC-11", "refuse"): ("DELETE", RECEPTION, None),
    ("EX-2", "leave"): ("GET", AVAILABLE, None),
    ("EX-3", "ignored"): ("GET", f"{AVAILABLE}?sameGroupOnly=nonsense", None),
    ("EX-4", "refuse"): ("PUT", ASSISTANTS, {"assistantUserIds": None}),
    ("EX-6", "refuse"): ("PUT", FILTERING, {"criteria": [{"name": "foocriteria", "filter": True}]}),
    ("EX-7", "refuse"): ("PUT", SCREENING, {"enable": True}),
}


def test_every_choice_of_the_ledger_is_tried_here() -> None:
    assert CHANGED.keys() == {(rule.id, name) for rule in load_ledger().values() for name in rule.choices}


# Of these rules a choice is about more calls: this is in the answers that it changes.
SHARED = {"G-8": b'{"errors":', "G-13": b'"criteria":[', "CC-9": b'"users":[]'}


@pytest.mark.parametrize(("rule", "choice"), CHANGED)
def test_a_choice_changes_the_answers_that_it_is_about_and_no_others(
    following: Following, plain: Client, rule: str, choice: str
) -> None:
    changed = following(**{rule: choice})
    for client in (plain, changed):
        client.ok("POST", CAPACITIES, CAPACITY)
        client.control("PUT", "snapshots/arranged")
    for (about, _), call in CHANGED.items():
        before, after = plain(*call), changed(*call)
        differs = (before.status_code, before.data) != (after.status_code, after.data)
        assert differs is (about == rule or (rule in SHARED and SHARED[rule] in before.data)), (
            call,
            before.data,
            after.data,
        )
        for client in (plain, changed):
            client.control("POST", "snapshots/arranged/restore")


@pytest.mark.parametrize(("rule", "choice"), [pair for pair in CHANGED if pair[1] == "refuse"])
def test_what_is_refused_by_choice_changes_nothing_and_names_its_rule(
    following: Following, rule: str, choice: str
) -> None:
    client = following(**{rule: choice})
    before = client.control("GET", "state")
    response = client(*CHANGED[rule, choice])
    assert response.status_code == 400
    details = content(response)["errors"][0]["details"]
    assert details["rule"] == rule
    said = load_ledger()[rule].choices[choice].removesuffix(".")
    assert details["reason"] == f"{said}; the simulator follows the profile of lab-1"
    assert client.control("GET", "state") == before


@pytest.mark.parametrize(
    ("rule", "call"),
    [
        ("CC-4", ("PUT", DISPOSABLE, {"maxIncomingCalls": 3})),
        ("CC-5", ("POST", CAPACITIES, {**CAPACITY, "maxIncomingCalls": 1})),
        ("CC-8", ("PUT", RECEPTION, {"userIds": []})),
        ("CC-11", ("DELETE", DISPOSABLE, None)),
        ("EX-4", ("PUT", ASSISTANTS, {"assistantUserIds": []})),
        ("EX-6", ("PUT", FILTERING, {"criteria": [{"name": "foocriteria", "active": True}]})),
        ("EX-7", ("PUT", SCREENING, {"enabled": True})),
    ],
)
def test_a_call_that_needs_no_assumption_is_not_refused(following: Following, rule: str, call: Call) -> None:
    client = following(**{rule: "refuse"})
    assert client(*call).status_code < 300


def test_a_path_without_its_slash_is_redirected(following: Following) -> None:
    client = following(G_1="redirect")
    path = f"{API}{CAPACITIES}A%20b%25".rstrip("/")
    response = client.client.post(f"{path}?x=1%202", json={})
    assert (response.status_code, response.data) == (308, b"")
    assert response.headers["Location"] == f"{path}/?x=1%202"
    within = client.client.get(f"/_sandboxes/mine{API}{RECEPTION.rstrip('/')}")
    assert within.headers["Location"] == f"/_sandboxes/mine{API}{RECEPTION}"
    assert client("GET", "nothing").status_code == client("GET", f"/{RECEPTION}").status_code == 404


def test_a_path_without_its_slash_is_accepted(following: Following) -> None:
    client = following(G_1="accept")
    whole = client("GET", RECEPTION)
    for path in (RECEPTION.rstrip("/"), f"{RECEPTION.rstrip('/')}?x=1"):
        assert client("GET", path).data == whole.data
        # A sandbox that does not exist yet begins with this call.
        assert client.client.get(f"/_sandboxes/{len(path)}{API}{path}").data == whole.data
    assert client("DELETE", CAPACITIES.rstrip("/")).status_code == 405
    assert client("GET", f"{RECEPTION}/").status_code == client("GET", "nothing").status_code == 404


def test_a_body_of_any_content_type_is_json(following: Following) -> None:
    client = following(G_3="accept")
    for media in ("text/plain", "application/xml; charset=x", '"text/json"'):
        changed = client("PUT", DISPOSABLE, {"maxCalls": 4}, {"Content-Type": media})
        assert (changed.status_code, content(changed)["maxCalls"]) == (200, 4)
    assert client("PUT", DISPOSABLE, data="<a/>", headers={"Content-Type": "text/xml"}).status_code == 400


def test_undocumented_attributes_are_ignored_at_any_depth_and_the_journal_names_them(following: Following) -> None:
    client = following(G_4="ignore")
    body = {**CRITERION, "a": 1, "fromDnCriteria": {"b": {}, "selection": "Any"}}
    assert client.ok("POST", CRITERIA, body)["fromDnCriteria"]["selection"] == "Any"
    assert "a" not in client.ok("GET", f"{CRITERIA}mine/")
    client.ok(
        "PUT", FILTERING, {"criteria": [{"name": "mine", "active": False, "c": 1}, {"name": "foocriteria", "c": 2}]}
    )
    ignored = [each["ignored"] for each in client.control("GET", "requests")["requests"] if "ignored" in each]
    assert ignored == [["/a", "/fromDnCriteria/b"], ["/criteria/*/c"]]
    refused = client("PUT", DISPOSABLE, {"colour": "red", "maxCalls": -1})
    assert [each["details"]["pointer"] for each in content(refused)["errors"]] == ["/maxCalls"]


def test_the_other_faults_of_a_body_show_integers_as_they_were_sent(following: Following) -> None:
    refused = following(G_4="ignore")("PUT", DISPOSABLE, {"colour": "red", "maxCalls": 10**20 + 1})
    assert str(10**20 + 1) in content(refused)["errors"][0]["details"]["reason"]


def test_refusals_have_the_body_of_the_system(following: Following) -> None:
    client = following(G_8="detail")
    assert content(client("GET", f"{CAPACITIES}none/")) == {"detail": "the group has no call capacity 'none'"}
    assert set(content(client("GET", "nothing"))) == {"detail"}
    assert content(client.client.get("/_simulator/diff?since=none"))["errors"]


def test_lists_of_capacities_and_criteria_are_sorted_by_name(following: Following) -> None:
    client = following(G_13="name")
    client.ok("POST", CAPACITIES, CAPACITY)
    client.ok("POST", CRITERIA, {**CRITERION, "name": "a"})
    names = [each["name"] for each in client.ok("GET", CAPACITIES)["call_capacities"]]
    assert names == sorted(names) == ["A", "Reception", "disposable"]
    assert client.ok("GET", FILTERING)["criteria"][0]["name"] == "a"
    # The state keeps the order of creation, so a fixture made of it is the same as without a profile.
    group = client.control("GET", "state")["tenants"]["foo"]["groups"]["foogroup"]
    assert [each["name"] for each in group["callCapacities"]] == ["Reception", "disposable", "A"]


def test_existence_is_checked_before_the_scope(following: Following) -> None:
    client = following(A_7="existence")
    for path in (
        CAPACITIES.replace("foo/", "none/"),
        CAPACITIES.replace("foogroup", "none"),
        FILTERING.replace("foouser", "none"),
    ):
        assert client("GET", path, headers={"Authorization": "Bearer brussels-admin"}).status_code == 404
    assert client("GET", CAPACITIES, headers={"Authorization": "Bearer brussels-admin"}).status_code == 403
    assert client("GET", CAPACITIES, headers={"Authorization": "Bearer none"}).status_code == 401


def test_an_instance_without_members_has_no_users(following: Following) -> None:
    client = following(CC_9="absent")
    assert client.ok("GET", DISPOSABLE) == {"name": "disposable", "isDefault": False, "maxCalls": 3}
    assert "users" not in client.ok("POST", CAPACITIES, CAPACITY)
    assert [each["userId"] for each in client.ok("PUT", DISPOSABLE, {"userIds": ["user_1"]})["users"]]
    assert "users" not in client.ok("PUT", DISPOSABLE, {"userIds": []})
    assert client.ok("GET", RECEPTION)["users"]


def test_assigned_assistants_leave_the_list_of_those_available(following: Following) -> None:
    plain, client = following(), following(EX_2="leave")
    offered = [each["userId"] for each in plain.ok("GET", AVAILABLE)["users"]]
    assigned = [each["userId"] for each in client.ok("GET", ASSISTANTS)["assistantUsers"]]
    assert set(assigned) & set(offered)
    found = [each["userId"] for each in client.ok("GET", AVAILABLE)["users"]]
    assert found == [each for each in offered if each not in assigned]
    client.ok("PUT", ASSISTANTS, {"assistantUserIds": []})
    assert [each["userId"] for each in client.ok("GET", AVAILABLE)["users"]] == offered


def test_the_query_parameter_for_assistants_is_ignored_and_the_body_is_not(following: Following) -> None:
    plain, client = following(), following(EX_3="ignored")
    wide = plain.ok("GET", f"{AVAILABLE}?sameGroupOnly=false")
    assert client.ok("GET", f"{AVAILABLE}?sameGroupOnly=false") != wide
    assert client.ok("GET", AVAILABLE, {"sameGroupOnly": False}) == wide


def test_refusals_by_a_rule_have_the_status_of_the_system(following: Following) -> None:
    client = following(CC_7=409, A_1=401, CC_4=422)
    refused = client("PUT", DISPOSABLE, {"userIds": ["nobody"]})
    assert (refused.status_code, content(refused)["errors"][0]["code"]) == (409, 40003)
    assert client("PUT", DISPOSABLE, {"maxCalls": -1}).status_code == 422
    assert client("PUT", DISPOSABLE, {"maxCalls": "x"}).status_code == 400
    outside = client("GET", CAPACITIES, headers={"Authorization": "Bearer brussels-admin"})
    assert (outside.status_code, outside.headers["WWW-Authenticate"][:6]) == (401, "Bearer")
    entry = client.control("GET", "requests")["requests"][0]
    assert entry["explanation"].startswith("updateCallCapacity was refused with 409,")
    assert entry["explanation"].endswith("lab-1 (observed 2026-11-27) does otherwise: Refusals have the status 409.")
    statuses = {each["rule"]: each["status"] for each in client.control("GET", "errors")["errors"]}
    assert (statuses["CC-7"], statuses["CC-10"]) == (409, 400)


def test_a_choice_and_a_status_go_together(following: Following) -> None:
    rules = {"CC-4": {"verdict": "contradicted", "choice": "refuse", "status": 422}}
    client = Client(create_app(profile={**profile(), "rules": rules}))
    assert client(*CHANGED["CC-4", "refuse"]).status_code == 422


def test_defaults_are_those_of_the_system(following: Following) -> None:
    client = following(
        EX_10={"/active": False},
        EX_12={"/selection": "Any External", "/phoneNumbers": ["1"]},
        EX_16={"/alerting/nextAssistantAfter": 7, "/filtering/mode": "Advanced", "/assistants/allowOptInOut": True},
    )
    assert client.ok("GET", f"{NEWCOMER}alerting/")["nextAssistantAfter"] == 7
    assert client.ok("GET", f"{NEWCOMER}filtering/")["mode"] == "Advanced"
    assert client.ok("GET", f"{NEWCOMER}assistants/")["allowOptInOut"] is True
    created = client.ok("POST", CRITERIA, {"name": "mine"})
    assert (created["active"], created["filter"]) == (False, True)
    assert created["fromDnCriteria"] == {
        "selection": "Any External",
        "includeAnonymousCallers": False,
        "includeUnavailableCallers": False,
        "phoneNumbers": ["1"],
    }
    given = client.ok("POST", CRITERIA, {"name": "other", "active": True, "fromDnCriteria": {"selection": "Any"}})
    assert (given["active"], given["fromDnCriteria"]["selection"]) == (True, "Any")
    # What the fixture sets stays.
    assert client.ok("GET", f"{EXECUTIVE}alerting/")["nextAssistantAfter"] == 5


def test_a_state_that_leaves_defaults_out_gets_those_of_the_profile_and_writes_them(following: Following) -> None:
    client = following(EX_10={"/active": False}, EX_16={"/alerting/nextAssistantAfter": 7})
    user = {"executive": {"alerting": {"mode": "Sequential"}, "criteria": [{"name": "mine"}]}}
    place = {"tenants": {"foo": {"groups": {"foogroup": {"users": {"foouser@sip.netaxis.be": user}}}}}}
    client.control("PATCH", "state", place)
    state = client.control("GET", "state")
    written = state["tenants"]["foo"]["groups"]["foogroup"]["users"]["foouser@sip.netaxis.be"]["executive"]
    assert written["criteria"][0]["active"] is False
    client.control("PUT", "state", state)
    assert client.control("GET", "state") == state
    client.control("POST", "reset")
    client.control(
        "PATCH", "state", {"tenants": {"foo": {"groups": {"foogroup": {"users": {USER_1: {"services": []}}}}}}}
    )
    services = {USER_1: {"services": ["Executive"]}}
    client.control("PATCH", "state", {"tenants": {"foo": {"groups": {"foogroup": {"users": services}}}}})
    assert client.ok("GET", f"{NEWCOMER}alerting/")["nextAssistantAfter"] == 7


def assumed(response: TestResponse) -> str:
    return response.headers.get("X-Simulator-Assumed", "")


def test_what_is_observed_is_assumed_no_longer(following: Following) -> None:
    client = following(CC_9=True, CC_4=True, EX_9=None)
    assert assumed(client("GET", DISPOSABLE, headers={"Authorization": "Bearer system-admin"})) == ""
    assert assumed(client("GET", DISPOSABLE)) == "A-6"
    assert assumed(client("GET", CAPACITIES)) == "G-13, A-6"
    listed = client.control("GET", "requests")["requests"]
    assert [each.get("assumed") for each in listed] == [None, ["A-6"], ["G-13", "A-6"]]
    # The simulator cannot follow the system in this rule.
    assert "EX-9" in assumed(client("PUT", f"{NEWCOMER}alerting/", {"cliNameMode": "Custom"}))
    operations = {each["operationId"]: each for each in client.control("GET", "coverage")["operations"]}
    assert operations["getCallCapacity"]["assumed"] == {"A-6": 1}


def test_refusals_by_an_observed_rule_are_not_assumed(following: Following, plain: Client) -> None:
    client = following(CC_7=409, A_6=True, CC_3=True)
    call: Call = ("PUT", DISPOSABLE, {"userIds": ["nobody"]})
    assert (assumed(plain(*call)), assumed(client(*call))) == ("A-6, CC-7", "")
    # This refusal rests on an assumption though others by the rule do not.
    reserved: Call = ("POST", CAPACITIES, {**CAPACITY, "name": "available_users"})
    assert (assumed(plain(*reserved)), assumed(client(*reserved))) == ("A-6, CC-3", "")
    errors = client.control("GET", "errors")["errors"]
    assert not any(each["assumed"] for each in errors if each["rule"] in ("CC-7", "CC-3"))


def test_the_rules_say_what_was_observed(following: Following) -> None:
    client = following(CC_7=409, CC_9="absent", EX_9=None, EX_1=True)
    assert (client.rule("CC-7")["basis"], client.rule("CC-7")["refusals"]) == (["observed"], ["observed"])
    assert client.rule("CC-9")["basis"] == ["documented", "observed"]
    assert client.rule("EX-1")["basis"] == ["documented", "observed"]
    assert client.rule("EX-9")["basis"] == ["platform", "assumed"]
    assert client.rule("CC-9")["observed"] == {
        "system": "lab-1",
        "date": "2026-11-27",
        "verdict": "contradicted",
        "choice": "absent",
        "text": "lab-1 (observed 2026-11-27) does otherwise: An instance without members has no users attribute.",
    }
    assert client.rule("EX-9")["observed"]["text"].endswith("does otherwise: the simulator cannot follow it.")
    assert "observed" not in client.rule("CC-8")
    assert client.rule("CC-9")["choices"] == load_ledger()["CC-9"].choices
    page = client.client.get("/_simulator/rules", headers={"Accept": "text/html"}).text
    assert "lab-1 (observed 2026-11-27) does the same." in page


def test_a_reset_and_a_new_sandbox_keep_the_profile(following: Following) -> None:
    client = following(CC_9="absent", EX_16={"/alerting/nextAssistantAfter": 7})
    client.reset()
    assert "users" not in client.ok("GET", DISPOSABLE)
    client.control("PUT", "sandboxes/own", {})
    for path, name in ((DISPOSABLE, "users"), (f"{NEWCOMER}alerting/", "nextAssistantAfter")):
        found = content(client.client.get(f"/_sandboxes/own{API}{path}"))
        assert found.get(name) == (7 if name == "nextAssistantAfter" else None)


def test_a_profile_without_rules_changes_nothing(following: Following, plain: Client) -> None:
    client = following()
    for call in CHANGED.values():
        before, after = plain(*call), client(*call)
        assert (before.status_code, before.data, assumed(before)) == (after.status_code, after.data, assumed(after))
