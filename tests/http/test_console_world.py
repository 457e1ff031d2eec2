"""The pages of the world and of the accounts, as a browser gets them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote, urljoin

import httpx
import pytest

from tests.conftest import CAPACITIES, EXECUTIVE, Api

pytestmark = pytest.mark.rule("S-11")

FOOGROUP = "world/foo/foogroup"
SOPHIE = "world/demo/brussels/sophie.janssens@demo.netaxis.be"
HOSTILE = "<img src=x onerror=alert(1)>&\"'%2F ~{}$é‮"
MOST_NODES = 3_000
OTHER_VALUES = {
    "Advanced": "Simple",
    "All Calls": "All Internal Calls",
    "Ring Splash": "Silent",
    "Sequential": "Simultaneous",
    "Custom": "Originator",
    "Forward": "Voice Messaging",
    "Any": "Any Internal",
    "Any External": "Any",
    "Any Internal": "Any",
    "Specified Only": "Any",
    "Tenant": "Group",
    "Group": "User",
    "User": "Tenant",
}
"""For each value of a list, another one of the same list."""


class Page(HTMLParser):
    """A page: its text, the attributes of its elements, and how many elements it has."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__()
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        self.status = response.status_code
        self.url = str(response.url)
        self.words: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(response.text.partition("<main")[2].rpartition("</main>")[0])
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def links(self) -> list[str]:
        return [urljoin(self.url, str(each["href"])) for tag, each in self.elements if tag == "a" and each.get("href")]

    def patches(self) -> Iterator[tuple[str, Any]]:
        """Yield what each form asks before it is sent, and the document that it sends."""
        question = ""
        for tag, attributes in self.elements:
            if tag == "form":
                question = attributes.get("data-confirm") or ""
            elif tag == "input" and attributes.get("value") and "data-body" in attributes:
                yield question, json.loads(str(attributes["value"]))


def shown(api: Api, path: str) -> Page:
    page = Page(api.control("GET", path, headers={"Accept": "text/html"}))
    assert page.status == 200, page.text
    return page


def patch(pointer: str, change: Any) -> Any:
    for step in reversed(pointer.split("/")[1:]):
        change = {step.replace("~1", "/").replace("~0", "~"): change}
    return change


def many_users(api: Api, count: int) -> None:
    users = {f"user{n}@example.com": {"firstName": f"First {n}", "lastName": "Last"} for n in range(count)}
    capacities = [{"name": f"c{n}", "isDefault": False, "maxCalls": n} for n in range(200)]
    capacities[0]["userIds"] = list(users)[: count // 2]
    services = ["Call Capacity Management"]
    departments: dict[str, Any] = {f"d{n}": {} for n in range(200)}
    group = {"services": services, "departments": departments, "users": users, "callCapacities": capacities}
    tenants = {"t": {"type": "Enterprise", "groups": {"g": group}}}
    api.arranged("PUT", "state", {"version": 1, "defaultDomain": "example.com", "tenants": tenants})


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(each, (*path, key))
    else:
        yield path


def changed(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int) else OTHER_VALUES.get(value, f"{value}9")


def test_links_lead_from_the_world_to_each_group_and_from_there_to_each_user(api: Api) -> None:
    root = api.root
    groups = [each for each in shown(api, "world").links() if "/world/" in each]
    assert len(groups) == 7
    users = set()
    for group in groups:
        page = Page(api.client.get(group, headers={"Accept": "text/html"}))
        assert page.status == 200
        users |= {each for each in page.links() if each.count("/") == group.count("/") + 1 and "?" not in each}
    assert len(users) == 34
    assert all(f"{root}/_simulator/world/" in each for each in users)
    for user in users:
        assert api.client.get(user, headers={"Accept": "text/html"}).status_code == 200


def test_a_world_without_tenants_and_accounts_says_so(api: Api) -> None:
    api.arranged("PUT", "state", {"version": 1, "defaultDomain": "example.com", "tenants": {}})
    assert "There is no tenant." in shown(api, "world").text
    assert "The state has no accounts." in shown(api, "accounts").text


class TestCallCapacities:
    @pytest.mark.rule("CC-4", "CC-5")
    def test_no_limit_and_no_call_differ_in_words(self, api: Api) -> None:
        api.ok("PUT", f"{CAPACITIES}Reception/", {"maxCalls": 9, "maxIncomingCalls": 0, "maxOutgoingCalls": None})
        text = shown(api, FOOGROUP).text
        assert "Reception default All calls 9 Incoming no call Outgoing no limit 2 members user_2@" in text
        assert "disposable All calls 3 Incoming no limit Outgoing no limit No members." in text

    @pytest.mark.rule("CC-12")
    def test_users_without_a_capacity_are_listed(self, api: Api) -> None:
        available = api.ok("GET", f"{CAPACITIES}available_users/")["users"]
        names = " ".join(f"{each['firstName']} {each['lastName']}" for each in available)
        assert f"Users without a call capacity {len(available)} {names}" in shown(api, FOOGROUP).text

    def test_a_user_shows_the_own_capacity(self, api: Api) -> None:
        assert "Is a member of Reception" in shown(api, f"{FOOGROUP}/user_2").text
        assert "Is a member of" not in shown(api, f"{FOOGROUP}/foouser").text

    def test_a_group_with_the_service_and_nothing_stored_says_so(self, api: Api) -> None:
        assert "no call capacity yet" in shown(api, "world/demo/antwerp").text
        assert "Call capacities" not in shown(api, "world/foo/bargroup").text


class TestExecutive:
    def test_each_setting_is_shown_so_a_change_of_any_of_them_changes_the_page(self, api: Api) -> None:
        user = api.arranged("GET", SOPHIE)
        settings = user["sections"]["executive"]["content"]
        before = shown(api, SOPHIE).text
        paths = [path for path in leaves(settings) if path[-1] != "type" and path[1] != "assistantUserIds"]
        assert len(paths) > 100
        unseen = []
        for path in [("filtering", "type"), *paths]:
            content = json.loads(json.dumps(settings))
            part = content
            for step in path[:-1]:
                part = part[step]
            part[path[-1]] = changed(part[path[-1]])
            change = {path[0]: content[str(path[0])]}
            api.arranged("PATCH", "state", patch(f"{user['pointer']}/executive", change))
            if shown(api, SOPHIE).text == before:
                unseen.append(path)
            api.arranged("PATCH", "state", patch(f"{user['pointer']}/executive", settings))
        assert unseen == []

    def test_what_is_not_set_is_said_in_words(self, api: Api) -> None:
        text = shown(api, "world/demo/brussels/marc.dewulf@demo.netaxis.be").text
        assert "Calls are not filtered." in text
        assert "There are no criteria." in text
        assert "the executive has no assistants" in text
        assert "After not set Action Voice Messaging Forward to not set" in text

    @pytest.mark.rule("EX-2", "EX-4")
    def test_assistants_are_shown_in_order_with_their_other_executives_and_who_else_could_assist(
        self, api: Api
    ) -> None:
        text = shown(api, SOPHIE).text
        assigned = api.arranged("GET", SOPHIE)["sections"]["executive"]["content"]["assistants"]["assistantUserIds"]
        assert "Assistants 3 An Vermeulen also for Nathalie Leclercq Karim Benali also for Dirk Peeters Greet" in text
        services = f"{SOPHIE.replace('world/demo/brussels', 'tenants/demo/groups/brussels/users')}/services"
        available = api.ok("GET", f"{services}/executive/available_assistants/?sameGroupOnly=false")["users"]
        names = " ".join(
            f"{each['firstName']} {each['lastName']}" for each in available if each["userId"] not in assigned
        )
        assert f"Others who could assist 2 {names}" in text

    def test_an_assistant_shows_the_executives(self, api: Api) -> None:
        text = shown(api, "world/demo/brussels/an.vermeulen@demo.netaxis.be").text
        assert "Assistant of 2 Sophie Janssens Nathalie Leclercq" in text


class TestServices:
    @pytest.mark.rule("EX-17", "CC-1")
    @pytest.mark.parametrize(
        ("path", "service", "said", "gone"),
        [
            (FOOGROUP, "Call Capacity Management", "2 call capacities", ["/services", "/callCapacities"]),
            (f"{FOOGROUP}/foouser", "Executive", "the settings of the executive", ["/services", "/executive"]),
        ],
    )
    def test_a_form_takes_a_service_away_after_saying_what_else_goes(
        self, api: Api, path: str, service: str, said: str, gone: list[str]
    ) -> None:
        [(question, document)] = [each for each in shown(api, path).patches() if f"Take {service} away" in each[0]]
        assert f"This also removes {said}." in question
        pointer = api.arranged("GET", path)["pointer"]
        changes = api.arranged("PATCH", "state", document)["changes"]
        assert [each["path"] for each in changes if each["op"] == "remove"] == [f"{pointer}{each}" for each in gone]

    def test_an_assistant_who_loses_the_service_leaves_the_lists_of_executives(self, api: Api) -> None:
        path = "world/demo/brussels/an.vermeulen@demo.netaxis.be"
        [(question, document)] = [each for each in shown(api, path).patches() if each[0]]
        assert "This also removes the place in the list of 2 executives." in question
        changes = api.arranged("PATCH", "state", document)["changes"]
        assert len([each for each in changes if "assistantUserIds" in each["path"]]) == 2

    def test_a_form_assigns_a_service_without_a_question(self, api: Api) -> None:
        [(question, document)] = shown(api, "world/foo/bargroup").patches()
        assert question == ""
        api.arranged("PATCH", "state", document)
        assert "no call capacity yet" in shown(api, "world/foo/bargroup").text


class TestUsers:
    def test_a_search_keeps_its_filters_in_the_fields_and_in_the_next_page(self, api: Api) -> None:
        many_users(api, 120)
        page = shown(api, "world/t/g?q=first&department=&service=")
        assert "120 found" in page.text
        assert ("input", {"type": "search", "name": "q", "value": "first"}) in page.elements
        [following] = [each for each in page.links() if "after=" in each]
        assert "q=first" in following
        second = Page(api.client.get(following, headers={"Accept": "text/html"}))
        assert "First 50 Last" in second.text
        assert "First 49 Last" not in second.text
        assert "No user matches." in shown(api, "world/t/g?q=nobody").text

    def test_a_large_group_makes_no_large_page(self, api: Api) -> None:
        many_users(api, 3_000)
        page = shown(api, "world/t/g")
        assert "Users without a call capacity 1500" in page.text
        assert "And 170 more call capacities." in page.text
        assert "and 1490 more" in page.text
        assert len(page.elements) < MOST_NODES

    def test_an_executive_with_many_assistants_makes_no_large_page(self, api: Api) -> None:
        many_users(api, 1)
        ids = [f"a{n}@example.com" for n in range(500)]
        assistant = {"firstName": "A", "lastName": "B", "services": ["Executive-Assistant"]}
        boss = {
            **assistant,
            "services": ["Executive"],
            "executive": {
                "assistants": {"assistantUserIds": ids[:300]},
                "criteria": [{"name": f"c{n}"} for n in range(300)],
            },
        }
        users = {**dict.fromkeys(ids, assistant), "boss@example.com": boss}
        api.arranged("PATCH", "state", patch("/tenants/t/groups/g/users", users))
        page = shown(api, "world/t/g/boss")
        for said in ("Assistants 300", "And 280 more.", "Others who could assist 200", "And 250 more criteria."):
            assert said in page.text
        assert len(page.elements) < MOST_NODES


def test_hostile_names_are_text_and_their_links_lead_to_them(api: Api) -> None:
    user = {"firstName": HOSTILE, "lastName": "B", "department": HOSTILE, "services": ["Executive"]}
    group = {
        "services": ["Call Capacity Management"],
        "departments": {HOSTILE: {}},
        "users": {HOSTILE: user},
        "callCapacities": [{"name": HOSTILE[:-1], "isDefault": True, "maxCalls": 1, "userIds": [HOSTILE]}],
    }
    account = {"password": HOSTILE, "level": "End User", "tenantId": HOSTILE, "groupId": HOSTILE, "userId": HOSTILE}
    state = {
        "version": 1,
        "defaultDomain": "example.com",
        "tenants": {HOSTILE: {"type": "Enterprise", "groups": {HOSTILE: group}}},
        "accounts": {HOSTILE: account},
    }
    api.arranged("PUT", "state", state)
    asked = quote(HOSTILE, safe="")
    for path in ("world", f"world/{asked}/{asked}", f"world/{asked}/{asked}/{asked}", "accounts"):
        page = shown(api, path)
        assert "img" not in [tag for tag, _ in page.elements]
        assert "<img src=x onerror=alert(1)>" in page.text
        assert "‮" not in page.text
    [group_page] = [each for each in shown(api, "world").links() if "/world/" in each]
    assert Page(api.client.get(group_page, headers={"Accept": "text/html"})).status == 200


@pytest.mark.rule("S-4")
def test_the_command_for_the_export_gets_a_yaml_that_loads_back(api: Api) -> None:
    api.ok("PUT", f"{EXECUTIVE}screening/", {"enabled": True})
    command = next(word for word in shown(api, "world").words if word.startswith("curl"))
    *_, header, _, name, address = shlex.split(command)
    assert name == "world.yaml"
    answer = httpx.get(address, headers=dict([header.split(": ")]))
    assert answer.headers["Content-Type"] == "application/yaml"
    api.reset()
    api.arranged("PUT", "state", content=answer.content, headers={"Content-Type": "application/yaml"})
    assert api.ok("GET", f"{EXECUTIVE}screening/")["enabled"] is True


@pytest.mark.rule("A-1")
def test_the_accounts_say_what_they_reach_and_how_to_log_in(api: Api) -> None:
    page = shown(api, "accounts")
    for said in (
        "sysadmin System Admin Reaches everything",
        "Reaches the tenant foo , with all its groups",
        "Reaches the group foogroup of the tenant foo",
        "Reaches only the user foouser@sip.netaxis.be of the group foogroup of the tenant foo",
    ):
        assert said in page.text
    for account in api.arranged("GET", "accounts")["accounts"]:
        assert f"Password {account['password']} Copy" in page.text
        assert f"Token {account['token']} Copy" in page.text
        assert " ".join(account["command"].split()) in page.text


def test_what_scripts_read_and_what_is_copied_is_json_whatever_the_names_are(api: Api) -> None:
    name = 'A\xa0\xad\x85\x7f\u202e\U000e0001"\\é\U0001f600'
    changed = patch("/tenants/demo/groups/brussels/users/sophie.janssens@demo.netaxis.be/firstName", name)
    api.arranged("PATCH", "state", changed)
    (edited,) = [each["data-content"] for _, each in shown(api, SOPHIE).elements if "data-content" in each]
    assert json.loads(str(edited))["firstName"] == name
    source = api.control("GET", "diff", headers={"Accept": "text/html"}).text
    copied = unescape(source.partition('<pre id="merge-patch" tabindex="0">')[2].partition("</pre>")[0])
    assert json.loads(copied) == changed
    assert copied.replace("\n", "").isprintable()
    assert "é\U0001f600" in copied
