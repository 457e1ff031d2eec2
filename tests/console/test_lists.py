"""The overview, changes, snapshots, sandboxes and faults in a browser: they stay up to date, and their actions work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from simulator import Simulator
from tests.conftest import CAPACITIES
from tests.console.conftest import Axe, NewContext

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

TAKE = "Take a snapshot of this state"


@pytest.fixture
def api(simulator: Simulator) -> Iterator[httpx.Client]:
    """A client of the default sandbox."""
    with httpx.Client(base_url=simulator.url) as client:
        yield client


def change(api: httpx.Client, maximum: int = 9) -> None:
    """Change the first capacity."""
    name = api.get(f"/api/v1/{CAPACITIES}").json()["call_capacities"][0]["name"]
    api.put(f"/api/v1/{CAPACITIES}{name}/", json={"maxCalls": maximum}).raise_for_status()


def control(api: httpx.Client, path: str) -> Any:
    return api.get(f"/_simulator/{path}").raise_for_status().json()


def opened(page: Page, simulator: Simulator, path: str) -> None:
    """Open a page and mark it, so that `was_reloaded` can tell whether it is still the same one."""
    page.goto(f"{simulator.url}/_simulator/{path}")
    page.locator("#live[data-state=live]").wait_for()
    page.evaluate("window.isMarked = true")


def was_reloaded(page: Page) -> bool:
    return not page.evaluate("window.isMarked === true")


def refused(complaints: list[str], status: int) -> None:
    """Take note that a browser's console mentions an answer of this status, as it does for each error."""
    (complaint,) = complaints
    assert f"a status of {status}" in complaint
    complaints.clear()


def submit(page: Page, button: str, answer: str | None = None) -> None:
    """Press a button of the page. `answer` is what is said to its question."""
    page.get_by_role("button", name=button, exact=True).click()
    if answer is not None:
        page.locator("#confirm").get_by_role("button", name=answer).click()


def test_a_call_made_elsewhere_appears_on_the_open_overview(
    simulator: Simulator, page: Page, api: httpx.Client
) -> None:
    from playwright.sync_api import expect

    opened(page, simulator, "")
    expect(page.locator("#first-call")).to_be_visible()
    api.get(f"/api/v1/{CAPACITIES.replace('foogroup', 'fogroup')}")
    expect(page.locator(".calls tbody tr")).to_have_count(1)
    expect(page.locator(".calls")).to_contain_text("Did you mean 'foogroup'?")
    expect(page.locator("#first-call")).to_have_count(0)
    change(api)
    expect(page.locator("main")).to_contain_text("maxCalls: before 7 → after 9")
    assert not was_reloaded(page)


