"""The library: a simulator in the process of a test suite, and handles on one that runs elsewhere."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Required, get_origin, get_type_hints

import httpx
import pytest

import simulator
from simulator import AddressUnavailable, BrokenDocument, Refused, Sandbox, Simulator, Unreachable, create_app
from simulator.app import Simulation
from simulator.library import FaultInjection, RequestFilter
from simulator.settings import Options, Settings
from tests.conftest import CAPACITIES

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
            thread.join(2)
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

    def test_the_options_are_those_of_the_command_line(self) -> None:
        with Simulator(auth="required") as simulator:
            assert httpx.get(simulator.url + RECEPTION).status_code == 401
        with pytest.raises(ValueError, match="auth must be one of optional, required, not 'perhaps'"):
            Simulator(auth="perhaps")
        with pytest.raises(TypeError, match="colour"):
            Simulator(colour="red")  # type: ignore[call-arg]  # it is what is tested

    def test_the_options_are_the_settings(self) -> None:
        assert get_type_hints(Options) == get_type_hints(Settings)

    def test_it_takes_the_port_that_is_asked_for_or_says_that_it_cannot(self, sim: Simulator) -> None:
        port = int(sim.url.rpartition(":")[2])
        with pytest.raises(AddressUnavailable, match=f"port {port}"):
            Simulator(port=port).start()

    @pytest.mark.parametrize("host", ["0.0.0.0", "localhost", "::1", "::"])
    def test_it_can_be_driven_at_whichever_address_it_listens(self, host: str) -> None:
        with Simulator(host=host) as simulator:
            simulator.default.reset()

    def test_without_start_it_says_so(self) -> None:
        with pytest.raises(RuntimeError, match=r"not running: call start\(\)"):
            Simulator().sandbox()

    def test_it_knows_the_coverage_of_all_sandboxes(self) -> None:
        with Simulator() as simulator:
            with simulator.sandbox() as sandbox:
                httpx.get(sandbox.url + RECEPTION)
            httpx.get(simulator.url + ALERTING)
            assert simulator.coverage()["totals"]["operationsHit"] == 2


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
        with pytest.raises(
            Refused, match=r"400 /fixture/defaultDomain is required \(G-18\); /fixture/tenants is required"
        ):
            sim.sandbox(fixture={"version": 1})

    def test_a_name_that_is_none_is_refused(self, sim: Simulator) -> None:
        with pytest.raises(Refused, match="G-17"):
            sim.sandbox("a b")

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
    assert names == list(RequestFilter.__annotations__)
    fault = document.find("/components/schemas/FaultInjection")
    assert list(fault["properties"]) == list(FaultInjection.__annotations__)
    hints = get_type_hints(FaultInjection, include_extras=True)
    assert fault["required"] == [name for name, hint in hints.items() if get_origin(hint) is Required]


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

    def test_a_delayed_call_waits_in_its_callers_thread(self) -> None:
        assert create_app(delay_ms=1).test_client().get(RECEPTION).status_code == 200


def test_the_package_exports_what_it_says_and_loads_it_only_then() -> None:
    program = (
        "import sys, simulator; assert not {m for m in sys.modules if m.startswith('simulator.')}; "
        f"print(*(getattr(simulator, name).__name__ for name in {sorted(simulator._HOMES)!r}))"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == sorted(simulator._HOMES)
    with pytest.raises(AttributeError, match="no attribute 'Simulater'"):
        simulator.Simulater  # noqa: B018  # it is what is tested
