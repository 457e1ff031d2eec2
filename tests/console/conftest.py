"""What the tests of the pages share: one Chromium for all, a simulator and a fresh browser context for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import pytest

from simulator import Simulator
from tests.conftest import CHROMIUM

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request

RULES: dict[Literal["dark", "light"], dict[str, Any]] = {
    # The other rules find in dark what they find in light.
    "dark": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]},
    "light": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]},
}
"""The rules of axe-core that a page must follow: all, and again those on colours."""
LOOPBACK = {"127.0.0.1", "localhost"}

NewContext = Callable[..., "BrowserContext"]
Axe = Callable[..., None]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option to take pictures of the pages."""
    parser.addoption(
        "--pictures",
        metavar="FOLDER",
        type=Path,
        help="take pictures of the console's pages, and put them into this folder",
    )


class WithoutPlaywright(pytest.Module):
    """A module of tests that cannot be imported here."""

    def collect(self) -> list[pytest.Item]:
        """Skip all tests of the module."""
        pytest.skip("needs the extra `console`; `make console-test` installs it", allow_module_level=True)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Skip the tests with a word if the packages that they import are not installed."""
    if find_spec("playwright") and find_spec("axe_playwright_python"):
        return None
    module: pytest.Module = WithoutPlaywright.from_parent(parent, path=module_path)
    return module


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A Chromium that reaches this machine only, as if the network was off."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium in the PATH, or its path in the environment variable CHROMIUM")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=10_000)
    excluded = ", ".join(f"EXCLUDE {host}" for host in sorted(LOOPBACK))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--disable-gpu", f"--host-resolver-rules=MAP * ~NOTFOUND, {excluded}"],
        )
        yield browser
        browser.close()


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """Errors in the console, exceptions, violations of the policy (CSP), and requests to other hosts.

    The test fails if there are any at its end. A test that provokes some compares the list, and then clears it.
    """
    found: list[str] = []
    yield found
    assert found == []


@pytest.fixture
def new_context(browser: Browser, complaints: list[str], simulator: Simulator) -> Iterator[NewContext]:
    """Makes browser contexts with Playwright's options: each has its own storage, as another browser would.

    What their pages complain about is in `complaints`. They prefer reduced motion, so that nothing moves while a test
    looks at it. They are closed at the end of the test, before the simulator stops: a page would complain about that.
    """
    contexts: list[BrowserContext] = []

    def make(**options: Any) -> BrowserContext:
        context = browser.new_context(**{"reduced_motion": "reduce", **options})
        for event, listener in listeners(complaints).items():
            context.on(event, listener)  # type: ignore[call-overload,unused-ignore]
        contexts.append(context)
        return context

    yield make
    for context in contexts:
        context.close()


def listeners(complaints: list[str]) -> dict[str, Callable[[Any], None]]:
    """Return what must listen to a browser context, by event, so that its complaints are added to the list."""

    def on_console(message: ConsoleMessage) -> None:
        # The browser also reports a violation of the policy here.
        if message.type == "error":
            complaints.append(f"{message.text} ({message.location['url']})")

    def on_request(request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in ("data", "blob") and address.hostname not in LOOPBACK:
            complaints.append(f"request to another host: {request.url}")

    return {"console": on_console, "weberror": lambda e: complaints.append(f"{e.error}"), "request": on_request}


@pytest.fixture
def page(new_context: NewContext) -> Page:
    """An empty page in a fresh context."""
    return new_context().new_page()


@pytest.fixture(scope="session")
def kept_page(browser: Browser) -> Iterator[Page]:
    """The page that `used_page` uses again and again."""
    with browser.new_context(reduced_motion="reduce") as context:
        yield context.new_page()


@pytest.fixture
def used_page(kept_page: Page, complaints: list[str], simulator: Simulator) -> Iterator[Page]:
    """The same page as in other tests, for tests that only look: a fresh one takes as much time as showing it.

    Each simulator has its own port, so what a page stores is not found by others.
    """
    kept_page.emulate_media(color_scheme="light")
    kept_page.set_viewport_size({"width": 1280, "height": 720})
    heard = listeners(complaints)
    for event, listener in heard.items():
        kept_page.context.on(event, listener)  # type: ignore[call-overload,unused-ignore]
    yield kept_page
    # The page leaves before the simulator stops: it would complain about that.
    kept_page.goto("about:blank")
    for event, listener in heard.items():
        kept_page.context.remove_listener(event, listener)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A fresh simulator with the default fixture. Tests that stop it, or give it options, start their own."""
    with Simulator() as simulator:
        yield simulator


@pytest.fixture(scope="session")
def axe() -> Axe:
    """Asserts that axe-core finds nothing in a page, neither in light nor in dark.

    The second argument is a CSS selector of what axe shall leave out.
    """

    from axe_playwright_python.base import AXE_SCRIPT

    def assert_accessible(page: Page, without: str | None = None) -> None:
        context = {"include": [["html"]], "exclude": [[without]] if without else []}
        # The script is large. The page keeps it for both colour schemes.
        page.evaluate(AXE_SCRIPT)
        for scheme, rules in RULES.items():
            page.emulate_media(color_scheme=scheme)
            options = {"runOnly": rules, "resultTypes": ["violations"]}
            found = page.evaluate("async how => (await axe.run(...how)).violations", [context, options])
            problems = [
                f"{violation['id']} in {scheme}: {node['html']}\n{node['failureSummary']}"
                for violation in found
                for node in violation["nodes"]
            ]
            assert not problems, f"axe finds {len(problems)} problems, first:\n" + "\n".join(problems[:5])

    return assert_accessible
