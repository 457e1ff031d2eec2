"""Reading, replacing, patching and comparing a sandbox's state; snapshots and sandboxes."""

from __future__ import annotations

import itertools
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from simulator import Simulator
from simulator.app import Simulation
from simulator.control.body import LARGE
from simulator.control.patch import merged, patched_content
from simulator.document import parse_document
from simulator.settings import Settings
from simulator.state.sandbox import ServerSandbox
from simulator.state.sandboxes import IN_USE_SECONDS
from simulator.state.world import World
from tests.conftest import CAPACITIES, EXECUTIVE, Api, faults, wait_until

FOOGROUP = ("tenants", "foo", "groups", "foogroup")
SMALL: dict[str, Any] = {
    "version": 1,
    "defaultDomain": "example.com",
    "tenants": {"foo": {"type": "Enterprise", "groups": {"foogroup": {"services": ["Call Capacity Management"]}}}},
}


def noted(method: Any, sandboxes: list[ServerSandbox]) -> Any:
    """Return the method, changed so that it adds its sandbox to the list."""

    def noting(sandbox: ServerSandbox) -> Any:
        sandboxes.append(sandbox)
        return method(sandbox)

    return noting


def patch_of(*path: str, to: Any) -> Any:
    """Return a merge patch that sets the value at the path."""
    for key in reversed(path):
        to = {key: to}
    return to


def answers(api: Api) -> list[bytes]:
    """Return everything that the API shows of a state."""
    content = api.arranged("GET", "state")
    shown = []
    for tenant_id, tenant in content["tenants"].items():
        for group_id, group in tenant.get("groups", {}).items():
            base = f"tenants/{tenant_id}/groups/{group_id}/"
            capacities = f"{base}services/call_capacities/"
            names = [each["name"] for each in group.get("callCapacities", [])]
            paths = [capacities, f"{capacities}available_users/", *(f"{capacities}{name}/" for name in names)]
            for user_id, user in group.get("users", {}).items():
                executive = f"{base}users/{user_id}/services/executive/"
                parts = ["available_assistants", "assistants", "filtering", "screening", "alerting"]
                parts += [f"criteria/{each['name']}" for each in user.get("executive", {}).get("criteria", [])]
                paths += [f"{executive}{part}/" for part in parts]
            shown += [api("GET", path).content for path in paths]
    return shown


