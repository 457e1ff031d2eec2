"""The calls in a browser: they appear at once, say why they were refused, and can be sent again or made to fail."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest

from simulator import Simulator
from simulator.control.recipe import load_refusals
from tests.conftest import CAPACITIES
from tests.console.conftest import NewContext

if TYPE_CHECKING:
    from playwright.sync_api import Page

HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)>javascript:alert(1)'
BODIES = [
    '{"maxCalls": "it\'s"}',
    '{"maxCalls": "\\"quoted\\""}',
    '{"maxCalls": "a\\nb"}',
    '{\n  "maxCalls": 1\n}',
    '{"maxCalls": "$HOME `id`"}',
    '{"maxCalls": "\U0001f600 \U0001f469\u200d\U0001f680"}',
    '{"maxCalls": "%2F"}',
    '{"maxCalls": "\\\\"}',
    '{"maxCalls": "!!"}',
    '{"maxCalls": "\u202e"}',
    "@file",
    "'",
    '"',
    "null",
    "[1, 2",
    '{"a": 1, "a": 2}',
    '{"maxCalls": 1.0}',
    "\t\r\n{}",
    "\u00e9",
    "<x>&amp;",
]


def url_of(simulator: Simulator, path: str = "") -> str:
    return f"{simulator.url}/_simulator/{path}"


def called(simulator: Simulator, path: str = CAPACITIES, method: str = "GET", **options: object) -> str:
    """Make a call, and return its id."""
    response = httpx.request(method, f"{simulator.url}/api/v1/{path}", **options)  # type: ignore[arg-type]
    return response.headers["X-Simulator-Request-Id"]


def opened(page: Page, simulator: Simulator, path: str) -> None:
    """Open a page, and wait until it hears of changes."""
    page.goto(url_of(simulator, path))
    page.locator("#live[data-state=live]").wait_for()


def test_the_name_that_was_meant_leads_to_the_right_group(simulator: Simulator, page: Page) -> None:
    request_id = called(simulator, CAPACITIES.replace("foogroup", "fogroup"))
    page.goto(url_of(simulator, f"requests/{request_id}"))
    assert "G-9" in page.locator(".explanation").inner_text()
    assert "vendor" in page.locator(".explanation").inner_text()
    page.get_by_role("link", name="Did you mean 'foogroup'?").click()
    page.wait_for_url("**/world/foo/foogroup")


def copied(page: Page, label: str) -> str:
    page.get_by_role("button", name=label).click()
    text: str = page.evaluate("navigator.clipboard.readText()")
    return text


@pytest.fixture
def copying(new_context: NewContext) -> Page:
    """A page that may use the clipboard."""
    return new_context(permissions=["clipboard-read", "clipboard-write"]).new_page()


def answers_of(commands: list[str]) -> list[tuple[int, bytes]]:
    """Run commands with curl, and return status and body of each answer."""
    curl = "curl -s -w '\\n%{http_code}\\n--- next ---\\n' "
    script = "\n".join(command.replace("curl ", curl, 1) for command in commands)
    # One process for many commands, because it takes its time to start.
    script = script.replace(f"\n{curl}", curl.replace("curl", " --next", 1))
    output = subprocess.run(["bash"], input=script.encode(), capture_output=True, check=True).stdout
    answers = [answer.rpartition(b"\n") for answer in output.split(b"\n--- next ---\n")[:-1]]
    return [(int(status), body) for body, _, status in answers]


def test_a_copied_curl_gets_the_same_answer_for_odd_bodies(simulator: Simulator, copying: Page) -> None:
    old, commands = [], []
    for body in BODIES:
        address = f"{simulator.url}/api/v1/{CAPACITIES}Reception/"
        answer = httpx.put(address, content=body.encode(), headers={"Content-Type": "application/json"})
        copying.goto(url_of(simulator, f"requests/{answer.headers['X-Simulator-Request-Id']}"))
        old.append((answer.status_code, answer.content))
        commands.append(copied(copying, "Copy as curl"))
    assert answers_of(commands) == old


def test_a_copied_curl_gets_the_same_answer_for_the_error_catalogue(simulator: Simulator) -> None:
    old, commands = [], []
    with httpx.Client(base_url=simulator.url) as client:
        for recipe in (each.recipe for each in load_refusals()):
            # The others need other settings, or are about the control interface or about what is no HTTP request.
            if recipe.settings or not recipe.path.startswith("/api/") or recipe.method == "HEAD":
                continue
            answer = client.request(recipe.method, recipe.path, headers=dict(recipe.headers), content=recipe.body)
            entry = client.get(f"/_simulator/requests/{answer.headers['X-Simulator-Request-Id']}").json()
            # The page shows this text; another test compares them.
            if entry["replay"]["replayable"] and "credentials" not in entry["replay"]:
                old.append((answer.status_code, answer.content))
                commands.append(entry["replay"]["command"])
    assert len(commands) > 300
    assert answers_of(commands) == old


def test_the_status_of_a_call_is_visible_on_a_narrow_page(simulator: Simulator, page: Page) -> None:
    called(simulator)
    page.set_viewport_size({"width": 320, "height": 800})
    page.goto(url_of(simulator, "requests"))
    box = page.locator("[data-row] .code").bounding_box()
    assert box is not None
    assert box["x"] + box["width"] < 320


def test_a_fault_from_a_call_hits_exactly_the_next_such_call(simulator: Simulator, page: Page) -> None:
    opened(page, simulator, f"requests/{called(simulator)}")
    page.keyboard.press("f")
    page.locator("#fault select[name=status]").select_option("503")
    page.get_by_role("button", name="Make the fault").click()
    page.locator("#fault").wait_for(state="hidden")
    others = CAPACITIES.replace("foogroup", "bargroup")
    statuses = [httpx.get(f"{simulator.url}/api/v1/{path}").status_code for path in (others, CAPACITIES, CAPACITIES)]
    assert statuses == [404, 503, 200]
    page.goto(url_of(simulator, "requests?status=503"))
    assert page.locator("[data-row]").filter(has_text="fault 1").count() == 1


def test_a_replay_shows_both_answers_and_leads_to_the_new_call(
    simulator: Simulator, page: Page, complaints: list[str]
) -> None:
    address = f"{CAPACITIES}Reception/"
    request_id = called(simulator, address)
    httpx.put(f"{simulator.url}/api/v1/{address}", json={"maxCalls": 9})
    opened(page, simulator, f"requests/{request_id}")
    page.keyboard.press("r")
    page.locator("#replayed h2").wait_for()
    assert [each.strip() for each in page.locator("#replayed del").all_inner_texts()] == ['-   "maxCalls": 7,']
    assert [each.strip() for each in page.locator("#replayed ins").all_inner_texts()] == ['+   "maxCalls": 9,']
    assert (
        "the same status, and 2 different lines (- only before, + only now)" in page.locator("#replayed").inner_text()
    )
    page.locator("select[name=token]").select_option(label="foouser")
    page.get_by_role("button", name="Replay", exact=True).click()
    page.get_by_text("status 403 instead of 200").wait_for()
    page.get_by_role("link", name="Open the new call").click()
    page.wait_for_url(re.compile(f"requests/(?!{request_id}$)"))
    assert page.locator("dl.facts").filter(has_text="Account").inner_text().endswith("foouser")
    assert "403 (FORBIDDEN)" in "".join(complaints).upper()
    complaints.clear()


@pytest.mark.parametrize("missing", ["id", "page"])
def test_a_replay_shows_the_answer_also_if_its_call_cannot_be_shown(
    simulator: Simulator, page: Page, complaints: list[str], missing: str
) -> None:
    address = f"{CAPACITIES}Reception/"
    opened(page, simulator, f"requests/{called(simulator, address)}")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    if missing == "id":
        page.route(f"**/api/v1/{address}", lambda route: route.fulfill(status=503, body="full"))
    else:
        page.route("**/_simulator/requests/*", lambda route: route.abort())
    page.get_by_role("button", name="Replay", exact=True).click()
    page.locator("#replayed h2").wait_for()
    assert ("status 503 instead of 200" in page.locator("#replayed").inner_text()) == (missing == "id")
    assert page.get_by_role("link", name="Open the new call").count() == 0
    assert not [url for url in asked if url.endswith("/null")]
    complaints.clear()


def test_a_call_can_be_edited_before_it_is_sent_again(simulator: Simulator, page: Page, complaints: list[str]) -> None:
    request_id = called(simulator, f"{CAPACITIES}Reception/", "PUT", json={"maxCalls": -1})
    opened(page, simulator, f"requests/{request_id}")
    page.get_by_role("button", name="Edit and send").click()
    page.get_by_label("Body").fill(json.dumps({"maxCalls": 8}))
    page.get_by_role("button", name="Send", exact=True).click()
    page.get_by_text("status 200 instead of 400").wait_for()
    assert httpx.get(f"{simulator.url}/api/v1/{CAPACITIES}Reception/").json()["maxCalls"] == 8
    assert complaints == []


def test_filters_are_in_the_address_and_hold_everywhere(
    simulator: Simulator, page: Page, new_context: NewContext
) -> None:
    called(simulator)
    wanted = called(simulator, f"{CAPACITIES}Reception/", "PUT", json={"maxCalls": -1})
    opened(page, simulator, "requests")
    page.get_by_label("Status").select_option("4xx")
    page.get_by_label("Method").select_option("PUT")
    page.get_by_role("button", name="Filter").click()
    page.wait_for_url("**/requests?*")
    assert urlsplit(page.url).query == "status=4xx&method=PUT"

    def shown(where: Page) -> list[str | None]:
        return [row.get_attribute("id") for row in where.locator("[data-row]").all()]

    assert shown(page) == [f"call-{wanted}"]
    page.reload()
    assert shown(page) == [f"call-{wanted}"]
    page.go_back()
    page.locator("[data-row]").nth(1).wait_for()
    page.go_forward()
    other = new_context(java_script_enabled=False).new_page()
    other.goto(url_of(simulator, "requests?status=4xx&method=PUT"))
    assert shown(other) == [f"call-{wanted}"]
    command = other.locator("#same").inner_text()
    output = subprocess.run(["bash", "-c", command], capture_output=True, check=True).stdout
    assert [each["id"] for each in json.loads(output)["requests"]] == [wanted]


def test_hostile_text_is_shown_and_does_nothing(simulator: Simulator, page: Page) -> None:
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    name = HOSTILE.replace("/", "")
    request_id = called(
        simulator,
        f"tenants/{name}\u202e/x/",
        "PUT",
        params={"q": HOSTILE},
        headers={"X-Mine": HOSTILE},
        json={"a": HOSTILE},
    )
    for path in ("requests", f"requests/{request_id}"):
        opened(page, simulator, path)
        assert f"{name}\\u202e" in page.locator("main").inner_text()
    page.locator("#request-headers summary").click()
    assert HOSTILE in page.locator("#request-headers").inner_text()
    assert dialogs == []
