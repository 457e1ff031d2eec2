"""The library: a simulator in the process of a test suite, and access to one that runs elsewhere."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, get_type_hints
from urllib.parse import quote

import httpx
import pytest

import simulator
from simulator import AddressUnavailable, BrokenDocument, Refused, Sandbox, Simulator, Unreachable, create_app
from simulator.app import Simulation
from simulator.client import Client
from simulator.contract.ledger import load_ledger
from simulator.contract.profile import digest
from simulator.library import PAUSE_SECONDS
from simulator.server import connection
from simulator.server.streaming import Streaming
from simulator.settings import Options, Settings
from tests.conftest import CAPACITIES, python, served


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


NEEDS_IPV6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")

RECEPTION = f"/api/v1/{CAPACITIES}Reception/"
ALERTING = "/api/v1/tenants/foo/groups/foogroup/users/foouser/services/executive/alerting/"
ACME: dict[str, Any] = {
    "version": 1,
    "defaultDomain": "example.com",
    "tenants": {"acme": {"type": "Enterprise", "groups": {"main": {"services": ["Call Capacity Management"]}}}},
    "accounts": {"admin": {"password": "secret", "level": "System Admin", "token": "admin"}},
}
ACME_CAPACITIES = "/api/v1/tenants/acme/groups/main/services/call_capacities/"


@pytest.fixture(scope="module")
def sim() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def sandbox(sim: Simulator) -> Iterator[Sandbox]:
    with sim.sandbox() as sandbox:
        yield sandbox


class TestSimulator:
    def test_it_answers_between_start_and_stop(self) -> None:
        simulator = Simulator()
        assert simulator.start() is simulator
        url = simulator.url
        assert httpx.get(url + RECEPTION).json()["maxCalls"] == 7
        simulator.stop()
        with pytest.raises(httpx.ConnectError):
            httpx.get(url + RECEPTION)

    def test_no_thread_outlives_it(self) -> None:
        before = set(threading.enumerate())
        with Simulator(delay_ms=1) as simulator:
            httpx.get(simulator.url + RECEPTION)
        for thread in set(threading.enumerate()) - before:
            thread.join(30)
        assert set(threading.enumerate()) <= before

    def test_it_can_be_started_again_and_is_fresh_then(self) -> None:
        simulator = Simulator()
        for _ in range(2):
            with simulator:
                assert httpx.delete(simulator.url + RECEPTION).status_code == 200

    def test_two_of_them_share_nothing(self, sim: Simulator) -> None:
        with Simulator() as other:
            assert other.url != sim.url
            httpx.delete(other.url + RECEPTION)
            assert httpx.get(sim.url + RECEPTION).status_code == 200

    def test_the_fixture_is_a_file_or_a_document(self, tmp_path: Path) -> None:
        file = tmp_path / "acme.yaml"
        with Simulator(ACME) as simulator:
            state = simulator.default.state
            file.write_text(simulator.default.control.call("GET", "state", accept="application/yaml").decode())
        for path in (file, str(file)):
            with Simulator(path) as simulator:
                assert simulator.default.state == state
                assert httpx.get(simulator.url + ACME_CAPACITIES).json() == {"call_capacities": []}

    def test_a_faulty_fixture_is_refused_with_everything_there_is_to_mend(self, tmp_path: Path) -> None:
        with pytest.raises(BrokenDocument) as caught:
            Simulator({**ACME, "version": 2, "tenants": {"acme": {}}}).start()
        assert [problem.place for problem in caught.value.problems] == [
            "the fixture: /version",
            "the fixture: /tenants/acme/type",
        ]
        with pytest.raises(BrokenDocument, match=r"none\.yaml: cannot be read: No such file"):
            Simulator(tmp_path / "none.yaml").start()
        with pytest.raises(BrokenDocument, match="the fixture: holds what JSON cannot hold"):
            Simulator({**ACME, "accounts": object()}).start()

    @pytest.mark.rule("S-14")
    def test_it_follows_a_profile_and_a_wrong_one_is_refused(self, tmp_path: Path) -> None:
        system = {"name": "lab-1", "observed": "2026-11-27"}
        rules = {"CC-9": {"verdict": "contradicted", "choice": "absent"}}
        profile = {"version": 1, "system": system, "ledger": digest(load_ledger()), "rules": rules}
        file = tmp_path / "lab.json"
        file.write_text(json.dumps(profile), encoding="utf-8")
        for source in (profile, file):
            with Simulator(profile=source) as simulator:
                assert "users" not in httpx.get(simulator.url + RECEPTION.replace("Reception", "disposable")).json()
        with pytest.raises(BrokenDocument, match=r"the profile: /version: must be 1, not 2"):
            Simulator(profile={**profile, "version": 2}).start()

    def test_the_options_are_those_of_the_command_line(self) -> None:
        with Simulator(auth="required") as simulator:
            assert httpx.get(simulator.url + RECEPTION).status_code == 401
        with pytest.raises(ValueError, match="auth must be one of optional, required, not 'perhaps'"):
            Simulator(auth="perhaps")  # type: ignore[arg-type]  # it is what is tested
        with pytest.raises(TypeError, match="there is no option 'colour'; there are auth, fidelity, cors_origins, "):
            Simulator(colour="red")  # type: ignore[call-arg]  # it is what is tested
        with pytest.raises(TypeError, match="there is no option 'cors_origin'"):
            create_app(cors_origin="x")  # type: ignore[call-arg]  # it is what is tested

    def test_the_options_are_the_settings(self) -> None:
        options, settings = get_type_hints(Options), get_type_hints(Settings)
        lists = {name: Sequence[str] for name, hint in settings.items() if hint == tuple[str, ...]}
        assert options == settings | lists

    @pytest.mark.rule("G-17")
    def test_if_only_created_sandboxes_exist_one_that_was_lost_by_a_restart_is_missing(self) -> None:
        with Simulator(sandboxes="created") as simulator:
            kept = simulator.sandbox("mine")
            assert httpx.get(kept.url + RECEPTION).status_code == 200
            simulator.stop()
            simulator.start()
            lost = Sandbox(Client(simulator.url, sandbox="mine"))
            assert httpx.get(lost.url + RECEPTION).json()["errors"][0]["code"] == 40404
            with pytest.raises(Refused, match=r"'mine'; it was never created.*the server has started again"):
                lost.reset()
            assert simulator.sandbox("mine").requests() == []

    def test_it_takes_the_port_that_is_asked_for_or_says_that_it_cannot(self, sim: Simulator) -> None:
        port = int(sim.url.rpartition(":")[2])
        with pytest.raises(AddressUnavailable, match=f"port {port}"):
            Simulator(port=port).start()
        with pytest.raises(AddressUnavailable, match="a port is a number from 0 to 65535"):
            Simulator(port=65536).start()

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"delay_ms": "5"}, "delay_ms must be an integer, 0 or more, not '5'"),
            ({"delay_ms": True}, "delay_ms must be an integer, 0 or more, not True"),
            ({"sandbox_limit": -1}, "sandbox_limit must be an integer, 0 or more, not -1"),
            ({"control_token": ""}, "control_token must be a text that is not empty"),
            ({"control_token": " t"}, "control_token must be a text that is not empty and has no blank at either end"),
            ({"cors_origins": "http://a"}, "cors_origins must be a list of texts, not the text 'http://a'"),
        ],
    )
    def test_a_value_that_none_can_have_is_refused(self, options: dict[str, Any], words: str) -> None:
        with pytest.raises(ValueError, match=words):
            Simulator(**options)

    def test_an_empty_token_is_refused_for_a_server_elsewhere_too(self, sim: Simulator) -> None:
        with pytest.raises(ValueError, match="control_token must be a text that is not empty"):
            Simulator.connect(sim.url, control_token="")

    @pytest.mark.parametrize(
        "host",
        [
            "0.0.0.0",
            "localhost",
            "127.0.0.2",
            pytest.param("::1", marks=NEEDS_IPV6),
            pytest.param("::", marks=NEEDS_IPV6),
        ],
    )
    def test_it_can_be_driven_at_whichever_address_it_listens(self, host: str) -> None:
        with Simulator(host=host) as simulator:
            simulator.default.reset()

    def test_it_can_be_driven_under_the_name_of_its_host(self, monkeypatch: pytest.MonkeyPatch) -> None:
        resolve = socket.getaddrinfo
        known = {"apio.example": "127.0.0.1"}
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda host, *rest, **more: resolve(known.get(host, host), *rest, **more)
        )
        with Simulator(host="apio.example") as simulator:
            answers = [
                httpx.post(f"{simulator.url}/_simulator/reset", headers={"Host": name}).status_code
                for name in ("apio.example", "other.example")
            ]
        assert answers == [204, 403]

    def test_without_start_it_says_so(self) -> None:
        with pytest.raises(RuntimeError, match=r"not running: call start\(\)"):
            Simulator().sandbox()

    def test_it_knows_the_coverage_of_all_sandboxes(self) -> None:
        with Simulator() as simulator:
            with simulator.sandbox() as sandbox:
                httpx.get(sandbox.url + RECEPTION)
            httpx.get(simulator.url + ALERTING)
            assert simulator.coverage()["totals"]["operationsHit"] == 2

    def test_many_threads_may_start_and_stop_it(self) -> None:
        before = threading.active_count()
        simulator = Simulator()
        with ThreadPoolExecutor(8) as pool:
            for _ in range(3):
                assert len({each.url for each in pool.map(lambda _: simulator.start(), range(8))}) == 1
                list(pool.map(lambda _: simulator.stop(), range(8)))
        assert threading.active_count() <= before

    def test_it_keeps_quiet_about_its_threads(self) -> None:
        program = (
            "from concurrent.futures import ThreadPoolExecutor; from urllib.request import urlopen\n"
            "from simulator import Simulator\n"
            "with Simulator() as simulator, ThreadPoolExecutor(20) as pool:\n"
            f"    list(pool.map(lambda _: urlopen(simulator.url + {RECEPTION!r}).read(), range(100)))"
        )
        done = python("-X", "dev", "-W", "error", "-c", program)
        assert (done.returncode, done.stderr) == (0, "")

    def test_a_body_may_be_as_large_as_the_options_say(self) -> None:
        most = 70 * 1024 * 1024
        with Simulator(max_body=most) as simulator:
            answer = httpx.put(simulator.url + RECEPTION, content=b" " * (most + 1), timeout=30)
            assert f"{most} bytes" in answer.text


class TestConnect:
    def test_a_handle_on_a_running_simulator_does_the_same(self, sim: Simulator) -> None:
        with Simulator.connect(sim.url + "/") as remote, remote.sandbox(fixture=ACME) as sandbox:
            assert remote.url == sim.url
            assert httpx.get(sandbox.url + ACME_CAPACITIES).status_code == 200
        assert httpx.get(sim.url + RECEPTION).status_code == 200

    def test_it_waits_for_the_simulator_no_longer_than_it_may(self) -> None:
        with Simulator() as simulator:
            url = simulator.url
        with pytest.raises(Unreachable, match=f"no simulator answers at {url}"):
            Simulator.connect(url, timeout=0.1)

    @pytest.mark.parametrize("url", ["localhost:4080", "http://localhost:4080/api/v1", ""])
    def test_an_address_that_is_none_is_refused_at_once(self, url: str) -> None:
        with pytest.raises(ValueError, match=f"'{url}' is no address of a server; write it like http://127.0.0.1:4080"):
            Simulator.connect(url)

    def test_what_is_no_simulator_is_said(self) -> None:
        def busy(_: Any, start_response: Any) -> list[bytes]:
            start_response("503 Busy", [])
            return [b"<html>"]

        with (
            served(busy) as stranger,
            pytest.raises(Unreachable, match=f"what answers at {stranger.url} with 503 is no simulator"),
        ):
            Simulator.connect(stranger.url, timeout=0)

    def test_what_answers_something_else_is_no_simulator(self) -> None:
        def other(_: Any, start_response: Any) -> list[bytes]:
            start_response("200 OK", [])
            return [b"{}"]

        with served(other) as stranger, pytest.raises(Unreachable, match="is no simulator"):
            Simulator.connect(stranger.url, timeout=0)

    def test_it_stays_connected_whatever_is_stopped(self, sim: Simulator) -> None:
        remote = Simulator.connect(sim.url)
        remote.stop()
        assert remote.start().url == sim.url

    def test_the_control_token_is_sent(self) -> None:
        with Simulator(control_token="s3cret") as simulator:
            simulator.default.reset()
            Simulator.connect(simulator.url, control_token="s3cret").default.reset()
            with pytest.raises(Refused, match="401"):
                Simulator.connect(simulator.url).default.reset()


class TestSandbox:
    def test_each_is_a_world_of_its_own_until_it_is_dropped(self, sim: Simulator) -> None:
        with sim.sandbox() as one, sim.sandbox() as other:
            httpx.delete(one.url + RECEPTION)
            assert httpx.get(one.url + RECEPTION).status_code == 404
            assert httpx.get(other.url + RECEPTION).status_code == 200
            names = {each["name"] for each in sim.default.control.get("sandboxes")["sandboxes"]}
            assert {one.name, other.name} <= names
        names = {each["name"] for each in sim.default.control.get("sandboxes")["sandboxes"]}
        assert not {one.name, other.name} & names

    def test_one_with_a_name_that_is_there_already_is_fresh(self, sim: Simulator) -> None:
        with sim.sandbox("again") as first:
            httpx.delete(first.url + RECEPTION)
            assert httpx.get(sim.sandbox("again").url + RECEPTION).status_code == 200

    def test_it_may_have_a_seed_of_its_own(self, sim: Simulator) -> None:
        with sim.sandbox(fixture=ACME) as sandbox:
            assert list(sandbox.state["tenants"]) == ["acme"]
            httpx.post(sandbox.url + ACME_CAPACITIES, json={"name": "new"})
            sandbox.reset()
            assert httpx.get(sandbox.url + ACME_CAPACITIES).json() == {"call_capacities": []}

    def test_a_faulty_seed_is_refused_with_everything_there_is_to_mend(self, sim: Simulator) -> None:
        with pytest.raises(BrokenDocument) as caught:
            sim.sandbox(fixture={"version": 1})
        assert str(caught.value).splitlines() == [
            "the fixture: /defaultDomain: is required (G-18)",
            "the fixture: /tenants: is required (G-18)",
        ]

    def test_of_a_faulty_file_the_line_is_told(self, sim: Simulator, sandbox: Sandbox, tmp_path: Path) -> None:
        file = tmp_path / "bad.yaml"
        file.write_text("version: 1\ndefaultDomain: x\ntenants:\n  acme:\n    type: Shop\n")
        words = rf"^{file}:5: /tenants/acme/type: must be one of"
        with pytest.raises(BrokenDocument, match=words):
            sim.sandbox(fixture=file)
        with pytest.raises(BrokenDocument, match=words):
            sandbox.state = file
        file.write_text("version: 1\nversion: 1\n")
        with pytest.raises(BrokenDocument, match="stands here twice"):
            sim.sandbox(fixture=file)

    def test_a_folder_stands_for_its_fixture(self, sim: Simulator, tmp_path: Path) -> None:
        (tmp_path / "my.json").write_text(json.dumps(ACME))
        with sim.sandbox(fixture=tmp_path) as sandbox, Simulator(tmp_path) as other:
            assert sandbox.state == other.default.state

    def test_a_name_that_is_none_is_refused(self, sim: Simulator) -> None:
        with pytest.raises(Refused, match="G-17"):
            sim.sandbox("a b")

    def test_it_may_be_dropped_before_its_time_is_over(self, sim: Simulator) -> None:
        with sim.sandbox() as sandbox:
            sandbox.drop()
        with pytest.raises(Refused, match="404"), sim.sandbox() as sandbox:
            Sandbox(sandbox.control).drop()

    def test_its_state_can_be_read_and_replaced(self, sandbox: Sandbox) -> None:
        before = sandbox.state
        sandbox.state = ACME
        assert list(sandbox.state["tenants"]) == ["acme"]
        sandbox.state = before
        assert sandbox.diff() == []

    def test_a_patch_says_what_it_changed(self, sandbox: Sandbox) -> None:
        group = {"groups": {"bargroup": {"services": ["Call Capacity Management"]}}}
        changes = sandbox.patch({"tenants": {"foo": group}})
        paths = {each["path"].removeprefix("/tenants/foo/groups/bargroup/") for each in changes}
        assert paths == {"services", "callCapacities"}
        assert sandbox.diff() == changes

    def test_a_snapshot_is_a_moment_to_return_to_and_to_compare_with(self, sandbox: Sandbox) -> None:
        httpx.put(sandbox.url + RECEPTION, json={"maxCalls": 8})
        sandbox.snapshot("before")
        httpx.put(sandbox.url + RECEPTION, json={"maxCalls": 9})
        assert [each["before"] for each in sandbox.diff("before")] == [8]
        sandbox.restore("before")
        assert httpx.get(sandbox.url + RECEPTION).json()["maxCalls"] == 8

    def test_a_name_is_sent_as_it_is(self, sandbox: Sandbox) -> None:
        for name in ("a.b", "b?c", "50%"):
            with contextlib.suppress(Refused):
                sandbox.snapshot(name)
        assert [each["name"] for each in sandbox.control.get("snapshots")["snapshots"]] == ["a.b"]
        for name in ("b?c", "50%"):
            with pytest.raises(Refused, match=re.escape(f"snapshots/{quote(name)}")):
                sandbox.restore(name)

    def test_what_json_cannot_hold_is_not_made_null_of(self, sandbox: Sandbox) -> None:
        with pytest.raises(ValueError, match="not JSON compliant"):
            sandbox.patch({"version": float("nan")})
        with pytest.raises(BrokenDocument, match=r"holds what JSON cannot hold: .*date"):
            sandbox.state = {**ACME, "defaultDomain": date(2026, 1, 1)}

    def test_what_went_wrong_in_it_is_not_hidden_by_what_came_of_it(self, sandbox: Sandbox) -> None:
        def fail() -> None:
            with Simulator() as other, other.sandbox():
                other.stop()
                raise AssertionError("mine")

        with pytest.raises(AssertionError, match="mine") as caught:
            fail()
        (note,) = caught.value.__notes__
        assert note.startswith("The sandbox could not be dropped: no simulator answers at")

    def test_its_calls_can_be_asked_for(self, sandbox: Sandbox) -> None:
        httpx.get(sandbox.url + RECEPTION)
        httpx.get(sandbox.url + RECEPTION.replace("Reception", "Recepion"))
        assert [each["status"] for each in sandbox.requests()] == [200, 404]
        refused = sandbox.requests(operationId="getCallCapacity", status="4xx", limit=5)
        assert [each["rule"] for each in refused] == ["G-9"]

    def test_a_fault_takes_effect(self, sandbox: Sandbox) -> None:
        fault = sandbox.fault(operationId="getAlerting", status=503, times=1, retryAfter=2)
        assert fault["warnings"]
        answers = [httpx.get(sandbox.url + ALERTING) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [503, 200]
        assert answers[0].headers["Retry-After"] == "2"
        with pytest.raises(Refused, match="getAlertin"):
            sandbox.fault(operationId="getAlertin", status=503)

    @pytest.mark.parametrize("method", ["requests", "fault"])
    def test_a_misspelt_keyword_is_an_error_of_the_call_itself(self, sandbox: Sandbox, method: str) -> None:
        with pytest.raises(
            TypeError, match=f"^Sandbox.{method}.. got an unexpected keyword argument 'statuss'"
        ) as caught:
            getattr(sandbox, method)(operationId="getAlerting", statuss=503)
        assert [entry.path for entry in caught.traceback] == [Path(__file__)]

    def test_the_message_of_a_refusal_begins_with_the_reason(self, sandbox: Sandbox) -> None:
        with pytest.raises(Refused) as caught:
            sandbox.requests(operationId="getAlertin")
        reason = "there is no operation 'getAlertin'; did you mean 'getAlerting'? (S-7)"
        address = f"{sandbox.url}/_simulator/requests?operationId=getAlertin"
        assert str(caught.value) == f"{reason} [GET {address}: 400]"
        assert caught.value.reasons == reason

    def test_its_coverage_is_that_of_its_own_calls(self, sandbox: Sandbox) -> None:
        httpx.get(sandbox.url + RECEPTION)
        called = [each["operationId"] for each in sandbox.coverage()["operations"] if each["hits"]]
        assert called == ["getCallCapacity"]

    def test_what_has_no_method_can_be_called_too(self, sandbox: Sandbox) -> None:
        sandbox.fault(operationId="*", delayMs=1)
        assert [each["hits"] for each in sandbox.control.get("faults")["faults"]] == [0]


def test_filters_and_faults_are_those_of_the_control_contract(simulation: Simulation) -> None:
    document = simulation.control_contract.document
    listing = document.data["paths"]["/_simulator/requests"]["get"]["parameters"]
    names = [document.find(each["$ref"].removeprefix("#"))["name"] for each in listing]
    assert names == list(signature(Sandbox.requests).parameters)[1:]
    fault = document.find("/components/schemas/FaultInjection")
    keywords = list(signature(Sandbox.fault).parameters.values())[1:]
    assert list(fault["properties"]) == [each.name for each in keywords]
    assert fault["required"] == [each.name for each in keywords if each.default is Parameter.empty]


class TestCreateApp:
    def test_it_is_a_plain_wsgi_application(self) -> None:
        app = create_app(ACME, auth="required")
        transport = httpx.WSGITransport(app=app)
        with httpx.Client(
            transport=transport, base_url="http://simulator", headers={"Authorization": "Bearer admin"}
        ) as client:
            assert client.get(ACME_CAPACITIES).json() == {"call_capacities": []}
        assert app.test_client().get(ACME_CAPACITIES).status_code == 401

    def test_each_has_worlds_of_its_own(self) -> None:
        one, other = create_app().test_client(), create_app().test_client()
        assert one.delete(RECEPTION).status_code == 200
        assert other.get(RECEPTION).status_code == 200

    def test_no_path_can_be_added_because_the_applications_of_others_would_have_it_too(self) -> None:
        with pytest.raises(TypeError, match="share their paths"):
            create_app().add_url_rule("/mine", view_func=lambda: "mine")
        assert create_app().test_client().get("/mine").status_code == 404

    def test_a_delayed_call_waits_in_its_callers_thread(self) -> None:
        assert create_app(delay_ms=1).test_client().get(RECEPTION).status_code == 200


def test_the_package_exports_what_it_says_and_loads_it_only_then() -> None:
    program = (
        "import sys, simulator; assert not {m for m in sys.modules if m.startswith('simulator.')}; "
        f"print(*(getattr(simulator, name).__name__ for name in {sorted(simulator._HOMES)!r}))"
    )
    assert python("-c", program).stdout.split() == sorted(simulator._HOMES)
    with pytest.raises(AttributeError, match="no attribute 'Simulater'"):
        getattr(simulator, "Simulater")  # noqa: B009  # a type checker would object


@pytest.mark.rule("S-13")
class TestWaiting:
    def test_it_returns_the_first_call_that_matches_as_soon_as_it_comes(self, sandbox: Sandbox) -> None:
        calls = [httpx.get] * 2
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(sandbox.wait_for, operationId="getCallCapacity", status=404, timeout=30)
            for number, call in enumerate(calls):
                call(sandbox.url + RECEPTION)
                call(f"{sandbox.url}/api/v1/{CAPACITIES}{number}/")
            entry = waiting.result()
        assert entry == sandbox.requests(status=404)[0]
        assert entry["response"]["body"]["errors"][0]["details"]["rule"] == "G-9"

    def test_a_call_that_was_quicker_is_not_missed(self, sandbox: Sandbox) -> None:
        for number in range(2):
            httpx.get(f"{sandbox.url}/api/v1/{CAPACITIES}{number}/")
        assert sandbox.wait_for(rule="G-9", timeout=0)["path"].endswith("/0/")
        assert sandbox.wait_for(path="*/1/", method="GET", timeout=0)["path"].endswith("/1/")

    def test_with_since_only_later_calls_count(self, sandbox: Sandbox) -> None:
        httpx.get(sandbox.url + RECEPTION)
        first = sandbox.wait_for(status=200)
        cursor = sandbox.cursor
        with pytest.raises(TimeoutError):
            sandbox.wait_for(status=200, since=first["id"], timeout=0)
        with ThreadPoolExecutor(1) as pool:
            waiting = [pool.submit(sandbox.wait_for, status=200, since=since) for since in (first["id"], cursor)]
            httpx.get(sandbox.url + ALERTING)
            assert {each.result()["operationId"] for each in waiting} == {"getAlerting"}

    def test_a_reset_does_not_end_the_waiting(self, sandbox: Sandbox) -> None:
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(sandbox.wait_for, status=200, timeout=30)
            sandbox.reset()
            httpx.get(sandbox.url + RECEPTION)
            assert waiting.result()["operationId"] == "getCallCapacity"

    @pytest.mark.parametrize("how", ["too many", "at once over"])
    def test_without_a_stream_it_asks_again_and_again_with_a_pause(
        self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, how: str
    ) -> None:
        if how == "too many":
            monkeypatch.setattr(connection, "MOST_STREAMS", 0)
        else:
            monkeypatch.setattr(Streaming, "go_on", lambda streaming: streaming._end())
        asked: list[str] = []
        call = Client.call

        def noted(client: Client, method: str, path: str, *rest: Any, **more: Any) -> bytes:
            asked.append(path)
            return call(client, method, path, *rest, **more)

        monkeypatch.setattr(Client, "call", noted)
        with pytest.raises(TimeoutError):
            sandbox.wait_for(status=404, timeout=0.5)
        assert asked.count("events") <= 0.5 / PAUSE_SECONDS + 2
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(sandbox.wait_for, status=404, timeout=30)
            httpx.get(f"{sandbox.url}/api/v1/{CAPACITIES}none/")
            assert waiting.result()["rule"] == "G-9"

    def test_if_no_such_call_comes_it_says_which_did(self, sandbox: Sandbox) -> None:
        httpx.get(f"{sandbox.url}/api/v1/{CAPACITIES}none/")
        with pytest.raises(TimeoutError) as caught:
            sandbox.wait_for(operationId="getCallCapacity", status=200, timeout=0.1)
        first, call, explanation = str(caught.value).splitlines()
        assert first == "no call with operationId='getCallCapacity', status=200 within 0.1 s; these calls came:"
        assert f"GET /api/v1/{CAPACITIES}none/ 404" in call
        assert "has no call capacity 'none'" in explanation
        with pytest.raises(TimeoutError, match=r"^no call within 0 s; no other call came$"):
            sandbox.wait_for(since=sandbox.cursor, timeout=0)
        for number in range(11):
            httpx.get(f"{sandbox.url}/api/v1/{CAPACITIES}{number}/")
        with pytest.raises(TimeoutError, match="of 12 calls, these came last:") as caught:
            sandbox.wait_for(status=500, timeout=0)
        assert str(caught.value).count(" ms as ") == 10

    def test_what_can_never_match_is_refused_and_a_server_that_is_gone_is_said(self, simulation: Simulation) -> None:
        with Simulator() as sim:
            sandbox = sim.sandbox()
            with pytest.raises(Refused, match="did you mean 'getAlerting'"):
                sandbox.wait_for(operationId="getAlertin")
            threading.Timer(0.1, sim.stop).start()
            with pytest.raises(Unreachable):
                sandbox.wait_for(status=200, timeout=30)

    def test_it_takes_the_filters_of_the_journal(self) -> None:
        # To look for a text in each call would cost too much while it is answered.
        others = {"limit", "before", "text"}
        listed = [name for name in signature(Sandbox.requests).parameters if name not in others]
        assert list(signature(Sandbox.wait_for).parameters) == [*listed, "timeout"]