@pytest.mark.rule("S-4")
class TestState:
    def test_it_is_the_fixture_that_the_sandbox_started_from(
        self, api: Api, world: World, simulation: Simulation
    ) -> None:
        content = api.arranged("GET", "state")
        assert content == simulation.fixtures.content_of(world)
        assert content["tenants"]["foo"]["groups"]["foogroup"]["callCapacities"][0]["name"] == "Reception"
        assert content["accounts"]["groupadmin"]["password"] == "secret"

    def test_loading_it_into_another_sandbox_gives_an_equal_world(self, api: Api) -> None:
        api.ok("POST", CAPACITIES, {"name": "new", "isDefault": True, "maxCalls": 0, "userIds": ["user_9"]})
        api.ok("DELETE", f"{CAPACITIES}disposable/")
        api.ok("PUT", f"{EXECUTIVE}alerting/", {"cliCustomName": None, "rolloverWaitTime": 0})
        api.ok("POST", f"{EXECUTIVE}criteria/", {"name": "1e5", "holidaySchedule": {"level": "User", "name": "yes"}})
        other = Api(api.client, "copy")
        other.arranged("PUT", "state", api.arranged("GET", "state"))
        assert answers(other) == answers(api)
        assert len(answers(api)) > 100

    @pytest.mark.parametrize(
        "name", ["1e5", "yes", "~", "null", "0x1F", "12:30:00", "2020-01-01", "- a", "a: b", "#", "😀"]
    )
    def test_as_yaml_it_says_the_same_as_in_json(self, api: Api, name: str, tmp_path: Path) -> None:
        api.ok("POST", CAPACITIES, {"name": name, "isDefault": False, "maxCalls": 1})
        response = api.control("GET", "state", headers={"Accept": "application/yaml"})
        assert response.headers["Content-Type"] == "application/yaml"
        assert parse_document("state", response.text).data == api.arranged("GET", "state")
        yaml.safe_load(response.text)
        other = Api(api.client, "copy-yaml")
        headers = {"Content-Type": "application/yaml"}
        assert other.control("PUT", "state", content=response.content, headers=headers).status_code == 204
        assert other.arranged("GET", "state") == api.arranged("GET", "state")

    @pytest.mark.parametrize("content_type", ["Application/YAML", "application/yaml; charset=utf-8"])
    def test_the_case_of_a_media_type_does_not_count(self, api: Api, content_type: str) -> None:
        content = yaml.safe_dump(SMALL).encode()
        assert api.control("PUT", "state", content=content, headers={"Content-Type": content_type}).status_code == 204

    def test_replacing_it_leaves_the_seed(self, api: Api) -> None:
        api.arranged("PUT", "state", SMALL)
        assert api.ok("GET", CAPACITIES) == {"call_capacities": []}
        assert api("GET", f"{EXECUTIVE}alerting/").status_code == 404
        api.reset()
        assert api("GET", f"{EXECUTIVE}alerting/").status_code == 200

    def test_what_a_fixture_could_not_be_is_refused_with_every_reason_and_changes_nothing(self, api: Api) -> None:
        before = api.arranged("GET", "state")
        wrong = json.loads(json.dumps(before))
        group = wrong["tenants"]["foo"]["groups"]["foogroup"]
        group["callCapacities"][0]["maxCalls"] = 100_000
        group["callCapacities"][1]["userIds"] = ["nobody"]
        group["users"]["user_1@sip.netaxis.be"]["department"] = "none"
        response = api.control("PUT", "state", wrong)
        here = "/tenants/foo/groups/foogroup"
        assert response.status_code == 400
        assert {
            ("CC-4", f"{here}/callCapacities/0/maxCalls"),
            ("CC-7", f"{here}/callCapacities/1/userIds/0"),
            ("G-18", f"{here}/users/user_1@sip.netaxis.be/department"),
        } == faults(response)
        assert api.arranged("GET", "state") == before

    @pytest.mark.parametrize(
        ("body", "content_type", "status"),
        [
            (b"", "application/json", 400),
            (b"[]", "application/json", 400),
            (b"{", "application/json", 400),
            (b"a: 1\na: 2", "application/yaml", 400),
            (b"a: [", "application/yaml", 400),
            (b"- a", "application/yaml", 400),
            (b"\xff", "application/yaml", 400),
            (b"a: 1\na: 2", "Application/YAML; charset=utf-8", 400),
            (b"{}", "text/plain", 415),
        ],
    )
    def test_a_body_that_is_none_is_refused(self, api: Api, body: bytes, content_type: str, status: int) -> None:
        response = api.control("PUT", "state", content=body, headers={"Content-Type": content_type})
        assert response.status_code == status
        assert faults(response)

    @pytest.mark.rule("G-2")
    @pytest.mark.parametrize("method", ["PUT", "PATCH"])
    def test_json_that_has_a_key_twice_is_refused(self, api: Api, method: str) -> None:
        body = b'{"tenants": {"foo": {}, "foo": null}}'
        response = api.control(method, "state", content=body, headers={"Content-Type": "application/json"})
        assert (response.status_code, faults(response)) == (400, {("G-2", "/tenants/foo")})

    @pytest.mark.rule("S-4")
    @pytest.mark.parametrize(("method", "path"), [("PUT", "state"), ("PATCH", "state"), ("PUT", "sandboxes/another")])
    @pytest.mark.parametrize("padding", [0, LARGE], ids=["small", "large"])
    def test_a_refusal_shows_a_large_integer_as_it_was_sent(
        self, api: Api, method: str, path: str, padding: int
    ) -> None:
        number = 123456789012345678901234567890
        capacities = patch_of(*FOOGROUP, "callCapacities", to=[{"name": "n", "isDefault": False, "maxCalls": number}])
        content: Any = merged(api.arranged("GET", "state"), capacities)
        body = json.dumps(content if path == "state" else {"fixture": content}).encode() + b" " * padding
        response = api.control(method, path, content=body, headers={"Content-Type": "application/json"})
        assert response.status_code == 400
        [error] = response.json()["errors"]
        assert error["details"]["pointer"].endswith("/callCapacities/0/maxCalls")
        assert error["details"]["reason"].endswith(f", not {number}")

    @pytest.mark.rule("S-3")
    @pytest.mark.parametrize("content_type", ["application/json", "application/yaml"])
    def test_a_key_that_is_too_long_is_refused(self, api: Api, content_type: str) -> None:
        body = json.dumps({**SMALL, "tenants": {"k" * 1_001: {"type": "Enterprise", "groups": {"g": 1}}}}).encode()
        response = api.control("PUT", "state", content=body, headers={"Content-Type": content_type})
        assert response.status_code == 400
        assert "a key has at most 1000 characters, not 1001" in response.text

    @pytest.mark.rule("S-3")
    def test_a_body_that_would_exhaust_the_parser_is_refused(self, api: Api) -> None:
        for body in (b"[" * 50_000 + b"]" * 50_000, b"- " * 50_000, b'{"a":' * 50_000):
            response = api.control("PUT", "state", content=body, headers={"Content-Type": "application/yaml"})
            assert response.status_code == 400, response.text

    def test_who_never_touched_a_service_takes_no_room(self, api: Api) -> None:
        users = api.arranged("GET", "state")["tenants"]["foo"]["groups"]["foogroup"]["users"]
        assert "executive" in users["foouser@sip.netaxis.be"]
        assert "executive" not in users["user_1@sip.netaxis.be"]

    @pytest.mark.rule("S-3")
    @pytest.mark.parametrize("method", ["PUT", "PATCH"])
    def test_a_body_that_is_nested_too_deeply_is_refused(self, api: Api, method: str) -> None:
        deep: Any = 1
        for _ in range(70):
            deep = {"a": deep}
        response = api.control(method, "state", deep)
        assert (response.status_code, faults(response)) == (400, {("S-3", None)})


