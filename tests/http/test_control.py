"""The control interface over HTTP."""

from __future__ import annotations

import json
import mimetypes
import re
from collections.abc import Iterator

import httpx
import pytest

from simulator import __version__
from simulator.app import Simulation
from simulator.contract.ledger import load_ledger
from simulator.document import parse_document
from simulator.settings import Auth, Settings
from simulator.state.world import World
from tests.conftest import faults, served


@pytest.fixture(params=["", "/_sandboxes/control"])
def root(request: pytest.FixtureRequest) -> str:
    """The control interface's path, for the default sandbox and for a named one."""
    return f"{request.param}/_simulator"


def test_health_answers_get_and_head(client: httpx.Client, root: str) -> None:
    assert client.get(f"{root}/health").json() == {"status": "ok", "version": __version__}
    head = client.head(f"{root}/health")
    assert (head.status_code, head.content) == (200, b"")


def test_the_media_types_of_the_documentation_page_do_not_depend_on_the_system(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As in the registry of many Windows machines. Browsers may not run a script that is said to be text.
    monkeypatch.setattr(mimetypes, "guess_type", lambda *_, **__: ("text/plain", None))
    types = [
        client.get(f"/_simulator/docs/{name}").headers["Content-Type"].partition(";")[0]
        for name in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png")
    ]
    assert types[0] in ("text/javascript", "application/javascript")
    assert types[1:] == ["text/css", "image/png"]


def test_reset_is_post_only(client: httpx.Client, root: str) -> None:
    response = client.post(f"{root}/reset")
    assert (response.status_code, response.content) == (204, b"")
    response = client.get(f"{root}/reset")
    assert (response.status_code, faults(response)) == (405, {("G-10", None)})
    assert "POST" in response.headers["Allow"]


def test_the_rules_are_the_ledger(client: httpx.Client, root: str) -> None:
    rules = client.get(f"{root}/rules").json()["rules"]
    assert [rule["id"] for rule in rules] == list(load_ledger())
    assert all(set(rule) == {"id", "statement", "basis", "source", "refusals", "choices"} for rule in rules)


def test_the_contract_is_served_as_written_but_with_the_servers_own_address(
    client: httpx.Client, root: str, simulation: Simulation
) -> None:
    address = f"{client.base_url}".rstrip("/") + root.removesuffix("/_simulator")
    response = client.get(f"{root}/openapi.yaml")
    assert response.headers["Content-Type"].startswith("application/yaml")
    assert response.text == simulation.contract.text.replace("http://127.0.0.1:4080", address)
    served = client.get(f"{root}/openapi.json").json()
    assert served == parse_document("served", response.text).data
    assert served["servers"][0]["url"] == address


def test_the_contract_says_so_when_credentials_are_required(simulation: Simulation, world: World) -> None:
    modes: dict[Auth, bool] = {"optional": True, "required": False}
    for auth, optional in modes.items():
        app = simulation.app(world, Settings(auth=auth))
        served = json.loads(app.test_client().get("/_simulator/openapi.json").data)
        security = [
            operation["security"]
            for path in served["paths"].values()
            for operation in path.values()
            if operation["operationId"] != "login"
        ]
        assert len(security) == 19
        assert all(({} in each) is optional and {"bearerToken": []} in each for each in security)


def test_the_documentation_page_loads_nothing_from_elsewhere(client: httpx.Client, root: str) -> None:
    # The page links to the coverage of its sandbox, so the sandbox must exist.
    assert client.post(f"{root}/reset").is_success
    page = client.get(f"{root}/docs")
    assert page.headers["Content-Type"].startswith("text/html")
    # The command in the footer calls this server.
    assert "//" not in page.text.replace(f"curl -s http://{client.base_url.netloc.decode()}{root}/docs", "")
    assets = re.findall(r'<(?:script|link|img)[^>]* (?:src|href)="([^"]+)"', page.text)
    files = [each for each in assets if not each.startswith("data:")]
    assert len(files) >= 6
    for asset in files:
        assert client.get(f"{root}/{asset}").status_code == 200, asset


def test_assets_are_served_whole_whatever_is_asked(client: httpx.Client, root: str) -> None:
    path = f"{root}/docs/favicon-32x32.png"
    whole = client.get(path).content
    for headers in ({"Range": "bytes=99999999-"}, {"Range": "bytes=x"}, {"If-Match": '"x"'}, {"If-None-Match": "*"}):
        response = client.get(path, headers=headers)
        assert (response.status_code, response.content) == (200, whole)


@pytest.mark.parametrize(
    "path",
    ["", "//", "/none", "/reset/", "/docs/swagger-ui.css/", "/docs/none.js", "/docs/../../errors.py", "/docs/%2e%2e/x"],
)
def test_what_is_not_there_is_404_in_the_shape_of_every_error(client: httpx.Client, root: str, path: str) -> None:
    response = client.get(root + path)
    assert (response.status_code, faults(response)) == (404, {("G-1", None)})


@pytest.fixture(scope="module")
def under_any_name(simulation: Simulation, world: World) -> Iterator[httpx.Client]:
    """A client of a server that accepts any host name."""
    with (
        served(simulation.app(world, Settings(allowed_hosts=("*",)))) as server,
        httpx.Client(base_url=server.url) as client,
    ):
        yield client


@pytest.mark.parametrize("host", ["example.com:8080", "[::1]:4080", "apio_simulator:4300", "a..b"])
def test_the_address_follows_the_host_header(under_any_name: httpx.Client, host: str) -> None:
    served = under_any_name.get("/_simulator/openapi.json", headers={"Host": host}).json()
    assert served["servers"][0]["url"] == f"http://{host}"


@pytest.mark.parametrize("host", ['a"b', "a b", "a/b", "${x}", "*", "user@host", "127.0.0.1:", "x" * 5000 + "/", ""])
def test_a_host_header_that_is_none_does_no_harm(under_any_name: httpx.Client, host: str) -> None:
    response = under_any_name.get("/_simulator/openapi.json", headers={"Host": host})
    assert response.json()["servers"][0]["url"] == "http://127.0.0.1:4080"
    assert under_any_name.get("/_simulator/health", headers={"Host": host}).status_code == 200


def test_options_is_405(client: httpx.Client, root: str) -> None:
    response = client.options(f"{root}/health")
    assert (response.status_code, faults(response)) == (405, {("G-10", None)})
