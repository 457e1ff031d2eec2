"""Pages in a real browser: an operation is tried out as a reader would do it, and looking changes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from queue import Queue
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from simulator.app import Simulation
from simulator.state.world import World
from tests.conftest import CAPACITIES, CHROMIUM, browsing, served, wait_until

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
PLACE = "Executive/listAvailableAssistants"
# Chromium has no option for a click. So a script in the page clicks, and reports what the page shows. If it clicks
# before the parameters are there, the click is lost, and Swagger UI then waits for ever.
CLICK = """<script>
  setInterval(() => {
    const operation = document.querySelector("#operations-Executive-listAvailableAssistants")
    if (operation?.querySelector(".parameters input")) operation.querySelector("button.execute")?.click()
    fetch("/shown", {method: "POST", body: document.body.innerText})
  }, 500)
</script></body>"""


class Scripted:
    """The application, with a script in one of its pages. Keeps what is asked for, and what the script reports."""

    def __init__(self, application: WSGIApplication, page: str, script: str) -> None:
        self.application = application
        self.page = page
        self.script = script
        self.asked: list[str] = []
        self.shown: Queue[str] = Queue()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        self.asked.append(path)
        if path == "/shown":
            self.shown.put(environ["wsgi.input"].read().decode())
            start_response("204 NO CONTENT", [])
            return []
        if path != self.page:
            return self.application(environ, start_response)
        parts = iter(self.application(environ, lambda *_: lambda _: None))
        page = b"".join(parts).replace(b"</body>", self.script.encode())
        start_response("200 OK", [("Content-Type", "text/html"), ("Content-Length", str(len(page)))])
        return [page]


@needs_chromium
@pytest.mark.rule("EX-3")
def test_a_get_with_a_body_is_tried_out_with_its_query_parameter(
    simulation: Simulation, world: World, tmp_path: Path
) -> None:
    clicking = Scripted(simulation.app(world).wsgi_app, "/_simulator/docs", CLICK)
    shown: list[str] = []
    calls: list[Any] = []

    def is_clicked_twice() -> bool:
        shown.append(clicking.shown.get(timeout=100))
        calls[:] = httpx.get(f"{server.url}/_simulator/requests").json()["requests"]
        return len(calls) >= 2

    with served(clicking) as server, browsing(f"{server.url}/_simulator/docs#/{PLACE}", tmp_path):
        wait_until(is_clicked_twice, seconds=100)
    assert not any("Failed to execute" in text for text in shown)
    for call in calls:
        assert (call["operationId"], call["query"], call["status"]) == (PLACE.split("/")[1], "sameGroupOnly=true", 200)
        assert "body" not in call["request"]
    assert "Request body" not in shown[-1]


# For JSON, which brings no icon, a browser asks for one. A browser without windows does not, so the script asks.
GO_ON = """<script>
  addEventListener("load", () => setTimeout(async () => {
    await fetch("/_simulator/health")
    await fetch("/favicon.ico")
  }, 500))
</script></body>"""


@needs_chromium
@pytest.mark.rule("S-8")
@pytest.mark.parametrize("page", ["/_simulator/coverage", "/_simulator/docs"])
def test_looking_at_a_page_changes_neither_coverage_nor_journal(
    simulation: Simulation, world: World, tmp_path: Path, page: str
) -> None:
    looking = Scripted(simulation.app(world).wsgi_app, page, GO_ON)
    with served(looking) as server:
        httpx.get(f"{server.url}/api/v1/{CAPACITIES}")
        before = httpx.get(f"{server.url}/_simulator/coverage").json()
        looking.asked.clear()
        with browsing(f"{server.url}{page}", tmp_path):
            wait_until(lambda: "/favicon.ico" in looking.asked, seconds=100)
        assert looking.asked.index("/favicon.ico") > looking.asked.index("/_simulator/health")
        assert httpx.get(f"{server.url}/_simulator/coverage").json() == before
        assert httpx.get(f"{server.url}/_simulator/requests").json()["total"] == 1
