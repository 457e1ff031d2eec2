"""Which operations, statuses and rules a sandbox's clients have exercised (S-8)."""

from __future__ import annotations

import logging
from sys import getsizeof
from typing import Any

import httpx
import pytest

from simulator.app import Simulation
from simulator.state.coverage import BYTES_KEPT, KINDS_KEPT, Counted, Coverage
from simulator.state.world import World
from tests.conftest import CAPACITIES, EXECUTIVE, Api, faults, served

pytestmark = pytest.mark.rule("S-8")


def of_operation(api: Api, operation_id: str) -> Any:
    (found,) = [each for each in api.arranged("GET", "coverage")["operations"] if each["operationId"] == operation_id]
    return found


def test_at_the_start_everything_is_listed_and_nothing_is_hit(api: Api, simulation: Simulation) -> None:
    coverage = api.arranged("GET", "coverage")
    operations = simulation.contract.operations.values()
    assert [each["operationId"] for each in coverage["operations"]] == [each.operation_id for each in operations]
    for stated, operation in zip(coverage["operations"], operations, strict=True):
        assert (stated["method"], stated["path"]) == (operation.method, operation.path)
        assert stated["statuses"] == {
            str(status): {"documented": True, "hits": 0} for status in sorted(operation.answers)
        }
    assert coverage["undocumented"] == []
    statuses = sum(len(operation.answers) for operation in operations)
    assert coverage["totals"] == {"operations": 20, "operationsHit": 0, "statuses": statuses, "statusesHit": 0}


def test_calls_are_counted_by_operation_status_and_rule(api: Api) -> None:
    for body in ({"maxCalls": 1}, {"maxCalls": 2}, {"maxCalls": -1}, {"maxIncomingCalls": True}):
        api("PUT", f"{CAPACITIES}Reception/", body)
    api("PUT", f"{CAPACITIES}none/", {})
    api("GET", CAPACITIES, headers={"Authorization": "Bearer nobody"})
    operation = of_operation(api, "updateCallCapacity")
    assert operation["hits"] == 5
    hits = {status: each["hits"] for status, each in operation["statuses"].items() if each["hits"]}
    assert hits == {"200": 2, "400": 2, "404": 1}
    assert operation["rules"] == {"CC-4": 1, "G-5": 1, "G-9": 1}
    assert of_operation(api, "listCallCapacities")["rules"] == {"A-5": 1}
    totals = api.arranged("GET", "coverage")["totals"]
    assert (totals["operationsHit"], totals["statusesHit"]) == (2, 4)


@pytest.mark.parametrize(
    "path",
    [
        "/favicon.ico",
        "/robots.txt",
        "/apple-touch-icon.png",
        "/apple-touch-icon-precomposed.png",
        "/apple-touch-icon-120x120-precomposed.png",
        "/.well-known/appspecific/com.chrome.devtools.json",
    ],
)
def test_what_a_browser_asks_for_by_itself_is_refused_as_before_and_recorded_nowhere(
    simulation: Simulation, world: World, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "simulator.requests")
    with served(simulation.app(world)) as server, httpx.Client(base_url=server.url) as client:
        client.get(f"/api/v1/{CAPACITIES}")
        before = client.get("/_simulator/coverage").json()
        answer = client.get(path)
        assert (answer.status_code, faults(answer)) == (404, {("G-1", None)})
        for sandbox in ({}, {"sandbox": "*"}):
            coverage = client.get("/_simulator/coverage", params=sandbox).json()
            assert coverage == before | {"sandbox": coverage["sandbox"]}
        assert client.get("/_simulator/requests").json()["total"] == 1
        assert [each.levelname for each in caplog.records if path in each.getMessage()] == ["DEBUG"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/favicon.ico"),
        ("GET", "/favicon.icon"),
        ("GET", "/api/v1/favicon.ico"),
        ("GET", "/apple-touch-icon-x.png"),
        ("GET", "/.well-known/appspecific/other.json"),
    ],
)
def test_what_only_looks_like_that_counts(simulation: Simulation, world: World, method: str, path: str) -> None:
    with served(simulation.app(world)) as server, httpx.Client(base_url=server.url) as client:
        client.get(f"/api/v1/{CAPACITIES}")
        client.request(method, path)
        (found,) = client.get("/_simulator/coverage").json()["undocumented"]
        assert found == {"method": method, "path": path, "status": 404, "hits": 1}


