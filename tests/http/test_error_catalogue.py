"""The error catalogue: complete and exact, and every entry can be replayed (G-8)."""

from __future__ import annotations

import ast
import re
import shlex
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from simulator.app import Simulation
from simulator.contract.contract import Contract
from simulator.control.recipe import REFUSALS, Recipe, command, load_refusals
from simulator.document import pointer_step
from simulator.errors import ServiceNotAssigned
from simulator.http.errors import FAILED, KINDS, OVERLOADED
from simulator.server import Server
from simulator.settings import Settings
from simulator.state.world import World
from tests.conftest import CAPACITIES, EXECUTIVE, Api, run, served
from tools.contract_checks.catalogue import find_refusals, written

pytestmark = pytest.mark.rule("G-8")

ROOT = Path(__file__).parents[2]
Entry = dict[str, Any]


@pytest.fixture(scope="module")
def entries(server: str) -> list[Entry]:
    found: list[Entry] = httpx.get(f"{server}/_simulator/errors", timeout=60).json()["errors"]
    return found


@pytest.fixture(scope="module")
def with_options(simulation: Simulation, world: World) -> Iterator[Callable[[list[str]], str]]:
    """The address of a server with the options that a recipe needs. Only recipes use it."""
    settings: dict[str, dict[str, Any]] = {
        "": {},
        "--auth required": {"auth": "required"},
        "--control-token secret": {"control_token": "secret"},
        "--no-control": {"control": False},
        "--snapshot-limit 0": {"snapshot_limit": 0},
        "--sandboxes created": {"sandboxes": "created"},
        "--sandbox-limit 0": {"sandbox_limit": 0},
        "--memory-limit 65536": {"memory_limit": 65536},
    }
    servers: dict[str, Server] = {}
    with ExitStack() as stack:

        def address(options: list[str]) -> str:
            name = " ".join(options)
            if name not in servers:
                servers[name] = stack.enter_context(served(simulation.app(world, Settings(**settings[name]))))
            return servers[name].url

        yield address


def replay(client: httpx.Client, address: str, entry: Entry) -> tuple[int, dict[str, str], Any]:
    """Send the request of a recipe. Return status, headers and body of the answer."""
    request = entry["request"]
    host, _, port = address.removeprefix("http://").partition(":")
    if "method" not in request:
        raw = request.get("raw") or f"GET / HTTP/1.1\r\nX: {'x' * request['headerBytes']}"
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(raw.encode())
            head, _, body = b"".join(iter(lambda: connection.recv(65536), b"")).partition(b"\r\n\r\n")
        return int(head.split()[1]), {}, httpx.Response(200, content=body).json()
    if "bodyHex" in request:
        body = bytes.fromhex(request["bodyHex"])
    else:
        body = request.get("body", "").encode() or bytes(request.get("zeroBytes", 0))
    headers = request.get("headers", {})
    # The raw path, because the client would normalize it.
    url = httpx.URL(address).copy_with(raw_path=request["path"].encode())
    answer = client.request(request["method"], url, headers=headers, content=body or None)
    return answer.status_code, dict(answer.headers), answer.json()


def test_every_recipe_is_answered_as_the_catalogue_says(
    client: httpx.Client, entries: list[Entry], with_options: Callable[[list[str]], str]
) -> None:
    for entry in entries:
        status, headers, body = replay(client, with_options(entry.get("options", [])), entry)
        assert (status, body) == (entry["status"], entry["response"]["body"]), entry["request"]
        for name, value in entry["response"].get("headers", {}).items():
            assert headers[name.lower()] == value
        error = body["errors"][0]
        assert (entry["code"], entry["message"], entry["rule"]) == (
            error["code"],
            error["message"],
            error["details"]["rule"],
        )


def test_every_kind_of_refusal_has_an_entry(entries: list[Entry]) -> None:
    assert {entry["code"] for entry in entries} == {kind.code for kind in KINDS.values()}


