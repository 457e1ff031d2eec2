"""The console's overview, changes, snapshots, sandboxes and faults over HTTP, as a browser without script gets them."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import pytest

from simulator.app import Simulation
from simulator.console import changes, overview
from simulator.console.faults import PRESETS, Preset, effect, scope
from simulator.control import state
from simulator.control.difference import differences
from simulator.settings import Settings
from simulator.state.world import World
from tests.conftest import CAPACITIES, EXECUTIVE, Api

pytestmark = pytest.mark.rule("S-11")

HOSTILE = "<script>alert('it')</script>"
HTML = {"Accept": "text/html"}


class Page(HTMLParser):
    """A page: its text, the text of each element with an id, its links, and its forms with what they confirm."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__()
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        self.url, self.status = str(response.url), response.status_code
        self.source = response.text
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self._open: list[tuple[str, str | None]] = []
        self.feed(response.text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        self.tags.append((tag, found))
        if tag not in ("meta", "link", "input", "img", "br"):
            self._open.append((tag, found.get("id")))
            if "id" in found:
                assert found["id"] not in self.texts, "an id stands twice"
                self.texts[found["id"] or ""] = ""

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        for _, name in self._open:
            if name is not None:
                self.texts[name] += data

    def text(self, name: str = "content") -> str:
        """Return the text of the element with an id, with single blanks."""
        return " ".join(self.texts[name].split())

    def links(self, beginning: str) -> list[str]:
        return [
            each["href"] or ""
            for tag, each in self.tags
            if tag == "a" and (each.get("href") or "").startswith(beginning)
        ]

    def follow(self, href: str) -> str:
        return urljoin(self.url, href)

    def questions(self, action: str) -> list[str | None]:
        """Return what the forms with this action ask before they send."""
        return [each.get("data-confirm") for tag, each in self.tags if tag == "form" and each.get("action") == action]


def page(api: Api, path: str) -> Page:
    return Page(api.control("GET", path, headers=HTML))


def capacity(api: Api) -> str:
    name: str = api.ok("GET", CAPACITIES)["call_capacities"][0]["name"]
    return name


def test_a_newcomer_is_given_the_base_url_and_a_first_call_that_works(api: Api) -> None:
    shown = page(api, "")
    assert shown.texts["base-url"] == f"{api.client.base_url}".rstrip("/") + api.root
    assert "appears here" in shown.text()
    words = shlex.split(shown.texts["first-call"])
    answer = subprocess.run([*words, "-s", "-w", "%{http_code}"], capture_output=True, text=True, check=True)
    assert answer.stdout.endswith("200")
    shown = page(api, "")
    assert "first-call" not in shown.texts
    (call,) = shown.links("requests/")
    assert httpx.get(shown.follow(call)).json()["path"] == urlsplit(words[-1]).path.removeprefix(api.root)


def test_the_snippets_lead_to_the_sandbox(api: Api) -> None:
    shown, address = page(api, ""), f"{api.client.base_url}".rstrip("/") + api.root
    assert shown.texts["snippet-env"] == f"API_URL={address}/api/v1"
    read = shown.texts["snippet-fetch"].split('"')[1]
    assert httpx.get(read).status_code == 200
    assert f'"{address}" + pathname' in shown.texts["snippet-playwright"]


def test_the_fetch_snippet_brings_the_token_that_it_needs(simulation: Simulation, world: World) -> None:
    app = simulation.app(world, Settings(auth="required"))
    data = app.test_client().get("/_simulator/").json
    assert data is not None
    snippets = {name: code for name, _, code in overview.page_values(data)["snippets"]}
    assert '{ headers: {"Authorization": "Bearer ' in snippets["fetch"]


def test_refusals_are_grouped_and_lead_to_their_calls_and_rules(api: Api) -> None:
    name = capacity(api)
    for calls in (-1, 100_000):
        api.refused("PUT", f"{CAPACITIES}{name}/", {"maxCalls": calls})
    api.refused("GET", CAPACITIES.replace("foogroup", "fogroup"))
    shown = page(api, "")
    refusals = api.arranged("GET", "")["refusals"]
    filtered = [href for href in shown.links("requests?") if "rule=" in href]
    assert len(filtered) == len(refusals) == 2
    for href, refusal in zip(filtered, refusals, strict=True):
        assert httpx.get(shown.follow(href)).json()["total"] == refusal["hits"]
        assert f"rules#{refusal['rule']}" in shown.links("rules#")
    statements = {each["id"]: each["statement"] for each in api.arranged("GET", "rules")["rules"]}
    assert f"2\N{MULTIPLICATION SIGN} updateCallCapacity CC-4 {statements['CC-4']}" in shown.text(
        "refusal-updateCallCapacity-CC-4"
    )


def test_the_last_calls_say_why_they_were_refused_and_nothing_else(api: Api) -> None:
    api.refused("GET", CAPACITIES.replace("foogroup", "fogroup"))
    (call,) = api.arranged("GET", "requests")["requests"]
    row = page(api, "").text(f"call-{call['id']}")
    assert "G-9 The tenant 'foo' has no group 'fogroup'. Did you mean 'foogroup'?" in row
    assert "was refused with" not in row
    assert "Rule G-9" not in row


def test_the_overview_shows_what_has_changed_and_no_more_than_a_few(api: Api) -> None:
    assert "None. The state is the one" in page(api, "").text()
    name = capacity(api)
    api.ok("PUT", f"{CAPACITIES}{name}/", {"maxCalls": 9})
    assert f"callCapacities / {name} / maxCalls: before 7 → after 9" in page(api, "").text()
    for number in range(overview.MOST_CHANGES):
        api.ok("POST", CAPACITIES, {"name": f"new {number}", "isDefault": False, "maxCalls": 1})
    shown = page(api, "").text()
    assert f"All {overview.MOST_CHANGES + 1} changes" in shown
    assert f"new {overview.MOST_CHANGES - 2}" in shown
    assert f"new {overview.MOST_CHANGES - 1}" not in shown


def test_no_page_compares_a_large_state_unless_somebody_asks_for_it(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.arranged("PUT", "snapshots/before")
    api.ok("PUT", f"{CAPACITIES}{capacity(api)}/", {"maxCalls": 9})
    monkeypatch.setattr(changes, "MOST_USERS", 3)
    assert "maxCalls" not in page(api, "").text()
    assert page(api, "").links("diff")
    assert page(api, "snapshots").links("diff?since=before")
    assert "1 change" not in page(api, "snapshots").text()


def test_changes_of_a_large_state_wait_until_somebody_asks_for_them(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "MOST_USERS", 3)
    assert "Nothing has changed." in page(api, "diff").text()
    api.ok("PUT", f"{CAPACITIES}{capacity(api)}/", {"maxCalls": 9})
    compared: list[str] = []

    def counted(before: Any, after: Any, path: str = "") -> Iterator[dict[str, Any]]:
        compared.append(path)
        return differences(before, after, path)

    monkeypatch.setattr(state, "differences", counted)
    waiting = page(api, "diff")
    assert "maxCalls" not in waiting.text()
    assert "The state is large" in waiting.text()
    assert not compared
    (link,) = waiting.links("diff?")
    assert link in page(api, "").links("diff?")
    asked = page(api, link)
    assert "maxCalls 7 9" in asked.text()
    assert compared
    assert len(api.arranged("GET", "diff")["changes"]) == 1


def test_changes_of_a_large_state_are_not_fetched_again_by_the_page_itself(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.ok("PUT", f"{CAPACITIES}{capacity(api)}/", {"maxCalls": 9})
    for most, is_live in ((1_000, True), (3, False)):
        monkeypatch.setattr(changes, "MOST_USERS", most)
        (body,) = [each for tag, each in page(api, "diff?since=seed").tags if tag == "body"]
        assert bool(body["data-run"]) == is_live
        assert ("live" in page(api, "diff?since=seed").texts) == is_live


def test_active_faults_stand_on_the_overview(api: Api) -> None:
    assert "active fault" not in page(api, "").text()
    api.arranged("POST", "faults", {"operationId": "listCallCapacities", "status": 503, "times": 3})
    api("GET", CAPACITIES)
    assert "1 active fault answers 503 for listCallCapacities used: 1 of 3" in page(api, "").text()


def test_a_used_up_fault_is_not_active_any_more(api: Api) -> None:
    fault = {"operationId": "listCallCapacities", "status": 503, "times": 1}
    api.arranged("POST", "faults", fault)
    api("GET", CAPACITIES)
    shown = page(api, "")
    assert "1 used-up fault" in shown.text()
    assert "active fault" not in shown.text()
    assert "answers 503 for" not in shown.text()
    api.arranged("POST", "faults", fault | {"operationId": "getFiltering"})
    assert "1 active fault answers 503 for getFiltering used: 0 of 1 1 used-up fault" in page(api, "").text()


def test_the_number_of_refused_calls_leads_to_the_reasons(api: Api) -> None:
    assert "#refusals-title" not in page(api, "").links("#")
    api.refused("GET", CAPACITIES.replace("foogroup", "fogroup"))
    shown = page(api, "")
    assert "#refusals-title" in shown.links("#")
    assert "1 refused" in shown.text()
    assert "refusals-title" in shown.texts


def test_changes_stand_side_by_side_with_their_word_by_tenant_group_and_user(api: Api) -> None:
    name = capacity(api)
    api.ok("PUT", f"{CAPACITIES}{name}/", {"maxCalls": 9})
    api.ok("POST", CAPACITIES, {"name": "Hotline", "isDefault": False, "maxCalls": 1})
    api.ok("DELETE", f"{EXECUTIVE}criteria/foocriteria/")
    shown = page(api, "diff")
    text = shown.text()
    assert "3 changes" in text
    group = text[text.index("Group foo / foogroup") :]
    assert f"± replace callCapacities / {name} / maxCalls 7 9" in group
    assert "+ add callCapacities / Hotline did not exist {" in group
    user = text[text.index("User foo / foogroup / foouser@sip.netaxis.be") :]
    assert "\N{MINUS SIGN} remove executive / criteria" in user
    for href in shown.links("world/"):
        assert api.control("GET", href).status_code == 200


def test_the_state_is_compared_with_the_chosen_snapshot(api: Api) -> None:
    name = capacity(api)
    api.ok("PUT", f"{CAPACITIES}{name}/", {"maxCalls": 8})
    api.arranged("PUT", "snapshots/later")
    api.ok("PUT", f"{CAPACITIES}{name}/", {"maxCalls": 9})
    shown = page(api, "diff?since=later")
    assert "Changes since the snapshot later" in shown.text()
    assert "maxCalls 8 9" in shown.text()
    assert ("option", {"value": "later", "selected": None}) in shown.tags
    api.arranged("POST", "snapshots/later/restore")
    assert "Nothing has changed." in page(api, "diff?since=later").text()
    assert page(api, "diff?since=gone").status == 404


def replace_services(api: Api) -> None:
    api.arranged(
        "PATCH",
        "state",
        {"tenants": {"foo": {"groups": {"foogroup": {"users": {"foouser@sip.netaxis.be": {"services": []}}}}}}},
    )


def change_capacities(api: Api) -> None:
    capacities = api.ok("GET", CAPACITIES)["call_capacities"]
    api.ok("PUT", f"{CAPACITIES}{capacities[0]['name']}/", {"maxCalls": 9})
    api.ok("DELETE", f"{CAPACITIES}{next(each['name'] for each in capacities if not each['isDefault'])}/")
    api.ok("POST", CAPACITIES, {"name": "~a~1b", "isDefault": False, "maxCalls": 1})


def change_criteria(api: Api) -> None:
    api.ok("PUT", f"{EXECUTIVE}criteria/disposable/", {"active": False})
    api.ok("DELETE", f"{EXECUTIVE}criteria/foocriteria/")
    api.ok("PUT", f"{EXECUTIVE}alerting/", {"nextAssistantAfter": 4})


def remove_a_group(api: Api) -> None:
    api.arranged("PATCH", "state", {"tenants": {"foo": {"groups": {"bargroup": None}}}})


def change_what_belongs_to_nobody(api: Api) -> None:
    api.arranged(
        "PATCH", "state", {"accounts": {"new": {"password": "secret", "level": "System Admin"}, "sophie": None}}
    )


@pytest.mark.parametrize(
    "change",
    [replace_services, change_capacities, change_criteria, remove_a_group, change_what_belongs_to_nobody],
    ids=lambda change: change.__name__,
)
def test_the_merge_patch_makes_the_same_changes_in_another_sandbox(api: Api, change: Callable[[Api], None]) -> None:
    change(api)
    patch = json.loads(page(api, "diff").texts["merge-patch"])
    assert patch
    other = Api(api.client, f"{api.root.rpartition('/')[2][-50:]}.2")
    other.reset()
    other.arranged("PATCH", "state", patch)
    assert other.arranged("GET", "state") == api.arranged("GET", "state")
    assert other.arranged("GET", "diff")["changes"] == api.arranged("GET", "diff")["changes"]
    api.client.delete(f"/_simulator/sandboxes/{other.root.rpartition('/')[2]}")


def test_the_page_of_changes_stays_small(api: Api) -> None:
    accounts = {f"a{number}": {"password": "p" * 50, "level": "System Admin"} for number in range(300)}
    api.arranged("PATCH", "state", {"accounts": accounts})
    shown = page(api, "diff")
    assert f"300 changes; this page shows the first {changes.MOST_CHANGES}" in shown.text()
    assert shown.text().count("+ add") == changes.MOST_CHANGES
    assert "merge-patch" not in shown.texts
    users = {f"u{number}@x.y": {"firstName": "A", "lastName": "B"} for number in range(1_000)}
    api.reset()
    api.arranged("PATCH", "state", {"tenants": {"foo": {"groups": {"new": {"users": users}}}}})
    shown = page(api, "diff?since=seed")
    assert "characters in all)" in shown.text()
    assert "too many changes for a merge patch" in shown.text()
    assert len(shown.source) < 50_000


def test_a_snapshot_says_what_its_restoring_discards(api: Api) -> None:
    assert "There is no snapshot." in page(api, "snapshots").text()
    api.arranged("PUT", "snapshots/before")
    assert "Nothing has changed since." in (page(api, "snapshots").questions("snapshots/before/restore")[0] or "")
    api.ok("PUT", f"{CAPACITIES}{capacity(api)}/", {"maxCalls": 9})
    shown = page(api, "snapshots")
    assert "1 change since before" in shown.text("snapshot-before")
    assert "This discards 1 change of the state" in (shown.questions("snapshots/before/restore")[0] or "")
    assert shown.questions("snapshots/before")[0]


def test_sandboxes_stand_by_their_last_use_and_lead_to_their_overview(api: Api) -> None:
    name = api.root.rpartition("/")[2]
    others = [f"{name[-50:]}.{number}" for number in range(25)]
    try:
        for other in others:
            api.client.get(f"/_sandboxes/{other}/api/v1/{CAPACITIES}")
        api("GET", CAPACITIES)
        shown = page(api, "sandboxes")
        rows = [each["data-sandbox"] for tag, each in shown.tags if tag == "tr" and "data-sandbox" in each]
        assert rows[:3] == [name, others[-1], others[-2]]
        assert len(rows) == 20
        assert others[0] in shown.text("others")
        assert "Created" in shown.text()
        for other in (name, others[-1]):
            address = shown.texts[f"base-{other}"]
            assert httpx.get(f"{address}/_simulator/").json()["address"] == address
        link = next(href for href in shown.links("../") if href.endswith(f"/{others[0]}/_simulator/"))
        assert httpx.get(shown.follow(link)).json()["sandbox"] == others[0]
        assert shown.questions(f"sandboxes/{others[-1]}")[0]
        assert shown.questions("sandboxes/default") == []
    finally:
        for other in others:
            api.client.delete(f"/_simulator/sandboxes/{other}")


def test_a_question_counts_one_thing_as_one(api: Api) -> None:
    api("GET", CAPACITIES)
    api.arranged("POST", "faults", {"operationId": "*", "status": 503})
    shown = page(api, "faults")
    assert "This forgets 1 call, 1 fault, all sessions." in (shown.questions("reset")[0] or "")
    assert shown.questions("faults")[0] == "Delete 1 fault?"
    name = api.root.rpartition("/")[2]
    assert "its 1 call, its snapshots" in (page(api, "sandboxes").questions(f"sandboxes/{name}")[0] or "")
    for _ in range(2):
        api("GET", CAPACITIES)
        api.arranged("POST", "faults", {"operationId": "*", "status": 503})
    shown = page(api, "faults")
    assert "This forgets 3 calls, 3 faults, all sessions." in (shown.questions("reset")[0] or "")
    assert shown.questions("faults")[0] == "Delete all 3 faults?"


def test_the_page_of_a_dropped_sandbox_says_so_and_can_create_it_again(api: Api) -> None:
    name = api.root.rpartition("/")[2]
    api.client.delete(f"/_simulator/sandboxes/{name}")
    gone = page(api, "faults")
    assert gone.status == 404
    assert "The sandbox was dropped, or it was never there." in gone.text()
    assert f"Create the sandbox {name} from the seed" in gone.text()
    assert f"This page belongs to the sandbox {name}, which does not exist any more." in page(api, "sandboxes").text()
    (form,) = [each for tag, each in gone.tags if tag == "form" and "data-send" in each and each["action"] == "state"]
    (body,) = [each for _, each in gone.tags if "data-body" in each]
    address = gone.follow(form["action"] or "")
    sent = {"content": body["value"] or "", "headers": {"Content-Type": "application/json"}}
    assert httpx.request(form["data-send"] or "", address, **sent).status_code == 200  # type: ignore[arg-type]
    assert page(api, "faults").status == 200
    api.arranged("POST", "faults", {"operationId": "*", "status": 503})
    httpx.request(form["data-send"] or "", address, **sent)  # type: ignore[arg-type]
    assert len(api.arranged("GET", "faults")["faults"]) == 1


def test_a_page_that_is_refused_for_another_reason_creates_no_sandbox(api: Api) -> None:
    assert "Create the sandbox" not in page(api, "diff?since=gone").text()


def test_faults_stand_in_their_order_with_what_they_do_and_how_often_they_did(api: Api) -> None:
    api.arranged("POST", "faults", {"operationId": "listCallCapacities", "status": 503, "times": 1, "retryAfter": 2})
    api.arranged(
        "POST",
        "faults",
        {"operationId": "*", "userId": HOSTILE, "delayMs": 1500, "after": 2, "status": 404, "body": {"a": HOSTILE}},
    )
    api("GET", CAPACITIES)
    shown = page(api, "faults")
    assert "1. id 1 listCallCapacities 503 is not in the documentation of listCallCapacities." in shown.text("fault-1")
    assert "answers 503 with Retry-After: 2 0 1 of 1 used up" in shown.text("fault-1")
    second = shown.text("fault-2")
    assert f"2. id 2 all operations, user {HOSTILE}" in second
    assert "waits 1.5 s, then answers 404" in second
    assert "2 0, no end" in second
    assert {"faults", "faults/1", "faults/2"} <= {each.get("action") for tag, each in shown.tags if tag == "form"}


def test_a_status_that_is_not_documented_is_no_mistake_of_the_fault_but_an_unknown_name_is_a_warning(api: Api) -> None:
    api.arranged("POST", "faults", {"operationId": "*", "status": 503})
    api.arranged("POST", "faults", {"operationId": "getFiltering", "status": 503, "groupId": "fogroup"})
    shown = page(api, "faults")
    usual = "503 is not in the API documentation. Your client should still survive it."
    assert usual in shown.text("fault-1")
    assert "Note:" not in shown.text("fault-1")
    assert "503 is not in the documentation of getFiltering." in shown.text("fault-2")
    assert "Note: there is no group 'fogroup' at present" in shown.text("fault-2")


def test_the_form_for_a_fault_has_a_field_for_each_of_its_attributes_and_the_documented_statuses(api: Api) -> None:
    shown = page(api, "faults")
    contract = api.arranged("GET", "control.json")
    names = {
        each.get("name") for tag, each in shown.tags if tag in ("input", "select", "textarea") and "value" not in each
    }
    assert set(contract["components"]["schemas"]["FaultInjection"]["properties"]) <= names
    operations = api.arranged("GET", "coverage")["operations"]
    options = [each["data-statuses"] for tag, each in shown.tags if tag == "option" and "data-statuses" in each]
    assert options[: len(operations)] == [", ".join(each["statuses"]) for each in operations]


@pytest.mark.parametrize(
    ("preset", "answers"),
    [
        (PRESETS[0], [503, 200, 200]),
        (PRESETS[3], [401, 200, 200]),
        (PRESETS[4], [200, 503, 200, 503, 200, 503, 200, 200]),
        (PRESETS[2], [None, 200, 200]),
    ],
    ids=lambda value: value.title if isinstance(value, Preset) else "",
)
def test_a_usual_fault_does_what_it_says(api: Api, preset: Preset, answers: list[int | None]) -> None:
    for number in range(preset.faults):
        fault = {"operationId": "*", **preset.fault}
        api.arranged("POST", "faults", fault | ({"after": fault["after"] + number} if "after" in fault else {}))

    def status() -> int | None:
        try:
            return api("GET", CAPACITIES).status_code
        except httpx.RemoteProtocolError:
            return None

    assert [status() for _ in answers] == answers


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"operationId": "*", "abort": "close"}, "closes the connection without an answer: all operations"),
        ({"operationId": "a", "delayMs": 3000, "tenantId": "t", "groupId": "g"}, "waits 3 s: a, tenant t, group g"),
        (
            {"operationId": "a", "status": 503, "abort": "truncate"},
            "answers 503, then breaks the answer off half way: a",
        ),
    ],
)
def test_a_fault_is_said_in_words(fault: dict[str, Any], words: str) -> None:
    assert f"{effect(fault)}: {scope(fault)}" == words


def test_what_clients_have_sent_is_text_on_all_of_these_pages(api: Api) -> None:
    api("GET", f"{HOSTILE}/\u202e/")
    api.arranged("PATCH", "state", {"accounts": {HOSTILE: {"password": "a\u202eb", "level": "System Admin"}}})
    api.arranged("POST", "faults", {"operationId": "*", "userId": HOSTILE, "status": 503, "body": {HOSTILE: HOSTILE}})
    for path in ("", "diff", "faults", "snapshots", "sandboxes"):
        shown = page(api, path)
        assert HOSTILE not in shown.source
        assert "\u202e" not in shown.source
    assert HOSTILE in page(api, "diff").text()
