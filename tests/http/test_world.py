"""The world over HTTP, in parts: tenants and groups, a group with a page of its users, a user."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx
import pytest

from simulator.app import Simulation
from simulator.fixture.fixtures import Fixtures
from simulator.state.world import World
from tests.conftest import CAPACITIES, EXECUTIVE, Api, faults

pytestmark = pytest.mark.rule("S-12")

FOOGROUP = "world/foo/foogroup"
HOSTILE = "<img src=x onerror=alert(1)>&\"'%2F ~{}$é‮"


def at(document: Any, pointer: str) -> Any:
    """Return the part of a document at a JSON pointer."""
    for step in pointer.split("/")[1:]:
        document = document[step.replace("~1", "/").replace("~0", "~")]
    return document


def patch(pointer: str, change: Any) -> Any:
    """Return the merge patch that applies a change at a pointer."""
    for step in reversed(pointer.split("/")[1:]):
        change = {step.replace("~1", "/").replace("~0", "~"): change}
    return change


def ids(page: Any) -> list[str]:
    return [each["userId"] for each in page["users"]]


def many_users(api: Api, number: int) -> list[str]:
    """Replace the state by one whose only group has so many users. Return their ids."""
    users = [f"user{n}@example.com" for n in range(number)]
    people = {each: {"firstName": "A", "lastName": f"{n}"} for n, each in enumerate(users)}
    tenants = {"t": {"type": "Enterprise", "groups": {"g": {"users": people}}}}
    api.arranged("PUT", "state", {"version": 1, "defaultDomain": "example.com", "tenants": tenants})
    return users


def test_the_world_lists_tenants_and_groups_with_their_sizes(api: Api) -> None:
    shown, state = api.arranged("GET", "world"), api.arranged("GET", "state")
    assert (shown["defaultDomain"], shown["accounts"]) == (state["defaultDomain"], len(state["accounts"]))
    assert [each["tenantId"] for each in shown["tenants"]] == list(state["tenants"])
    for tenant in shown["tenants"]:
        groups = state["tenants"][tenant["tenantId"]]["groups"]
        assert tenant["users"] == sum(len(each["users"]) for each in groups.values())
        assert [each["groupId"] for each in tenant["groups"]] == list(groups)
        for group in tenant["groups"]:
            content = groups[group["groupId"]]
            assert group["services"] == content.get("services", [])
            assert (group["users"], group["departments"]) == (
                len(content["users"]),
                len(content.get("departments", {})),
            )


def test_each_part_has_the_pointer_of_its_place_in_the_state(api: Api) -> None:
    state = api.arranged("GET", "state")
    world = api.arranged("GET", "world")
    assert at(state, world["pointer"]) == state
    for tenant in world["tenants"]:
        assert at(state, tenant["pointer"])["type"] == tenant["type"]
        for group in tenant["groups"]:
            shown = api.arranged("GET", f"world/{tenant['tenantId']}/{group['groupId']}")
            assert shown["pointer"] == group["pointer"]
            assert list(at(state, shown["pointer"])["users"]) == ids(shown)
    user = api.arranged("GET", f"{FOOGROUP}/foouser")
    assert at(state, user["pointer"])["phoneNumber"] == user["phoneNumber"] == "+3269441500"


def test_ids_that_are_hostile_are_found_and_shown_as_they_are(api: Api) -> None:
    users = {HOSTILE: {"firstName": HOSTILE, "lastName": "B"}}
    tenants = {HOSTILE: {"type": "Enterprise", "groups": {HOSTILE: {"users": users}}}}
    api.arranged("PUT", "state", {"version": 1, "defaultDomain": "example.com", "tenants": tenants})
    asked = quote(HOSTILE, safe="")
    assert ids(api.arranged("GET", f"world/{asked}/{asked}")) == [HOSTILE]
    assert api.arranged("GET", f"world/{asked}/{asked}/{asked}")["firstName"] == HOSTILE
    [tenant] = api.arranged("GET", "world")["tenants"]
    assert tenant["tenantId"] == tenant["groups"][0]["groupId"] == HOSTILE
    state = api.arranged("GET", "state")
    assert list(at(state, tenant["groups"][0]["pointer"])["users"]) == [HOSTILE]


class TestAGroup:
    def test_its_sections_are_those_of_the_state(self, api: Api) -> None:
        shown = api.arranged("GET", FOOGROUP)
        assert shown["services"] == shown["assignable"] == ["Call Capacity Management"]
        section = shown["sections"]["callCapacities"]
        assert section["service"] == "Call Capacity Management"
        assert section["content"] == at(api.arranged("GET", "state"), f"{shown['pointer']}/callCapacities")
        assert [each["name"] for each in section["content"]] == ["Reception", "disposable"]

    def test_a_change_by_the_api_shows_in_its_section(self, api: Api) -> None:
        api.ok("PUT", f"{CAPACITIES}Reception/", {"maxCalls": 9, "maxIncomingCalls": 0})
        [reception, _] = api.arranged("GET", FOOGROUP)["sections"]["callCapacities"]["content"]
        assert (reception["maxCalls"], reception["maxIncomingCalls"]) == (9, 0)

    def test_a_service_without_anything_stored_has_an_empty_section(self, api: Api) -> None:
        group = "world/foo/bargroup"
        shown = api.arranged("GET", group)
        assert (shown["services"], shown["sections"]) == ([], {})
        api.arranged("PATCH", "state", patch(shown["pointer"], {"services": shown["assignable"]}))
        assert api.arranged("GET", group)["sections"]["callCapacities"]["content"] == []

    def test_its_departments_have_their_paths_and_the_numbers_of_their_users(self, api: Api) -> None:
        departments = {each["departmentName"]: each for each in api.arranged("GET", FOOGROUP)["departments"]}
        inside = departments["Inside Sales"]
        assert (inside["parent"], inside["fullPathName"]) == ("Sales", "Sales \\ Inside Sales (foogroup)")
        for name, each in departments.items():
            assert each["users"] == api.arranged("GET", FOOGROUP, params={"department": name})["total"]

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"q": "FOO u"}, ["foouser@sip.netaxis.be"]),
            ({"q": "69441500"}, ["foouser@sip.netaxis.be"]),
            ({"q": "1500"}, ["foouser@sip.netaxis.be"]),
            ({"q": "fOOuser@"}, ["foouser@sip.netaxis.be"]),
            ({"q": "nobody"}, []),
            ({"department": "Inside Sales", "q": "foo", "service": "Executive"}, ["foouser@sip.netaxis.be"]),
            ({"department": "Test department", "q": "foo u"}, []),
            ({"service": "Executive-Assistant", "q": "foo u"}, []),
        ],
    )
    def test_its_users_can_be_searched(self, api: Api, query: Any, found: list[str]) -> None:
        page = api.arranged("GET", FOOGROUP, params=query)
        assert (ids(page), page["total"]) == (found, len(found))

    def test_the_users_are_shown_as_the_state_has_them(self, api: Api) -> None:
        users = api.arranged("GET", "state")["tenants"]["foo"]["groups"]["foogroup"]["users"]
        for shown in api.arranged("GET", FOOGROUP)["users"]:
            content = users[shown.pop("userId")]
            content.pop("executive", None)
            assert shown == {"services": [], **content}

    def test_pages_follow_each_other_in_the_order_of_the_state_without_gap_or_repetition(self, api: Api) -> None:
        users, seen, query = many_users(api, 23), [], {"limit": "5"}
        while True:
            page = api.arranged("GET", "world/t/g", params=query)
            assert page["total"] == 23
            seen.append(ids(page))
            if "next" not in page:
                break
            query["after"] = page["next"]
        assert [len(each) for each in seen] == [5, 5, 5, 5, 3]
        assert [each for page in seen for each in page] == users

    def test_a_page_of_a_search_follows_a_user_who_does_not_match(self, api: Api) -> None:
        many_users(api, 23)
        page = api.arranged("GET", "world/t/g", params={"q": "user1", "after": "user9@example.com", "limit": "3"})
        assert ids(page) == [f"user{n}@example.com" for n in (10, 11, 12)]
        assert (page["total"], page["next"]) == (11, "user12@example.com")

    def test_a_page_has_50_users_unless_told_otherwise_and_500_at_most(self, api: Api) -> None:
        many_users(api, 501)
        assert len(ids(api.arranged("GET", "world/t/g"))) == 50
        assert len(ids(api.arranged("GET", "world/t/g?limit=500"))) == 500
        assert api.control("GET", "world/t/g?limit=501").status_code == 400
        assert api.control("GET", "world/t/g?limit=0").status_code == 400

    @pytest.mark.parametrize(
        ("query", "said"),
        [
            ({"department": "sales"}, "did you mean 'Sales'?"),
            ({"service": "Exekutive"}, "did you mean 'Executive'?"),
            ({"after": "foouser"}, "names the user 'foouser', which does not exist"),
        ],
    )
    def test_a_filter_that_names_what_does_not_exist_is_refused(self, api: Api, query: Any, said: str) -> None:
        response = api.control("GET", FOOGROUP, params=query)
        assert (response.status_code, faults(response)) == (400, {("S-12", None)})
        assert said in response.text

    def test_the_document_of_the_whole_state_is_never_made(
        self, simulation: Simulation, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise AssertionError("the state is as large as all its users")

        monkeypatch.setattr(Fixtures, "_content", fail)
        client = simulation.app(world).test_client()
        for path in ("", "world", FOOGROUP, f"{FOOGROUP}/foouser", "accounts"):
            assert client.get(f"/_simulator/{path}").status_code == 200


class TestAUser:
    def test_the_sections_are_those_of_the_state(self, api: Api) -> None:
        shown = api.arranged("GET", f"{FOOGROUP}/foouser@sip.netaxis.be")
        content = at(api.arranged("GET", "state"), shown["pointer"])
        assert shown["sections"] == {"executive": {"service": "Executive", "content": content.pop("executive")}}
        assert shown.items() >= content.items()
        assert shown["assignable"] == ["Executive", "Executive-Assistant"]

    def test_a_service_that_was_never_set_shows_its_defaults(self, api: Api) -> None:
        [user] = [each for each in api.arranged("GET", FOOGROUP)["users"] if each["userId"].startswith("user_1@")]
        assert "executive" not in at(
            api.arranged("GET", "state"), f"/tenants/foo/groups/foogroup/users/{user['userId']}"
        )
        content = api.arranged("GET", f"{FOOGROUP}/{user['userId']}")["sections"]["executive"]["content"]
        assert content["filtering"] == {"enabled": False, "mode": "Simple", "type": "All Calls"}
        assert content["criteria"] == []

    @pytest.mark.rule("G-11")
    def test_the_default_domain_may_be_left_out(self, api: Api) -> None:
        assert api.arranged("GET", f"{FOOGROUP}/foouser") == api.arranged("GET", f"{FOOGROUP}/foouser@sip.netaxis.be")

    @pytest.mark.rule("EX-17", "S-4")
    def test_a_service_is_taken_away_by_a_patch_at_its_pointer_and_the_answer_says_what_else_went(
        self, api: Api
    ) -> None:
        shown = api.arranged("GET", f"{FOOGROUP}/foouser")
        changes = api.arranged("PATCH", "state", patch(shown["pointer"], {"services": []}))["changes"]
        gone = [each["path"].removeprefix(shown["pointer"]) for each in changes if each["op"] == "remove"]
        assert gone == ["/services", "/executive"]
        after = api.arranged("GET", f"{FOOGROUP}/foouser")
        assert (after["services"], after["sections"]) == ([], {})
        assert api("GET", f"{EXECUTIVE}filtering/").status_code == 404

    def test_the_next_one_sees_what_was_written(self, api: Api) -> None:
        api.ok("PUT", f"{EXECUTIVE}screening/", {"enabled": True})
        content = api.arranged("GET", f"{FOOGROUP}/foouser")["sections"]["executive"]["content"]
        assert content["screening"]["enabled"] is True


@pytest.mark.rule("G-9")
@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("world/Foo/foogroup", "did you mean 'foo'?"),
        ("world/foo/foogruop", "did you mean 'foogroup'?"),
        ("world/foo/foogroup/fooser", "did you mean 'foouser@sip.netaxis.be'?"),
        ("world/foo/bargroup/foouser", "the group 'bargroup' has no user 'foouser'"),
    ],
)
def test_what_does_not_exist_is_404_with_the_nearest_name(api: Api, path: str, said: str) -> None:
    response = api.control("GET", path)
    assert (response.status_code, faults(response)) == (404, {("G-9", None)})
    assert said in response.text


def test_a_sandbox_that_does_not_exist_has_no_world(client: httpx.Client) -> None:
    response = client.get("/_sandboxes/not-there/_simulator/world")
    assert (response.status_code, faults(response)) == (404, {("G-17", None)})