def test_the_base_url_and_the_first_call_can_be_copied(simulator: Simulator, page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened(page, simulator, "")
    for button, element in (("Copy the base URL", "base-url"), ("Copy the first call", "first-call")):
        submit(page, button)
        page.locator("#said", has_text="Copied.").wait_for(state="attached")
        assert page.evaluate("navigator.clipboard.readText()") == page.locator(f"#{element}").text_content()
        page.evaluate("document.getElementById('said').textContent = ''")


def test_a_snapshot_is_taken_compared_and_restored(simulator: Simulator, page: Page, api: httpx.Client) -> None:
    from playwright.sync_api import expect

    opened(page, simulator, "diff")
    page.get_by_label("Name of a new snapshot").fill("before")
    submit(page, "Take a snapshot of this state")
    expect(page.get_by_role("option", name="snapshot before")).to_have_count(1)
    change(api)
    page.get_by_label("Compare the state with").select_option("before")
    submit(page, "Compare")
    expect(page).to_have_url(f"{simulator.url}/_simulator/diff?since=before")
    expect(page.locator(".diff tbody tr")).to_have_count(1)
    opened(page, simulator, "snapshots")
    page.get_by_role("button", name="Restore before").click()
    expect(page.locator("#confirm")).to_contain_text("This discards 1 change of the state")
    page.locator("#confirm").get_by_role("button", name="No").click()
    assert len(control(api, "diff?since=before")["changes"]) == 1
    submit(page, "Restore before", "Yes")
    expect(page.locator("#snapshot-before")).to_contain_text("none")
    assert control(api, "diff?since=before")["changes"] == []
    submit(page, "Delete before", "Yes")
    expect(page.locator("main")).to_contain_text("There is no snapshot.")


def test_a_name_that_no_snapshot_may_have_is_refused_at_the_form(
    simulator: Simulator, page: Page, complaints: list[str]
) -> None:
    from playwright.sync_api import expect

    opened(page, simulator, "snapshots")
    page.get_by_label("Name of a new snapshot").fill("seed")
    submit(page, "Take a snapshot of this state")
    expect(page.get_by_role("alert")).to_contain_text("'seed' is the name of what the sandbox started from (S-5)")
    refused(complaints, 400)


def test_a_new_sandbox_starts_from_the_seed_or_from_the_present_state(
    simulator: Simulator, page: Page, api: httpx.Client
) -> None:
    from playwright.sync_api import expect

    change(api)
    opened(page, simulator, "sandboxes")
    for name, start in (("from-seed", ""), ("from-state", "state")):
        page.get_by_label("Name of a new sandbox").fill(name)
        page.get_by_label("It starts from").select_option(start)
        submit(page, "Create")
        expect(page.locator(f"#sandbox-{name}")).to_be_visible()
    there = "_sandboxes/{}/_simulator/state"
    assert api.get(there.format("from-state")).json() == control(api, "state")
    assert api.get(there.format("from-seed")).json() != control(api, "state")


def test_a_sandbox_is_replaced_only_after_a_question(simulator: Simulator, page: Page, api: httpx.Client) -> None:
    from playwright.sync_api import expect

    api.get(f"/_sandboxes/test-1/api/v1/{CAPACITIES}")
    opened(page, simulator, "sandboxes")
    page.get_by_label("Name of a new sandbox").fill("test-1")
    submit(page, "Create", "No")
    assert [each["requests"] for each in control(api, "sandboxes")["sandboxes"]] == [0, 1]
    submit(page, "Create", "Yes")
    expect(page.locator("#sandbox-test-1 td").nth(2)).to_have_text("0")


def test_a_snapshot_is_replaced_only_after_a_question(simulator: Simulator, page: Page, api: httpx.Client) -> None:
    from playwright.sync_api import expect

    api.put("/_simulator/snapshots/before").raise_for_status()
    change(api)
    for path in ("diff", "snapshots"):
        opened(page, simulator, path)
        page.get_by_label("Name of a new snapshot").fill("before")
        submit(page, "Take a snapshot of this state", "No")
        expect(page.get_by_label("Name of a new snapshot")).to_have_value("before")
        assert control(api, "diff?since=before")["changes"]
    submit(page, "Take a snapshot of this state", "Yes")
    expect(page.get_by_label("Name of a new snapshot")).to_have_value("")
    assert control(api, "diff?since=before")["changes"] == []


@pytest.mark.parametrize("path", ["snapshots", "sandboxes"])
@pytest.mark.parametrize("name", [".", "..", "a b", "a/b"])
def test_a_name_that_nothing_may_have_is_not_sent(simulator: Simulator, page: Page, path: str, name: str) -> None:
    opened(page, simulator, path)
    field = page.get_by_label("Name of a new")
    field.fill(name)
    assert not field.evaluate("field => field.checkValidity()")
    assert page.get_by_text("A name has 1 to 64 letters").is_visible()
    field.fill("..a-b_c.")
    assert field.evaluate("field => field.checkValidity()")


def test_the_page_of_a_dropped_sandbox_says_so_and_creates_it_again(
    simulator: Simulator, page: Page, api: httpx.Client, complaints: list[str], axe: Axe
) -> None:
    from playwright.sync_api import expect

    api.get(f"/_sandboxes/test-1/api/v1/{CAPACITIES}")
    opened(page, simulator, "sandboxes")
    submit(page, "Drop sandbox test-1", "Yes")
    expect(page.locator("#sandbox-test-1")).to_have_count(0)
    page.goto(f"{simulator.url}/_sandboxes/test-1/_simulator/faults")
    expect(page.locator("main")).to_contain_text("The sandbox was dropped, or it was never there.")
    refused(complaints, 404)
    axe(page)
    submit(page, "Create the sandbox test-1 from the seed")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    assert [each["name"] for each in control(api, "sandboxes")["sandboxes"]] == ["default", "test-1"]


def test_calls_of_one_sandbox_do_not_appear_on_the_overview_of_another(
    simulator: Simulator, page: Page, api: httpx.Client
) -> None:
    from playwright.sync_api import expect

    opened(page, simulator, "")
    api.get(f"/_sandboxes/test-1/api/v1/{CAPACITIES}")
    api.get(f"/api/v1/{CAPACITIES}")
    expect(page.locator(".calls tbody tr")).to_have_count(1)
    page.goto(f"{simulator.url}/_sandboxes/test-1/_simulator/")
    expect(page.locator(".calls tbody tr")).to_have_count(1)
    expect(page.locator("#base-url")).to_have_text(f"{simulator.url}/_sandboxes/test-1")


def test_a_usual_fault_takes_one_click_and_its_hits_count_up(
    simulator: Simulator, page: Page, api: httpx.Client
) -> None:
    from playwright.sync_api import expect

    opened(page, simulator, "faults")
    page.locator("#preset-for").select_option("listCallCapacities")
    submit(page, "503 once")
    expect(page.locator("#fault-1")).to_contain_text("0 of 1")
    assert [api.get(f"/api/v1/{CAPACITIES}").status_code for _ in range(2)] == [503, 200]
    expect(page.locator("#fault-1")).to_contain_text("1 of 1 used up")
    assert not was_reloaded(page)
    submit(page, "Delete fault 1")
    submit(page, "Flaky")
    expect(page.locator("#fault-4")).to_be_visible()
    statuses = [api.get(f"/api/v1/{CAPACITIES}").status_code for _ in range(7)]
    assert statuses == [200, 503, 200, 503, 200, 503, 200]
    submit(page, "Delete all faults", "Yes")
    expect(page.locator("main")).to_contain_text("There is no fault.")


def test_a_form_can_be_sent_again_before_the_page_has_shown_what_it_did(
    simulator: Simulator, page: Page, api: httpx.Client
) -> None:
    opened(page, simulator, "faults")
    page.locator("#preset-for").select_option("listCallCapacities")
    page.route("**/_simulator/faults", lambda route: route.continue_() if route.request.method == "POST" else None)
    for count in (1, 2):
        with page.expect_response(lambda response: response.request.method == "POST"):
            submit(page, "503 once")
        assert len(control(api, "faults")["faults"]) == count


def test_a_button_that_a_refresh_has_disabled_stays_so(simulator: Simulator, page: Page) -> None:
    from playwright.sync_api import expect

    def answer(route: Route) -> None:
        text = route.fetch().text().replace("<button>Take", "<button disabled>Take")
        route.fulfill(body=text, content_type="text/html")

    opened(page, simulator, "snapshots")
    page.route("**/_simulator/snapshots", answer)
    # Now only the form itself refreshes the page.
    page.get_by_role("button", name="Pause").click()
    page.get_by_label("Name of a new snapshot").fill("first")
    submit(page, TAKE)
    expect(page.locator("#snapshot-first")).to_be_visible()
    page.evaluate("new Promise(done => setTimeout(done))")
    expect(page.get_by_role("button", name=TAKE)).to_be_disabled()


def test_a_form_is_not_sent_again_before_it_is_answered(simulator: Simulator, page: Page) -> None:
    from playwright.sync_api import expect

    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "PUT" else None)
    opened(page, simulator, "snapshots")
    page.get_by_label("Name of a new snapshot").fill("first")
    page.evaluate("for (const _ of [1, 2]) document.querySelector('form[data-send=PUT]').requestSubmit()")
    expect(page.locator("#snapshot-first")).to_be_visible()
    assert len(sent) == 1
    page.get_by_label("Name of a new snapshot").fill("second")
    submit(page, TAKE)
    expect(page.locator("#snapshot-second")).to_be_visible()
    assert len(sent) == 2


