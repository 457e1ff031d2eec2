"""The overview over HTTP: a sandbox at a glance."""

from __future__ import annotations

import subprocess
from typing import Any

import httpx
import pytest

from simulator import __version__
from simulator.app import Simulation, create_app
from simulator.settings import Settings
from simulator.state.world import World
from tests.conftest import CAPACITIES, EXECUTIVE, Api, served

pytestmark = pytest.mark.rule("S-12")

USER = {"firstName": "A", "lastName": "B"}
ADMIN = {"password": "it's a secret", "level": "System Admin"}


def overview(api: Api) -> Any:
    return api.arranged("GET", "")


def fixture(accounts: Any = None, group_id: str = "g", **group: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "defaultDomain": "example.com",
        "tenants": {"t": {"type": "Enterprise", "groups": {group_id: group}}},
        **({"accounts": accounts} if accounts else {}),
    }


def test_it_says_where_and_what_the_sandbox_is(api: Api, world: World) -> None:
    shown, name = overview(api), api.root.rpartition("/")[2]
    assert (shown["version"], shown["sandbox"]) == (__version__, name)
    assert shown["address"] == f"{str(api.client.base_url).rstrip('/')}{api.root}"
    assert httpx.get(f"{shown['address']}/api/v1/{CAPACITIES}").status_code == 200
    assert shown["settings"] == {"auth": "optional", "fidelity": "plain", "delayMs": 0}
    tenants = world.directory.tenants.values()
    assert shown["counts"] == {
        "requests": 0,
        "refusals": 0,
        "journalEntries": 0,
        "faults": 0,
        "snapshots": 0,
        "sandboxes": len(api.arranged("GET", "sandboxes")["sandboxes"]),
        "tenants": len(tenants),
        "groups": sum(len(each.groups) for each in tenants),
        "users": sum(len(each.users) for each in tenants),
        "accounts": len(world.directory.accounts),
    }
    assert (shown["lastRequests"], shown["refusals"], shown["undocumented"], shown["faults"]) == ([], [], [], [])


def test_it_shows_the_settings_that_change_answers(simulation: Simulation, world: World) -> None:
    app = simulation.app(world, Settings(auth="required", fidelity="strict", delay_ms=3))
    shown = app.test_client().get("/_simulator/").json
    assert shown
    assert shown["settings"] == {"auth": "required", "fidelity": "strict", "delayMs": 3}


def test_the_run_is_the_beginning_of_ids(api: Api) -> None:
    request_id = api("GET", CAPACITIES).headers["X-Simulator-Request-Id"]
    assert request_id.partition("-")[0] == overview(api)["run"]


def test_it_counts_what_has_happened(api: Api) -> None:
    api("GET", CAPACITIES)
    api("GET", CAPACITIES.replace("foogroup", "nowhere"))
    api("GET", "nowhere/")
    api.arranged("POST", "faults", {"operationId": "getAlerting", "status": 503})
    api.arranged("PUT", "snapshots/start")
    counts = overview(api)["counts"]
    assert [counts[each] for each in ("requests", "refusals", "journalEntries", "faults", "snapshots")] == [
        3,
        2,
        3,
        1,
        1,
    ]
    api.arranged("DELETE", "requests")
    counts = overview(api)["counts"]
    assert [counts[each] for each in ("requests", "refusals", "journalEntries")] == [3, 2, 0]


def test_the_ten_newest_calls_come_newest_first_without_headers_and_bodies(api: Api) -> None:
    for number in range(12):
        api("PUT", f"{CAPACITIES}Reception/", {"maxCalls": number - 1})
    entries = api.arranged("GET", "requests")["requests"]
    for entry in entries:
        del entry["request"], entry["response"]
    assert overview(api)["lastRequests"] == entries[:1:-1]


def test_the_newest_calls_have_the_shape_of_journal_entries(simulation: Simulation) -> None:
    schemas = simulation.control_contract.document.find("/components/schemas")
    entry, summary = schemas["JournalEntry"]["properties"], schemas["RequestSummary"]["properties"]
    assert summary == {
        name: each for name, each in entry.items() if name not in ("request", "response", "replay", "previous", "next")
    }


