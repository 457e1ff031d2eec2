"""The console's frame: one address for programs and browsers, safe pages, and the way to the overview (S-11)."""

from __future__ import annotations

import gzip
import re

import httpx
import pytest
from flask.testing import FlaskClient

from simulator.app import Simulation
from simulator.console.assets import assets
from simulator.console.pages import operations_with_pages
from simulator.contract.operation import HTML, JSON
from simulator.document import read_document
from simulator.reports.page import PACKAGE
from simulator.settings import Settings
from simulator.state.world import World
from tests.conftest import CAPACITIES, Api

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
pytestmark = pytest.mark.rule("S-11")


def test_the_operations_that_document_a_page_are_those_that_have_one(simulation: Simulation) -> None:
    operations = simulation.control_contract.operations.values()
    assert operations_with_pages() == {each.operation_id for each in operations if HTML in each.media}


def test_each_operation_that_has_a_page_says_so_and_names_the_rule(simulation: Simulation) -> None:
    contract = read_document(PACKAGE / "control" / "control.yaml")
    for operation in simulation.control_contract.operations.values():
        description = contract.data["paths"][operation.path][operation.method.lower()]["description"]
        assert (HTML in operation.media) == ("S-11" in operation.rules), operation
        assert ({HTML, JSON} <= set(operation.media)) == ("A browser gets a page." in description), operation