class TestPatch:
    @pytest.mark.rule("S-4", "EX-17")
    def test_taking_executive_away_drops_the_settings_and_giving_it_back_starts_fresh(self, api: Api) -> None:
        user = (*FOOGROUP, "users", "foouser@sip.netaxis.be")
        api.arranged("PATCH", "state", patch_of(*user, to={"services": []}))
        assert api.refused("GET", f"{EXECUTIVE}alerting/") == (404, {("EX-1", None)})
        api.arranged("PATCH", "state", patch_of(*user, to={"services": ["Executive"]}))
        assert api.ok("GET", f"{EXECUTIVE}alerting/")["mode"] == "Simultaneous"
        assert api.ok("GET", f"{EXECUTIVE}filtering/")["criteria"] == []

    @pytest.mark.rule("S-4", "EX-17")
    @pytest.mark.parametrize("services", [["Executive"], None])
    def test_taking_executive_assistant_away_removes_the_user_from_every_list(self, api: Api, services: object) -> None:
        assert len(api.ok("GET", f"{EXECUTIVE}assistants/")["assistantUsers"]) == 1
        user = (*FOOGROUP, "users", "test_user@netaxis.be")
        changes = api.arranged("PATCH", "state", patch_of(*user, to={"services": services}))["changes"]
        assert len(changes) >= 2
        assert changes == api.arranged("GET", "diff")["changes"]
        assert api.ok("GET", f"{EXECUTIVE}assistants/")["assistantUsers"] == []

    @pytest.mark.rule("S-4", "CC-1")
    def test_taking_call_capacity_management_away_drops_the_capacities(self, api: Api) -> None:
        api.arranged("PATCH", "state", patch_of(*FOOGROUP, to={"services": None}))
        assert api.refused("GET", CAPACITIES) == (404, {("CC-1", None)})
        api.arranged("PATCH", "state", patch_of(*FOOGROUP, to={"services": ["Call Capacity Management"]}))
        assert api.ok("GET", CAPACITIES) == {"call_capacities": []}

    @pytest.mark.rule("S-4")
    def test_a_service_taken_away_from_one_whose_settings_are_given_is_a_contradiction(self, api: Api) -> None:
        user = (*FOOGROUP, "users", "foouser@sip.netaxis.be")
        settings = {"services": [], "executive": {"screening": {"enabled": True}}}
        response = api.control("PATCH", "state", patch_of(*user, to=settings))
        assert (response.status_code, faults(response)) == (400, {("EX-1", f"/{'/'.join(user)}/executive")})

    @pytest.mark.rule("S-4")
    def test_a_user_can_be_added_and_a_department_renamed(self, api: Api) -> None:
        users: dict[str, Any] = {
            "new@sip.netaxis.be": {"firstName": "N", "lastName": "W", "department": "Care"},
            "test_user@netaxis.be": {"department": "Care"},
            "another_user@netaxis.be": {"department": "Care"},
        }
        departments = {"Test department": None, "Care": {"parent": "Sales"}}
        api.arranged("PATCH", "state", patch_of(*FOOGROUP, to={"users": users, "departments": departments}))
        available = {user["userId"]: user for user in api.ok("GET", f"{CAPACITIES}available_users/")["users"]}
        assert available["new@sip.netaxis.be"]["department"]["fullPathName"] == "Sales \\ Care (foogroup)"
        assert list(available)[-1] == "new@sip.netaxis.be"

    @pytest.mark.rule("S-4")
    def test_a_patch_that_leaves_something_dangling_is_refused_and_changes_nothing(self, api: Api) -> None:
        before = api.arranged("GET", "state")
        users: dict[str, Any] = {"user_2@sip.netaxis.be": None, "user_1@sip.netaxis.be": {"services": []}}
        response = api.control("PATCH", "state", patch_of(*FOOGROUP, to={"users": users}))
        place = "/tenants/foo/groups/foogroup/callCapacities/0/userIds/0"
        assert (response.status_code, faults(response)) == (400, {("CC-7", place)})
        assert api.arranged("GET", "state") == before

    @pytest.mark.rule("S-4", "EX-17")
    def test_a_user_can_move_to_another_group_and_stays_who_he_is(self, api: Api) -> None:
        users = api.arranged("GET", "state")["tenants"]["foo"]["groups"]["foogroup"]["users"]
        moved = {**users["test_user@netaxis.be"], "department": None}
        groups = {
            "foogroup": {"users": {"test_user@netaxis.be": None}},
            "bargroup": {"users": {"test_user@netaxis.be": moved}},
        }
        api.arranged("PATCH", "state", {"tenants": {"foo": {"groups": groups}}})
        (assistant,) = api.ok("GET", f"{EXECUTIVE}assistants/")["assistantUsers"]
        assert assistant["userId"] == "test_user@netaxis.be"

    @pytest.mark.rule("S-4", "G-7")
    def test_it_loses_no_change_that_is_made_meanwhile(
        self, simulation: Simulation, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client = simulation.app(world).test_client()
        names = iter(["one", "two", "three"])

        def interrupted(world: World, patch: Any, fixtures: Any) -> Any:
            for name in itertools.islice(names, 1):
                body = {"name": name, "isDefault": False, "maxCalls": 1}
                assert client.post(f"/api/v1/{CAPACITIES}", json=body).status_code == 201
            return patched_content(world, patch, fixtures)

        monkeypatch.setattr("simulator.control.state.patched_content", interrupted)
        user = (*FOOGROUP, "users", "user_1@sip.netaxis.be", "lastName")
        assert client.patch("/_simulator/state", json=patch_of(*user, to="New")).status_code == 200
        changes = (client.get("/_simulator/diff").json or {})["changes"]
        assert [change["path"].rpartition("/")[2] for change in changes] == ["lastName", "one", "two", "three"]

    @pytest.mark.rule("S-4", "G-7")
    def test_it_gets_through_however_often_others_change_something(
        self, simulation: Simulation, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sandboxes: list[ServerSandbox] = []

        def interrupted(world: World, patch: Any, fixtures: Any) -> Any:
            # Change the world just before each attempt ends, as long as other calls may change it.
            version = sandboxes[0].version
            if not sandboxes[0].is_reserved:
                sandboxes[0].replace(version, version.world._replace())
            return patched_content(world, patch, fixtures)

        monkeypatch.setattr("simulator.control.state.patched_content", interrupted)
        monkeypatch.setattr(ServerSandbox, "transaction", noted(ServerSandbox.transaction, sandboxes))
        app = simulation.app(world)
        client = app.test_client()
        assert client.delete(f"/api/v1/{CAPACITIES}disposable/").status_code == 200
        user = (*FOOGROUP, "users", "user_1@sip.netaxis.be", "lastName")
        changes = (client.patch("/_simulator/state", json=patch_of(*user, to="New")).json or {})["changes"]
        assert [change["after"] for change in changes] == ["New"]
        assert len((client.get("/_simulator/diff").json or {})["changes"]) == 2

    def test_calls_that_change_something_wait_for_it_then_and_hold_up_nobody(self) -> None:
        with Simulator() as simulator, ThreadPoolExecutor(1) as pool:
            server = simulator._server
            assert server is not None
            gateway: Any = server.app
            sandbox = gateway.sandboxes.sandbox("default")
            path = f"{simulator.url}/api/v1/{CAPACITIES}Reception/"
            with sandbox.reserved():
                change = pool.submit(httpx.put, path, json={"maxCalls": 9})
                wait_until(lambda: server.delayed)
                time.sleep(0.1)
                assert httpx.get(path).json()["maxCalls"] == 7
                assert not change.done()
            assert change.result().json()["maxCalls"] == 9

    @pytest.mark.rule("S-4")
    @pytest.mark.parametrize("content_type", ["application/merge-patch+json", "application/json"])
    def test_both_content_types_are_taken(self, api: Api, content_type: str) -> None:
        headers = {"Content-Type": content_type}
        response = api.control("PATCH", "state", content=b"{}", headers=headers)
        assert (response.status_code, response.json()) == (200, {"changes": []})
        assert api.arranged("GET", "diff")["changes"] == []


@pytest.mark.rule("S-5")
class TestDiffAndSnapshots:
    def test_a_diff_is_empty_where_nothing_changed_and_again_after_the_change_is_undone(self, api: Api) -> None:
        assert api.arranged("GET", "diff") == {"since": "seed", "changes": []}
        api.ok("PUT", f"{CAPACITIES}Reception/", {"maxCalls": 8, "maxOutgoingCalls": None})
        place = "/tenants/foo/groups/foogroup/callCapacities/Reception"
        assert api.arranged("GET", "diff")["changes"] == [
            {"op": "replace", "path": f"{place}/maxCalls", "before": 7, "after": 8},
            {"op": "remove", "path": f"{place}/maxOutgoingCalls", "before": 5},
        ]
        api.ok("PUT", f"{CAPACITIES}Reception/", {"maxCalls": 7, "maxOutgoingCalls": 5})
        assert api.arranged("GET", "diff")["changes"] == []

    def test_a_change_deep_in_what_was_never_touched_is_shown_where_it_is(self, api: Api) -> None:
        api.ok("PUT", f"{EXECUTIVE.replace('foouser', 'user_1')}screening/", {"enabled": True})
        place = "/tenants/foo/groups/foogroup/users/user_1@sip.netaxis.be/executive/screening/enabled"
        assert api.arranged("GET", "diff")["changes"] == [
            {"op": "replace", "path": place, "before": False, "after": True}
        ]

    def test_a_rename_replaces_the_list_for_its_order_counts(self, api: Api) -> None:
        api.ok("PUT", f"{CAPACITIES}Reception/", {"name": "Lobby"})
        (change,) = api.arranged("GET", "diff")["changes"]
        assert (change["op"], change["path"]) == ("replace", "/tenants/foo/groups/foogroup/callCapacities")
        assert [each["name"] for each in change["after"]] == ["Lobby", "disposable"]

    def test_a_snapshot_is_restored_and_compared_with(self, api: Api) -> None:
        taken = api.arranged("PUT", "snapshots/one")
        api.ok("DELETE", f"{CAPACITIES}Reception/")
        api.arranged("PUT", "snapshots/two")
        assert [each["op"] for each in api.arranged("GET", "diff?since=one")["changes"]] == ["remove"]
        assert api.arranged("GET", "diff?since=two")["changes"] == []
        api.arranged("POST", "snapshots/one/restore")
        assert api("GET", f"{CAPACITIES}Reception/").status_code == 200
        assert [each["op"] for each in api.arranged("GET", "diff?since=two")["changes"]] == ["replace"]
        assert api.arranged("GET", "snapshots")["snapshots"][0] == taken

    def test_restoring_brings_back_the_state_alone(self, api: Api) -> None:
        api.arranged("PUT", "snapshots/one")
        api.ok("GET", CAPACITIES)
        session = api("POST", "login/", {"username": "sysadmin", "password": "secret"}).cookies
        api.arranged("POST", "snapshots/one/restore")
        assert api.arranged("GET", "requests")["total"] == 2
        assert api.ok("GET", CAPACITIES, headers={"Cookie": f"sessionid={session['sessionid']}"})

    def test_snapshots_survive_a_reset_until_they_are_deleted(self, api: Api) -> None:
        api.ok("DELETE", f"{CAPACITIES}Reception/")
        api.arranged("PUT", "snapshots/one")
        api.reset()
        assert api.arranged("GET", "diff?since=one")["changes"] != []
        api.arranged("DELETE", "snapshots/one")
        assert api.arranged("GET", "snapshots") == {"snapshots": []}

    @pytest.mark.parametrize(
        ("method", "path"),
        [("DELETE", "snapshots/nix"), ("POST", "snapshots/nix/restore"), ("GET", "diff?since=nix")],
    )
    def test_an_unknown_snapshot_is_404(self, api: Api, method: str, path: str) -> None:
        response = api.control(method, path)
        assert (response.status_code, faults(response)) == (404, {("S-5", None)})

    @pytest.mark.parametrize("name", ["seed", "a b", "%C3%A9", "x" * 65])
    def test_a_name_that_is_none_is_refused(self, api: Api, name: str) -> None:
        response = api.control("PUT", f"snapshots/{name}")
        assert (response.status_code, faults(response)) == (400, {("S-5", None)})

    @pytest.mark.rule("S-3")
    def test_there_are_no_more_snapshots_than_the_limit(self, simulation: Simulation, world: World) -> None:
        client = simulation.app(world, Settings(snapshot_limit=2)).test_client()
        statuses = [client.put(f"/_simulator/snapshots/{name}").status_code for name in ("a", "b", "a", "c")]
        assert statuses == [200, 200, 200, 400]


@pytest.mark.rule("G-17")
class TestSandboxes:
    def test_one_is_created_with_a_seed_of_its_own_and_listed_and_dropped(self, api: Api) -> None:
        created = api.arranged("PUT", "sandboxes/own-seed", {"fixture": SMALL})
        assert created["size"] == {"tenants": 1, "users": 0, "snapshots": 0, "faults": 0, "journalBytes": 0}
        own = Api(api.client, "own-seed")
        assert own.ok("GET", CAPACITIES) == {"call_capacities": []}
        own.ok("POST", CAPACITIES, {"name": "n", "isDefault": False, "maxCalls": 1})
        own.reset()
        assert own.ok("GET", CAPACITIES) == {"call_capacities": []}
        listed = {each["name"]: each for each in api.arranged("GET", "sandboxes")["sandboxes"]}
        assert listed["own-seed"]["requests"] == 1
        assert listed["own-seed"]["size"]["journalBytes"] > 0
        assert next(iter(listed)) == "default"
        api.arranged("DELETE", "sandboxes/own-seed")
        assert "own-seed" not in [each["name"] for each in api.arranged("GET", "sandboxes")["sandboxes"]]
        assert len(own.ok("GET", CAPACITIES)["call_capacities"]) == 2

    def test_its_seed_may_be_yaml_and_mistakes_point_into_it(self, api: Api) -> None:
        text = "# A seed.\nfixture:\n  version: 1\n  defaultDomain: example.com\n  tenants: {foo: {type: Enterprise}}\n"

        def create(text: str) -> httpx.Response:
            headers = {"Content-Type": "application/yaml"}
            return api.control("PUT", "sandboxes/of-yaml", content=text.encode(), headers=headers)

        assert create(text).json()["size"]["tenants"] == 1
        refused = create(text.replace("foo: {", "foo: {groups: {g: {services: [None]}}, ").replace("version: 1", ""))
        assert (refused.status_code, faults(refused)) == (
            400,
            {("G-18", "/fixture/version"), ("G-18", "/fixture/tenants/foo/groups/g/services/0")},
        )
        twice = create(f"{text}  version: 1\n")
        assert (twice.status_code, faults(twice)) == (400, {("G-2", None)})
        assert "body:6: /fixture/version: stands here twice" in twice.text
        api.arranged("DELETE", "sandboxes/of-yaml")

    def test_creating_one_again_starts_afresh(self, api: Api) -> None:
        other = Api(api.client, "again")
        api.arranged("PUT", "sandboxes/again")
        other.ok("DELETE", f"{CAPACITIES}Reception/")
        other.arranged("PUT", "snapshots/s")
        api.arranged("PUT", "sandboxes/again", {})
        assert other.ok("GET", f"{CAPACITIES}Reception/")
        assert other.arranged("GET", "snapshots") == {"snapshots": []}

    def test_the_default_sandbox_has_a_name_and_always_lives(self, simulation: Simulation, world: World) -> None:
        client = simulation.app(world).test_client()
        assert client.delete(f"/_sandboxes/default/api/v1/{CAPACITIES}Reception/").status_code == 200
        assert client.get(f"/api/v1/{CAPACITIES}Reception/").status_code == 404
        assert client.delete("/_simulator/sandboxes/default").status_code == 400
        assert client.put("/_simulator/sandboxes/default", json={"fixture": SMALL}).status_code == 200
        assert client.get(f"/api/v1/{CAPACITIES}").json == {"call_capacities": []}

    @pytest.mark.parametrize(
        ("name", "body", "fault"),
        [
            ("a b", {}, ("G-17", None)),
            ("x" * 65, {}, ("G-17", None)),
            ("ok", {"fixture": {**SMALL, "version": 2}}, ("G-18", "/fixture/version")),
            ("ok", {"fixtures": {}}, ("G-4", "/fixtures")),
        ],
    )
    def test_what_is_none_is_refused(self, api: Api, name: str, body: Any, fault: tuple[str, str | None]) -> None:
        response = api.control("PUT", f"sandboxes/{name}", body)
        assert (response.status_code, faults(response)) == (400, {fault})

    def test_a_new_one_makes_room_for_itself(self, simulation: Simulation, world: World) -> None:
        app = simulation.app(world, Settings(sandbox_limit=2))
        client = app.test_client()
        for name in ("a", "b", "c"):
            for each in app.wsgi_app.sandboxes.all():  # type: ignore[attr-defined]
                each.last_use -= IN_USE_SECONDS
            assert client.put(f"/_simulator/sandboxes/{name}").status_code == 200
        listed = (client.get("/_simulator/sandboxes").json or {})["sandboxes"]
        assert [each["name"] for each in listed] == ["default", "b", "c"]

    @pytest.mark.parametrize(
        ("method", "path", "is_use"),
        [
            ("GET", "api/v1/tenants/none/groups/none/services/call_capacities/", True),
            ("GET", "api/v1/no/such/operation/", True),
            ("GET", "_simulator/state", True),
            ("POST", "_simulator/reset", True),
            ("GET", "_simulator/sandboxes", False),
            ("GET", "_simulator/health", False),
            ("PUT", "_simulator/sandboxes/other", False),
        ],
    )
    def test_the_list_tells_how_long_each_is_unused(
        self, simulation: Simulation, world: World, method: str, path: str, is_use: bool
    ) -> None:
        app = simulation.app(world)
        client, sandboxes = app.test_client(), app.extensions["sandboxes"]

        def idle() -> dict[str, int]:
            listed = client.get("/_simulator/sandboxes").json or {}
            return {each["name"]: each["idleSeconds"] // 100 for each in listed["sandboxes"]}

        assert client.put("/_simulator/sandboxes/used").status_code == 200
        assert idle() == {"default": 0, "used": 0}
        for each in sandboxes.all():
            each.last_use -= 250
        client.open(f"/_sandboxes/used/{path}", method=method)
        assert {name: idle()[name] for name in ("default", "used")} == {"default": 2, "used": 0 if is_use else 2}

    def test_an_open_stream_is_no_use(self, simulation: Simulation, world: World) -> None:
        sandboxes = simulation.app(world).extensions["sandboxes"]
        sandbox = sandboxes.sandbox("watched")
        sandbox.last_use -= 250
        assert sandboxes.happened("watched", 0, lambda: None) is not None
        assert sandboxes.idle_seconds(sandbox) >= 250

    def test_dropping_an_unknown_one_is_404(self, api: Api) -> None:
        response = api.control("DELETE", "sandboxes/never-there")
        assert (response.status_code, faults(response)) == (404, {("G-17", None)})

    def test_health_and_lists_bring_no_sandbox_into_being(self, api: Api) -> None:
        ghost = Api(api.client, "ghost")
        for path in ("health", "rules", "openapi.json", "docs", "sandboxes"):
            assert ghost.control("GET", path).is_success
        assert "ghost" not in [each["name"] for each in api.arranged("GET", "sandboxes")["sandboxes"]]
