"""Calls of the journal, sent again as their entries say."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from typing import Any

import httpx
import pytest

from simulator.app import Simulation
from simulator.control.recipe import load_refusals
from simulator.settings import Settings
from simulator.state.world import World
from tests.conftest import CAPACITIES, EXECUTIVE, Api, served

pytestmark = pytest.mark.rule("S-7")

RECEPTION = f"{CAPACITIES}Reception/"
BODIES = [
    b'{"maxCalls": 9}',
    b'{"title": "it\'s \\"quoted\\""}',
    b'{"title": "$HOME `id` $(id) !x \\\\ %d"}',
    b"'; touch /tmp/x; '",
    b"@/etc/hostname",
    b"line\nline\r\n\ttab",
    '{"title": "😀 é \u202e rtl \u2028 \u00a0"}'.encode(),
    b"nul \0 nul",
    b"\xff\xfe %s\x80",
    b"\x1b[31m\x03\x07",
    b"-d -X DELETE",
    b"</script><img src=x onerror=alert(1)>",
    b" ",
    b"[" * 2_000,
    b'{"title": "' + b"x" * 60_000 + b'"}',
    bytes(2_000),
]
TARGETS = [
    "tenants/foo/groups/foo%2Fgroup/services/call_capacities/",
    "tenants/foo/groups/foogroup/services/call_capacities/%00/",
    "tenants/foo/groups/%ff%fe/services/call_capacities/",
    "tenants/foo/groups/%F0%9F%98%80%22%27%24%7B1,2%7D/services/call_capacities/",
    "tenants/foo/groups/{a,b}[1-3]$(id)'\"`|\\^<>/services/call_capacities/",
    "tenants/foo/groups/../groups/foogroup/services/call_capacities/",
    "tenants/foo/groups/foogroup/services/call_capacities/?a=%2F&b[]={1}&c='$x'&d=%zz",
    "tenants//foo/groups/foogroup/services/call_capacities/",
    "tenants/foo/groups/a%25b/services/call_capacities/",
]


def sent(api: Api, method: str, target: str, **options: Any) -> Any:
    """Call the API with a target that goes out byte for byte. Return the journal's entry."""
    extensions = {"target": f"{api.root}/api/v1/{target}".encode()}
    response = api.client.request(method, api.root, extensions=extensions, **options)
    return api.arranged("GET", f"requests/{response.headers['X-Simulator-Request-Id']}")


def newest(api: Api, number: int = 1) -> list[Any]:
    """Return the newest entries of the journal, oldest first."""
    entries = api.arranged("GET", f"requests?limit={number}")["requests"]
    return [api.arranged("GET", f"requests/{each['id']}") for each in entries]


def compared(entry: Any) -> Any:
    """Return what must be equal when a call is sent again."""
    return {
        "request": {name: each for name, each in entry["request"].items() if name != "headers"},
        "content type": entry["request"]["headers"].get("Content-Type"),
        "answer": {name: each for name, each in entry["response"].items() if name != "headers"},
        **{name: entry.get(name) for name in ("method", "path", "status", "operationId", "rule")},
    }


def bash(commands: str) -> None:
    done = subprocess.run(["bash", "-c", f"set -e\n{commands}"], capture_output=True, timeout=30)
    assert done.returncode == 0, done.stderr


def python(program: str) -> None:
    exec(program, {})


