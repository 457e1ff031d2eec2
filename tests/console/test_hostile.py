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


@pytest.mark.parametrize("kind", HOSTILE)
def test_in_a_call_it_is_text(page: Page, simulator: Simulator, dialogs: list[str], kind: str) -> None:
    hostile = HOSTILE[kind]
    url = f"{simulator.url}/api/v1/{CAPACITIES}"
    # A header cannot have control characters, and Latin-1 is all that this client sends.
    header = "".join(each for each in hostile if each.isprintable() and each < "\xff")
    made = httpx.put(
        f"{url}{quote(hostile.replace('/', '|'), safe='')}/?{quote(hostile, safe='')}=1",
        json={"name": hostile, hostile: hostile},
        headers={"X-Hostile": header},
    ).headers["X-Simulator-Request-Id"]
    for path in ("", "requests", f"requests?text={quote(hostile, safe='')}", f"requests/{made}", "coverage"):
        page.goto(f"{simulator.url}/_simulator/{path}")
        page.wait_for_function("() => document.querySelector('#live').dataset.state === 'live'")
    page.goto(f"{simulator.url}/_simulator/requests/{made}")
    for details in page.locator("main details").all():
        details.evaluate("each => { each.open = true }")
    text = page.inner_text("main")
    shown = VISIBLE.get(kind, hostile)
    # In a body it is a JSON string.
    assert shown in text or shown.replace('"', '\\"') in text
    assert dialogs == []
    assert page.locator("main img, main script, main svg").count() == 0


# A name in the state cannot have control characters.
@pytest.mark.parametrize("hostile", [each for each in HOSTILE.values() if each.isprintable()])
def test_in_a_state_it_is_text(page: Page, simulator: Simulator, dialogs: list[str], hostile: str) -> None:
    sandbox = simulator.default
    state = sandbox.state
    user = {"userId": "mallory@sip.netaxis.be", "firstName": hostile, "lastName": hostile, "services": []}
    tenant = next(each for each in state["tenants"] if state["tenants"][each]["groups"])
    group = next(iter(state["tenants"][tenant]["groups"]))
    sandbox.patch({"tenants": {tenant: {"groups": {group: {"users": {user.pop("userId"): user}}}}}})
    sandbox.fault(operationId="listCallCapacities", status=503, body={hostile: hostile}, groupId=hostile)
    for path in PAGES:
        page.goto(f"{simulator.url}/_simulator/{path.format(tenant=tenant, group=group)}")
        page.wait_for_function("() => document.querySelector('#live').dataset.state === 'live'")
        assert page.locator("main img, main script, main svg").count() == 0, path
    page.goto(f"{simulator.url}/_simulator/world/{tenant}/{group}?q={quote('mallory')}")
    assert hostile in page.inner_text("main")
    assert dialogs == []