@pytest.mark.parametrize("root", ["", "/_sandboxes/page"])
def test_a_browser_gets_a_page_where_a_program_gets_json(api: Api, root: str, simulation: Simulation) -> None:
    assert api.client.post(f"{root}/_simulator/reset").is_success
    for operation in simulation.control_contract.operations.values():
        if HTML not in operation.media or operation.path_parameters:
            continue
        page = api.client.get(f"{root}{operation.path}", headers=BROWSER)
        assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8"), operation
        assert page.headers["Vary"] == "Accept"
        if len(operation.media) > 1:
            for accept in ("*/*", "application/json"):
                answer = api.client.get(f"{root}{operation.path}", headers={"Accept": accept})
                assert (answer.headers["Content-Type"], answer.headers["Vary"]) == ("application/json", "Accept")


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("call", 404, "no operation has the path /_simulator/call"),
        ("requests/", 404, "the path has a slash too many: /_simulator/requests"),
        ("reset", 405, "GET is not documented here; documented: POST"),
    ],
)
def test_at_an_address_without_an_operation_a_browser_gets_a_page_that_says_so(
    client: httpx.Client, path: str, status: int, said: str
) -> None:
    page = client.get(f"/_simulator/{path}", headers=BROWSER)
    assert (page.status_code, page.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert page.headers["Content-Security-Policy"] == CSP
    assert said in page.text
    assert ("Allow" in page.headers) == (status == 405)
    answer = client.get(f"/_simulator/{path}")
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/json")
    foreign = client.get(f"/_simulator/{path}", headers={**BROWSER, "Host": "evil.example"})
    assert (foreign.status_code, foreign.headers["Content-Type"]) == (403, "application/json")


@pytest.mark.parametrize("path", ["_simulator/call", "api/v1/call"])
def test_without_a_control_interface_and_in_the_api_an_unknown_address_has_no_page(
    simulation: Simulation, world: World, path: str
) -> None:
    client = simulation.app(world, Settings(control=path.startswith("api"))).test_client()
    assert client.get(path, headers=BROWSER).content_type == "application/json"


def test_a_page_has_no_script_and_no_style_in_it_and_forbids_them(api: Api) -> None:
    page = api.client.get("/_simulator/rules", headers=BROWSER)
    assert page.headers["Content-Security-Policy"] == CSP
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert not re.findall(r"<style|<script(?![^>]* src=)| style=| on[a-z]+=", page.text)


def test_what_a_browser_has_already_is_not_sent_again(api: Api) -> None:
    page = api.client.get(f"{api.root}/_simulator/faults", headers=BROWSER)
    again = {**BROWSER, "If-None-Match": page.headers["ETag"]}
    unchanged = api.client.get(f"{api.root}/_simulator/faults", headers=again)
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged.headers["ETag"] == page.headers["ETag"]
    for known in (f"W/{page.headers['ETag']}", f'"x", {page.headers["ETag"]}', "*"):
        asked = {**BROWSER, "If-None-Match": known}
        assert api.client.get(f"{api.root}/_simulator/faults", headers=asked).status_code == 304
    api.control("POST", "faults", json={"operationId": "getAlerting", "status": 503})
    assert api.client.get(f"{api.root}/_simulator/faults", headers=again).status_code == 200


def test_the_empty_fields_of_a_form_are_no_filters(api: Api) -> None:
    assert api.client.get("/_simulator/coverage?sandbox=", headers=BROWSER).status_code == 200
    assert api.client.get("/_simulator/coverage?sandbox=").status_code == 400


def test_a_refused_page_is_a_page_too(api: Api) -> None:
    page = api.client.get("/_sandboxes/nobody/_simulator/faults", headers=BROWSER)
    assert (page.status_code, page.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert "&#39;nobody&#39;" in page.text
    assert page.headers["Content-Security-Policy"] == CSP


class TestAssets:
    def test_they_can_be_kept_for_ever_because_their_name_tells_their_content(self, client: httpx.Client) -> None:
        for each in assets().values():
            answer = client.get(f"/_simulator/assets/{each.name}", headers={"Accept-Encoding": "identity"})
            assert answer.content == each.data
            assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
            assert answer.headers["Content-Type"].startswith(each.media_type)
            assert gzip.decompress(each.compressed) == each.data
            for accepted, encoding in (("br, gzip", "gzip"), ("gzip;q=0", None), ("notgzipped", None), ("*", "gzip")):
                answer = client.get(f"/_simulator/assets/{each.name}", headers={"Accept-Encoding": accepted})
                assert answer.headers.get("Content-Encoding") == encoding, accepted

    def test_one_of_another_version_is_not_there(self, client: httpx.Client) -> None:
        for name in ("console-0123456789ab.css", "console.css", "..%2Fpages.py"):
            assert client.get(f"/_simulator/assets/{name}").status_code == 404

    def test_a_page_names_them_where_they_are(self, client: httpx.Client) -> None:
        page = client.get("/_simulator/rules", headers=BROWSER).text
        for address in re.findall(r'<(?:link rel="stylesheet"|script)[^>]* (?:href|src)="([^"]+)"', page):
            assert client.get(f"/_simulator/{address}").status_code == 200

    def test_together_they_are_small(self) -> None:
        assert sum(len(each.data) for each in assets().values()) < 60_000


class TestWayToTheOverview:
    @pytest.mark.parametrize("base", ["", "/_sandboxes/way"])
    @pytest.mark.parametrize("path", ["/", "/_simulator"])
    def test_a_browser_is_led_there(self, client: httpx.Client, base: str, path: str) -> None:
        answer = client.get(f"{base}{path}", headers=BROWSER)
        assert answer.status_code == 303
        assert answer.next_request is not None
        assert answer.next_request.url.path == f"{base}/_simulator/"

    def test_also_without_the_last_slash(self, client: httpx.Client) -> None:
        answer = client.get("/_sandboxes/way", headers=BROWSER)
        assert answer.next_request is not None
        assert answer.next_request.url.path == "/_sandboxes/way/_simulator/"

    @pytest.mark.parametrize(
        ("method", "accept"), [("GET", "*/*"), ("GET", "application/json"), ("POST", BROWSER["Accept"]), ("GET", "")]
    )
    def test_for_others_there_is_nothing(self, client: httpx.Client, method: str, accept: str) -> None:
        answer = client.request(method, "/", headers={"Accept": accept})
        assert answer.status_code == 404
        assert answer.json()["errors"][0]["details"] == {
            "reason": "no operation has the path /; see /_simulator/docs",
            "rule": "G-1",
        }

    def test_it_is_no_call_and_nothing_remains_of_it(self, api: Api) -> None:
        before = api.control("GET", "requests").json()["total"]
        assert api.client.get(f"{api.root}/", headers=BROWSER).status_code == 303
        assert api.control("GET", "requests").json()["total"] == before
        assert api.client.get(f"{api.root}/").status_code == 404
        assert api.control("GET", "requests").json()["total"] == before + 1


class TestToken:
    @pytest.fixture
    def client(self, simulation: Simulation, world: World) -> FlaskClient:
        return simulation.app(world, Settings(control_token="s3cret")).test_client()

    def test_a_browser_is_asked_for_it(self, client: FlaskClient) -> None:
        page = client.get("/_simulator/requests", headers=BROWSER)
        assert page.status_code == 401
        assert page.headers["WWW-Authenticate"].startswith("Basic realm=")
        assert client.get("/_simulator/requests").headers["WWW-Authenticate"].startswith("Bearer ")
        assert client.get("/_simulator/requests", headers=BROWSER, auth=("any", "s3cret")).status_code == 200

    def test_a_page_that_everybody_may_read_tells_nothing_of_the_sandboxes(self, client: FlaskClient) -> None:
        client.get(f"/_sandboxes/hidden-name/api/v1/{CAPACITIES}")
        for path in ("rules", "errors", "docs", "faults"):
            assert "hidden-name" not in client.get(f"/_simulator/{path}", headers=BROWSER).text
        assert "hidden-name" in client.get("/_simulator/faults", headers=BROWSER, auth=("any", "s3cret")).text


def test_without_a_control_interface_there_is_no_console(simulation: Simulation, world: World) -> None:
    client = simulation.app(world, Settings(control=False)).test_client()
    for path in ("/", "/_simulator", "/_simulator/requests", f"/_simulator/assets/{assets()['css'].name}"):
        assert client.get(path, headers=BROWSER).status_code == 404
    assert client.get("/_simulator/health").status_code == 200
