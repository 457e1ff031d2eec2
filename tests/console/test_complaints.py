"""The tests of the pages see what the browser complains about, and what axe finds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from simulator import Simulator
from tests.conftest import wait_until
from tests.console.conftest import Axe

if TYPE_CHECKING:
    from playwright.sync_api import Page

POLICY = "default-src 'none'; script-src 'self'; style-src 'self'"
ACCESSIBLE = "<html lang=en><title>Calls</title><main><h1>Calls</h1>{}</main></html>"


def show(page: Page, simulator: Simulator, content: str, policy: str = "") -> None:
    """Show content in place of one of the simulator's pages."""
    address = f"{simulator.url}/_simulator/coverage"
    headers = {"Content-Type": "text/html", "Content-Security-Policy": policy}
    page.route(address, lambda route: route.fulfill(body=content, headers=headers))
    page.goto(address)


def taken(page: Page, complaints: list[str]) -> str:
    """Wait for complaints, and take them, so that the test does not fail."""

    def complained() -> bool:
        page.wait_for_timeout(10)
        return bool(complaints)

    wait_until(complained)
    taken = "\n".join(complaints)
    complaints.clear()
    return taken


@pytest.mark.parametrize(
    "content",
    [
        "<script>alert(1)</script>",
        "<p style='color: red'>",
        "<p onclick='alert(1)'>",
        "<img src='https://example.com'>",
    ],
)
def test_a_violation_of_the_policy_is_a_complaint(
    content: str, simulator: Simulator, page: Page, complaints: list[str]
) -> None:
    show(page, simulator, content, POLICY)
    assert "violates the following Content Security Policy directive" in taken(page, complaints)


def test_an_exception_in_a_page_is_a_complaint(simulator: Simulator, page: Page, complaints: list[str]) -> None:
    show(page, simulator, "<script>setTimeout(() => missing())</script>")
    assert "missing is not defined" in taken(page, complaints)


def test_a_missing_file_is_a_complaint(simulator: Simulator, page: Page, complaints: list[str]) -> None:
    show(page, simulator, "<img src='missing.png'>")
    assert re.search(r"status of 404 .* \(http://.*/_simulator/missing.png\)", taken(page, complaints))


def test_a_request_to_another_host_is_a_complaint_and_reaches_nobody(
    simulator: Simulator, page: Page, complaints: list[str]
) -> None:
    address = "http://93.184.215.14/icon.png"
    with page.expect_event("requestfailed") as failed:
        show(page, simulator, f"<img src='{address}'>")
    assert failed.value.failure == "net::ERR_NAME_NOT_RESOLVED"
    assert f"request to another host: {address}" in taken(page, complaints)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("<style>@media (prefers-color-scheme: light) { p { color: #999 } }</style><p>No", "color-contrast in light"),
        ("<style>@media (prefers-color-scheme: dark) { p { color: #999 } }</style><p>No", "color-contrast in dark"),
        ("<img src='data:,'>", "image-alt in light"),
        ("<button style='width: 10px; height: 10px; padding: 0'>a</button>" * 2, "target-size in light"),
        ("<h4>Too deep</h4>", "heading-order in light"),
    ],
)
def test_axe_finds_what_is_not_accessible(
    content: str, problem: str, simulator: Simulator, page: Page, axe: Axe
) -> None:
    show(page, simulator, ACCESSIBLE.format(content))
    with pytest.raises(AssertionError, match=problem):
        axe(page)


def test_axe_works_under_a_strict_policy(simulator: Simulator, page: Page, axe: Axe) -> None:
    show(page, simulator, ACCESSIBLE.format(""), POLICY)
    axe(page)