def refusing_rules() -> set[str]:
    """Return the rules that refusals in the code rest on."""
    found: set[str] = set()
    for file in (ROOT / "simulator").rglob("*.py"):
        if "fixtures" in file.parts:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Fault":
                found.update(re.findall(r"'([A-Z]+-\d+)'", ast.unparse(node.args[0])))
    return found


def test_every_rule_that_the_code_refuses_by_has_an_entry(entries: list[Entry]) -> None:
    # CC-6 refuses only fixtures, S-14 only profiles, and G-8 is for failures of the simulator.
    assert refusing_rules() - {entry["rule"] for entry in entries} == {"CC-6", "G-8", "S-14"}


def test_the_rules_that_the_contracts_schemas_name_have_an_entry(simulation: Simulation, entries: list[Entry]) -> None:
    def named(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            stated = node.get("x-rule", {})
            yield from [stated] if isinstance(stated, str) else stated.values()
            for each in node.values():
                yield from named(each)

    schemas = simulation.contract.document.find("/components/schemas")
    refusing = {entry["rule"] for entry in entries}
    # G-6 is a schema's default, but all attributes of the schema have their own rules.
    assert set(named(schemas)) - refusing == {"G-6"}


def test_every_error_status_that_the_contract_documents_has_an_entry(
    simulation: Simulation, entries: list[Entry]
) -> None:
    shown = {(entry.get("operationId"), entry["status"]) for entry in entries}
    missing = {
        (operation.operation_id, status)
        for operation in simulation.contract.operations.values()
        for status in operation.answers
        if status >= 400 and (operation.operation_id, status) not in shown
    }
    # The only documented status that the simulator never answers. The contract says so.
    assert missing == {("deleteCriterion", 400)}


def test_what_made_up_requests_are_refused_for_is_in_the_catalogue(api: Api, entries: list[Entry]) -> None:
    known = {(entry.get("operationId"), entry["code"], entry["rule"]) for entry in entries}
    for method, path, body in [
        ("PUT", f"{CAPACITIES}Reception/", {"maxCalls": -7, "users": 3}),
        ("POST", CAPACITIES, {"name": "x/y", "isDefault": 1}),
        ("PUT", f"{EXECUTIVE}alerting/", {"rolloverWaitTime": 10**9, "mode": "Loud", "cliCustomName": ""}),
        ("PUT", f"{EXECUTIVE}criteria/none/", {"name": "disposable"}),
        ("POST", f"{EXECUTIVE}criteria/", {"name": "a", "fromDnCriteria": {"phoneNumbers": ["1"] * 13}}),
    ]:
        response = api(method, path, body)
        (entry,) = api.arranged("GET", "requests?limit=1")["requests"]
        for error in response.json()["errors"]:
            assert (entry["operationId"], error["code"], error["details"]["rule"]) in known


def test_entries_say_whether_the_refusal_is_our_word(entries: list[Entry]) -> None:
    reasons = {
        entry["response"]["body"]["errors"][0]["details"]["reason"].partition(" is refused")[0]: entry
        for entry in entries
        if entry.get("operationId") == "createCallCapacity"
    }
    assert reasons["the name 'available_users'"]["assumed"] is True
    assert reasons["the group has a call capacity 'Reception' already"]["assumed"] is False
    assert {entry["assumed"] for entry in entries if entry["code"] == 40601} == {False}


def test_options_are_named_only_where_they_are_needed(entries: list[Entry]) -> None:
    optional = [entry for entry in entries if entry.get("options") == ["--auth required"]]
    assert {entry["rule"] for entry in optional} == {"A-6"}
    assert len(optional) == 19


def test_of_the_control_interface_everything_is_assumed(entries: list[Entry]) -> None:
    own = [entry for entry in entries if entry["request"].get("path", "").startswith("/_simulator/")]
    assert len(own) > 10
    assert all(entry["assumed"] for entry in own)


def test_there_is_one_smallest_request_for_each_reason(entries: list[Entry]) -> None:
    bodies = [
        entry["request"].get("body")
        for entry in entries
        if entry.get("operationId") == "updateCallCapacity" and entry["rule"] == "CC-4"
    ]
    assert bodies == [
        '{"maxCalls":-1}',
        '{"maxCalls":1000000}',
        '{"maxIncomingCalls":-1}',
        '{"maxIncomingCalls":1000000}',
        '{"maxOutgoingCalls":-1}',
        '{"maxOutgoingCalls":1000000}',
    ]


def test_what_the_examples_leave_out_is_found_too(entries: list[Entry]) -> None:
    shown = {
        (entry.get("operationId"), entry["rule"], error["details"].get("pointer"))
        for entry in entries
        for error in entry["response"]["body"]["errors"]
    }
    assert {
        ("createCallCapacity", "CC-4", "/maxIncomingCalls"),
        ("updateCallCapacity", "G-12", "/name"),
        ("updateCallCapacity", "CC-3", "/name"),
        ("updateScreening", "G-5", "/enable"),
        ("updateFiltering", "EX-12", "/criteria/0/fromDnCriteria/selection"),
        ("updateFiltering", "G-4", "/criteria/0/unknown"),
    } <= shown


def test_the_package_holds_what_the_search_finds(simulation: Simulation) -> None:
    found = find_refusals(simulation)
    assert REFUSALS.read_bytes() == written(found), "write it with: python -m tools.contract_checks.catalogue"
    assert list(load_refusals()) == found


def test_no_simulator_is_asked_for_the_catalogue(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    simulation = Simulation()
    client = simulation.app(world).test_client()
    monkeypatch.setattr(Simulation, "app", None)
    answer = client.get("/_simulator/errors").json
    assert answer is not None
    assert len(answer["errors"]) == len(simulation.errors()["errors"]) > 500


def test_finding_them_leaves_no_trace_in_the_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        find_refusals(Simulation())
    assert caplog.records == []


def test_the_list_is_of_one_operation_where_one_is_asked_for(client: httpx.Client, entries: list[Entry]) -> None:
    own = client.get("/_simulator/errors?operationId=updateScreening").json()["errors"]
    assert own == [entry for entry in entries if entry.get("operationId") == "updateScreening"]
    response = client.get("/_simulator/errors?operationId=updateScreenin")
    assert response.status_code == 400
    assert "did you mean 'updateScreening'?" in response.text


def test_a_browser_gets_a_page_with_every_entry(client: httpx.Client, entries: list[Entry]) -> None:
    response = client.get("/_simulator/errors", headers={"Accept": "text/html,*/*;q=0.8"})
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.text.count("</details>") == len(entries) + 1, "the switcher of sandboxes is one more"
    assert '<h2 id="updateScreening">' in response.text


def test_the_commands_work_in_a_shell(client: httpx.Client, entries: list[Entry], server: str) -> None:
    tried = 0
    for entry in entries:
        if entry.get("operationId") != "updateScreening" or "options" in entry:
            continue
        assert server in entry["command"]
        done = subprocess.run(["bash", "-c", entry["command"]], capture_output=True, text=True, timeout=10)
        assert httpx.Response(200, text=done.stdout).json() == entry["response"]["body"], entry["command"]
        tried += 1
    assert tried > 20


def test_commands_for_what_is_no_request_are_quoted() -> None:
    raw = Recipe(operation_id=None, method="", path="", raw="nonsense\r\n\r\n")
    assert command(raw, "http://127.0.0.1:4080") == "printf 'nonsense\\r\\n\\r\\n' | nc 127.0.0.1 4080"
    large = Recipe(operation_id=None, method="", path="", header_bytes=9)
    assert "head -c 9 /dev/zero" in command(large, "http://127.0.0.1:4080/")
    assert command(raw, "http://[::1]:4999").endswith(" | nc ::1 4999")
    assert command(raw, "http://simulator").endswith(" | nc simulator 80")
    hostile = Recipe(operation_id=None, method="PUT", path="/it's", body=b"'; rm -rf '")
    assert shlex.split(command(hostile, "http://h"))[-2:] == ["'; rm -rf '", "http://h/it's"]


def test_the_command_line_prints_it_without_a_server() -> None:
    lines = run("errors", "updateScreening").stdout.splitlines()
    assert lines[0] == "updateScreening"
    assert "  40003 Refused by a rule, EX-7 (assumed)" in lines
    assert "    serve --auth required" in lines
    assert '"errors":' in run("errors", "login", "--format", "json").stdout.replace(" ", "")
    unknown = run("errors", "nope")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "the catalogue has no operation 'nope'" in unknown.stderr


def documented_refusals(contract: Contract) -> Iterator[tuple[str, str, Any]]:
    """Yield each refusal that an operation documents by an example: the operation, and the example's name and body."""
    find = contract.document.find
    for operation in contract.operations.values():
        for response in find(f"/paths{pointer_step(operation.path)}/{operation.method.lower()}/responses").values():
            content = (find(response["$ref"][1:]) if "$ref" in response else response).get("content", {})
            for name, example in content.get("application/json", {}).get("examples", {}).items():
                body = (find(example["$ref"][1:]) if "$ref" in example else example)["value"]
                if "errors" in body:
                    yield operation.operation_id, name, body


def test_each_operation_documents_an_answer_for_each_code_that_it_refuses_with(simulation: Simulation) -> None:
    # Another test replays the catalogue, so these are real answers.
    real: dict[tuple[str | None, int], list[Any]] = {}
    for refusal in load_refusals():
        if refusal.recipe.operation_id in simulation.contract.operations:
            real.setdefault((refusal.recipe.operation_id, refusal.error["code"]), []).append(refusal.body)
    documented = set()
    for operation_id, name, body in documented_refusals(simulation.contract):
        key = operation_id, body["errors"][0]["code"]
        assert body in real.get(key, []), (operation_id, name)
        documented.add(key)
    assert documented == real.keys()


def test_a_documented_refusal_is_named_after_its_code(simulation: Simulation) -> None:
    names = {kind.code: refusal.__name__ for refusal, kind in KINDS.items()}
    # A tool pairs this answer with the request of the same name.
    names[KINDS[ServiceNotAssigned].code] = "NotAssigned"
    for operation_id, name, body in documented_refusals(simulation.contract):
        assert name[0].upper() + name[1:] == names[body["errors"][0]["code"]], operation_id


def test_the_cookie_that_a_401_is_documented_to_delete_is_the_one_it_deletes(simulation: Simulation) -> None:
    pointer = "/components/responses/CredentialsRequired/headers/Set-Cookie/examples/invalidCredentials/value"
    shown = simulation.contract.document.find(pointer)
    deleted = {each.headers["Set-Cookie"] for each in load_refusals() if "Set-Cookie" in each.headers}
    assert deleted == {shown}


@pytest.mark.parametrize("which", ["contract", "control_contract"])
def test_the_contract_enumerates_the_codes(simulation: Simulation, which: str) -> None:
    stated = getattr(simulation, which).document.find("/components/schemas/ErrorCode")
    named = {refusal.__name__: kind for refusal, kind in KINDS.items()} | {"Failed": FAILED, "Overloaded": OVERLOADED}
    kinds = sorted((kind.code, constant(name), kind.message) for name, kind in named.items())
    injected = [
        (status * 100, f"INJECTED_{status}", "Injected fault") for status in sorted({code // 100 for code, *_ in kinds})
    ]
    expected = kinds + injected
    assert stated["enum"] == [code for code, *_ in expected]
    assert stated["x-enum-varnames"] == [name for _, name, _ in expected]
    for described, (*_, message) in zip(stated["x-enum-descriptions"], expected, strict=True):
        assert re.match(f"{re.escape(message)}(: | with )", described)


def constant(name: str) -> str:
    """Return the name of a class as that of a constant."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper()


def test_an_injected_fault_answers_with_a_code_of_the_contract(simulation: Simulation, api: Api) -> None:
    codes = simulation.contract.document.find("/components/schemas/ErrorCode/enum")
    for status in sorted({code // 100 for code in codes}):
        fault = api.arranged("POST", "faults", {"operationId": "listCallCapacities", "status": status, "times": 1})
        assert api("GET", CAPACITIES).json()["errors"][0]["code"] in codes, fault
