"""A page in a real browser logs in: under the simulator's host name it keeps its session, under another it loses it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from queue import Queue
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from simulator.app import Simulation
from simulator.state.world import World
from tests.conftest import CHROMIUM, browsing, served

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

PAGE = """<!doctype html><script type="module">
  const seen = {};
  for (const host of ["localhost", "127.0.0.1"]) {
    const api = `http://${host}:%d/_sandboxes/${host}/api/v1/`;
    const login = await fetch(api + "login/", {
      method: "POST",
      credentials: "include",
      headers: {"Content-Type": "application/json"},
      body: JSON.stringify({username: "groupadmin", password: "secret"}),
    });
    const path = "tenants/demo/groups/brussels/services/call_capacities/";
    const call = await fetch(api + path, {credentials: "include"});
    seen[host] = {warning: login.headers.get("X-Simulator-Warning"), status: call.status};
  }
  await fetch("/seen", {method: "POST", body: JSON.stringify(seen)});
</script>"""


class Pages:
    """Serves the page, and takes what the page has seen."""

    def __init__(self, port: int) -> None:
        self.page = (PAGE % port).encode()
        self.seen: Queue[Any] = Queue()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/seen":
            self.seen.put(json.loads(environ["wsgi.input"].read()))
        start_response("200 OK", [("Content-Type", "text/html"), ("Content-Length", str(len(self.page)))])
        return [self.page]


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.rule("A-8")
def test_a_page_keeps_its_session_only_under_the_same_host_name_and_is_warned_otherwise(
    simulation: Simulation, world: World, tmp_path: Path
) -> None:
    with served(simulation.app(world)) as server:
        pages = Pages(server.port)
        with served(pages) as site, browsing(f"http://localhost:{site.port}/", tmp_path):
            seen = pages.seen.get(timeout=100)
        explained = {}
        for host in seen:
            requests = httpx.get(f"{server.url}/_sandboxes/{host}/_simulator/requests").json()["requests"]
            explained[host] = ["no session arrived" in each.get("explanation", "") for each in requests][-1]
    assert seen["localhost"] == {"warning": None, "status": 403}
    assert seen["127.0.0.1"]["status"] == 200
    assert "different sites" in seen["127.0.0.1"]["warning"]
    assert explained == {"localhost": False, "127.0.0.1": True}
