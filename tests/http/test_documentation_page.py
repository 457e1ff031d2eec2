"""The documentation page in a real browser: an operation is tried out as a reader would do it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from queue import Queue
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from simulator.app import Simulation
from simulator.state.world import World
from tests.conftest import served, wait_until

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
PLACE = "Executive/listAvailableAssistants"
# Chromium has no option for a click. So a script in the page clicks, and reports what the page shows.
CLICK = """<script>
  setInterval(() => {
    document.querySelector("#operations-Executive-listAvailableAssistants button.execute")?.click()
    fetch("/shown", {method: "POST", body: document.body.innerText})
  }, 500)
</script></body>"""


class Clicking:
    """The application, with a documentation page that executes the operation in its address."""

    def __init__(self, application: WSGIApplication) -> None:
        self.application = application
        self.shown: Queue[str] = Queue()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/shown":
            self.shown.put(environ["wsgi.input"].read().decode())
            start_response("204 NO CONTENT", [])
            return []
        if not environ["PATH_INFO"].endswith("/_simulator/docs"):
            return self.application(environ, start_response)
        parts = iter(self.application(environ, lambda *_: lambda _: None))
        page = b"".join(parts).replace(b"</body>", CLICK.encode())
        start_response("200 OK", [("Content-Type", "text/html"), ("Content-Length", str(len(page)))])
        return [page]


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.rule("EX-3")
def test_a_get_with_a_body_is_tried_out_with_its_query_parameter(
    simulation: Simulation, world: World, tmp_path: Path
) -> None:
    clicking = Clicking(simulation.app(world).wsgi_app)
    # With a debugging port, Chromium stays open until the answer is shown.
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--remote-debugging-port=0",
        f"--user-data-dir={tmp_path}",
    ]
    shown: list[str] = []
    calls: list[Any] = []

    def is_clicked_twice() -> bool:
        shown.append(clicking.shown.get(timeout=100))
        calls[:] = httpx.get(f"{server.url}/_simulator/requests").json()["requests"]
        return len(calls) >= 2

    with served(clicking) as server:
        command = [str(CHROMIUM), *options, f"{server.url}/_simulator/docs#/{PLACE}"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
            try:
                wait_until(is_clicked_twice, seconds=100)
            finally:
                browser.terminate()
    assert not any("Failed to execute" in text for text in shown)
    for call in calls:
        assert (call["operationId"], call["query"], call["status"]) == (PLACE.split("/")[1], "sameGroupOnly=true", 200)
        assert "body" not in call["request"]
    assert "Request body" not in shown[-1]
