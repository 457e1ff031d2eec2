"""The pages of the console, each in the states that its tests look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from simulator import Simulator
from tests.conftest import CAPACITIES

if TYPE_CHECKING:
    from playwright.sync_api import Page


def nothing(_: object) -> None:
    """Leave things as they are."""


def calls(simulator: Simulator) -> None:
    """Call the API as a front end would: reads, a change, refusals, a fault, and a login."""
    sandbox = simulator.default
    sandbox.snapshot("before")
    with httpx.Client(base_url=f"{sandbox.url}/api/v1/") as client:
        client.post("login/", json={"username": "groupadmin", "password": "secret"})
        client.cookies.clear()
        client.get(CAPACITIES)
        client.get(CAPACITIES.replace("foogroup", "fogroup"))
        name = client.get(CAPACITIES).json()["call_capacities"][0]["name"]
        client.put(f"{CAPACITIES}{name}/", json={"maxCalls": 9})
        client.put(f"{CAPACITIES}{name}/", json={"maxCalls": -1, "maxIncomingCalls": "<script>alert(1)</script>"})
        client.get("tenants/demo/groups/brussels/services/call_capacities/")
        sandbox.fault(operationId="listCallCapacities", status=503, times=2)
        client.get(CAPACITIES)
    simulator.sandbox("test-1")


def edit_capacities(page: Page) -> None:
    """Open the dialog that edits the call capacities of a group."""
    page.get_by_role("button", name="Edit call capacities").click()
    page.locator("#edit[open]").wait_for()


def open_the_first(page: Page) -> None:
    """Open the first refusal of a list of errors."""
    page.locator("#errors summary").first.click()
    page.locator("#errors .actions").wait_for()


@dataclass(frozen=True)
class Shown:
    """A page in one state."""

    name: str
    """The name of its tests and pictures."""
    path: str
    """The address below `/_simulator/`."""
    given: Callable[[Simulator], None] = nothing
    """What happens before the page is opened, such as `calls`."""
    then: Callable[[Page], None] = nothing
    """What is done in the page before anything looks at it, such as opening a dialog."""
    ready: str = "main"
    """A CSS selector of something that is visible as soon as the page is complete."""
    without: str | None = None
    """A CSS selector of the part that axe leaves out."""

    def open(self, page: Page, simulator: Simulator) -> None:
        """Show it in a browser's page."""
        self.given(simulator)
        page.goto(f"{simulator.url}/_simulator/{self.path}")
        page.locator(self.ready).first.wait_for()
        self.then(page)


def open_all(page: Page) -> None:
    """Open what is folded."""
    page.evaluate("document.querySelectorAll('main details').forEach(each => { each.open = true })")


def newest_refusal(page: Page) -> None:
    """Open the newest call that was refused for its body."""
    page.locator("[data-row]", has_text="PUT").first.get_by_role("link").first.click()
    page.locator("#request-body").wait_for()


def replayed(page: Page) -> None:
    """Open that call, edit it, and send it again."""
    newest_refusal(page)
    page.get_by_role("button", name="Edit and send").click()
    page.get_by_label("Body").fill('{"maxCalls": 9}')
    page.get_by_role("button", name="Send", exact=True).click()
    page.locator("#replayed h2").wait_for()


def fault_dialog(page: Page) -> None:
    """Open the dialog that makes a fault from that call."""
    newest_refusal(page)
    page.get_by_role("button", name="Make a fault from this call").click()


PAGES = [
    Shown("overview-empty", "", then=open_all),
    Shown("overview", "", calls),
    Shown("changes-empty", "diff"),
    Shown("changes", "diff", calls, open_all),
    Shown("snapshots-empty", "snapshots"),
    Shown("snapshots", "snapshots", calls),
    Shown("sandboxes", "sandboxes", calls),
    Shown("faults-empty", "faults"),
    Shown("faults", "faults", calls, open_all),
    Shown("calls-empty", "requests"),
    Shown("calls", "requests", calls),
    Shown("call", "requests?status=400", calls, newest_refusal),
    Shown("call-replayed", "requests?status=400", calls, replayed),
    Shown("call-fault", "requests?status=400", calls, fault_dialog),
    # The entries of all operations are alike, and axe would need half a minute for them.
    Shown("errors", "errors?operationId=login"),
    Shown("world", "world"),
    Shown("group", "world/demo/brussels"),
    Shown("edit", "world/demo/brussels", then=edit_capacities),
    Shown("executive", "world/demo/brussels/sophie.janssens@demo.netaxis.be"),
    Shown("assistant", "world/demo/brussels/an.vermeulen@demo.netaxis.be"),
    Shown("accounts", "accounts"),
    Shown("errors-open", "errors?operationId=updateScreening", then=open_the_first),
    # Of many rows that are alike, axe looks at the first.
    Shown("coverage-empty", "coverage", without="tr:nth-child(n + 9)"),
    Shown("coverage", "coverage", calls, without="tr:nth-child(n + 9)"),
    Shown("coverage-of-all", "coverage?sandbox=*", calls, without="tr:nth-child(n + 9)"),
    Shown("rules", "rules", calls, without=".rule:nth-child(n + 20)"),
    # Swagger UI renders the contract. Its markup is not ours.
    Shown("docs", "docs", ready=".opblock", without="#documentation"),
    Shown("control-docs", "control-docs", ready=".opblock", without="#documentation"),
]
README_PICTURE = Shown("console", "", calls)
"""What the picture in the README shows."""
