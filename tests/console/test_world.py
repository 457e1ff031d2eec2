"""The pages of the world in a browser: what changes elsewhere appears, and what is edited is sent as a merge patch."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING

import httpx
import pytest

from simulator import Simulator
from tests.conftest import CAPACITIES
from tests.console.conftest import Axe, NewContext

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

FOOGROUP = "world/foo/foogroup"
RECEPTION = "#capacity-Reception"
MANY = 25_000
MOST_NODES = 3_000


def show(page: Page, simulator: Simulator, path: str) -> None:
    page.goto(f"{simulator.url}/_simulator/{path}")
    page.wait_for_function("() => document.querySelector('#live').dataset.state === 'live'")


def edit(page: Page, button: str) -> Locator:
    """Open the dialog of a button, and return its field."""
    page.get_by_role("button", name=button).click()
    field = page.get_by_label("JSON")
    field.wait_for()
    return field


def save(page: Page) -> None:
    page.get_by_role("button", name="Save").click()
    page.locator("#edit").wait_for(state="hidden")


def test_a_change_by_the_api_appears_on_the_card_of_the_capacity(page: Page, simulator: Simulator) -> None:
    show(page, simulator, FOOGROUP)
    reception = page.locator(RECEPTION)
    assert "All calls\n7\nIncoming\nno limit\nOutgoing\n5" in reception.inner_text()
    changes = {"maxCalls": 0, "maxIncomingCalls": 8, "maxOutgoingCalls": None}
    httpx.put(f"{simulator.url}/api/v1/{CAPACITIES}Reception/", json=changes).raise_for_status()
    page.wait_for_function(f"() => document.querySelector('{RECEPTION}').innerText.includes('no call')")
    assert "All calls\nno call\nIncoming\n8\nOutgoing\nno limit" in reception.inner_text()


def test_all_mistakes_of_an_edit_are_shown_at_their_places_and_nothing_changes(
    page: Page, simulator: Simulator, complaints: list[str]
) -> None:
    show(page, simulator, FOOGROUP)
    before = simulator.default.state
    field = edit(page, "Edit call capacities")
    capacities = json.loads(field.input_value())
    capacities[0]["maxCalls"] = -1
    capacities[1] |= {"maxCalls": "many", "colour": "red"}
    field.fill(json.dumps(capacities))
    page.get_by_role("button", name="Save").click()
    problems = page.locator("#edit .problems li code")
    problems.nth(2).wait_for()
    place = "/tenants/foo/groups/foogroup/callCapacities"
    assert problems.all_inner_texts() == [f"{place}/0/maxCalls", f"{place}/1/maxCalls", f"{place}/1/colour"]
    assert simulator.default.state == before
    field.fill('{"half": ')
    page.get_by_role("button", name="Save").click()
    page.get_by_text("this is not JSON").wait_for()
    assert ["status of 400" in each for each in complaints] == [True]
    complaints.clear()


def test_only_what_was_edited_is_sent(page: Page, simulator: Simulator) -> None:
    show(page, simulator, f"{FOOGROUP}/foouser")
    field = edit(page, "Edit the user")
    user = json.loads(field.input_value())
    del user["extension"]
    field.fill(json.dumps({**user, "firstName": "Fou"}))
    with page.expect_request(lambda request: request.method == "PATCH") as sent:
        save(page)
    assert sent.value.all_headers()["content-type"] == "application/merge-patch+json"
    change = {"extension": None, "firstName": "Fou"}
    users = {"foouser@sip.netaxis.be": change}
    assert sent.value.post_data_json == {"tenants": {"foo": {"groups": {"foogroup": {"users": users}}}}}
    page.get_by_role("heading", name="Fou User").wait_for()


def test_an_edited_section_keeps_what_changed_elsewhere_meanwhile(page: Page, simulator: Simulator) -> None:
    show(page, simulator, f"{FOOGROUP}/foouser")
    field = edit(page, "Edit the executive's settings")
    settings = json.loads(field.input_value())
    settings["filtering"]["enabled"] = True
    settings["criteria"].pop()
    field.fill(json.dumps(settings))
    screening = "tenants/foo/groups/foogroup/users/foouser/services/executive/screening/"
    httpx.put(f"{simulator.url}/api/v1/{screening}", json={"enabled": True}).raise_for_status()
    save(page)
    user = simulator.default.state["tenants"]["foo"]["groups"]["foogroup"]["users"]["foouser@sip.netaxis.be"]
    assert user["executive"]["filtering"]["enabled"] is user["executive"]["screening"]["enabled"] is True
    assert len(user["executive"]["criteria"]) == len(settings["criteria"])


@pytest.mark.parametrize("width", [1280, 1920])
def test_the_steps_of_a_call_stand_in_pairs_so_that_each_arrow_leads_to_the_next(
    page: Page, simulator: Simulator, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{simulator.url}/_simulator/world/foo/foogroup/foouser@sip.netaxis.be")
    steps = page.locator(".way > li")
    tops = steps.evaluate_all("steps => steps.map(step => step.getBoundingClientRect().top)")
    assert [top == before for before, top in pairwise(tops)] == [False, False, True, False, True]
    arrows = steps.evaluate_all("steps => steps.map(step => getComputedStyle(step, '::after').content[1])")
    assert arrows[:5] == ["↓", "↓", "→", "↙", "→"]


def test_a_user_is_added(page: Page, simulator: Simulator) -> None:
    show(page, simulator, FOOGROUP)
    edit(page, "Add a user").fill('{"~new.user@example.com": {"firstName": "Ada", "lastName": "New"}}')
    save(page)
    page.get_by_role("link", name="Ada New").first.wait_for()
    assert "~new.user@example.com" in simulator.default.state["tenants"]["foo"]["groups"]["foogroup"]["users"]


@pytest.mark.parametrize("answer", ["No", "Yes"])
def test_a_service_is_taken_away_once_the_question_is_answered(page: Page, simulator: Simulator, answer: str) -> None:
    show(page, simulator, FOOGROUP)
    page.get_by_role("button", name="Take away Call Capacity Management").click()
    page.get_by_text("This also removes 2 call capacities.").wait_for()
    page.get_by_role("button", name=answer, exact=True).click()
    if answer == "Yes":
        page.get_by_role("button", name="Assign Call Capacity Management").click()
        page.get_by_text("no call capacity yet").wait_for()
    capacities = simulator.default.state["tenants"]["foo"]["groups"]["foogroup"].get("callCapacities", [])
    assert len(capacities) == (0 if answer == "Yes" else 2)


def test_the_login_of_an_account_can_be_copied(new_context: NewContext, simulator: Simulator) -> None:
    page = new_context(permissions=["clipboard-read", "clipboard-write"]).new_page()
    show(page, simulator, "accounts")
    page.get_by_role("button", name="Copy the login of foouser").click()
    page.get_by_role("button", name="Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    accounts = httpx.get(f"{simulator.url}/_simulator/accounts").json()["accounts"]
    assert copied == next(each["command"] for each in accounts if each["name"] == "foouser")


def test_a_group_of_25000_users_is_shown_and_can_be_searched(page: Page, simulator: Simulator, axe: Axe) -> None:
    users = {f"user{n}@example.com": {"firstName": f"First {n}", "lastName": "Last"} for n in range(MANY)}
    capacities = [{"name": "All", "isDefault": True, "maxCalls": 1, "userIds": list(users)[: MANY // 2]}]
    group = {"services": ["Call Capacity Management"], "users": users, "callCapacities": capacities}
    tenants = {"t": {"type": "Enterprise", "groups": {"g": group}}}
    simulator.default.state = {"version": 1, "defaultDomain": "example.com", "tenants": tenants}
    address = f"{simulator.url}/_simulator/world/t/g?q=last"
    assert "25000 found" in httpx.get(address, headers={"Accept": "text/html"}).text
    show(page, simulator, "world/t/g")
    assert page.evaluate("document.querySelectorAll('*').length") < MOST_NODES
    page.get_by_label("Name, id or number").fill("first 24999")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="First 24999 Last").first.wait_for()
    assert page.get_by_role("heading", name="Users 1 found").is_visible()
    assert "department=" not in page.url
    axe(page)
