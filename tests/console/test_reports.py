"""Coverage, errors, rules and documentation in a browser: an empty cell is filled, and each refusal can be tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from simulator import Simulator
from tests.conftest import CAPACITIES
from tests.console.conftest import NewContext

if TYPE_CHECKING:
    from playwright.sync_api import Page

TRY_ALL = """async start => {
    const until = async condition => { while (!condition()) await new Promise(done => setTimeout(done, 2)) }
    const found = []
    for (const details of document.querySelectorAll(`#errors details[id^="${start}"]`)) {
        details.open = true
        await until(() => details.querySelector(".actions"))
        const button = details.querySelector("[data-try]")
        button?.click()
        if (button) await until(() => details.querySelector(".tried")?.textContent)
        found.push((details.querySelector(".tried p") ?? details.querySelector(".actions span")).textContent)
    }
    return found
}"""
SAME = "The answer is the documented one."


def refusals_are_shown(complaints: list[str]) -> None:
    """Take away what Chromium says about each answer from 400 on."""
    complaints[:] = [each for each in complaints if not each.startswith("Failed to load resource")]


def test_an_empty_cell_leads_to_a_request_that_fills_it(
    simulator: Simulator, page: Page, complaints: list[str]
) -> None:
    page.goto(f"{simulator.url}/_simulator/coverage?sandbox=*")
    cell = page.locator('td.status a[href*="#getCallCapacity-G-9"]')
    assert cell.inner_text() == "0"
    cell.click()
    opened = page.locator("details:target")
    opened.get_by_role("button", name="Try it").click()
    opened.get_by_text(SAME).wait_for()
    scratch = f"{simulator.url}/_sandboxes/scratch-console/_simulator"
    (call,) = httpx.get(f"{scratch}/requests").json()["requests"]
    assert (call["operationId"], call["status"]) == ("getCallCapacity", 404)
    opened.get_by_role("link", name="See this call").click()
    page.wait_for_url(f"{scratch}/requests/{call['id']}")
    page.goto(f"{simulator.url}/_simulator/coverage?sandbox=*")
    assert page.locator("td.status .hit").inner_text() == "1"
    assert cell.count() == 0
    refusals_are_shown(complaints)


def test_the_coverage_fits_into_a_usual_window(simulator: Simulator, page: Page) -> None:
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(f"{simulator.url}/_simulator/coverage")
    tops = page.locator(".card").evaluate_all("cards => cards.map(card => card.getBoundingClientRect().top)")
    assert len(tops) == 4
    assert len(set(tops)) == 1
    table = page.get_by_role("region", name="Operations by status")
    assert table.evaluate("region => region.scrollWidth <= region.clientWidth")


def test_the_sandbox_of_a_try_is_named(simulator: Simulator, page: Page) -> None:
    page.goto(f"{simulator.url}/_simulator/errors?operationId=getFiltering")
    page.locator("#errors details", has_text="G-9").locator("summary").first.click()
    button = page.locator("#errors details[open] button.main")
    assert button.inner_text() == "Try it in the sandbox scratch-console"


def test_a_number_leads_to_its_calls(simulator: Simulator, page: Page) -> None:
    httpx.get(f"{simulator.url}/api/v1/{CAPACITIES}")
    page.goto(f"{simulator.url}/_simulator/coverage")
    page.locator('a[href="requests?operationId=listCallCapacities&status=200"]').click()
    page.wait_for_url("**/requests?operationId=listCallCapacities&status=200")


@pytest.mark.parametrize(
    ("path", "start", "offered", "kept_back"),
    [
        ("errors?operationId=updateScreening", "updateScreening-", 28, 2),
        ("errors?operationId=listAvailableAssistants", "listAvailableAssistants-", 12, 12),
        ("errors?operationId=getRequest", "getRequest-", 1, 0),
        ("errors", "none-", 10, 7),
    ],
)
def test_each_refusal_that_a_page_can_send_is_answered_as_documented(
    simulator: Simulator, page: Page, complaints: list[str], path: str, start: str, offered: int, kept_back: int
) -> None:
    page.goto(f"{simulator.url}/_simulator/{path}")
    results = page.evaluate(TRY_ALL, start)
    reasons = [text for text in results if text.startswith("Cannot be tried here. ")]
    assert [text for text in results if text not in reasons and SAME not in text] == []
    assert (len(results) - len(reasons), len(reasons)) == (offered, kept_back)
    # Trying changes nothing in the sandbox that is looked at.
    assert simulator.default.requests() == []
    refusals_are_shown(complaints)


def test_an_answer_that_is_another_one_is_shown_as_such(
    simulator: Simulator, page: Page, complaints: list[str]
) -> None:
    page.goto(f"{simulator.url}/_simulator/errors?operationId=getScreening#getScreening-G-9-1")
    button = page.locator("details:target").get_by_role("button", name="Try it")
    button.wait_for()
    page.route("**/api/v1/**", lambda route: route.fulfill(status=418, json={"short": "stout"}))
    button.click()
    page.get_by_text("The answer is not the documented one.").first.wait_for()
    assert "stout" in page.locator(".tried pre").nth(1).inner_text()
    refusals_are_shown(complaints)


@pytest.mark.parametrize(("path", "entries", "word"), [("errors", "details", "ex-7"), ("rules", ".rule", "ex-7")])
def test_a_search_shows_what_holds_its_words(
    simulator: Simulator, page: Page, path: str, entries: str, word: str
) -> None:
    page.goto(f"{simulator.url}/_simulator/{path}")
    page.keyboard.press("/")
    page.keyboard.type(word)
    shown = page.locator(f"main {entries}:visible").all_text_contents()
    assert 0 < len(shown) < 20
    assert all(word in text.lower() for text in shown)
    assert page.locator("#search-found").inner_text().startswith(f"{len(shown)} of ")
    page.locator("#search").fill("")
    assert page.locator(f"main {entries}:visible").count() > 60


def test_swagger_ui_keeps_its_own_look_and_is_dark_where_the_page_is(simulator: Simulator, page: Page) -> None:
    page.goto(f"{simulator.url}/_simulator/docs")
    block = page.locator(".opblock-summary-method").first
    block.wait_for()
    assert "700" in block.evaluate("each => getComputedStyle(each).fontWeight")
    assert page.locator("#documentation p").first.evaluate("each => getComputedStyle(each).maxWidth") == "none"
    for theme in ("dark", "light"):
        page.get_by_label("Theme").select_option(theme)
        is_dark = page.evaluate("document.documentElement.classList.contains('dark-mode')")
        assert is_dark is (theme == "dark")


def test_without_a_script_the_pages_can_be_read(simulator: Simulator, new_context: NewContext) -> None:
    page = new_context(java_script_enabled=False).new_page()
    page.goto(f"{simulator.url}/_simulator/errors?operationId=updateScreening")
    assert page.locator("details summary").count() > 30
    assert page.locator("#search:visible").count() == 0
    page.get_by_label("Operation").select_option("login")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**/errors?operationId=login")
    page.goto(f"{simulator.url}/_simulator/docs")
    assert page.get_by_role("link", name="of the simulated API").is_visible()