def test_the_form_for_a_fault_names_the_documented_statuses_and_what_is_wrong(
    simulator: Simulator, page: Page, api: httpx.Client, complaints: list[str]
) -> None:
    from playwright.sync_api import expect

    opened(page, simulator, "faults")
    page.get_by_text("Another fault").click()
    page.locator("#fault-operation").select_option("getAlerting")
    expect(page.locator("#documented")).to_contain_text("getAlerting documents 200, ")
    submit(page, "Inject the fault")
    expect(page.get_by_role("alert")).to_contain_text("does nothing: give delayMs, status or abort (S-6)")
    refused(complaints, 400)
    page.get_by_label("Only this user").fill("foouser")
    page.get_by_label("How often").fill("3")
    page.get_by_label("Answer with the status").fill("503")
    page.get_by_label("Body of the answer").fill('{"message": "down"}')
    submit(page, "Inject the fault")
    expect(page.locator("#fault-1")).to_contain_text(
        "503 is not in the documentation of getAlerting. Your client should still survive it."
    )
    (fault,) = control(api, "faults")["faults"]
    assert (fault["userId"], fault["times"], fault["status"]) == ("foouser", 3, 503)
    assert fault["body"] == {"message": "down"}


def test_reset_says_what_it_undoes_asks_once_and_does_it(simulator: Simulator, page: Page, api: httpx.Client) -> None:
    from playwright.sync_api import expect

    simulator.default.fault(operationId="getAlerting", status=503)
    change(api)
    opened(page, simulator, "diff")
    expect(page.locator(".diff tbody tr")).to_have_count(1)
    page.get_by_role("button", name="Reset sandbox").click()
    question = page.locator("#confirm")
    for part in ("2 calls", "1 fault", "the changes of its state"):
        expect(question).to_contain_text(part)
    question.get_by_role("button", name="Yes").click()
    expect(page.locator("main")).to_contain_text("Nothing has changed.")
    assert control(api, "")["counts"]["requests"] == 0


@pytest.mark.parametrize("path", ["", "diff", "snapshots", "sandboxes", "faults", "../_sandboxes/gone/_simulator/"])
def test_without_script_a_page_shows_everything_but_the_actions(
    simulator: Simulator, new_context: NewContext, complaints: list[str], api: httpx.Client, path: str
) -> None:
    from playwright.sync_api import expect

    simulator.default.snapshot("before")
    simulator.default.fault(operationId="getAlerting", status=503)
    change(api)
    page = new_context(java_script_enabled=False).new_page()
    page.goto(f"{simulator.url}/_simulator/{path}")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    visible = [button.inner_text() for button in page.get_by_role("button").all() if button.is_visible()]
    assert visible == (["Compare"] if path == "diff" else [])
    if path == "diff":
        page.get_by_label("Compare the state with").select_option("before")
        page.get_by_role("button", name="Compare").click()
        expect(page.locator(".diff")).to_contain_text("maxCalls")
    if "gone" in path:
        refused(complaints, 404)
