"""Fixtures: all faults are listed with file, line and rule, and no world can exist that the API would refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from simulator.app import Simulation, shipped
from simulator.directory import Level
from simulator.document import parse_document, read_document
from simulator.errors import BrokenDocument
from simulator.state.world import World
from tests.conftest import EXECUTIVE

GOOD = """\
version: 1
defaultDomain: d.example
tenants:
  t:
    type: Enterprise
    groups:
      g:
        services: [Call Capacity Management]
        departments:
          Top: {}
          Sub: {parent: Top}
        users:
          boss@d.example:
            firstName: B
            lastName: Oss
            department: Sub
            services: [Executive]
            executive:
              assistants: {assistantUserIds: [aide]}
              criteria: [{name: one}]
          aide@d.example: {firstName: A, lastName: Ide, services: [Executive-Assistant]}
        callCapacities:
          - {name: Desk, isDefault: true, maxCalls: 7, userIds: [boss]}
      other:
        users:
          far@d.example: {firstName: F, lastName: Ar, services: [Executive-Assistant]}
accounts:
  admin: {password: secret, level: Group Admin, tenantId: t, groupId: g, token: tok}
"""

# What is replaced in the good fixture, the replacement, and the line and rule of the refusal.
BREAKS: dict[str, tuple[str, str, int, str]] = {
    "an unknown version": ("version: 1", "version: 2", 1, "must be 1, not 2"),
    "no default domain": ("defaultDomain: d.example\n", "", 1, "/defaultDomain: is required"),
    "an unknown key": (
        "    type: Enterprise\n",
        "    type: Enterprise\n    colour: red\n",
        6,
        "not a documented attribute",
    ),
    "an unknown key of a user": ("firstName: F,", "firstName: F, nickname: X,", 26, "/nickname: is not a documented"),
    "an unknown type of tenant": ("type: Enterprise", "type: Shop", 5, "must be one of Enterprise, ServiceProvider"),
    "a number for a text": ("lastName: Ar", "lastName: 5", 26, "/lastName: must be a string, not 5; without quotes"),
    "a missing name": ("firstName: F, ", "", 26, "/firstName: is required (G-18)"),
    "an unknown service of a group": (
        "[Call Capacity Management]",
        "[Call Capacity]",
        8,
        "must be Call Capacity Management, not",
    ),
    "an unknown service of a user": ("services: [Executive]", "services: [Executor]", 17, "must be one of Executive"),
    "a section without its service": ("[Call Capacity Management]", "[]", 22, "is not assigned here (CC-1)"),
    "executive settings without the service": (
        "services: [Executive]",
        "services: []",
        18,
        "is not assigned here (EX-1)",
    ),
    "an unknown parent": ("Sub: {parent: Top}", "Sub: {parent: Tip}", 11, "there is no department 'Tip' (G-15)"),
    "parents in a circle": ("Top: {}", "Top: {parent: Sub}", 10, "go in a circle (G-15)"),
    "an unknown department": ("department: Sub", "department: Sob", 16, "no department 'Sob' (G-18)"),
    "a user id twice in a tenant": (
        "far@d.example",
        "boss@d.example",
        26,
        "has a user of this id: lists name users by it alone (G-18)",
    ),
    "an id that no path can name": ("far@d.example", "far/out", 26, "cannot be named by a path: an id is not empty"),
    "a capacity that is no valid body": (
        "maxCalls: 7",
        "maxCalls: 100000",
        23,
        "must be 99999 or less, not 100000 (CC-4)",
    ),
    "a capacity without a required attribute": (", maxCalls: 7", "", 23, "/maxCalls: is required (CC-2)"),
    "a reserved name": (
        "name: Desk",
        "name: available_users",
        23,
        "/callCapacities/0/name: the name 'available_users'",
    ),
    "an unknown member": (
        "userIds: [boss]",
        "userIds: [boss, far]",
        23,
        "/userIds/1: the group has no user 'far' (CC-7)",
    ),
    "two defaults": (
        "userIds: [boss]}",
        "userIds: [boss]}\n          - {name: B, isDefault: true, maxCalls: 1}",
        24,
        "/callCapacities/1/isDefault: the group has a default already, 'Desk' (CC-6)",
    ),
    "a member of two capacities": (
        "userIds: [boss]}",
        "userIds: [boss]}\n          - {name: B, isDefault: false, maxCalls: 1, userIds: [boss]}",
        24,
        "is a member of the call capacity 'Desk' (CC-7)",
    ),
    "a name twice": (
        "userIds: [boss]}",
        "userIds: [boss]}\n          - {name: Desk, isDefault: false, maxCalls: 1}",
        24,
        "already (CC-3)",
    ),
    "an assistant without the service": ("[aide]", "[boss]", 19, "an executive cannot be his own assistant (EX-4)"),
    "a criterion twice": ("[{name: one}]", "[{name: one}, {name: one}]", 20, "/criteria/1/name: the executive has"),
    "an unknown criterion": (
        "criteria: [{name: one}]",
        "filtering: {criteria: [{name: two, active: true}]}",
        20,
        "/filtering/criteria/0/name: the executive has no criterion 'two' (EX-6)",
    ),
    "an unknown level": ("level: Group Admin", "level: Boss", 28, "must be one of End User, Group Admin"),
    "an account without its ids": (
        ", groupId: g",
        "",
        28,
        "an account of level Group Admin has tenantId and groupId (A-1)",
    ),
    "an account with ids of another level": (
        "Group Admin, ",
        "System Admin, ",
        28,
        "level System Admin has no ids (A-1)",
    ),
    "an account of an unknown group": ("groupId: g", "groupId: x", 28, "has no group 'x' (A-1)"),
    "an account without a name": ("  admin:", '  "":', 28, "an account has a name (G-18)"),
    "a token twice": (
        "token: tok}",
        "token: tok}\n  b: {password: p, level: System Admin, token: tok}",
        29,
        "has this token already (A-4)",
    ),
    "a token no header can carry": ("token: tok", 'token: "a b"', 28, "must be printable ASCII without blanks"),
    "a service twice": (
        "[Executive-Assistant]}\n",
        "[Executive-Assistant, Executive-Assistant]}\n",
        21,
        "repeats item 0",
    ),
    "a key twice": ("  t:\n", "  t: {type: Enterprise}\n  t:\n", 5, "stands here twice"),
    "text that is no YAML": ("tenants:", "tenants: [", 5, "is not well-formed YAML"),
    "a tab for blanks": (
        "    type",
        "  \ttype",
        5,
        "f.yaml:5:3: is not well-formed YAML: a tab stands here, and YAML allows only spaces for indentation",
    ),
}


def read(simulation: Simulation, text: str) -> World:
    return simulation.fixtures.world_of_document(parse_document("f.yaml", text))


def problems(simulation: Simulation, text: str) -> list[str]:
    with pytest.raises(BrokenDocument) as refused:
        read(simulation, text)
    return str(refused.value).splitlines()


@pytest.mark.rule("G-15", "EX-4", "CC-7")
def test_a_fixture_becomes_a_world(simulation: Simulation) -> None:
    world = read(simulation, GOOD)
    boss = world.directory.user("t", "g", "boss")
    assert boss.department is not None
    assert boss.department.full_path_name == "Top \\ Sub (g)"
    assert world.directory.tokens["tok"].level is Level.GROUP_ADMIN
    assert len(world.states) == 2


@pytest.mark.rule("G-18")
@pytest.mark.parametrize("name", BREAKS)
def test_a_fixture_is_refused_for(simulation: Simulation, name: str) -> None:
    before, after, line, message = BREAKS[name]
    assert before in GOOD
    found = problems(simulation, GOOD.replace(before, after, 1))
    matching = [each for each in found if message in each]
    assert matching, found
    assert matching[0].startswith(f"f.yaml:{line}:"), found


# What is written for a text, and what is said about it.
UNQUOTED = {
    "+3225126777": 'not 3225126777; without quotes, YAML makes a number of +3225126777: write "+3225126777"',
    "1.50": 'not 1.5; without quotes, YAML makes a number of 1.50: write "1.50"',
    "True": 'not true; without quotes, YAML makes true or false of True: write "True"',
    "Null": 'not null; without quotes, YAML makes null of Null: write "Null"',
    "": 'not null; there is no value here; for an empty text, write ""',
    "1" * 61: f"not {'1' * 56}…1; without quotes, YAML makes a number of it: write it in quotes",
}


@pytest.mark.parametrize("written", UNQUOTED)
def test_a_text_of_which_yaml_makes_something_else_is_shown_as_it_is_written(
    simulation: Simulation, written: str
) -> None:
    text = GOOD.replace("lastName: Ar", f"phoneNumber: {written}, lastName: Ar")
    pointer = "/tenants/t/groups/other/users/far@d.example/phoneNumber"
    assert problems(simulation, text) == [f"f.yaml:26: {pointer}: must be a string, {UNQUOTED[written]} (G-5)"]


@pytest.mark.parametrize("written", ["no", "2026-01-31", "0123", "0o17", "1_000", "12:30:45", "+32 2 512 67 77"])
def test_what_only_older_yaml_makes_something_else_of_stays_a_text(simulation: Simulation, written: str) -> None:
    world = read(simulation, GOOD.replace("lastName: Ar", f"lastName: {written}"))
    assert world.directory.user("t", "other", "far").last_name == written


def test_quotes_are_not_what_is_missing_elsewhere(simulation: Simulation) -> None:
    content = parse_document("f.yaml", GOOD).data
    content["tenants"]["t"]["groups"]["g"]["users"]["boss@d.example"]["lastName"] = 5
    for name, text in (
        ("f.json", json.dumps(content)),
        ("f.yaml", GOOD.replace("maxCalls: 7", "maxCalls: true")),
        ("f.yaml", GOOD.replace("lastName: Ar", "lastName: [1]")),
    ):
        with pytest.raises(BrokenDocument) as refused:
            simulation.fixtures.world_of_document(parse_document(name, text))
        assert "quotes" not in str(refused.value)


def test_a_misspelt_key_is_refused_with_the_one_that_was_probably_meant(simulation: Simulation) -> None:
    (found,) = problems(simulation, GOOD.replace("firstName: F,", "firstName: F, phonenumer: '1',"))
    assert found.startswith("f.yaml:26: /tenants/t/groups/other/users/far@d.example/phonenumer: is not a documented")
    assert found.endswith("; did you mean 'phoneNumber'? (G-4)")
    (found,) = problems(simulation, GOOD.replace("firstName: F,", "firstName: F, colour: red,"))
    assert "did you mean" not in found


def test_every_fault_is_reported_at_once_whatever_its_kind(simulation: Simulation) -> None:
    text = GOOD
    for name in (
        "a number for a text",
        "an unknown department",
        "an unknown member",
        "a criterion twice",
        "a token twice",
    ):
        before, after, _, _ = BREAKS[name]
        text = text.replace(before, after, 1)
    text = text.replace("maxCalls: 7", "maxCalls: x").replace("type: Enterprise", "type: Shop")
    found = problems(simulation, text)
    assert len(found) == 6, found
    assert [
        part
        for part in ("Shop", "lastName", "Sob", "maxCalls", "criteria/1", "token")
        for each in found
        if part in each
    ]


def test_a_key_twice_or_a_part_of_wrong_shape_hides_no_other_fault(simulation: Simulation) -> None:
    capacities = """\
          - {name: A, isDefault: true, maxCalls: -1}
          - {name: Desk, isDefault: false, maxCalls: 1, userIds: [nobody]}
          - 5
          - {name: B, isDefault: true, maxCalls: 1}
      other:"""
    text = GOOD.replace("      other:", capacities).replace("version: 1\n", "version: 1\nversion: 1\n")
    text = text.replace("assistantUserIds: [aide]", "assistantUserIds: [boss], x: 1").replace(
        "[{name: one}]", "[{}, {name: .}]"
    )
    found = problems(simulation, text)
    expected = [
        "/version: stands here twice",
        "/assistants/x: is not a documented attribute",
        "/criteria/0/name: is required",
        "/criteria/1/name: must be visible text without",
        "/callCapacities/1/maxCalls: must be 0 or more",
        "/callCapacities/2/name: the group has a call capacity 'Desk' already",
        "/callCapacities/2/userIds/0: the group has no user 'nobody'",
        "/callCapacities/3: must be an object, not 5",
        "/callCapacities/4/isDefault: the group has a default already",
    ]
    assert [part for part in expected if not any(part in each for each in found)] == [], found
    assert len(found) == len(expected), found


@pytest.mark.parametrize("text", ["", "null", "[]", "5", "text", "- a\n- b"])
def test_what_is_no_mapping_is_refused(simulation: Simulation, text: str) -> None:
    assert "must be a mapping" in problems(simulation, text)[0]


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object:os.x {}",
        "a: &x [*x]",
        "? [a]\n: b",
        "{" * 2000,
        "[" * 3000 + "]" * 3000,
        "version: 1" + "0" * 5000,
        "a: \x01",
        'a: "\\ud800"',
    ],
)
def test_what_yaml_should_not_do_is_refused(simulation: Simulation, text: str) -> None:
    assert problems(simulation, text)


def test_aliases_that_make_far_too_much_of_a_file_are_refused(simulation: Simulation) -> None:
    text = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9))
    assert "its aliases make far too much of it" in problems(simulation, text)[0]


def test_files_that_cannot_be_read_are_named(tmp_path: Path, simulation: Simulation) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for name, message in (("none", "cannot be read"), (".", "cannot be read"), ("binary", "is not UTF-8 text")):
        with pytest.raises(BrokenDocument, match=message):
            simulation.fixtures.world_of_file(tmp_path / name)


def test_json_is_read_too_characters_beyond_the_first_plane_included(simulation: Simulation, tmp_path: Path) -> None:
    data = parse_document("f.yaml", GOOD).data
    data["tenants"]["t"]["groups"]["g"]["users"]["boss@d.example"]["firstName"] = "😀\\ud83d"
    file = tmp_path / "f.json"
    file.write_text(json.dumps(data), encoding="utf-8")
    assert simulation.fixtures.world_of_file(file).directory.user("t", "g", "boss").first_name == "😀\\ud83d"


def test_yaml_knows_the_types_of_json_only() -> None:
    document = parse_document("t", "[yes, 2020-01-01, 0o7, 010, 1_000, 1e3, .5, -1, 0x10, ~, True, '5']")
    assert document.data == ["yes", "2020-01-01", "0o7", "010", "1_000", 1000.0, 0.5, -1, "0x10", None, True, "5"]


class TestShipped:
    @pytest.mark.parametrize("name", ["default.yaml", "minimal.yaml"])
    def test_the_shipped_fixtures_are_good(self, simulation: Simulation, name: str) -> None:
        assert simulation.fixtures.world_of_file(shipped(f"fixtures/{name}")).directory.accounts

    def test_the_default_one_holds_what_the_documented_examples_need(
        self, simulation: Simulation, world: World
    ) -> None:
        directory = world.directory
        wanted = ["foouser", "user_1", "user_2", "user_9", "test_user@netaxis.be", "another_user@netaxis.be"]
        assert all(directory.user("foo", "foogroup", user_id) for user_id in wanted)
        data = read_document(shipped("fixtures/default.yaml")).data
        group = data["tenants"]["foo"]["groups"]["foogroup"]
        criteria = [each["name"] for each in group["users"]["foouser@sip.netaxis.be"]["executive"]["criteria"]]
        assert criteria == ["foocriteria", "disposable"]
        assert [each["name"] for each in group["callCapacities"]] == ["Reception", "disposable"]

    def test_the_default_one_is_rich_enough_for_a_front_end(self, world: World) -> None:
        tenants = world.directory.tenants
        assert {tenant.type for tenant in tenants.values()} == {"Enterprise", "ServiceProvider"}
        others = [tenant for name, tenant in tenants.items() if name != "foo"]
        users = [user for tenant in others for user in tenant.users.values()]
        assert len(users) >= 25
        assert [user for user in users if not user.services]
        groups = [group for tenant in others for group in tenant.groups.values()]
        assert [group for group in groups if not group.services]
        assert [user for user in users if user.department and user.department.full_path_name.count(" \\ ") >= 2]
        assert {account.level for account in world.directory.accounts.values()} == set(Level)

    def test_the_minimal_one_is_enough_to_start_with(self, simulation: Simulation) -> None:
        world = simulation.fixtures.world_of_file(shipped("fixtures/minimal.yaml"))
        tenant = next(iter(world.directory.tenants.values()))
        group = next(iter(tenant.groups.values()))
        client = simulation.app(world).test_client()
        path = f"/api/v1/tenants/{tenant.tenant_id}/groups/{group.group_id}/services/call_capacities/"
        assert client.get(path).get_json() == {"call_capacities": []}


@pytest.mark.rule("EX-16")
def test_seeded_data_may_set_any_executive_part_and_leaves_the_others_at_their_defaults(simulation: Simulation) -> None:
    text = GOOD.replace("criteria: [{name: one}]", "alerting: {mode: Sequential, rolloverWaitTime: 0}")
    client = simulation.app(read(simulation, text)).test_client()
    path = "/api/v1/" + EXECUTIVE.replace("foogroup", "g").replace("tenants/foo", "tenants/t").replace(
        "foouser", "boss"
    )
    alerting = client.get(path + "alerting/").get_json()
    assert (alerting["mode"], alerting["rolloverWaitTime"], alerting["callPushRecallAfter"]) == ("Sequential", 0, 4)
    assert client.get(path + "screening/").get_json()["alertType"] == "Silent"


TWO_BOBS = (
    GOOD.replace(
        "          aide@d.example:",
        "          bob: {firstName: Exact, lastName: B, services: [Executive]}\n"
        "          bob@d.example: {firstName: Domain, lastName: B, services: [Executive]}\n"
        "          aide@d.example:",
    )
    + "  bob: {password: p, level: End User, tenantId: t, groupId: g, userId: bob@d.example, token: bob}\n"
)


@pytest.mark.rule("G-11", "A-2")
def test_the_exact_id_wins_in_paths_in_bodies_and_for_the_reach_of_an_account(simulation: Simulation) -> None:
    client = simulation.app(read(simulation, TWO_BOBS)).test_client()
    group, bob = "/api/v1/tenants/t/groups/g", {"Authorization": "Bearer bob"}
    body = {"userIds": ["bob"]}
    members = client.put(f"{group}/services/call_capacities/Desk/", json=body).get_json()["users"]
    assert [member["firstName"] for member in members] == ["Exact"]
    client.put(f"{group}/users/bob/services/executive/screening/", json={"enabled": True})
    assert client.get(f"{group}/users/bob@d.example/services/executive/screening/").get_json()["enabled"] is False
    assert client.get(f"{group}/users/bob@d.example/services/executive/screening/", headers=bob).status_code == 200
    assert client.get(f"{group}/users/bob/services/executive/screening/", headers=bob).status_code == 403


@pytest.mark.rule("EX-3", "EX-4")
def test_an_assistant_of_another_group_serves_in_an_enterprise_and_not_at_a_service_provider(
    simulation: Simulation,
) -> None:
    path = "/api/v1/tenants/t/groups/g/users/boss/services/executive/"
    for kind, status, available in (("Enterprise", 200, 2), ("ServiceProvider", 400, 1)):
        client = simulation.app(read(simulation, GOOD.replace("Enterprise", kind))).test_client()
        answer = client.put(path + "assistants/", json={"assistantUserIds": ["far"]})
        assert answer.status_code == status
        if status == 400:
            assert answer.get_json()["errors"][0]["details"]["rule"] == "EX-4"
        users = client.get(path + "available_assistants/?sameGroupOnly=false").get_json()["users"]
        assert len(users) == available


@pytest.mark.parametrize("text", ["a\x7fb", "a\x85b", "\u2028 b", "b \u2029", "\ufffe", "\ufeffb", "\x80"])
def test_json_keeps_every_character_that_json_may_hold(simulation: Simulation, tmp_path: Path, text: str) -> None:
    data = parse_document("f.yaml", GOOD).data
    data["tenants"]["t"]["groups"]["g"]["users"]["boss@d.example"]["firstName"] = text
    file = tmp_path / "f.json"
    file.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    assert simulation.fixtures.world_of_file(file).directory.user("t", "g", "boss").first_name == text


@pytest.mark.parametrize("name", ["f.yaml", "f.json"])
def test_what_would_exhaust_the_parser_is_refused(simulation: Simulation, tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_text("[" * 50_000 + "]" * 50_000, encoding="utf-8")
    with pytest.raises(BrokenDocument, match=r"f\.(yaml|json):1: is nested more deeply than 200 levels"):
        simulation.fixtures.world_of_file(file)


@pytest.mark.rule("S-7")
@pytest.mark.parametrize("attribute", ["password", "token"])
def test_a_secret_without_quotes_is_not_shown(simulation: Simulation, attribute: str) -> None:
    account = f"{{level: System Admin, password: p, {attribute}: 98765}}"
    text = f"version: 1\ndefaultDomain: x\ntenants: {{}}\naccounts:\n  admin: {account}\n".replace(
        "password: p, password", "password"
    )
    with pytest.raises(BrokenDocument) as refused:
        simulation.fixtures.world_of_document(parse_document("f.yaml", text))
    assert str(refused.value) == (
        f"f.yaml:5: /accounts/admin/{attribute}: must be a string, not what was sent; write it in quotes (G-5)"
    )