def test_refusals_are_grouped_by_operation_and_rule_with_the_most_frequent_first(api: Api) -> None:
    for _ in range(2):
        api("GET", f"{CAPACITIES}nothing/")
    api("GET", f"{EXECUTIVE}criteria/nothing/")
    api("PUT", f"{CAPACITIES}Reception/", {"maxCalls": -2})
    shown = overview(api)
    assert shown["refusals"][0] == {"operationId": "getCallCapacity", "rule": "G-9", "hits": 2}
    assert sorted((each["operationId"], each["hits"]) for each in shown["refusals"][1:]) == [
        ("getCriterion", 1),
        ("updateCallCapacity", 1),
    ]


def test_calls_of_unknown_paths_are_shown_too(api: Api) -> None:
    api("GET", "nowhere/")
    assert overview(api)["undocumented"] == [{"method": "GET", "path": "/api/v1/nowhere/", "status": 404, "hits": 1}]


def test_faults_and_coverage_are_those_of_their_own_lists(api: Api) -> None:
    api.arranged("POST", "faults", {"operationId": "getAlerting", "status": 503, "times": 1})
    api("GET", f"{EXECUTIVE}alerting/")
    api("GET", CAPACITIES)
    shown = overview(api)
    assert shown["faults"] == api.arranged("GET", "faults")["faults"]
    assert shown["faults"][0]["hits"] == 1
    assert shown["coverage"] == api.arranged("GET", "coverage")["totals"]
    assert shown["coverage"]["operationsHit"] == 2


def test_it_says_whether_the_world_was_written_since_the_reset(api: Api) -> None:
    assert overview(api)["changed"] is False
    api("PUT", f"{CAPACITIES}Reception/", {"maxCalls": -1})
    assert overview(api)["changed"] is False
    api.ok("PUT", f"{CAPACITIES}Reception/", {"maxCalls": 9})
    assert overview(api)["changed"] is True
    api.reset()
    assert overview(api)["changed"] is False


def test_a_sandbox_that_does_not_exist_has_none(client: httpx.Client) -> None:
    assert client.get("/_sandboxes/not-there/_simulator/").status_code == 404


@pytest.mark.rule("S-2")
def test_it_needs_the_token_of_the_control_interface(simulation: Simulation, world: World) -> None:
    client = simulation.app(world, Settings(control_token="t")).test_client()
    assert client.get("/_simulator/").status_code == 401
    assert client.get("/_simulator/", headers={"Authorization": "Bearer t"}).status_code == 200
    assert client.get("/_simulator/", headers={"Host": "evil.example"}).status_code == 403
    assert simulation.app(world, Settings(control=False)).test_client().get("/_simulator/").status_code == 404


class TestTheFirstCommand:
    @pytest.mark.parametrize("auth", ["optional", "required"])
    def test_it_is_a_read_that_succeeds(self, simulation: Simulation, world: World, auth: Any) -> None:
        printed = self.printed(simulation.app(world, Settings(auth=auth)))
        assert "call_capacities" in printed

    @pytest.mark.parametrize(
        ("auth", "content", "said"),
        [
            ("optional", fixture(services=["Call Capacity Management"]), "call_capacities"),
            ("optional", fixture(group_id="a b'{c}%2F$é", services=["Call Capacity Management"]), "call_capacities"),
            ("optional", fixture(users={"u": {**USER, "services": ["Executive"]}}), '"users"'),
            (
                "optional",
                fixture({"root": ADMIN}, users={"u": {**USER, "services": ["Executive-Assistant"]}}),
                "profile",
            ),
            ("optional", fixture({"@root": {**ADMIN, "password": "x" * 2_000}}), "profile"),
            ("required", fixture({"root": ADMIN}, services=["Call Capacity Management"]), "profile"),
            (
                "required",
                fixture({"root": {**ADMIN, "token": "t'$x"}}, services=["Call Capacity Management"]),
                "call_capacities",
            ),
        ],
    )
    def test_it_suits_the_world(self, auth: Any, content: Any, said: str) -> None:
        assert said in self.printed(create_app(content, auth=auth))

    def test_an_empty_world_has_none(self) -> None:
        client = create_app({"version": 1, "defaultDomain": "example.com", "tenants": {}}).test_client()
        shown = client.get("/_simulator/").json
        assert shown
        assert "command" not in shown

    def printed(self, app: Any) -> str:
        """Run the command of a server's overview in a shell. Return the answer."""
        with served(app) as server:
            command = httpx.get(f"{server.url}/_simulator/").json()["command"]
            assert command.startswith("curl ")
            done = subprocess.run(
                ["bash", "-c", command.replace("curl ", "curl -sS --fail ", 1)],
                capture_output=True,
                text=True,
                timeout=10,
            )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout
