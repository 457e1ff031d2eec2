"""The documentation page in a real browser, which tries an operation out as a reader would."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from simulator.app import Simulation
from simulator.server import Server
from simulator.state.world import World

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
PLACE = "Executive/listAvailableAssistants"
# Chromium has no option for a click, so the page that it is given brings the click along.
CLICK = """<script>
  const timer = setInterval(() => {
    const execute = document.querySelector("#operations-Executive-listAvailableAssistants button.execute")
    if (execute) { clearInterval(timer); execute.click() }
  }, 200)
</script></body>"""


class Clicking:
    """The application with a documentation page that executes the operation it is opened at."""

    def __init__(self, application: WSGIApplication) -> None:
        self.application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if not environ["PATH_INFO"].endswith("/_simulator/docs"):
            return self.application(environ, start_response)
        parts = iter(self.application(environ, lambda *_: lambda _: None))
        page = b"".join(parts).replace(b"</body>", CLICK.encode())
        start_response("200 OK", [("Content-Type", "text/html"), ("Content-Length", str(len(page)))])
        return [page]


@pytest.fixture
def clicking(simulation: Simulation, world: World) -> Iterator[str]:
    server = Server(Clicking(simulation.app(world)))
    server.start()
    yield server.url
    server.stop()


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.rule("EX-3")
def test_a_get_with_a_body_is_tried_out_with_its_query_parameter(clicking: str, tmp_path: Path) -> None:
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}"]
    options += ["--virtual-time-budget=30000", "--dump-dom", f"{clicking}/_simulator/docs#/{PLACE}"]
    done = subprocess.run([str(CHROMIUM), *options], capture_output=True, text=True, timeout=120)
    shown = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", done.stdout))
    assert "Failed to execute" not in shown
    (call,) = httpx.get(f"{clicking}/_simulator/requests").json()["requests"]
    assert (call["operationId"], call["query"], call["status"]) == (PLACE.split("/")[1], "sameGroupOnly=true", 200)
    assert "body" not in call["request"]
    assert "Request body" not in shown
