"""What clients send is text on every page: shown as it is, never run."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx
import pytest

from simulator import Simulator
from tests.conftest import CAPACITIES

if TYPE_CHECKING:
    from playwright.sync_api import Dialog, Page

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "attribute": "\"'><img src=x onerror=alert(1)>",
    "address": "javascript:alert(1)",
    "textarea": "</textarea></pre></style><svg onload=alert(1)>",
    "template": "{{ 7 * 7 }}{% raise %}",
    "from right to left": "a\u202egpj.exe\u2066b",
    "control characters": "a\x00b\x1b[31mc\x7f",
}
VISIBLE = {"from right to left": "a\\u202egpj.exe\\u2066b", "control characters": "a\\x00b\\x1b[31mc\\x7f"}
PAGES = ("", "requests", "world", "world/{tenant}/{group}", "accounts", "diff", "snapshots", "faults", "coverage")


@pytest.fixture
def dialogs(page: Page) -> list[str]:
    """The dialogs that pages have opened. Without a listener, the browser would close them by itself."""
    found: list[str] = []

    def note(dialog: Dialog) -> None:
        found.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", note)
    return found


def test_in_calls_it_is_text(page: Page, simulator: Simulator, dialogs: list[str]) -> None:
    made = {}
    for kind, hostile in HOSTILE.items():
        # A header cannot have control characters, and Latin-1 is all that this client sends.
        header = "".join(each for each in hostile if each.isprintable() and each < "\xff")
        name, query = quote(hostile.replace("/", "|"), safe=""), quote(hostile, safe="")
        made[kind] = httpx.put(
            f"{simulator.url}/api/v1/{CAPACITIES}{name}/?{query}=1",
            json={"name": hostile, hostile: hostile},
            headers={"X-Hostile": header},
        ).headers["X-Simulator-Request-Id"]
    filters = [f"requests?text={quote(hostile, safe='')}" for hostile in HOSTILE.values()]
    for path in ("", "requests", *filters, "coverage"):
        is_harmless(page, f"{simulator.url}/_simulator/{path}")
    for kind, hostile in HOSTILE.items():
        is_harmless(page, f"{simulator.url}/_simulator/requests/{made[kind]}")
        page.evaluate("document.querySelectorAll('main details').forEach(each => { each.open = true })")
        text, shown = page.inner_text("main"), VISIBLE.get(kind, hostile)
        # In a body it is a JSON string.
        assert shown in text or shown.replace('"', '\\"') in text, kind
    assert dialogs == []


def test_in_a_state_it_is_text(page: Page, simulator: Simulator, dialogs: list[str]) -> None:
    sandbox = simulator.default
    tenant, tenants = next((name, each) for name, each in sandbox.state["tenants"].items() if each["groups"])
    group = next(iter(tenants["groups"]))
    # A name in the state cannot have control characters.
    names = [each for each in HOSTILE.values() if each.isprintable()]
    users = {f"mallory{n}@sip.netaxis.be": {"firstName": each, "lastName": each} for n, each in enumerate(names)}
    sandbox.patch({"tenants": {tenant: {"groups": {group: {"users": users}}}}})
    for each in names:
        sandbox.fault(operationId="listCallCapacities", status=503, body={each: each}, groupId=each)
    for path in PAGES:
        is_harmless(page, f"{simulator.url}/_simulator/{path.format(tenant=tenant, group=group)}")
    is_harmless(page, f"{simulator.url}/_simulator/world/{tenant}/{group}?q=mallory")
    text = page.inner_text("main")
    assert [each for each in names if each not in text] == []
    assert dialogs == []


def is_harmless(page: Page, address: str) -> None:
    """Show a page, and check that no text has become an element."""
    page.goto(address)
    page.wait_for_function("() => document.querySelector('#live').dataset.state === 'live'")
    assert page.locator("main img, main script, main svg").count() == 0, address
