"""Pages stay up to date by themselves, without losing what somebody reads, selects or types."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from simulator import Simulator
from tests.conftest import CAPACITIES
from tests.console.conftest import NewContext

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

LIST = f"/api/v1/{CAPACITIES}"
ROWS = "document.querySelectorAll('main [data-list] tr[data-row]').length"
FIRST = "document.querySelector('main [data-list] tr[data-row]')?.id"


def call(url: str, times: int = 1) -> str:
    """Make calls of the API, and return the id of the last one."""
    with httpx.Client(base_url=url) as client:
        for _ in range(times):
            answer = client.get(LIST)
    return answer.headers["X-Simulator-Request-Id"]


def total(simulator: Simulator) -> int:
    answer = httpx.get(f"{simulator.url}/_simulator/requests")
    number: int = answer.json()["total"]
    return number


def is_live(page: Page, state: str = "live") -> None:
    page.wait_for_function("state => document.querySelector('#live').dataset.state === state", arg=state)


@pytest.fixture
def calls(page: Page, simulator: Simulator) -> Page:
    """The page of the calls, live, after one call."""
    call(simulator.url)
    page.goto(f"{simulator.url}/_simulator/requests")
    is_live(page)
    return page


def test_a_call_made_elsewhere_appears_without_loading_the_page_again(calls: Page, simulator: Simulator) -> None:
    calls.evaluate("window.isTheSame = true")
    for _ in range(5):
        made = call(simulator.url)
        calls.wait_for_selector(f"#call-{made}")
    assert calls.evaluate("window.isTheSame")
    assert calls.evaluate(FIRST) == f"call-{made}"


def test_many_calls_leave_a_bounded_page_with_the_right_number(calls: Page, simulator: Simulator) -> None:
    fetched: list[str] = []
    calls.on("request", lambda request: fetched.append(request.url) if request.resource_type == "fetch" else None)
    made = call(simulator.url, 2_000)
    calls.wait_for_selector(f"#call-{made}")
    shown = total(simulator)
    calls.wait_for_function(f"() => document.querySelector('caption').textContent.includes('{shown:,} call')")
    assert calls.evaluate(ROWS) == 100
    assert len(fetched) < 200


def test_a_paused_page_stays_as_it_is_and_counts_what_is_new(calls: Page, simulator: Simulator) -> None:
    calls.get_by_role("button", name="Pause").click()
    is_live(calls, "paused")
    before = calls.inner_html("main")
    call(simulator.url, 7)
    calls.get_by_text("paused, 7 new").wait_for()
    assert calls.inner_html("main") == before
    calls.get_by_role("button", name="Resume").click()
    calls.wait_for_function(f"() => {ROWS} === 8")
    is_live(calls)


def test_whoever_reads_further_down_is_not_moved(calls: Page, simulator: Simulator) -> None:
    made = call(simulator.url, 100)
    calls.wait_for_selector(f"#call-{made}")
    calls.evaluate("scrollTo(0, 600)")
    calls.wait_for_function("() => scrollY === 600")
    last = call(simulator.url, 5)
    show = calls.get_by_role("button", name="Show")
    calls.locator("#notice").filter(has_text="5 new").wait_for()
    assert calls.evaluate("scrollY") == 600
    show.click()
    calls.wait_for_selector(f"#call-{last}")
    assert calls.evaluate("scrollY") == 0


def test_a_call_that_comes_while_the_page_is_fetched_counts_as_shown(calls: Page, simulator: Simulator) -> None:
    made = call(simulator.url, 100)
    calls.wait_for_selector(f"#call-{made}")
    held: list[Route] = []
    calls.route("**/_simulator/requests", lambda route: held.append(route), times=1)
    with calls.expect_request("**/_simulator/requests"):
        call(simulator.url)
    last = call(simulator.url)
    # Its event has to come before the page does.
    calls.wait_for_timeout(500)
    held.pop().continue_()
    calls.wait_for_selector(f"#call-{last}")
    calls.evaluate("scrollTo(0, 600)")
    call(simulator.url, 5)
    calls.locator("#notice").filter(has_text="5 new").wait_for()


def test_an_answer_that_comes_after_somebody_began_to_read_does_not_move_the_list(
    calls: Page, simulator: Simulator
) -> None:
    made = call(simulator.url, 100)
    calls.wait_for_selector(f"#call-{made}")
    held: list[Route] = []
    calls.route("**/_simulator/requests", lambda route: held.append(route))
    with calls.expect_request("**/_simulator/requests"):
        last = call(simulator.url)
    calls.evaluate("scrollTo(0, 600)")
    with calls.expect_response("**/_simulator/requests"):
        held.pop().continue_()
    calls.locator("#notice").filter(has_text="1 new").wait_for()
    assert calls.locator(f"#call-{last}").count() == 0


def test_focus_selection_and_what_is_typed_survive(calls: Page, simulator: Simulator) -> None:
    # So tall that nothing has to be scrolled: a page that is scrolled down waits.
    calls.set_viewport_size({"width": 1280, "height": 3000})
    first = calls.evaluate(FIRST)
    search = calls.get_by_role("searchbox")
    search.fill("half a wo")
    calls.locator("#switcher summary").click()
    calls.evaluate(f"getSelection().selectAllChildren(document.querySelector('#{first} time'))")
    selected = calls.evaluate("getSelection().toString()")
    search.focus()
    calls.evaluate(f"getSelection().selectAllChildren(document.querySelector('#{first} time'))")
    for _ in range(4):
        calls.wait_for_selector(f"#call-{call(simulator.url)}")
    assert search.input_value() == "half a wo"
    assert calls.evaluate("document.querySelector('#switcher').open")
    assert calls.evaluate("getSelection().toString()") == selected
    link = calls.locator(f"#{first} a").first
    link.focus()
    calls.wait_for_selector(f"#call-{call(simulator.url)}")
    assert calls.evaluate("document.activeElement.closest('tr')?.id") == first


def test_two_sandboxes_never_mix(page: Page, simulator: Simulator) -> None:
    one, other = simulator.sandbox("one"), simulator.sandbox("other")
    made = call(one.url)
    page.goto(f"{one.url}/_simulator/requests")
    is_live(page)
    call(other.url, 3)
    call(simulator.url, 3)
    made = call(one.url)
    page.wait_for_selector(f"#call-{made}")
    assert page.evaluate(ROWS) == 2


def test_a_dropped_sandbox_says_so(page: Page, simulator: Simulator) -> None:
    sandbox = simulator.sandbox("short-lived")
    page.goto(f"{sandbox.url}/_simulator/")
    is_live(page)
    sandbox.drop()
    page.get_by_text("This sandbox was dropped.").wait_for()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(500)
    assert page.inner_text("h1") == "Overview"
    assert page.locator("#notice").is_visible()


def test_what_is_no_longer_there_stays_readable(page: Page, simulator: Simulator, complaints: list[str]) -> None:
    made = call(simulator.url)
    page.goto(f"{simulator.url}/_simulator/requests/{made}")
    is_live(page)
    title = page.inner_text("h1")
    simulator.default.reset()
    page.locator("#notice").filter(has_text="no longer there").wait_for()
    assert page.inner_text("h1") == title
    is_live(page)
    assert all("404" in each for each in complaints)
    complaints.clear()


def test_a_server_that_is_gone_is_noticed_and_a_restarted_one_too(page: Page, complaints: list[str]) -> None:
    with Simulator() as simulator:
        port = int(simulator.url.rpartition(":")[2])
        made = call(simulator.url)
        page.goto(f"{simulator.url}/_simulator/requests")
        page.wait_for_selector(f"#call-{made}")
        is_live(page)
    page.get_by_text("The simulator does not answer.").wait_for()
    assert page.locator(f"#call-{made}").count() == 1
    with Simulator(port=port) as simulator:
        page.locator("#notice").filter(has_text="The simulator was restarted.").wait_for()
        is_live(page)
        page.wait_for_selector(f"#call-{made}", state="detached")
        page.wait_for_selector(f"#call-{call(simulator.url)}")
        page.close()
    # The browser reports each attempt to connect.
    assert all("ERR_CONNECTION_REFUSED" in each or "ERR_INCOMPLETE" in each for each in complaints)
    complaints.clear()


def test_without_a_stream_the_page_asks_again_by_itself(
    page: Page, simulator: Simulator, complaints: list[str]
) -> None:
    page.route("**/events", lambda route: route.abort())
    page.goto(f"{simulator.url}/_simulator/requests")
    page.get_by_text("polling").wait_for()
    page.wait_for_selector(f"#call-{call(simulator.url)}")
    complaints.clear()


def test_a_hidden_page_has_no_stream(new_context: NewContext, simulator: Simulator) -> None:
    page = new_context().new_page()
    closed = []
    page.on("requestfinished", lambda request: closed.append(request.url))
    page.on("requestfailed", lambda request: closed.append(request.url))
    page.goto(f"{simulator.url}/_simulator/")
    is_live(page)
    page.evaluate(
        "Object.defineProperty(document, 'hidden', { value: true, configurable: true });"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    for _ in range(100):
        if any(url.endswith("/events") for url in closed):
            break
        page.wait_for_timeout(50)
    assert any(url.endswith("/events") for url in closed)
    page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    is_live(page)
    page.wait_for_function("() => document.querySelector('#header nav').textContent.includes('Overview')")


def test_keys_lead_around_and_can_be_switched_off(calls: Page, simulator: Simulator) -> None:
    made = call(simulator.url)
    calls.wait_for_selector(f"#call-{made}")
    calls.keyboard.press("/")
    assert calls.evaluate("document.activeElement.type") == "search"
    calls.evaluate("document.activeElement.blur()")
    calls.keyboard.press("j")
    assert calls.evaluate("document.activeElement.closest('tr').id") == f"call-{made}"
    calls.keyboard.press("j")
    calls.keyboard.press("k")
    calls.keyboard.press("Enter")
    calls.wait_for_url(f"**/requests/{made}")
    calls.keyboard.press("g")
    calls.keyboard.press("o")
    calls.wait_for_url("**/_simulator/")
    calls.keyboard.press("?")
    calls.get_by_role("dialog").wait_for()
    calls.keyboard.press("Escape")
    calls.get_by_role("button", name="Keys").focus()
    calls.keyboard.press("Enter")
    calls.get_by_label("Use these keys").uncheck()
    calls.keyboard.press("Escape")
    assert calls.evaluate("document.activeElement.textContent") == "Keys"
    calls.keyboard.press("g")
    calls.keyboard.press("c")
    calls.wait_for_timeout(200)
    assert calls.url.endswith("/_simulator/")


def test_the_theme_can_be_chosen_and_is_kept(page: Page, simulator: Simulator) -> None:
    page.goto(f"{simulator.url}/_simulator/")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_label("Theme").select_option("dark")
    dark = page.evaluate(ground)
    assert dark != light
    page.goto(f"{simulator.url}/_simulator/rules")
    assert page.evaluate(ground) == dark
    page.get_by_label("Theme").select_option("system")
    assert page.evaluate(ground) == light


def test_reset_says_what_it_undoes_and_asks_once(calls: Page, simulator: Simulator) -> None:
    calls.get_by_role("button", name="Reset sandbox").click()
    dialog = calls.get_by_role("dialog")
    assert "forgets 1 call" in dialog.inner_text()
    dialog.get_by_role("button", name="No").click()
    assert total(simulator) == 1
    assert calls.evaluate("document.activeElement.textContent") == "Reset sandbox"
    calls.get_by_role("button", name="Reset sandbox").click()
    dialog.get_by_role("button", name="Yes").click()
    calls.wait_for_function(f"() => {ROWS} === 0")
    assert total(simulator) == 0


def test_without_script_a_page_reads_whole_and_shows_no_action(new_context: NewContext, simulator: Simulator) -> None:
    made = call(simulator.url)
    page = new_context(java_script_enabled=False).new_page()
    page.goto(f"{simulator.url}/_simulator/requests")
    assert page.locator(f"#call-{made}").is_visible()
    assert not page.get_by_role("button", name="Reset sandbox").is_visible()
    page.locator(f"#call-{made} a").first.click()
    assert page.url.endswith(f"/requests/{made}")
