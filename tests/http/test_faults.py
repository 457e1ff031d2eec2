"""Injected faults over real HTTP: answers, delays, broken connections, all by count."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import Any

import httpx
import pytest

from simulator.app import Simulation
from simulator.server import Server
from simulator.settings import DEFAULTS, Settings
from simulator.state.world import World
from tests.conftest import CAPACITIES, EXECUTIVE, Api, faults, served, wait_until

pytestmark = pytest.mark.rule("S-6")

ALERTING = f"{EXECUTIVE}alerting/"


def inject(api: Api, **fault: Any) -> Any:
    return api.arranged("POST", "faults", {"operationId": "getAlerting", **fault})


def statuses(api: Api, number: int, path: str = ALERTING) -> list[int]:
    return [api("GET", path).status_code for _ in range(number)]


class TestAnswers:
    def test_a_fault_answers_in_the_shape_of_every_error(self, api: Api) -> None:
        fault = inject(api, status=503, retryAfter=7)
        response = api("GET", ALERTING)
        assert (response.status_code, faults(response)) == (503, {("S-6", None)})
        assert response.headers["Retry-After"] == "7"
        assert response.headers["X-Simulator-Fault"] == fault["id"]
        assert "X-Simulator-Request-Id" in response.headers

    def test_or_with_a_body_of_its_own(self, api: Api) -> None:
        inject(api, status=200, body={"mode": "Nonsense", "deep": [1, None]})
        assert api.ok("GET", ALERTING) == {"mode": "Nonsense", "deep": [1, None]}

    def test_after_and_times_count_the_calls_that_match(self, api: Api) -> None:
        inject(api, status=500, after=2, times=2)
        assert statuses(api, 6) == [200, 200, 500, 500, 200, 200]

    def test_without_times_there_is_no_end(self, api: Api) -> None:
        inject(api, status=500)
        assert statuses(api, 5) == [500] * 5

    def test_faults_follow_each_other_in_their_order(self, api: Api) -> None:
        inject(api, status=503, times=1)
        inject(api, status=429, times=2)
        assert statuses(api, 4) == [503, 429, 429, 200]
        assert [each["hits"] for each in api.arranged("GET", "faults")["faults"]] == [1, 2]

    def test_one_that_only_delays_lets_the_next_one_be_asked(self, api: Api) -> None:
        inject(api, delayMs=30)
        inject(api, status=503, delayMs=30)
        began = time.monotonic()
        assert statuses(api, 1) == [503]
        assert time.monotonic() - began >= 0.06

    def test_nothing_is_done_in_its_place(self, api: Api) -> None:
        inject(api, operationId="deleteCallCapacity", status=500)
        assert api("DELETE", f"{CAPACITIES}Reception/").status_code == 500
        assert api.arranged("GET", "diff")["changes"] == []

    def test_it_answers_before_credentials_are_looked_at(self, api: Api) -> None:
        inject(api, status=500)
        assert api("GET", ALERTING, headers={"Authorization": "Bearer nobody"}).status_code == 500

    @pytest.mark.rule("G-11")
    @pytest.mark.parametrize(
        ("narrowed", "hit"),
        [
            ({}, True),
            ({"tenantId": "foo", "groupId": "foogroup", "userId": "foouser"}, True),
            ({"userId": "foouser@sip.netaxis.be"}, True),
            ({"userId": "user_1"}, False),
            ({"groupId": "bargroup"}, False),
            ({"tenantId": "demo"}, False),
            ({"operationId": "updateAlerting"}, False),
            ({"operationId": "*"}, True),
            ({"operationId": "*", "userId": "foouser"}, True),
        ],
    )
    def test_it_hits_the_calls_that_are_meant(self, api: Api, narrowed: dict[str, str], hit: bool) -> None:
        inject(api, status=500, **narrowed)
        assert statuses(api, 1) == [500 if hit else 200]

    def test_one_for_a_user_passes_by_the_calls_that_are_about_none(self, api: Api) -> None:
        inject(api, operationId="*", userId="foouser", status=500)
        assert statuses(api, 1, CAPACITIES) == [200]

    def test_a_star_is_every_operation_but_no_unknown_path_and_no_preflight(self, api: Api) -> None:
        inject(api, operationId="*", status=500)
        assert api("POST", "login/", {"username": "sysadmin", "password": "secret"}).status_code == 500
        assert statuses(api, 1, CAPACITIES) == [500]
        assert statuses(api, 1, "nowhere/") == [404]
        assert statuses(api, 1, CAPACITIES.rstrip("/")) == [404]
        assert api("PATCH", CAPACITIES).status_code == 405
        preflight = {"Origin": "http://a.example", "Access-Control-Request-Method": "PUT"}
        assert api("OPTIONS", CAPACITIES, headers=preflight).status_code == 204
        assert api.control("GET", "health").status_code == 200

    def test_pages_of_other_origins_can_read_it(self, api: Api) -> None:
        inject(api, status=503)
        headers = api("GET", ALERTING, headers={"Origin": "http://a.example"}).headers
        assert headers["Access-Control-Allow-Origin"] == "http://a.example"
        assert {"Retry-After", "X-Simulator-Fault"} < set(headers["Access-Control-Expose-Headers"].split(", "))

    @pytest.mark.parametrize("status", [204, 205, 304])
    def test_a_status_without_body_has_none(self, api: Api, status: int) -> None:
        inject(api, status=status)
        response = api("GET", ALERTING)
        assert (response.status_code, response.content) == (status, b"")
        assert "Content-Type" not in response.headers

    def test_the_journal_says_that_it_was_a_fault(self, api: Api) -> None:
        fault = inject(api, status=503)
        entry = api.arranged("GET", f"requests/{api('GET', ALERTING).headers['X-Simulator-Request-Id']}")
        assert (entry["fault"], entry["rule"], entry["operationId"]) == (fault["id"], "S-6", "getAlerting")
        assert f"The injected fault {fault['id']} answered 503 in the place of the operation." in entry["explanation"]

    def test_it_says_so_of_a_delay_too_and_of_what_followed(self, api: Api) -> None:
        fault = inject(api, delayMs=1)
        response = api("GET", ALERTING, headers={"Authorization": "Bearer nobody"})
        assert response.headers["X-Simulator-Fault"] == fault["id"]
        (entry,) = api.arranged("GET", "requests")["requests"]
        assert (entry["fault"], entry["rule"]) == (fault["id"], "A-5")
        assert f"The injected fault {fault['id']} delayed the call by 1 ms." in entry["explanation"]
        assert "getAlerting was refused with 401" in entry["explanation"]

    def test_an_injected_success_is_no_refusal_and_its_secrets_are_redacted(self, api: Api) -> None:
        inject(api, status=200, body={"token": "hunter2", "mode": "x"})
        assert api.ok("GET", ALERTING)["token"] == "hunter2"
        (entry,) = api.arranged("GET", "requests")["requests"]
        assert "rule" not in entry
        assert entry["response"]["body"] == {"token": "[redacted]", "mode": "x"}
        operations = api.arranged("GET", "coverage")["operations"]
        assert [each["rules"] for each in operations if each["hits"]] == [{}]

    def test_a_path_that_cannot_be_read_is_not_hit(self, api: Api) -> None:
        inject(api, operationId="*", status=500)
        assert statuses(api, 1, "%ff/") == [404]
        assert statuses(api, 1, "tenants/foo/groups/a%2Fb/services/call_capacities/") == [404]

    def test_ids_beyond_ascii_are_hit(self, api: Api) -> None:
        inject(api, operationId="getCallCapacity", tenantId="föö", status=500)
        assert statuses(api, 1, f"{CAPACITIES.replace('/foo/', '/föö/')}x/") == [500]

    def test_a_number_is_not_given_again(self, api: Api) -> None:
        inject(api, status=500)
        inject(api, status=500)
        api.arranged("DELETE", "faults/1")
        assert inject(api, status=500)["id"] == "3"

    def test_other_sandboxes_know_nothing_of_it(self, api: Api) -> None:
        inject(api, operationId="*", status=500)
        other = Api(api.client, "no-faults")
        assert statuses(other, 1) == [200]


class TestBrokenConnections:
    def test_close_ends_the_connection_without_an_answer_and_does_nothing(self, api: Api) -> None:
        inject(api, operationId="deleteCallCapacity", abort="close", times=1)
        with pytest.raises(httpx.RemoteProtocolError):
            api("DELETE", f"{CAPACITIES}Reception/")
        assert api("GET", f"{CAPACITIES}Reception/").status_code == 200
        (entry,) = api.arranged("GET", "requests?operationId=deleteCallCapacity")["requests"]
        assert (entry["abort"], "status" in entry, "response" in entry) == ("close", False, False)
        assert "closed the connection; nothing was done" in entry["explanation"]

    def test_truncate_breaks_the_answer_off_after_the_operation_was_carried_out(self, api: Api) -> None:
        inject(api, operationId="updateCallCapacity", abort="truncate", times=1)
        with pytest.raises(httpx.RemoteProtocolError, match="peer closed connection"):
            api("PUT", f"{CAPACITIES}Reception/", {"maxCalls": 9})
        (entry,) = api.arranged("GET", "requests")["requests"]
        assert "broke the operation's own answer off half way" in entry["explanation"]
        assert api.ok("GET", f"{CAPACITIES}Reception/")["maxCalls"] == 9

    def test_an_injected_answer_can_be_truncated_too(self, api: Api) -> None:
        inject(api, operationId="updateCallCapacity", abort="truncate", status=500)
        with pytest.raises(httpx.RemoteProtocolError):
            api("PUT", f"{CAPACITIES}Reception/", {"maxCalls": 9})
        assert api.ok("GET", f"{CAPACITIES}Reception/")["maxCalls"] == 7

    def test_an_answer_without_body_breaks_off_before_it_begins(self, api: Api) -> None:
        inject(api, operationId="deleteCallCapacity", abort="truncate", times=1)
        with pytest.raises(httpx.RemoteProtocolError):
            api("DELETE", f"{CAPACITIES}Reception/")
        assert api("GET", f"{CAPACITIES}Reception/").status_code == 404


def hits(api: Api) -> int:
    """Return how often the first fault of a sandbox took effect."""
    return int(api.arranged("GET", "faults")["faults"][0]["hits"])


def has_delayed(server: Server, number: int) -> bool:
    return server.delayed == number


class TestDelays:
    def test_fifty_delayed_calls_do_not_block_the_next(self, api: Api) -> None:
        inject(api, operationId="getAlerting", delayMs=600_000)
        quick = Api(api.client, "quick")
        quick.reset()
        address = (api.client.base_url.host, api.client.base_url.port)
        asked = f"GET {api.root}/api/v1/{ALERTING} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        with ExitStack() as stack:
            delayed = [stack.enter_context(socket.create_connection(address)) for _ in range(50)]
            for each in delayed:
                each.sendall(asked)
            wait_until(lambda: hits(api) == 50)
            for other in (api, quick):
                assert other.ok("PUT", f"{CAPACITIES}Reception/", {"maxCalls": 3})
            assert select.select(delayed, [], [], 0)[0] == []

    def test_a_delayed_call_sees_what_happens_meanwhile(self, api: Api, server: str) -> None:
        inject(api, operationId="listCallCapacities", delayMs=400)
        with ThreadPoolExecutor(1) as pool:
            delayed = pool.submit(httpx.get, f"{server}{api.root}/api/v1/{CAPACITIES}", timeout=20)
            wait_until(lambda: hits(api) == 1)
            api.ok("DELETE", f"{CAPACITIES}Reception/")
            assert [each["name"] for each in delayed.result().json()["call_capacities"]] == ["disposable"]

    @pytest.mark.rule("S-5")
    @pytest.mark.parametrize("root", ["", "/_sandboxes/{}"])
    def test_a_delayed_write_belongs_to_the_state_before_a_reset(
        self, simulation: Simulation, world: World, root: str
    ) -> None:
        with (
            served(simulation.app(world)) as server,
            httpx.Client(base_url=server.url) as client,
            ThreadPoolExecutor(2) as pool,
        ):
            api = Api(client, "s")
            api.root = root.format("s")
            inject(api, operationId="*", delayMs=400)
            reception, login = (
                f"{server.url}{api.root}/api/v1/{path}" for path in (f"{CAPACITIES}Reception/", "login/")
            )
            account = {"username": "groupadmin", "password": "secret"}
            write = pool.submit(httpx.put, reception, json={"maxCalls": 9}, timeout=20)
            log_in = pool.submit(httpx.post, login, json=account, timeout=20)
            wait_until(lambda: hits(api) == 2)
            api.arranged("PUT", "snapshots/kept")
            api.reset()
            assert (write.result().json()["maxCalls"], log_in.result().status_code) == (9, 200)
            assert api.arranged("GET", "requests")["total"] == 0
            assert api.arranged("GET", "diff")["changes"] == []
            assert [each["name"] for each in api.arranged("GET", "snapshots")["snapshots"]] == ["kept"]
            assert api.ok("GET", f"{CAPACITIES}Reception/")["maxCalls"] == 7
            ended = {"Cookie": f"sessionid={log_in.result().cookies['sessionid']}"}
            assert api.refused("GET", f"{CAPACITIES}Reception/", headers=ended) == (401, {("A-5", None)})

    def test_the_next_call_of_a_connection_waits_its_turn(self, api: Api) -> None:
        inject(api, operationId="getAlerting", delayMs=200, times=1)
        assert [api("GET", path).status_code for path in (ALERTING, CAPACITIES)] == [200, 200]
        first, second = api.arranged("GET", "requests")["requests"]
        assert first["durationMs"] >= 200
        assert first["time"] <= second["time"]

    def test_clients_that_hang_up_meanwhile_do_not_use_up_the_connections(
        self, simulation: Simulation, world: World
    ) -> None:
        with served(simulation.app(world, Settings(delay_ms=600_000))) as server:
            server.listener.limit = 3
            for number in range(30):
                with socket.create_connection((server.host, server.port)) as client:
                    client.sendall(f"GET /api/v1/{CAPACITIES} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                    wait_until(partial(has_delayed, server, number + 1))
            assert httpx.get(f"{server.url}/_simulator/health").status_code == 200

    def test_a_client_that_sends_no_more_gets_its_answer(self, api: Api) -> None:
        inject(api, operationId="getCallCapacity", delayMs=100)
        address = (api.client.base_url.host, api.client.base_url.port)
        with socket.create_connection(address, timeout=5) as client:
            client.sendall(f"GET {api.root}/api/v1/{CAPACITIES}Reception/ HTTP/1.1\r\nHost: l\r\n\r\n".encode())
            client.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: client.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b'"name":"Reception"' in answer

    def test_what_a_client_asked_for_is_carried_out_although_it_hung_up(self, api: Api) -> None:
        inject(api, operationId="deleteCallCapacity", delayMs=100)
        address = (api.client.base_url.host, api.client.base_url.port)
        with socket.create_connection(address) as client:
            client.sendall(f"DELETE {api.root}/api/v1/{CAPACITIES}Reception/ HTTP/1.1\r\nHost: l\r\n\r\n".encode())
            wait_until(lambda: hits(api) == 1)
        wait_until(lambda: api.arranged("GET", "requests?operationId=deleteCallCapacity")["total"] == 1)
        assert api("GET", f"{CAPACITIES}Reception/").status_code == 404

    def test_an_application_without_our_server_waits_too(self, simulation: Simulation, world: World) -> None:
        client = simulation.app(world, Settings(delay_ms=50)).test_client()
        began = time.monotonic()
        assert client.get(f"/api/v1/{CAPACITIES}").status_code == 200
        assert time.monotonic() - began >= 0.05

    @pytest.fixture
    def slow(self, simulation: Simulation, world: World) -> Iterator[Server]:
        with served(simulation.app(world, Settings(delay_ms=600_000))) as server:
            yield server

    def test_a_server_can_be_slow_in_everything_but_its_control_interface(self, slow: Server) -> None:
        with ExitStack() as stack:
            for number, path in enumerate((f"/api/v1/{CAPACITIES}", "/nowhere/"), start=1):
                client = stack.enter_context(socket.create_connection((slow.host, slow.port)))
                client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                wait_until(partial(has_delayed, slow, number))
            assert httpx.get(f"{slow.url}/_simulator/state").status_code == 200
            assert slow.delayed == 2

    def test_its_delay_and_that_of_a_fault_add_up(self, simulation: Simulation, world: World) -> None:
        client = simulation.app(world, Settings(delay_ms=40)).test_client()
        client.post("/_simulator/faults", json={"operationId": "*", "delayMs": 40})
        client.get(f"/api/v1/{CAPACITIES}")
        (entry,) = (client.get("/_simulator/requests").json or {})["requests"]
        assert entry["durationMs"] >= 80

    def test_a_server_that_stops_still_answers_what_is_due_soon(self, simulation: Simulation, world: World) -> None:
        with served(simulation.app(world, Settings(delay_ms=500))) as server, ThreadPoolExecutor(1) as pool:
            delayed = pool.submit(httpx.get, f"{server.url}/api/v1/{CAPACITIES}")
            wait_until(lambda: server.delayed)
            server.stop()
            assert delayed.result().status_code == 200


class TestArranging:
    def test_a_fault_is_shown_listed_and_removed(self, api: Api) -> None:
        one = inject(api, status=404, userId="foouser", times=3)
        assert one == {
            "id": "1",
            "operationId": "getAlerting",
            "userId": "foouser",
            "after": 0,
            "times": 3,
            "status": 404,
            "hits": 0,
            "warnings": [],
        }
        two = inject(api, delayMs=1)
        statuses(api, 1)
        assert api.arranged("GET", "faults") == {"faults": [{**one, "hits": 1}, two]}
        assert api.control("DELETE", "faults/1").status_code == 204
        assert [each["id"] for each in api.arranged("GET", "faults")["faults"]] == ["2"]
        assert api.control("DELETE", "faults").status_code == 204
        assert api.arranged("GET", "faults") == {"faults": []}
        response = api.control("DELETE", "faults/1")
        assert (response.status_code, faults(response)) == (404, {("S-6", None)})

    @pytest.mark.parametrize(
        ("operation_id", "status", "warning"),
        [
            ("getAlerting", 503, "the status 503 is not documented by getAlerting"),
            ("*", 503, "no operation documents the status 503"),
            ("*", 201, "the status 201 is not documented by login, listCallCapacities"),
        ],
    )
    def test_a_status_that_is_not_documented_is_warned_of(
        self, api: Api, operation_id: str, status: int, warning: str
    ) -> None:
        (said,) = inject(api, operationId=operation_id, status=status)["warnings"]
        assert said.startswith(warning)

    @pytest.mark.parametrize(
        ("ids", "warnings"),
        [
            ({"tenantId": "nix"}, ["there is no tenant 'nix' at present"]),
            ({"tenantId": "foo", "groupId": "brussels"}, ["there is no group 'brussels' at present"]),
            ({"groupId": "brussels", "userId": "foouser"}, ["there is no user 'foouser' at present"]),
            ({"groupId": "foogroup", "userId": "foouser"}, []),
            ({"userId": "user_1"}, []),
        ],
    )
    def test_an_id_that_is_not_there_is_warned_of(self, api: Api, ids: dict[str, str], warnings: list[str]) -> None:
        assert inject(api, delayMs=1, **ids)["warnings"] == warnings

    def test_a_fault_for_all_may_come_before_there_is_anything(self, api: Api) -> None:
        api.arranged("PUT", "state", {"version": 1, "defaultDomain": "d.example", "tenants": {}})
        assert inject(api, operationId="*", delayMs=1)["warnings"] == []
        assert inject(api, userId="boss", delayMs=1)["warnings"] == ["there is no user 'boss' at present"]

    def test_a_name_that_was_probably_meant_is_said_at_once(self, api: Api) -> None:
        response = api.control("POST", "faults", {"operationId": "getalerting", "status": 500})
        assert "did you mean 'getAlerting'?" in response.text

    @pytest.mark.parametrize(
        ("fault", "refused"),
        [
            ({"operationId": "getAlertin", "status": 500}, {("S-6", "/operationId")}),
            ({"operationId": "login", "status": 500, "tenantId": "foo"}, {("S-6", "/tenantId")}),
            ({"operationId": "listCallCapacities", "status": 500, "userId": "u"}, {("S-6", "/userId")}),
            ({}, {("S-6", None)}),
            ({"after": 1, "times": 1}, {("S-6", None)}),
            ({"delayMs": 1, "body": {}}, {("S-6", "/body")}),
            ({"delayMs": 1, "retryAfter": 1}, {("S-6", "/retryAfter")}),
            ({"status": 204, "body": {}}, {("S-6", "/body")}),
            ({"status": 205, "body": {}}, {("S-6", "/body")}),
            ({"status": 500, "abort": "close"}, {("S-6", "/status")}),
            ({"status": 199}, {("S-6", "/status")}),
            ({"status": 600}, {("S-6", "/status")}),
            ({"status": "500"}, {("G-5", "/status")}),
            ({"abort": "explode"}, {("S-6", "/abort")}),
            ({"delayMs": 0}, {("S-6", "/delayMs")}),
            ({"delayMs": 10**9}, {("S-6", "/delayMs")}),
            ({"status": 500, "times": 0}, {("S-6", "/times")}),
            ({"status": 500, "probability": 0.5}, {("G-4", "/probability")}),
        ],
    )
    def test_what_makes_no_sense_is_refused(
        self, api: Api, fault: dict[str, Any], refused: set[tuple[str, str | None]]
    ) -> None:
        response = api.control("POST", "faults", {"operationId": "getAlerting", **fault})
        assert (response.status_code, faults(response)) == (400, refused)
        assert api.arranged("GET", "faults") == {"faults": []}

    @pytest.mark.rule("S-3")
    def test_there_are_no_more_than_the_limit(self, simulation: Simulation, world: World) -> None:
        client = simulation.app(world, Settings(fault_limit=1)).test_client()
        fault = {"operationId": "*", "status": 500}
        assert [client.post("/_simulator/faults", json=fault).status_code for _ in range(2)] == [201, 400]

    @pytest.mark.rule("S-3")
    def test_a_body_is_no_larger_than_one_of_the_api(self, api: Api) -> None:
        body = {"operationId": "*", "status": 500, "body": {"a": "x" * DEFAULTS.max_body}}
        response = api.control("POST", "faults", body)
        assert (response.status_code, faults(response)) == (400, {("S-3", "/body")})

    @pytest.mark.rule("S-6")
    def test_an_integer_that_no_answer_can_state_is_refused(self, api: Api) -> None:
        body = {"operationId": "*", "status": 500, "body": {"a": [{"b": 123456789012345678901234567890}]}}
        response = api.control("POST", "faults", body)
        assert (response.status_code, faults(response)) == (400, {("S-6", "/body")})
        assert "not 123456789012345678901234567890" in response.text

    @pytest.mark.rule("S-5")
    def test_a_reset_removes_them(self, api: Api) -> None:
        inject(api, status=500)
        api.reset()
        assert statuses(api, 1) == [200]
