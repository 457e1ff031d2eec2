"""With --sandboxes created, a sandbox that nobody created, or that is gone, is never replaced by a fresh one (G-17)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest

from simulator.app import Simulation, standard_simulation
from simulator.settings import Settings
from simulator.state.sandboxes import IN_USE_SECONDS
from simulator.state.world import World
from tests.conftest import CAPACITIES, Api, served

pytestmark = pytest.mark.rule("G-17")

RECEPTION = CAPACITIES + "Reception/"
BROWSER = {"Accept": "text/html,*/*;q=0.8"}
OF_THE_SERVER = {
    *("getHealth", "probeHealth", "listSandboxes", "createSandbox", "dropSandbox", "listRules", "listErrors"),
    *("getContract", "getContractText", "getControlContract", "getControlContractText", "getFixtureSchema"),
    *("getDocumentation", "getControlDocumentation"),
}
"""The operations of the control interface that are not about the sandbox in their path."""
CONTROL = standard_simulation().control_contract


@pytest.fixture(scope="module")
def strict(simulation: Simulation, world: World) -> Iterator[httpx.Client]:
    """A client of a server on which only created sandboxes exist."""
    settings = Settings(sandboxes="created")
    with served(simulation.app(world, settings)) as server, httpx.Client(base_url=server.url) as client:
        yield client


def reason(response: httpx.Response) -> str:
    """Return the reason of the refusal, which must be that of an unknown sandbox."""
    assert (response.status_code, response.headers["Content-Type"]) == (404, "application/json"), response.text
    (error,) = response.json()["errors"]
    assert (error["code"], error["message"], error["details"]["rule"]) == (40404, "Unknown sandbox", "G-17")
    return str(error["details"]["reason"])


def names(client: httpx.Client) -> list[str]:
    return [each["name"] for each in client.get("/_simulator/sandboxes").json()["sandboxes"]]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", RECEPTION),
        ("PUT", RECEPTION),
        ("DELETE", RECEPTION),
        ("POST", "login/"),
        ("PATCH", RECEPTION),
        ("GET", "no/such/operation/"),
    ],
)
def test_a_call_of_the_api_to_a_sandbox_that_nobody_created_says_so_and_makes_none(
    strict: httpx.Client, method: str, path: str
) -> None:
    total = strict.get("/_simulator/coverage?sandbox=*").json()
    why = reason(strict.request(method, f"/_sandboxes/lost/api/v1/{path}", json={} if method != "GET" else None))
    for part in ("'lost'", "never created", "dropped", "replaced", "started again", "PUT /_simulator/sandboxes/lost"):
        assert part in why
    assert "lost" not in names(strict)
    assert strict.get("/_simulator/coverage?sandbox=*").json() == total


def test_a_page_of_another_origin_can_read_the_refusal(strict: httpx.Client) -> None:
    origin = {"Origin": "http://localhost:3000"}
    path = f"/_sandboxes/lost/api/v1/{RECEPTION}"
    preflight = strict.options(path, headers={**origin, "Access-Control-Request-Method": "PUT"})
    assert preflight.status_code == 204
    answer = strict.put(path, headers=origin, json={})
    assert reason(answer)
    assert answer.headers["Access-Control-Allow-Origin"] == origin["Origin"]


@pytest.mark.parametrize("operation_id", CONTROL.operations)
def test_a_control_call_about_such_a_sandbox_says_so_and_one_about_the_server_works(
    strict: httpx.Client, operation_id: str
) -> None:
    operation = CONTROL.operations[operation_id]
    path = operation.path.format(**dict.fromkeys(operation.path_parameters, "lost-too"))
    place = f"/paths/{operation.path.replace('/', '~1')}/{operation.method.lower()}/requestBody/content"
    body = None
    with suppress(LookupError):
        body = CONTROL.document.find(f"{place}/application~1json/examples/documented/value")
    answer = strict.request(operation.method, f"/_sandboxes/lost{path}", json=body)
    if operation_id == "dropSandbox":
        assert reason(answer) == "there is no such sandbox: 'lost-too'"
    elif operation_id in OF_THE_SERVER:
        assert answer.status_code == 200
    else:
        assert "never created" in reason(answer)
    strict.delete("/_simulator/sandboxes/lost-too")
    assert names(strict) == ["default"]


def test_the_refusal_of_a_control_call_asks_for_the_name_that_was_meant(strict: httpx.Client) -> None:
    strict.put("/_simulator/sandboxes/suite-1")
    assert reason(strict.get("/_sandboxes/suit-1/_simulator/state")).endswith("; did you mean 'suite-1'?")
    assert strict.delete("/_simulator/sandboxes/suite-1").status_code == 204


def test_a_sandbox_is_created_and_dropped_from_below_any_name(strict: httpx.Client) -> None:
    for prefix in ("", "/_sandboxes/default", "/_sandboxes/lost", "/_sandboxes/mine"):
        api = Api(strict, "mine")
        assert strict.put(f"{prefix}/_simulator/sandboxes/mine").status_code == 200
        api.ok("PUT", RECEPTION, {"maxCalls": 1})
        api.arranged("POST", "reset")
        assert api.ok("GET", RECEPTION)["maxCalls"] == 7
        assert strict.delete(f"{prefix}/_simulator/sandboxes/mine").status_code == 204
        assert reason(api("GET", RECEPTION))
        assert names(strict) == ["default"]


def test_the_default_sandbox_always_exists(strict: httpx.Client) -> None:
    for prefix in ("", "/_sandboxes/default"):
        assert strict.get(f"{prefix}/api/v1/{RECEPTION}").status_code == 200
        assert strict.post(f"{prefix}/_simulator/reset").status_code == 204
    assert strict.put("/_simulator/sandboxes/default").status_code == 200
    assert strict.get("/nowhere").json()["errors"][0]["code"] == 40401


def test_a_sandbox_that_gave_way_to_a_new_one_is_missing_from_its_next_call_on(
    simulation: Simulation, world: World
) -> None:
    app = simulation.app(world, Settings(sandboxes="created", sandbox_limit=2))
    client = app.test_client()

    def create(name: str) -> None:
        for each in app.extensions["sandboxes"].all():
            each.last_use -= IN_USE_SECONDS
        assert client.put(f"/_simulator/sandboxes/{name}").status_code == 200

    def status(name: str) -> int:
        return client.get(f"/_sandboxes/{name}/api/v1/{RECEPTION}").status_code

    create("one")
    create("two")
    assert status("one") == 200
    create("three")
    assert [status(name) for name in ("one", "two", "three")] == [200, 404, 200]
    assert client.get("/_sandboxes/two/_simulator/requests").status_code == 404


def test_the_stream_of_a_dropped_sandbox_ends_and_is_not_opened_again(strict: httpx.Client) -> None:
    strict.put("/_simulator/sandboxes/watched")
    address = "/_sandboxes/watched/_simulator/events"
    with strict.stream("GET", address) as events:
        lines = events.iter_lines()
        assert "event: hello" in (next(lines), next(lines), next(lines))
        httpx.delete(f"{strict.base_url}/_simulator/sandboxes/watched")
        assert "event: dropped" in list(lines)
    assert reason(strict.get(address))


def test_a_browser_gets_a_page_that_offers_to_create_the_sandbox(strict: httpx.Client, client: httpx.Client) -> None:
    for one, form in [
        (strict, 'data-send="PUT" action="sandboxes/lost"'),
        (client, 'data-send="PATCH" action="state"'),
    ]:
        page = one.get("/_sandboxes/lost/", headers=BROWSER, follow_redirects=True)
        assert page.status_code == 404
        assert form in page.text
        assert "Create the sandbox lost from the seed" in page.text
    listed = "a call to another name is refused"
    assert listed in strict.get("/_simulator/sandboxes", headers=BROWSER).text
    assert listed not in client.get("/_simulator/sandboxes", headers=BROWSER).text


def test_by_default_the_first_call_makes_the_sandbox(api: Api, client: httpx.Client) -> None:
    name: Any = api.root.rpartition("/")[2]
    client.delete(f"/_simulator/sandboxes/{name}")
    assert client.get(f"{api.root}/_simulator/state").json()["errors"][0]["code"] == 40404
    assert api("GET", RECEPTION).status_code == 200