def node(program: str) -> None:
    if shutil.which("node") is None:
        pytest.skip("there is no node")
    done = subprocess.run(["node", "--input-type=module"], input=program, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr


CLIENTS = {"command": bash, "httpx": python, "fetch": node}


def assert_sent_again(api: Api, language: str, entries: list[Any]) -> None:
    """Run the programs of these entries, and compare what the journal has then with what it had."""
    CLIENTS[language]("\n".join(each["replay"][language] for each in entries))
    again = newest(api, len(entries))
    assert not {each["id"] for each in again} & {each["id"] for each in entries}
    for old, new in zip(entries, again, strict=True):
        assert compared(new) == compared(old)


@pytest.mark.parametrize("language", CLIENTS)
@pytest.mark.parametrize("content_type", [None, "application/json", "text/plain; x='y'"])
def test_bodies_arrive_byte_for_byte_and_are_answered_as_before(
    api: Api, language: str, content_type: str | None
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    entries = [sent(api, "PUT", RECEPTION, content=body, headers=headers) for body in BODIES]
    assert_sent_again(api, language, entries)
    # Two bodies that are shown alike need not be alike. Programs hold all bytes.
    assert [each["replay"]["httpx"] for each in newest(api, len(BODIES))] == [
        each["replay"]["httpx"] for each in entries
    ]


@pytest.mark.parametrize("language", ["fetch", "httpx"])
def test_a_program_prints_the_status_and_the_body(api: Api, language: str) -> None:
    command = [sys.executable, "-"] if language == "httpx" else ["node", "--input-type=module"]
    if shutil.which(command[0]) is None:
        pytest.skip("there is no node")
    entry = sent(api, "GET", f"{CAPACITIES}none/")
    answer = api("GET", f"{CAPACITIES}none/")
    done = subprocess.run(command, input=entry["replay"][language], capture_output=True, text=True, timeout=30)
    assert done.stdout == f"404 {answer.text}\n"


@pytest.mark.parametrize("language", CLIENTS)
def test_paths_and_queries_arrive_as_they_were(api: Api, language: str) -> None:
    entries = [sent(api, "GET", target) for target in TARGETS]
    able = [each for each in entries if language in each["replay"]]
    assert_sent_again(api, language, able)
    assert len(entries) - len(able) == {"command": 0, "fetch": 1, "httpx": 2}[language]


@pytest.mark.parametrize(
    ("method", "target", "options"),
    [
        ("GET", CAPACITIES, {}),
        ("GET", CAPACITIES, {"headers": {"Accept": "text/html"}}),
        ("GET", f"{EXECUTIVE}available_assistants/", {"content": b'{"sameGroupOnly": false}'}),
        ("HEAD", CAPACITIES, {}),
        ("DELETE", f"{CAPACITIES}disposables/", {}),
        ("PATCH", RECEPTION, {"content": b"{}"}),
        ("PUT", RECEPTION, {"content": b"{}", "headers": {"Content-Encoding": "gzip"}}),
        (
            "OPTIONS",
            RECEPTION,
            {"headers": {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "PUT"}},
        ),
    ],
)
def test_each_method_is_sent_with_the_headers_that_matter(api: Api, method: str, target: str, options: Any) -> None:
    before = sent(api, method, target, **options)
    assert_sent_again(api, "command", [before])


def test_refusals_of_the_catalogue_are_refused_again(api: Api) -> None:
    entries = []
    for refused in load_refusals():
        recipe = refused.recipe
        if recipe.operation_id not in ("createCallCapacity", "updateScreening") or recipe.settings:
            continue
        target = recipe.path.removeprefix("/api/v1/")
        entry = sent(api, recipe.method, target, content=recipe.body, headers=dict(recipe.headers))
        if entry["replay"]["replayable"] and "credentials" not in entry["replay"]:
            entries.append(entry)
    assert len(entries) > 50
    assert_sent_again(api, "command", entries)


class TestWhatCannotBeSentAgain:
    @pytest.mark.parametrize(
        ("target", "body", "reason"),
        [
            (RECEPTION, b'{"name": "' + b"x" * 70_000, "only the beginning of the body"),
            (RECEPTION, b"x" * 1_200_000, "not kept the body"),
            (RECEPTION, b'{"password": "x"}', "a secret from the body"),
            (RECEPTION, b'{"name": "token=x", "name":  "x"}', "in another form"),
            (f"{RECEPTION}?token=x", b"{}", "a secret from the query"),
            (f"{RECEPTION}token=secret/", b"{}", "a secret from the path"),
            (f"{RECEPTION}%74oken=secret/", b"{}", "a secret from the path"),
            ("login/", b'{"username": "groupadmin", "password": "secret"}', "a secret from the body"),
        ],
    )
    def test_a_reason_is_given_and_no_command(self, api: Api, target: str, body: bytes, reason: str) -> None:
        replay = sent(api, "PUT" if "login" not in target else "POST", target, content=body)["replay"]
        assert reason in replay["reason"]
        assert replay == {"replayable": False, "reason": replay["reason"]}
        assert "secret/" not in str(replay)

    def test_fetch_is_left_out_where_it_cannot_send_the_request(self, api: Api) -> None:
        replay = sent(api, "GET", f"{EXECUTIVE}available_assistants/", content=b"{}")["replay"]
        assert replay.keys() == {"replayable", "command", "httpx", "target", "body"}


def test_credentials_are_named_but_never_shown(api: Api) -> None:
    headers = {"Authorization": "Bearer system-admin", "Cookie": "sessionid=abc"}
    replay = sent(api, "GET", CAPACITIES, headers=headers)["replay"]
    assert (replay["replayable"], replay["credentials"]) == (True, ["Authorization", "Cookie"])
    assert not re.search("system-admin|abc|redacted", str(replay))


def test_lists_do_not_say_how_to_send_a_call_again(api: Api) -> None:
    sent(api, "GET", CAPACITIES)
    [entry] = api.arranged("GET", "requests")["requests"]
    assert not {"replay", "previous", "next"} & entry.keys()


def test_an_entry_names_its_neighbours(api: Api) -> None:
    ids = [sent(api, "GET", CAPACITIES)["id"] for _ in range(3)]
    entries = [api.arranged("GET", f"requests/{each}") for each in ids]
    assert [each.get("previous") for each in entries] == [None, *ids[:2]]
    assert [each.get("next") for each in entries] == [*ids[1:], None]


def test_the_commands_call_the_address_that_the_client_uses(simulation: Simulation, world: World) -> None:
    with served(simulation.app(world, Settings(allowed_hosts=("*",)))) as server:
        headers = {"Host": "simulator.test:8080"}
        request_id = httpx.get(f"{server.url}/api/v1/", headers=headers).headers["X-Simulator-Request-Id"]
        entry = httpx.get(f"{server.url}/_simulator/requests/{request_id}", headers=headers).json()
    assert entry["replay"]["command"] == "curl --path-as-is http://simulator.test:8080/api/v1/"
