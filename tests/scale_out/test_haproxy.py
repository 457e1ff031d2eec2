"""Three replicas behind HAProxy: each sandbox has its replica, and answers as without a proxy."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from simulator import Simulator
from tests.conftest import CAPACITIES, EXECUTIVE, faults, run
from tests.scale_out.conftest import PUBLIC_NAME, UP, Clients, Fleet, names
from tools.benchmarks.fleet import EXAMPLE, NAMES, program
from tools.contract_checks.check import Skipped


def test_the_file_is_valid_as_it_is() -> None:
    try:
        command = [program("haproxy"), "-c", "-f", str(EXAMPLE / "haproxy.cfg")]
    except Skipped as skipped:
        pytest.skip(str(skipped))
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, env={})
    assert (done.returncode, done.stderr) == (0, "")


def test_two_hundred_sandboxes_see_only_their_own_worlds(fleet: Fleet) -> None:
    everybody = names("own", 200)

    def wrong(some: list[str]) -> list[str]:
        found = []
        with Clients(fleet.url) as clients:
            for name in some:
                clients.create(name)
                clients.control(name, "PUT", "snapshots/start")
            for name in some:
                journal = clients.control(name, "GET", "requests").json()["requests"]
                answered = {clients.call(name).headers["X-Simulator-Replica"] for _ in range(2)}
                if not (
                    clients.has_its_own_world(name)
                    and [(each["sandbox"], each["method"]) for each in journal] == [(name, "POST")]
                    and len(answered) == 1
                    and clients.control(name, "GET", "diff", params={"since": "start"}).json()["changes"] == []
                ):
                    found.append(name)
        return found

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(wrong, [everybody[start::8] for start in range(8)])) == 8 * [[]]
    living: list[str] = []
    for replica in NAMES:
        of_replica = fleet.http.get(f"/_replicas/{replica}/_simulator/sandboxes").json()["sandboxes"]
        its_own = [each["name"] for each in of_replica if each["name"].startswith("own-")]
        assert len(its_own) > 200 / len(NAMES) / 2
        living += its_own
    assert sorted(living) == sorted(everybody)
    for name in everybody:
        assert fleet.control("default", "DELETE", f"sandboxes/{name}").status_code == 204


@pytest.mark.parametrize(
    "path",
    [
        "/_sandboxes/spelt/_simulator/requests",
        "/_sandboxes/%73pelt/_simulator/requests",
        "/%5Fsandboxes/spelt/_simulator/requests?limit=1",
        "/_sandboxes/spel%74/%5fsimulator/requests",
    ],
)
def test_a_sandbox_is_found_however_its_name_is_spelt(fleet: Fleet, path: str) -> None:
    fleet.create("spelt")
    answer = fleet.http.get(path)
    assert [each["sandbox"] for each in answer.json()["requests"]] == ["spelt"]


@pytest.mark.parametrize("prefix", ["", "/_sandboxes/default", "/_sandboxes/another"])
def test_a_sandbox_is_created_and_dropped_where_it_lives_whatever_sandbox_is_asked(fleet: Fleet, prefix: str) -> None:
    for name in names("made", 6):
        assert fleet.http.put(f"{prefix}/_simulator/sandboxes/{name}").status_code == 200
        assert fleet.call(name).status_code == 200
        assert fleet.http.delete(f"{prefix}/_simulator/sandboxes/{name}").status_code == 204
        assert fleet.call(name).status_code == 404


def test_one_replica_can_be_asked_by_its_name(fleet: Fleet) -> None:
    for replica in NAMES:
        answer = fleet.http.get(f"/_replicas/{replica}/_simulator/sandboxes")
        assert (answer.status_code, answer.headers["X-Simulator-Replica"]) == (200, replica)
    unknown = fleet.http.get("/_replicas/r9/_simulator/sandboxes")
    assert (unknown.status_code, faults(unknown)) == (404, {("S-1", None)})


def test_the_coverage_of_all_replicas_adds_up_to_the_calls_that_were_sent(fleet: Fleet) -> None:
    before = sum(map(fleet.covered, NAMES))
    fleet.create(*names("counted", 30))
    for name in names("counted", 30):
        fleet.call(name)
        fleet.call(name, path=f"{EXECUTIVE}alerting/")
    assert sum(map(fleet.covered, NAMES)) - before == 3 * 30
    addresses = [word for name in NAMES for word in ("--url", f"{fleet.url}/_replicas/{name}")]
    printed = run("coverage", "--sandbox", "*", "--format", "json", *addresses).stdout
    assert sum(each["hits"] for each in json.loads(printed)["operations"]) - before == 3 * 30


def test_no_update_of_concurrent_writers_is_lost(fleet: Fleet) -> None:
    fleet.create("written")

    def write(writer: int) -> set[int]:
        added = [{"name": f"{writer}-{each}", "isDefault": False, "maxCalls": 1} for each in range(25)]
        with Clients(fleet.url) as clients:
            return {clients.call("written", "POST", json=each).status_code for each in added}

    with ThreadPoolExecutor(8) as pool:
        assert set().union(*pool.map(write, range(8))) == {201}
    found = {each["name"] for each in fleet.call("written").json()["call_capacities"]}
    assert {f"{writer}-{each}" for writer in range(8) for each in range(25)} <= found


class TestFaults:
    """What is injected arrives as without a proxy, and takes no replica out."""

    def test_an_aborted_call_is_a_closed_connection_and_nothing_else(self, fleet: Fleet) -> None:
        fleet.create("aborted", *names("beside", 9))
        fleet.control("aborted", "POST", "faults", json={"operationId": "updateCallCapacity", "abort": "close"})
        for _ in range(20):
            with pytest.raises(httpx.RemoteProtocolError, match="disconnected without sending a response"):
                fleet.call("aborted", "PUT", f"{CAPACITIES}Reception/", json={"maxCalls": 9})
        assert fleet.proxy.states() == UP
        assert all(map(fleet.has_its_own_world, names("beside", 9)))
        # The proxy has sent no call twice.
        journal = fleet.control("aborted", "GET", "requests", params={"method": "PUT"}).json()
        assert journal["total"] == 20

    def test_a_truncated_answer_is_seen_as_one(self, fleet: Fleet) -> None:
        fleet.create("truncated")
        fleet.control("truncated", "POST", "faults", json={"operationId": "listCallCapacities", "abort": "truncate"})
        with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
            fleet.call("truncated")

    def test_an_injected_503_is_the_simulators_own(self, fleet: Fleet) -> None:
        fleet.create("busy")
        fault = {"operationId": "listCallCapacities", "status": 503, "retryAfter": 7}
        fleet.control("busy", "POST", "faults", json=fault)
        for _ in range(10):
            answer = fleet.call("busy")
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")
            assert answer.json()["errors"][0]["code"] == 50300
        assert fleet.proxy.states() == UP


@pytest.mark.parametrize(
    ("method", "headers", "chunks"),
    [
        ("GET", {"Content-Type": "application/json", "Content-Length": "2"}, [b"{}"]),
        ("GET", {"X-Long": 20_000 * "x"}, []),
        ("POST", {}, [b'{"name": ', b'"chunked"', b"}"]),
        ("POST", {}, 11 * [100_000 * b" "]),
        ("OPTIONS", {}, []),
    ],
    ids=["GET with a body", "long header", "chunked", "too large", "OPTIONS"],
)
def test_unusual_requests_are_answered_as_without_a_proxy(
    fleet: Fleet, method: str, headers: dict[str, str], chunks: list[bytes]
) -> None:
    fleet.create("unusual")
    with Clients(fleet.replicas.running[fleet.home("unusual")].url) as direct:
        answers = [
            each.call("unusual", method, headers=headers, content=iter(chunks) if chunks else None)
            for each in (direct, fleet)
        ]
    first, second = [(each.status_code, each.content) for each in answers]
    assert first == second


class TestControlInterface:
    """The control interface and the console behind the proxy."""

    def test_an_event_arrives_as_soon_as_it_happens(self, fleet: Fleet) -> None:
        fleet.create("watched")
        connection = http.client.HTTPConnection(fleet.url.removeprefix("http://"), timeout=10)
        connection.request("GET", "/_sandboxes/watched/_simulator/events")
        stream = connection.getresponse()
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        lines = iter(stream.readline, b"")
        # The stream never ends: what was not passed on at once would not arrive at all.
        assert any(line == b"event: hello\n" for line in lines)
        fleet.call("watched")
        assert any(b"listCallCapacities" in line for line in lines)
        stream.close()
        connection.close()

    def test_a_test_can_wait_for_a_call(self, fleet: Fleet) -> None:
        with Simulator.connect(fleet.url).sandbox() as sandbox:
            caller = threading.Timer(0.2, fleet.call, [sandbox.name])
            caller.start()
            assert sandbox.wait_for(operationId="listCallCapacities", timeout=10)["status"] == 200
            caller.join()

    def test_a_browser_is_led_to_the_console_and_on_to_each_sandbox(self, fleet: Fleet) -> None:
        fleet.create("shown")
        accept = {"Accept": "text/html"}
        with httpx.Client(base_url=fleet.url, headers=accept, follow_redirects=True) as browser:
            assert str(browser.get("/").url) == f"{fleet.url}/_simulator/"
            for path in ("/_sandboxes/shown/_simulator/requests", "/_replicas/r2/_simulator/sandboxes"):
                page = browser.get(path)
                assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
                (script,) = re.findall(r'src="([^"]*assets/[^"]+\.js)"', page.text)
                assert browser.get(page.url.join(script)).status_code == 200

    @pytest.mark.parametrize(("name", "status"), [(PUBLIC_NAME, 200), ("elsewhere.test", 403)])
    def test_it_answers_under_the_public_name_only(self, fleet: Fleet, name: str, status: int) -> None:
        fleet.create("public")
        for _ in range(2):
            answer = fleet.control("public", "GET", "state", headers={"Host": f"{name}:4080"})
            assert answer.status_code == status

    def test_a_page_of_another_site_cannot_drain_a_replica(self, fleet: Fleet) -> None:
        fleet.proxy.order("r1", "drain", Origin="http://elsewhere.test")
        assert fleet.proxy.states() == UP
