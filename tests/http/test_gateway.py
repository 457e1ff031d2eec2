"""Sandboxes, CORS and the log: what happens before and after the simulated API."""

from __future__ import annotations

import gc
import json
import logging
import re
import weakref
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from werkzeug.test import EnvironBuilder

from simulator.app import Simulation
from simulator.contract.operation import Call
from simulator.http.gateway import LARGE_BODY
from simulator.http.wsgi import HEAD, Background, Delayed
from simulator.log import JsonFormatter, LoggedRequest
from simulator.settings import Settings
from simulator.state.sandboxes import IN_USE_SECONDS
from simulator.state.sessions import SESSIONS
from simulator.state.world import Fork, World
from tests.conftest import CAPACITIES, Api, faults, served

RECEPTION = CAPACITIES + "Reception/"
ORIGIN = {"Origin": "http://localhost:3000"}
CHANGING = ("id", "time", "durationMs")
"""What differs between the journal's entries of equal calls."""


class TestSandboxes:
    @pytest.mark.rule("G-17")
    def test_each_sandbox_is_a_world_of_its_own_from_the_first_use(self, api: Api) -> None:
        other = Api(api.client, "another-one.2")
        other.reset()
        api.ok("DELETE", RECEPTION)
        assert other("GET", RECEPTION).status_code == 200
        assert api("GET", RECEPTION).status_code == 404

    def test_without_a_name_the_default_sandbox_answers(self, client: httpx.Client, api: Api) -> None:
        assert client.post("/_simulator/reset").status_code == 204
        api.ok("DELETE", RECEPTION)
        assert client.get(f"/api/v1/{RECEPTION}").status_code == 200

    @pytest.mark.parametrize("name", ["a", "A.b_c-1", "x" * 64])
    def test_a_name_is_1_to_64_letters_digits_dots_underscores_and_hyphens(
        self, client: httpx.Client, name: str
    ) -> None:
        assert client.get(f"/_sandboxes/{name}/api/v1/{RECEPTION}").status_code == 200

    @pytest.mark.rule("G-17")
    @pytest.mark.parametrize("name", ["", "x" * 65, "a b", "é", "a:b"])
    def test_another_name_is_refused(self, client: httpx.Client, name: str) -> None:
        response = client.get(f"/_sandboxes/{name}/api/v1/{RECEPTION}")
        assert response.status_code == 404
        assert faults(response) == {("G-17", None)}

    def test_reset_returns_a_sandbox_to_its_seed_and_no_other(self, api: Api) -> None:
        other = Api(api.client, "reset-other")
        other.reset()
        for each in (api, other):
            each.ok("PUT", RECEPTION, {"maxCalls": 1})
        api.reset()
        assert api.ok("GET", RECEPTION)["maxCalls"] == 7
        assert other.ok("GET", RECEPTION)["maxCalls"] == 1

    @pytest.mark.rule("G-17")
    @pytest.mark.parametrize(
        "path",
        ["state", "diff", "snapshots", "requests", "requests/x-1", "faults", "coverage", "schemathesis.toml"],
    )
    def test_a_control_call_that_reads_finds_no_sandbox_and_brings_none_into_being(
        self, api: Api, client: httpx.Client, path: str
    ) -> None:
        name = api.root.rpartition("/")[2]
        response = client.get(f"/_sandboxes/{name[1:]}/_simulator/{path}")
        assert (response.status_code, faults(response)) == (404, {("G-17", None)})
        reason = response.json()["errors"][0]["details"]["reason"]
        assert reason == f"there is no such sandbox: '{name[1:]}'; did you mean '{name}'?"
        assert f'"{name[1:]}"' not in client.get("/_simulator/sandboxes").text

    @pytest.mark.rule("G-17", "S-8")
    def test_neither_do_preflights_and_calls_of_no_operation(self, client: httpx.Client) -> None:
        total = client.get("/_simulator/coverage?sandbox=*").json()["undocumented"]
        asked = {**ORIGIN, "Access-Control-Request-Method": "GET"}
        for method, path, headers, status in [
            ("OPTIONS", RECEPTION, asked, 204),
            ("OPTIONS", RECEPTION, ORIGIN, 405),
            ("HEAD", RECEPTION, {}, 405),
            ("PATCH", RECEPTION, {}, 405),
            ("GET", RECEPTION.rstrip("/"), {}, 404),
            ("GET", RECEPTION.replace("/groups", "//groups"), {}, 404),
            ("GET", f"{RECEPTION}?a=b".replace("Reception", "a%2Fb"), {}, 404),
            ("GET", RECEPTION.replace("Reception", "%FF"), {}, 404),
            ("GET", "none/", {}, 404),
            ("GET", "", {}, 404),
        ]:
            response = client.request(method, f"/_sandboxes/nobody/api/v1/{path}", headers=headers)
            assert response.status_code == status, (method, path)
        for path in ("", "/", "/nowhere", "//_simulator/reset"):
            assert client.get(f"/_sandboxes/nobody{path}").status_code == 404
        assert '"nobody"' not in client.get("/_simulator/sandboxes").text
        assert client.get("/_simulator/coverage?sandbox=*").json()["undocumented"] == total

    @pytest.mark.rule("G-17")
    @pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer none"}, {"Accept": "image/png"}])
    def test_a_call_of_an_operation_does_whatever_becomes_of_it(
        self, client: httpx.Client, headers: dict[str, str]
    ) -> None:
        client.get(f"/_sandboxes/first-use/api/v1/{RECEPTION}?page=1", headers=headers)
        assert client.get("/_sandboxes/first-use/_simulator/requests").json()["total"] == 1
        assert client.delete("/_simulator/sandboxes/first-use").status_code == 204

    @pytest.mark.rule("G-17")
    def test_a_name_that_none_can_have_is_repeated_as_it_was_sent(self, client: httpx.Client) -> None:
        answer = client.get(f"/_sandboxes/zoë/api/v1/{RECEPTION}")
        assert answer.status_code == 404
        reason = answer.json()["errors"][0]["details"]["reason"]
        assert reason.startswith("'zoë' cannot be the name of a sandbox: a name is 1 to 64 letters")

    @pytest.mark.rule("G-17")
    def test_reading_of_many_names_takes_no_sandbox_from_a_suite(self, simulation: Simulation, world: World) -> None:
        client = simulation.app(world, Settings(sandbox_limit=2)).test_client()
        client.put(f"/_sandboxes/suite/api/v1/{RECEPTION}", json={"maxCalls": 9})
        for number in range(5):
            for path in ("_simulator/state", "nowhere"):
                assert client.get(f"/_sandboxes/x{number}/{path}", headers=ORIGIN).status_code == 404
        assert client.get(f"/_sandboxes/suite/api/v1/{RECEPTION}").get_json()["maxCalls"] == 9

    @pytest.mark.rule("G-17")
    def test_where_all_are_in_use_a_new_one_is_refused_and_none_is_dropped(
        self, simulation: Simulation, world: World
    ) -> None:
        client = simulation.app(world, Settings(sandbox_limit=2)).test_client()
        for name in ("one", "two"):
            assert client.put(f"/_sandboxes/{name}/api/v1/{RECEPTION}", json={"maxCalls": 9}).status_code == 200
        for method, path in [
            ("GET", f"/_sandboxes/three/api/v1/{RECEPTION}"),
            ("PUT", "/_simulator/sandboxes/three"),
            ("POST", "/_sandboxes/three/_simulator/reset"),
            ("POST", "/_sandboxes/three/_simulator/faults"),
        ]:
            body = {"operationId": "*", "status": 500} if path.endswith("faults") else None
            response = client.open(path, method=method, json=body)
            assert response.status_code == 429, path
            (error,) = (response.json or {})["errors"]
            assert (error["code"], error["details"]["rule"]) == (42901, "G-17")
            assert "drop those that are no longer needed" in error["details"]["reason"]
        assert [each["name"] for each in (client.get("/_simulator/sandboxes").json or {})["sandboxes"]] == [
            "default",
            "one",
            "two",
        ]
        assert client.put("/_simulator/sandboxes/two").status_code == 200
        assert client.delete("/_simulator/sandboxes/two").status_code == 204
        assert client.get(f"/_sandboxes/three/api/v1/{RECEPTION}").status_code == 200
        assert client.get(f"/_sandboxes/one/api/v1/{RECEPTION}").get_json()["maxCalls"] == 9

    @pytest.mark.rule("G-17")
    def test_beyond_the_limit_the_least_recently_used_one_is_dropped_and_the_log_says_so(
        self, simulation: Simulation, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        app = simulation.app(world, Settings(sandbox_limit=2))
        client = app.test_client()

        def calls(name: str) -> int:
            for each in app.wsgi_app.sandboxes.all():  # type: ignore[attr-defined]
                each.last_use -= IN_USE_SECONDS
            path = f"/_sandboxes/{name}/api/v1/{RECEPTION}" if name else f"/api/v1/{RECEPTION}"
            maximum = client.get(path).get_json()["maxCalls"]
            client.put(path, json={"maxCalls": maximum + 1})
            return int(maximum)

        assert [calls(name) for name in ("", "one", "two", "one")] == [7, 7, 7, 8]
        assert "dropped" not in caplog.text
        assert calls("three") == 7
        assert "sandbox two dropped" in caplog.text
        assert [calls(name) for name in ("one", "three", "")] == [9, 8, 8]
        assert calls("two") == 7


class TestCors:
    @pytest.mark.parametrize("path", [RECEPTION, CAPACITIES + "none/", "none", CAPACITIES + "x"])
    def test_any_origin_may_read_every_answer_with_credentials(self, api: Api, path: str) -> None:
        response = api("GET", path, headers=ORIGIN)
        assert response.headers["Access-Control-Allow-Origin"] == ORIGIN["Origin"]
        assert response.headers["Access-Control-Allow-Credentials"] == "true"
        assert "X-Simulator-Request-Id" in response.headers["Access-Control-Expose-Headers"]
        assert response.headers["Vary"] == "Origin"

    @pytest.mark.parametrize("headers", [{"Authorization": "Bearer none"}, {"Accept": "text/html"}])
    def test_errors_of_any_kind_may_be_read_too(self, api: Api, headers: dict[str, str]) -> None:
        response = api("GET", RECEPTION, headers={**ORIGIN, **headers})
        assert response.is_client_error
        assert response.headers["Access-Control-Allow-Origin"] == ORIGIN["Origin"]

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
    def test_a_preflight_lets_any_method_through_so_that_a_page_can_read_the_405(self, api: Api, method: str) -> None:
        asked = {
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "content-type,authorization",
        }
        response = api("OPTIONS", RECEPTION, headers={**ORIGIN, **asked})
        assert (response.status_code, response.content) == (204, b"")
        assert response.headers["Access-Control-Allow-Origin"] == ORIGIN["Origin"]
        assert response.headers["Access-Control-Allow-Methods"] == method
        assert response.headers["Access-Control-Allow-Headers"] == "content-type,authorization"
        assert "X-Simulator-Request-Id" in response.headers

    def test_options_that_is_no_preflight_is_405(self, api: Api) -> None:
        assert api("OPTIONS", RECEPTION, headers=ORIGIN).status_code == 405

    def test_the_simulators_own_interface_gets_no_cors_headers(self, api: Api) -> None:
        response = api.client.get(f"{api.root}/_simulator/health", headers=ORIGIN)
        assert not [name for name in response.headers if name.lower().startswith("access-control")]
        asked = {"Access-Control-Request-Method": "POST"}
        response = api.client.options(f"{api.root}/_simulator/reset", headers={**ORIGIN, **asked})
        assert not [name for name in response.headers if name.lower().startswith("access-control")]

    def test_origins_can_be_restricted(self, simulation: Simulation, world: World) -> None:
        client = simulation.app(world, Settings(cors_origins=("http://a.example",))).test_client()
        path = f"/api/v1/{RECEPTION}"
        allowed = client.get(path, headers={"Origin": "http://a.example"})
        other = client.get(path, headers={"Origin": "http://b.example"})
        assert allowed.headers["Access-Control-Allow-Origin"] == "http://a.example"
        assert (other.status_code, other.headers["Vary"]) == (200, "Origin")
        assert "Access-Control-Allow-Origin" not in other.headers


class TestRepeatedCalls:
    """From the third time on, byte for byte equal calls are answered in a quicker way, with the same results."""

    def test_each_is_in_the_journal_with_an_id_of_its_own_and_in_the_coverage(self, api: Api) -> None:
        ids = [api("GET", RECEPTION).headers["X-Simulator-Request-Id"] for _ in range(5)]
        entries = api.control("GET", "requests").json()["requests"]
        assert [each["id"] for each in entries] == ids
        assert len(set(ids)) == 5
        first, *others = [{key: each[key] for key in each if key not in CHANGING} for each in entries]
        for each in (first, *others):
            del each["response"]["headers"]["X-Simulator-Request-Id"]
        assert others == [first] * 4
        operations = api.control("GET", "coverage").json()["operations"]
        assert [each["statuses"]["200"]["hits"] for each in operations if each["operationId"] == "getCallCapacity"] == [
            5
        ]

    def test_it_sees_every_change(self, api: Api) -> None:
        for limit in (1, 2):
            for _ in range(4):
                api.ok("GET", RECEPTION)
            api.ok("PUT", RECEPTION, {"maxCalls": limit})
            assert api.ok("GET", RECEPTION)["maxCalls"] == limit
        api.reset()
        assert api.ok("GET", RECEPTION)["maxCalls"] == 7

    @pytest.mark.rule("S-6")
    def test_an_injected_fault_takes_effect(self, api: Api) -> None:
        for _ in range(4):
            api.ok("GET", RECEPTION)
        api.arranged("POST", "faults", {"operationId": "getCallCapacity", "status": 503, "times": 1})
        assert [api("GET", RECEPTION).status_code for _ in range(3)] == [503, 200, 200]

    @pytest.mark.rule("A-5")
    def test_a_session_that_has_ended_counts_no_more(self, api: Api) -> None:
        credentials = {"username": "groupadmin", "password": "secret"}
        cookie = api("POST", "login/", credentials).headers["Set-Cookie"].partition(";")[0]
        headers = {"Cookie": cookie}
        for _ in range(4):
            assert api("GET", RECEPTION, headers=headers).status_code == 200
        for _ in range(SESSIONS):
            api.ok("POST", "login/", credentials)
        assert api("GET", RECEPTION, headers=headers).status_code == 401

    def test_credentials_are_told_apart(self, api: Api) -> None:
        for _ in range(4):
            for token, status in (("foogroup-admin", 200), ("nobody", 401), ("brussels-admin", 403)):
                response = api("GET", RECEPTION, headers={"Authorization": f"Bearer {token}"})
                assert (response.status_code, token) == (status, token)

    def test_what_all_calls_wait_for_it_waits_for_too(self, simulation: Simulation, world: World) -> None:
        app = simulation.app(world, Settings(delay_ms=1))
        for _ in range(4):
            environ = EnvironBuilder(path=f"/api/v1/{RECEPTION}").get_environ()
            environ[HEAD] = b"GET"
            answer = app.wsgi_app(environ, lambda *_: None)  # type: ignore[arg-type]
            assert isinstance(answer, Delayed)
            assert json.loads(b"".join(answer))["maxCalls"] == 7


class TestLargeBodies:
    """A body that takes long to read is read while other calls are answered."""

    def test_others_are_answered_meanwhile_and_who_changes_the_sandbox_waits(
        self, simulation: Simulation, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[tuple[type, type]] = []
        handler = simulation.handlers["updateCallCapacity"]

        def ask(method: str, body: bytes = b"") -> Any:
            environ = EnvironBuilder(method=method, path=f"/api/v1/{RECEPTION}", data=body or None).get_environ()
            return gateway(environ, lambda *_: None)  # type: ignore[arg-type]

        def meanwhile(call: Call, fork: Fork) -> object:
            seen.append((type(ask("GET")), type(ask("PUT", b'{"maxCalls": 9}'))))
            return handler(call, fork)

        monkeypatch.setitem(simulation.handlers, "updateCallCapacity", meanwhile)
        gateway = simulation.app(world).wsgi_app
        answer = ask("PUT", b'{"maxCalls": 8}' + b" " * LARGE_BODY)
        assert isinstance(answer, Background)
        assert seen == []
        assert json.loads(b"".join(answer))["maxCalls"] == 8
        assert seen == [(list, Delayed)]
        assert json.loads(b"".join(ask("GET")))["maxCalls"] == 8

    def test_they_are_answered_like_all_others(self, api: Api) -> None:
        api.arranged("POST", "faults", {"operationId": "updateCallCapacity", "delayMs": 5})
        unknown = {f"x{number}": 1 for number in range(LARGE_BODY // 8)}
        status, found = api.refused("PUT", RECEPTION, {"maxCalls": 8, **unknown})
        assert (status, ("G-4", "/x0") in found) == (400, True)


class TestLog:
    def test_each_request_is_one_line_with_the_rule_of_a_refusal(
        self, api: Api, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.INFO, "simulator.requests"):
            api("GET", CAPACITIES + "none/")
            api("GET", CAPACITIES + "a%0Ab/")
        lines = [record.getMessage() for record in caplog.records if record.name == "simulator.requests"]
        assert len(lines) == 2
        assert lines[0].startswith(f"GET {api.root}/api/v1/{CAPACITIES}none/ 404 ")
        assert lines[0].endswith(" ms as anonymous G-9")
        assert "a%0Ab" in lines[1]

    @pytest.mark.parametrize("journal_limit", [0, 10])
    def test_a_line_names_the_account_also_of_a_repeated_call_and_without_a_journal(
        self, simulation: Simulation, world: World, caplog: pytest.LogCaptureFixture, journal_limit: int
    ) -> None:
        app = simulation.app(world, Settings(journal_limit=journal_limit))
        with caplog.at_level(logging.INFO, "simulator.requests"):
            for _ in range(4):
                environ = EnvironBuilder(path=f"/api/v1/{RECEPTION}").get_environ()
                environ[HEAD] = b"GET"
                b"".join(app.wsgi_app(environ, lambda *_: None))  # type: ignore[arg-type]
        assert [record.getMessage().partition(" ms")[2] for record in caplog.records] == [" as anonymous"] * 4

    def test_the_json_form_holds_the_same_facts(self, api: Api, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.INFO, "simulator.requests"):
            response = api("GET", CAPACITIES + "none/")
        entry = json.loads(JsonFormatter().format(caplog.records[-1]))
        assert entry["status"] == 404
        assert (entry["rule"], entry["account"]) == ("G-9", "anonymous")
        assert entry["sandbox"] == api.root.rpartition("/")[2]
        assert entry["id"] == response.headers["X-Simulator-Request-Id"]

    def test_a_health_check_is_logged_for_debugging_only_unless_it_fails(
        self, api: Api, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.DEBUG, "simulator.requests"):
            assert api.client.get("/_simulator/health").status_code == 200
            assert api.control("GET", "health").status_code == 200
            assert api.client.post("/_simulator/health").status_code == 405
        found = [record for record in caplog.records if record.name == "simulator.requests"]
        assert [record.levelno for record in found] == [logging.DEBUG, logging.DEBUG, logging.INFO]
        assert "GET /_simulator/health 200" in found[0].getMessage()

    def test_pages_with_what_they_load_and_streams_are_logged_for_debugging_only(
        self, api: Api, caplog: pytest.LogCaptureFixture
    ) -> None:
        browser = {"Accept": "text/html,*/*;q=0.8"}
        page = api.control("GET", "docs", headers=browser)
        tag = {"If-None-Match": api.control("GET", "rules", headers=browser).headers["ETag"]}
        loaded = [urljoin(str(page.url), each) for each in re.findall(r'(?:href|src)="([^"]+\.(?:css|js))"', page.text)]
        assert len(loaded) > 3
        caplog.clear()
        with caplog.at_level(logging.DEBUG, "simulator.requests"):
            for address in loaded:
                assert api.client.get(address).status_code == 200
            assert api.control("GET", "rules", headers=browser).status_code == 200
            assert api.control("GET", "rules", headers=browser | tag).status_code == 304
            assert api.control("GET", "events?seconds=0").status_code == 200
            for path in ("state", "openapi.json", "schemathesis.toml"):
                assert api.control("GET", path, headers=browser).status_code == 200
            assert api.control("GET", "rules").status_code == 200
            assert api.control("GET", "diff?since=gone", headers=browser).status_code == 404
        levels = [record.levelno for record in caplog.records if record.name == "simulator.requests"]
        assert levels == [logging.DEBUG] * (len(loaded) + 3) + [logging.INFO] * 5

    def test_a_refusal_comes_with_its_reasons_without_secrets_also_without_a_journal(
        self, simulation: Simulation
    ) -> None:
        logged: list[LoggedRequest] = []
        app = simulation.app(settings=Settings(journal_limit=0), request_log=logged.append)
        client = app.test_client()
        client.get(f"/api/v1/{CAPACITIES}Recepion/")
        client.get(f"/api/v1/{CAPACITIES}?token=hunter2xyz")
        client.put(f"/api/v1/{CAPACITIES}Reception/", json={"userIds": ["token=hunter2xyz"], "maxCalls": -1})
        client.get("/_simulator/errors?operationId=logn")
        unknown, listed, invalid, control = [each.reasons and each.reasons() for each in logged]
        assert unknown == "The group has no call capacity 'Recepion'. Did you mean 'Reception'?"
        assert listed is None
        assert invalid is not None
        assert "At /maxCalls: must be" in invalid
        assert "hunter2xyz" not in invalid
        assert control is not None
        assert control.lower().count("did you mean") == 1

    def test_a_repeated_call_is_logged_with_its_operation_and_account(self, simulation: Simulation) -> None:
        logged: list[LoggedRequest] = []
        with served(simulation.app(settings=Settings(journal_limit=0), request_log=logged.append)) as server:
            for _ in range(3):
                httpx.get(f"{server.url}/api/v1/{CAPACITIES}", headers={"Authorization": "Bearer foogroup-admin"})
        assert [(each.operation_id, each.account) for each in logged] == 3 * [("listCallCapacities", "groupadmin")]


class TestGarbage:
    NONSENSE = json.dumps({f"x{number}": 1 for number in range(2_000)})
    WRONG_USER = json.dumps({"tenants": {"foo": {"groups": {"foogroup": {"users": {"foouser": {"firstName": 3}}}}}}})

    @pytest.mark.parametrize(
        ("method", "path", "body", "status"),
        [
            ("GET", f"/api/v1/{CAPACITIES}none/", "", 404),
            ("GET", "/api/v1/nothing/", "", 404),
            ("PUT", f"/api/v1/{RECEPTION}", '{"maxCalls": -1}', 400),
            ("PUT", f"/api/v1/{RECEPTION}", '{"userIds": ["nobody"]}', 400),
            ("PATCH", "/_simulator/state", NONSENSE, 400),
            ("PATCH", "/_simulator/state", WRONG_USER, 400),
            ("PUT", "/_simulator/state", WRONG_USER, 400),
        ],
    )
    def test_a_refused_call_leaves_no_world_for_the_garbage_collector(
        self, simulation: Simulation, method: str, path: str, body: str, status: int
    ) -> None:
        gateway: Any = simulation.app(settings=Settings(log_requests=False)).wsgi_app
        world = simulation.world()
        gone = weakref.ref(world.directory)
        gateway.sandboxes.create("one", world)
        del world
        environ = EnvironBuilder(
            f"/_sandboxes/one{path}", method=method, data=body, content_type="application/json"
        ).get_environ()
        lines: list[str] = []
        gc.collect()
        gc.disable()
        try:
            b"".join(gateway(environ, lambda line, *_: lines.append(line)))
            gateway.sandboxes.drop("one")
            assert gone() is None
        finally:
            gc.enable()
        assert lines[0].startswith(f"{status} ")