def test_an_injected_status_that_nobody_documents_is_marked(api: Api) -> None:
    api.arranged("POST", "faults", {"operationId": "getAlerting", "status": 503, "times": 1})
    api("GET", f"{EXECUTIVE}alerting/")
    operation = of_operation(api, "getAlerting")
    assert operation["statuses"]["503"] == {"documented": False, "hits": 1}
    assert operation["rules"] == {"S-6": 1}
    assert api.arranged("GET", "coverage")["totals"]["statusesHit"] == 0


def test_what_no_operation_documents_is_counted_apart(api: Api) -> None:
    for _ in range(2):
        api("GET", "nowhere/")
    api("PATCH", CAPACITIES)
    api("GET", CAPACITIES.rstrip("/"))
    assert api.arranged("GET", "coverage")["undocumented"] == [
        {"method": "GET", "path": "/api/v1/nowhere/", "status": 404, "hits": 2},
        {"method": "PATCH", "path": f"/api/v1/{CAPACITIES}", "status": 405, "hits": 1},
        {"method": "GET", "path": f"/api/v1/{CAPACITIES.rstrip('/')}", "status": 404, "hits": 1},
    ]
    assert api.arranged("GET", "coverage")["totals"]["operationsHit"] == 0


def test_a_connection_that_was_closed_counts_as_a_call_without_status(api: Api) -> None:
    api.arranged("POST", "faults", {"operationId": "getAlerting", "abort": "close"})
    with pytest.raises(httpx.RemoteProtocolError):
        api("GET", f"{EXECUTIVE}alerting/")
    operation = of_operation(api, "getAlerting")
    assert (operation["hits"], operation["rules"]) == (1, {"S-6": 1})
    assert not any(status["hits"] for status in operation["statuses"].values())


@pytest.mark.rule("S-3")
def test_of_a_long_path_the_beginning_is_kept(api: Api) -> None:
    api("GET", "x" * 5_000)
    (call,) = api.arranged("GET", "coverage")["undocumented"]
    assert len(call["path"]) == 300


@pytest.mark.rule("S-1")
def test_preflights_and_the_control_interface_do_not_count(api: Api) -> None:
    api("OPTIONS", CAPACITIES, headers={"Origin": "http://a.example", "Access-Control-Request-Method": "PUT"})
    api.control("GET", "state")
    api.control("GET", "nowhere")
    api.control("PUT", "reset")
    coverage = api.arranged("GET", "coverage")
    assert (coverage["undocumented"], coverage["totals"]["operationsHit"]) == ([], 0)


@pytest.mark.rule("S-5")
def test_a_reset_begins_anew(api: Api) -> None:
    api("GET", CAPACITIES)
    api("GET", "nowhere/")
    api.reset()
    coverage = api.arranged("GET", "coverage")
    assert (coverage["undocumented"], coverage["totals"]["operationsHit"]) == ([], 0)


@pytest.mark.rule("S-3")
def test_undocumented_calls_are_told_apart_up_to_a_number() -> None:
    coverage = Coverage()
    for number in range(KINDS_KEPT + 10):
        coverage.count(Counted(None, "GET", f"/{number}", 404, "G-1"))
    coverage.count(Counted(None, "GET", "/0", 404, "G-1"))
    undocumented = coverage.copy().undocumented
    assert len(undocumented) == KINDS_KEPT
    assert undocumented["GET", "/0", 404] == 2


@pytest.mark.rule("S-10")
def test_what_long_paths_and_names_take_is_bounded(api: Api) -> None:
    for number in range(250):
        assert api("GET", f"{number}/" + "\U0001f600" * 250).status_code == 404
        assert api("GET", f"{CAPACITIES}?{number}-{'x' * 90}=1").status_code == 200
    coverage = api.arranged("GET", "coverage")
    paths = [call["path"] for call in coverage["undocumented"]]
    names = [name for each in coverage["operations"] for name in each["ignored"]]
    assert 20 < len(paths) < 200
    assert sum(map(getsizeof, [*paths, *names])) < BYTES_KEPT


@pytest.mark.rule("S-10")
def test_calls_that_wait_to_be_counted_hold_no_long_texts() -> None:
    coverage = Coverage()
    for number in range(100):
        coverage.count(Counted(None, "GET", f"/{number}", 404, "G-1"))
        coverage.count(Counted("getAlerting", "", "", 200, None, (), (f"name {number}",)))
        coverage.count(Counted("getAlerting", "", "", 200, None))
    assert len(coverage._calls) == 1
    assert coverage.copy().statuses["getAlerting", 200] == 200
