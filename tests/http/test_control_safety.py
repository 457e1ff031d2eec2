"""Who may call the control interface, and who may not (S-2)."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from flask.testing import FlaskClient

from simulator.app import Simulation
from simulator.settings import Settings
from simulator.state.world import World
from tests.conftest import CAPACITIES, Api, faults

pytestmark = pytest.mark.rule("S-2")

CHANGES = [
    ("POST", "reset"),
    ("POST", "logout"),
    ("PUT", "state"),
    ("PATCH", "state"),
    ("PUT", "snapshots/s"),
    ("DELETE", "snapshots/s"),
    ("POST", "snapshots/s/restore"),
    ("PUT", "sandboxes/s"),
    ("DELETE", "sandboxes/s"),
    ("DELETE", "requests"),
    ("POST", "faults"),
    ("DELETE", "faults"),
    ("DELETE", "faults/1"),
]


class TestForeignPages:
    @pytest.mark.parametrize(("method", "path"), CHANGES)
    @pytest.mark.parametrize(
        "headers",
        [
            {"Origin": "http://evil.example"},
            {"Origin": "null"},
            {"Origin": "http://127.0.0.1:1"},
            {"Host": "evil.example"},
        ],
        ids=lambda headers: "=".join(*headers.items()),
    )
    def test_a_call_that_changes_something_is_refused(
        self, api: Api, method: str, path: str, headers: dict[str, str]
    ) -> None:
        response = api.control(method, path, headers=headers)
        assert (response.status_code, faults(response)) == (403, {("S-2", None)})
        assert not [name for name in response.headers if name.lower().startswith("access-control")]

    def test_every_call_that_changes_something_was_tried(self, simulation: Simulation) -> None:
        operations = simulation.control_contract.operations.values()
        tried = {(method, path.partition("/")[0], path.count("/")) for method, path in CHANGES}
        paths = ((each.method, each.path.removeprefix("/_simulator/")) for each in operations)
        assert tried == {
            (method, path.partition("/")[0], path.count("/")) for method, path in paths if method not in ("GET", "HEAD")
        }

    def test_nothing_happened(self, api: Api) -> None:
        api.ok("DELETE", f"{CAPACITIES}Reception/")
        api.control("POST", "reset", headers={"Origin": "http://evil.example"})
        assert api("GET", f"{CAPACITIES}Reception/").status_code == 404

    def test_the_simulators_own_page_may_call(self, api: Api) -> None:
        origin = f"{api.client.base_url}".rstrip("/")
        for own in (origin, origin.replace("http:", "https:"), origin.upper()):
            assert api.control("POST", "reset", headers={"Origin": own}).status_code == 204

    def test_a_program_that_names_no_host_may_call(self, simulation: Simulation, world: World) -> None:
        client = simulation.app(world).test_client()
        assert client.post("/_simulator/reset", headers={"Host": ""}).status_code == 204

    @pytest.mark.parametrize(
        "host",
        ["localhost:4080", "LOCALHOST", "127.0.0.1", "127.1.2.3:80", "[::1]:4080", "x.localhost:4080", "localhost."],
    )
    def test_the_loopback_has_many_names(self, api: Api, host: str) -> None:
        assert api.control("POST", "reset", headers={"Host": host}).status_code == 204

    @pytest.mark.parametrize(
        "host",
        [
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evil.example:127",
            "192.168.0.1",
            "[::2]",
            "0.0.0.0",
            "a@localhost",
            "localhost@evil.example",
            "localhost:evil",
            "[::1]evil",
            "[::1",
        ],
    )
    def test_but_these_are_none_of_them(self, api: Api, host: str) -> None:
        assert api.control("POST", "reset", headers={"Host": host}).status_code == 403

    @pytest.mark.parametrize("origin", ["http://[", "//127.0.0.1", "", "127.0.0.1", "file://"])
    def test_an_origin_that_is_none_is_foreign(self, api: Api, origin: str) -> None:
        assert api.control("POST", "reset", headers={"Origin": origin}).status_code == 403

    def test_one_that_reads_is_answered_but_no_page_of_another_origin_gets_to_see_it(self, api: Api) -> None:
        response = api.control("GET", "state", headers={"Origin": "http://evil.example"})
        assert response.status_code == 200
        assert not [name for name in response.headers if name.lower().startswith("access-control")]

    @pytest.mark.parametrize("root", ["", "/_sandboxes/default"])
    def test_under_a_foreign_name_nothing_is_answered_but_the_health(
        self, client: httpx.Client, simulation: Simulation, root: str
    ) -> None:
        operations = [(each.method, each.path) for each in simulation.control_contract.operations.values()]
        for method, path in [*operations, ("GET", "/_simulator/docs/swagger-ui.css")]:
            path = root + path.replace("{", "").replace("}", "")
            response = client.request(method, path, headers={"Host": "rebound.example:4080"})
            if path.endswith("health"):
                assert response.status_code == 200
            else:
                assert (response.status_code, faults(response)) == (403, {("S-2", None)}), (method, path)
                assert "--allowed-host rebound.example" in response.text

    def test_names_can_be_allowed(self, simulation: Simulation, world: World) -> None:
        for allowed, host, status in (
            (("simulator",), "simulator:4080", 204),
            (("simulator",), "SIMULATOR", 204),
            (("Simulator",), "simulator", 204),
            (("simulator",), "other", 403),
            (("*",), "anything", 204),
        ):
            client = simulation.app(world, Settings(allowed_hosts=allowed)).test_client()
            assert client.post("/_simulator/reset", headers={"Host": host}).status_code == status
            assert client.get("/_simulator/state", headers={"Host": host}).status_code == (
                status if status > 204 else 200
            )


class TestToken:
    @pytest.fixture
    def client(self, simulation: Simulation, world: World) -> FlaskClient:
        return simulation.app(world, Settings(control_token="s3cret")).test_client()

    def test_every_call_needs_it_but_health_and_documents(self, client: FlaskClient, simulation: Simulation) -> None:
        free = set()
        for operation in simulation.control_contract.operations.values():
            path = operation.path.replace("{", "").replace("}", "")
            status = client.open(path, method=operation.method).status_code
            assert status in (200, 401), operation.operation_id
            free |= {operation.operation_id} if status == 200 else set()
        assert free == {
            each.operation_id for each in simulation.control_contract.operations.values() if not each.secured
        }
        assert {"getHealth", "getContract", "getDocumentation", "listRules"} < free

    @pytest.mark.parametrize(
        ("authorization", "status", "code"),
        [
            ("Bearer s3cret", 204, None),
            ("bearer s3cret", 204, None),
            ("Bearer wrong", 401, 40102),
            ("Bearer \xe9", 401, 40102),
            ("Bearer ", 401, 40102),
            ("s3cret", 401, 40101),
            ("Basic s3cret", 401, 40102),
            ("Basic bmFtZTpzM2NyZXQ=", 204, None),
            ("basic OnMzY3JldA==", 204, None),
            ("Basic czNjcmV0", 401, 40102),
            ("Basic bmFtZTp3cm9uZw==", 401, 40102),
            ("Digest s3cret", 401, 40101),
        ],
    )
    def test_it_is_a_bearer_token_or_the_password_of_a_browser(
        self, client: FlaskClient, authorization: str, status: int, code: int | None
    ) -> None:
        response = client.post("/_simulator/reset", headers={"Authorization": authorization})
        assert response.status_code == status
        assert code is None or (response.json or {})["errors"][0]["code"] == code
        assert (response.headers.get("WWW-Authenticate") is None) is (code is None)

    def test_it_may_hold_any_letter(self, simulation: Simulation, world: World) -> None:
        client = simulation.app(world, Settings(control_token="s3crét")).test_client()
        headers = {"Authorization": "Bearer s3crét".encode().decode("latin-1")}
        assert client.post("/_simulator/reset", headers=headers).status_code == 204

    def test_the_api_knows_nothing_of_it(self, client: FlaskClient) -> None:
        assert client.get(f"/api/v1/{CAPACITIES}").status_code == 200

    def test_the_served_contract_says_that_it_is_needed(self, client: FlaskClient) -> None:
        paths: dict[str, Any] = (client.get("/_simulator/control.json").json or {})["paths"]
        security = [each["security"] for path in paths.values() for each in path.values()]
        assert {str(each) for each in security} == {"[]", "[{'controlToken': []}]"}


class TestSwitchedOff:
    @pytest.mark.parametrize("root", ["", "/_sandboxes/x"])
    def test_only_the_health_is_left(self, simulation: Simulation, world: World, root: str) -> None:
        client = simulation.app(world, Settings(control=False)).test_client()
        for operation in simulation.control_contract.operations.values():
            path = root + operation.path.replace("{", "").replace("}", "")
            response = client.open(path, method=operation.method)
            left = operation.operation_id in ("getHealth", "probeHealth")
            assert response.status_code == (200 if left else 404), path
            assert left or (response.json or {})["errors"][0]["details"]["rule"] == "S-2"
        assert client.get(f"{root}/_simulator/docs/swagger-ui.css").status_code == 404
        assert client.get(f"{root}/api/v1/{CAPACITIES}").status_code == 200


@pytest.mark.rule("S-1")
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "reset?sandbox=x"), ("GET", "state?sandbox=x"), ("DELETE", "requests?status=404")]
)
def test_a_query_parameter_that_a_call_does_not_document_is_refused(api: Api, method: str, path: str) -> None:
    response = api.control(method, path)
    assert (response.status_code, faults(response)) == (400, {("S-1", None)})


@pytest.mark.rule("S-1")
def test_the_bare_address_of_the_interface_is_its_own_too(api: Api) -> None:
    response = api.client.get(f"{api.root}/_simulator", headers={"Origin": "http://a.example"})
    assert response.status_code == 404
    assert "Access-Control-Allow-Origin" not in response.headers
    assert api.arranged("GET", "requests")["total"] == 0


@pytest.mark.parametrize(
    "path", ["/_sandboxes/x/_simulator/snapshots/a%2Fb", "/_simulator/%ff", "/_sandboxes/bad!name/_simulator/reset"]
)
@pytest.mark.rule("S-1")
def test_nor_one_about_a_path_that_cannot_be_read_which_is_not_journaled_either(
    client: httpx.Client, path: str
) -> None:
    client.delete("/_simulator/requests")
    response = client.get(path, headers={"Origin": "http://a.example"})
    assert response.status_code == 404
    assert not [name for name in response.headers if name.lower().startswith("access-control")]
    assert path not in client.get("/_simulator/requests").text


def test_no_answer_has_cors_headers(client: httpx.Client, simulation: Simulation) -> None:
    for path in {each.path for each in simulation.control_contract.operations.values()}:
        for method in ("GET", "OPTIONS"):
            headers = {"Origin": "http://a.example", "Access-Control-Request-Method": "POST"}
            response = client.request(method, path.replace("{", "").replace("}", ""), headers=headers)
            assert not [name for name in response.headers if name.lower().startswith("access-control")], path
