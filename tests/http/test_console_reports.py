"""The pages of coverage, errors and rules: their links lead to what they promise (S-11)."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any
from urllib.parse import urldefrag

import httpx
import pytest

from simulator.app import Simulation
from simulator.reports import coverage, errors
from simulator.settings import Settings
from simulator.state.world import World
from tests.conftest import CAPACITIES, Api

pytestmark = pytest.mark.rule("S-11")

BROWSER = {"Accept": "text/html"}
LARGEST_PAGE = 400_000


def page_of(api: Api, path: str) -> str:
    page = api.control("GET", path, headers=BROWSER)
    assert page.status_code == 200
    return page.text


def links(page: str, start: str) -> set[str]:
    """Return the addresses of a page that begin so."""
    return {href for each in re.findall(r'href="([^"]+)"', page) if (href := unescape(each)).startswith(start)}


def error_at(api: Api, href: str) -> dict[str, Any]:
    """Return the error that a link to the catalogue leads to."""
    address, anchor = urldefrag(href)
    anchors = re.findall(r'<details id="([^"]+)"><summary><span class="cell miss">', page_of(api, address))
    assert len(anchors) == len(set(anchors))
    found: dict[str, Any] = api.arranged("GET", address)["errors"][anchors.index(anchor)]
    return found


class TestCoverage:
    def test_a_number_leads_to_its_calls(self, api: Api) -> None:
        api("GET", CAPACITIES)
        api("PUT", f"{CAPACITIES}Reception/", {"maxCalls": -1})
        page = page_of(api, "coverage")
        assert links(page, "requests?") == {
            "requests?operationId=listCallCapacities",
            "requests?operationId=listCallCapacities&status=200",
            "requests?operationId=updateCallCapacity",
            "requests?operationId=updateCallCapacity&status=400",
            "requests?operationId=updateCallCapacity&rule=CC-4",
        }
        for href in links(page, "requests?"):
            assert api.arranged("GET", href)["total"] == 1

    def test_each_refusal_that_was_never_seen_leads_to_a_request_for_it(self, api: Api, simulation: Simulation) -> None:
        hrefs = links(page_of(api, "coverage"), "errors?")
        led = {(error["operationId"], error["status"]) for error in (error_at(api, href) for href in hrefs)}
        assert led == {
            (operation.operation_id, status)
            for operation in simulation.contract.operations.values()
            for status in operation.answers
            # No request is known for this one, because the simulator never answers it.
            if status >= 400 and (operation.operation_id, status) != ("deleteCriterion", 400)
        }

    def test_it_prefers_a_request_that_a_page_can_send(self, api: Api) -> None:
        hrefs = links(page_of(api, "coverage"), "errors?")
        found = [error_at(api, href) for href in hrefs if "operationId=getScreening" in href]
        assert {error["status"] for error in found} >= {401, 403, 404, 406}
        assert not [error for error in found if "options" in error or "Cookie" in error["request"].get("headers", {})]

    def test_the_coverage_of_all_sandboxes_leads_to_no_calls(self, api: Api) -> None:
        api("GET", CAPACITIES)
        page = page_of(api, "coverage?sandbox=*")
        assert links(page, "requests?") == set()
        assert '<a href="coverage">' in page
        assert '<a href="coverage?sandbox=*" aria-current="page">' in page

    def test_the_page_for_a_file_leads_nowhere(self, api: Api) -> None:
        api("PUT", f"{CAPACITIES}Reception/", {"maxCalls": -1})
        assert "<a " not in coverage.as_html(api.arranged("GET", "coverage"))


class TestErrors:
    def test_the_page_of_all_is_small_enough(self, api: Api) -> None:
        assert len(page_of(api, "errors").encode()) < LARGEST_PAGE

    def test_an_error_has_the_same_anchor_on_the_page_of_its_operation(self, api: Api) -> None:
        own, whole = (page_of(api, path) for path in ("errors?operationId=updateScreening", "errors"))
        anchors = set(re.findall(r'<details id="(updateScreening-[^"]+)"', whole))
        assert anchors == set(re.findall(r'<details id="(updateScreening-[^"]+)"', own))
        assert len(anchors) == 30

    def test_it_tells_the_script_which_requests_a_page_cannot_send(self, api: Api) -> None:
        page = page_of(api, "errors")
        [told] = re.findall(r'data-obstacles="([^"]+)"', page)
        obstacles = json.loads(unescape(told))
        anchors = re.findall(r'<details id="([^"]+)"><summary><span class="cell miss">', page)
        assert obstacles.keys() <= set(anchors)
        for anchor, error in zip(anchors, api.arranged("GET", "errors")["errors"], strict=True):
            if "options" in error:
                assert obstacles[anchor] == "It needs a server with these options."
            elif "method" not in error["request"]:
                assert "no complete HTTP request" in obstacles[anchor]
            elif "Cookie" in error["request"].get("headers", {}):
                assert "header Cookie" in obstacles[anchor]
            elif error["request"]["method"] in ("POST", "PUT"):
                assert anchor not in obstacles or "header" in obstacles[anchor] or "sandbox" in obstacles[anchor]

    def test_it_is_made_once_for_each_address(self, simulation: Simulation, world: World) -> None:
        client = simulation.app(world, Settings()).test_client()
        for host, hits in (("localhost:81", 0), ("127.0.0.1:82", 0), ("localhost:81", 1)):
            before = errors._refusals.cache_info().hits
            page = client.get("/_simulator/errors", headers={"Accept": "text/html", "Host": host}).text
            assert errors._refusals.cache_info().hits - before == hits
            commands = set(re.findall(r"http://[^/\s']+(?=/api/v1)", page))
            assert commands == {f"http://{host}"}

    def test_an_operation_can_be_chosen_without_a_script(self, api: Api) -> None:
        page = page_of(api, "errors?operationId=updateScreening")
        assert "<option selected>updateScreening</option>" in page
        assert "<option>login</option>" in page


class TestRules:
    def test_a_rule_leads_to_the_calls_that_it_refused(self, api: Api) -> None:
        api("PUT", f"{CAPACITIES}Reception/", {"maxCalls": -1})
        api("PUT", f"{CAPACITIES}Reception/", {"maxCalls": -2})
        page = page_of(api, "rules")
        assert links(page, "requests?") == {"requests?rule=CC-4"}
        assert ">2 refused calls in this sandbox</a>" in page
        assert api.arranged("GET", "requests?rule=CC-4")["total"] == 2

    def test_a_rule_leads_to_its_errors(self, api: Api) -> None:
        page = page_of(api, "rules")
        hrefs = links(page, "errors?operationId=updateScreening")
        assert {error_at(api, href)["rule"] for href in hrefs} == {
            error["rule"] for error in api.arranged("GET", "errors?operationId=updateScreening")["errors"]
        }
        anchors = {urldefrag(href).fragment for href in links(page, "errors#")}
        assert anchors == {"none-G-1-1", "none-G-10-1", "none-G-16-1", "none-G-17-1"}

    def test_without_the_control_token_nobody_learns_of_calls(self, simulation: Simulation, world: World) -> None:
        client = simulation.app(world, Settings(control_token="secret")).test_client()
        client.put(f"/api/v1/{CAPACITIES}Reception/", json={"maxCalls": -1})
        page = client.get("/_simulator/rules", headers=BROWSER)
        assert page.status_code == 200
        assert "refused call" not in page.text

    def test_of_a_sandbox_that_does_not_exist_the_page_is_shown_too(self, client: httpx.Client) -> None:
        assert client.get("/_sandboxes/nowhere/_simulator/rules", headers=BROWSER).status_code == 200
