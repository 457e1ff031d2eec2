"""What the GETs of a system show becomes a fixture, and a simulator with this fixture answers them in the same way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import orjson
import pytest

from simulator.app import Simulation
from simulator.contract.operation import JSON
from simulator.lab.client import LabClient
from simulator.lab.content import merged
from simulator.lab.crawl import Observed, UnexpectedAnswer, crawl
from simulator.lab.exchange import Ask, LabAnswer, LabRequest
from simulator.state.world import World
from tests.conftest import served

LIEGE = ("francois.dubois@demo.netaxis.be", "loic.renard@demo.netaxis.be")
TENANTS = {
    "foo": (["foogroup", "bargroup"], ()),
    "demo": (["brussels", "antwerp", "liege"], LIEGE),
    "wholesale": (["ghent", "namur"], ()),
}

Answered = Callable[[LabRequest], Any]


@cache
def default_world(simulation: Simulation) -> World:
    return simulation.world()


@contextmanager
def laboratory(simulation: Simulation, fixture: Mapping[str, Any] | None = None) -> Iterator[Ask]:
    """Ask a simulator with this fixture, by default the default one, over HTTP."""
    world = default_world(simulation) if fixture is None else simulation.world(fixture)
    app = simulation.app(world, request_log=None)
    with served(app, event_loop=asyncio.SelectorEventLoop) as server:
        yield LabClient(server.url, simulation.contract, pace=0, most_requests=10_000).ask


def seen_in(
    simulation: Simulation, fixture: Mapping[str, Any] | None, tenant: str, groups: Sequence[str], *users: str
) -> Observed:
    with laboratory(simulation, fixture) as ask:
        return crawl(simulation.contract, ask, tenant, groups, users)


def different(simulation: Simulation, observed: Observed) -> list[tuple[str, LabAnswer, LabAnswer]]:
    """Return the requests of a crawl that a simulator with its result answers in another way, with both answers."""
    with laboratory(simulation, observed.content) as ask:
        pairs = [(request, answer, ask(request)) for request, answer in observed.exchanges]
    return [
        (request.target, answer, other)
        for request, answer, other in pairs
        if (answer.status, answer.body) != (other.status, other.body)
    ]


def small_world(**changes: Any) -> dict[str, Any]:
    """A tenant with two groups, each with an executive and an assistant."""

    def person(*services: str, **attributes: Any) -> dict[str, Any]:
        return {"firstName": "A", "lastName": "B", **({"services": list(services)} if services else {}), **attributes}

    first = {
        "services": ["Call Capacity Management"],
        "users": {"boss@x.be": person("Executive"), "aide@x.be": person("Executive-Assistant")},
    }
    second = {"users": {"chief@x.be": person("Executive"), "clerk@x.be": person("Executive-Assistant")}}
    groups = {"one": first, "two": second}
    return {
        "version": 1,
        "defaultDomain": "x.be",
        "tenants": {"t": {"type": "Enterprise", "groups": groups}},
        **changes,
    }


class TestSameAnswers:
    @pytest.mark.parametrize("tenant", TENANTS)
    def test_every_get_has_the_same_bytes(self, simulation: Simulation, tenant: str) -> None:
        groups, users = TENANTS[tenant]
        observed = seen_in(simulation, None, tenant, groups, *users)
        assert len(observed.exchanges) > 20
        assert different(simulation, observed) == []

    def test_it_sends_gets_only(self, simulation: Simulation) -> None:
        observed = seen_in(simulation, None, "demo", ["brussels"])
        assert {request.method for request, _ in observed.exchanges} == {"GET"}

    @pytest.mark.parametrize("groups", [["antwerp"], ["liege", "antwerp", "brussels"], ["liege"]])
    def test_it_does_not_matter_which_groups_are_named_first(self, simulation: Simulation, groups: list[str]) -> None:
        observed = seen_in(simulation, None, "demo", groups, *LIEGE)
        assert different(simulation, observed) == []
        shown = list(observed.content["tenants"]["demo"]["groups"])
        assert shown == [each for each in ("brussels", "antwerp", "liege") if each in shown]

    def test_users_with_hardly_any_attributes_and_odd_names_come_through(self, simulation: Simulation) -> None:
        names = ["Réserve d'été", "100 %", "a b", "#1", "?x=1&y", "%2F", "日本", "..."]
        users = {f"u {i}#%@x.be": {"firstName": name, "lastName": ""} for i, name in enumerate(names)}
        world = small_world()
        group = world["tenants"]["t"]["groups"]["one"]
        group["users"] |= users
        group["users"]["boss@x.be"]["executive"] = {"criteria": [{"name": name} for name in names]}
        group["callCapacities"] = [
            {"name": name, "isDefault": False, "maxCalls": i, "userIds": [f"u {i}#%@x.be"]}
            for i, name in enumerate(names)
        ]
        observed = seen_in(simulation, world, "t", ["one"])
        assert different(simulation, observed) == []
        found = observed.content["tenants"]["t"]["groups"]["one"]
        assert users.keys() <= found["users"].keys()
        assert [each["name"] for each in found["callCapacities"]] == names
        assert "emailAddress" not in found["users"]["u 0#%@x.be"]

    @pytest.mark.rule("G-13")
    def test_users_keep_the_order_that_several_lists_show_together(self, simulation: Simulation) -> None:
        world = small_world()
        group = world["tenants"]["t"]["groups"]["one"]
        names = ["member@x.be", "free@x.be", "other member@x.be"]
        assistant = {"firstName": "A", "lastName": "B", "services": ["Executive-Assistant"]}
        group["users"] = {**dict.fromkeys(names, assistant), **group["users"]}
        group["callCapacities"] = [{"name": "a", "isDefault": True, "maxCalls": 1, "userIds": [names[2], names[0]]}]
        observed = seen_in(simulation, world, "t", ["one"])
        assert different(simulation, observed) == []
        found = observed.content["tenants"]["t"]["groups"]["one"]["users"]
        assert [each for each in found if each in names] == names

    def test_departments_keep_their_parents(self, simulation: Simulation) -> None:
        observed = seen_in(simulation, None, "demo", ["brussels"])
        departments = observed.content["tenants"]["demo"]["groups"]["brussels"]["departments"]
        assert departments["Front Desk"] == {"parent": "Customer Care"}
        assert departments["Customer Care"] == {"parent": "Operations"}
        assert departments["Operations"] == {}

    def test_the_type_is_that_of_the_system_where_something_tells_it(self, simulation: Simulation) -> None:
        for tenant, kind in {"demo": "Enterprise", "wholesale": "ServiceProvider"}.items():
            observed = seen_in(simulation, None, tenant, TENANTS[tenant][0])
            assert observed.content["tenants"][tenant]["type"] == kind
            assert not any("type is a guess" in note for note in observed.notes)
        assert any("type is a guess" in note for note in seen_in(simulation, None, "wholesale", ["namur"]).notes)


class TestWhatIsNotSeen:
    def test_a_group_without_the_service_shows_its_assistants_and_the_named_executives(
        self, simulation: Simulation
    ) -> None:
        observed = seen_in(simulation, small_world(), "t", ["one", "two"], "chief@x.be", "nobody@x.be")
        users = observed.content["tenants"]["t"]["groups"]["two"]["users"]
        assert users["chief@x.be"]["firstName"] == ""
        assert users["clerk@x.be"]["services"] == ["Executive-Assistant"]
        text = "\n".join(observed.notes)
        assert "do not exist: 1 of 2." in text
        assert "Users without names and numbers, because no answer shows these: 1." in text
        assert "Users named with --user who do not exist, or are no executives of these groups: 1." in text

    def test_a_user_who_was_found_in_one_group_is_not_looked_for_in_another(self, simulation: Simulation) -> None:
        observed = seen_in(simulation, small_world(), "t", ["two", "three"], "chief@x.be")
        assert not [request for request, _ in observed.exchanges if "/three/users/chief" in request.path]

    def test_a_group_that_was_not_named_is_not_asked(self, simulation: Simulation) -> None:
        observed = seen_in(simulation, None, "demo", ["antwerp"])
        assert {request.path.split("/")[6] for request, _ in observed.exchanges} == {"antwerp"}
        assert "Groups that were not named with --group: 2." in "\n".join(observed.notes)

    def test_an_assistant_of_an_unknown_group_is_put_beside_those_around_in_the_list(
        self, simulation: Simulation
    ) -> None:
        world = small_world()
        groups = world["tenants"]["t"]["groups"]
        aide = groups["one"]["users"]["aide@x.be"]
        groups["two"] = {
            "departments": {"Sales": {}},
            "users": {"before@x.be": aide, "clerk@x.be": {**aide, "department": "Sales"}, "after@x.be": aide},
        }
        observed = seen_in(simulation, world, "t", ["one", "two"])
        assert different(simulation, observed) == []
        found = observed.content["tenants"]["t"]["groups"]
        assert {name: list(group["users"]) for name, group in found.items()} == {
            "one": ["boss@x.be", "aide@x.be"],
            "two": ["before@x.be", "clerk@x.be", "after@x.be"],
        }

    def test_the_sentences_hold_no_names(self, simulation: Simulation) -> None:
        for tenant, (groups, users) in TENANTS.items():
            text = "\n".join(seen_in(simulation, None, tenant, groups, *users, "someone@else.example").notes)
            assert not [each for each in (*groups, *users, tenant, "someone", "netaxis") if each in text]


def answering(answers: Mapping[str, Any], ask: Ask) -> Ask:
    """Replace the answers to some paths, given by how they end: by a content, a status, or bytes."""

    def replaced(request: LabRequest) -> LabAnswer:
        for end, answer in answers.items():
            if request.path.endswith(end):
                status = answer if isinstance(answer, int) else 200
                body = answer if isinstance(answer, bytes) else orjson.dumps(answer)
                return LabAnswer(status=status, headers={"content-type": JSON}, body=body)
        return ask(request)

    return replaced


class TestOtherSystems:
    """Systems that do not follow the rules that are assumed."""

    def seen(self, simulation: Simulation, answers: Mapping[str, Any], *groups: str) -> Observed:
        with laboratory(simulation, small_world()) as ask:
            return crawl(simulation.contract, answering(answers, ask), "t", groups or ["one"])

    def user(self, user_id: str, **more: Any) -> dict[str, Any]:
        names = ("firstName", "lastName", "extension", "phoneNumber", "emailAddress")
        return {"userId": user_id, **dict.fromkeys(names, ""), **more}

    @pytest.mark.rule("CC-7", "CC-6")
    def test_what_no_fixture_can_hold_is_left_out_and_counted(self, simulation: Simulation) -> None:
        capacity = {"isDefault": True, "maxCalls": 1, "users": [self.user("aide@x.be", department="")]}
        answers = {
            "/available_users/": {"users": [self.user("boss@x.be")]},
            "/call_capacities/": {
                "call_capacities": [{"name": each, "isDefault": True, "maxCalls": 1} for each in "ab"]
            },
            **{f"/{each}/": {"name": each, **capacity} for each in "ab"},
        }
        observed = self.seen(simulation, answers)
        found = observed.content["tenants"]["t"]["groups"]["one"]["callCapacities"]
        assert [each["isDefault"] for each in found] == [True, False]
        assert [each["userIds"] for each in found] == [["aide@x.be"], []]
        assert [note for note in observed.notes if "the simulator's rule" in note] == [
            f"Values that were changed or left out, because the simulator's rule {rule} does not allow them: 1."
            for rule in ("CC-6", "CC-7")
        ]

    @pytest.mark.rule("CC-12", "EX-2")
    def test_users_that_no_list_shows_are_not_lost(self, simulation: Simulation) -> None:
        member, aide = self.user("member@x.be", department=""), self.user("other@y.be", department="")
        observed = self.seen(
            simulation,
            {
                "/available_users/": {"users": [self.user("boss@x.be")]},
                "/call_capacities/": {"call_capacities": [{"name": "a", "isDefault": True, "maxCalls": 1}]},
                "/call_capacities/a/": {"name": "a", "isDefault": True, "maxCalls": 1, "users": [member]},
                "/available_assistants/": {"users": []},
                "/boss%40x.be/services/executive/assistants/": {"allowOptInOut": True, "assistantUsers": [aide]},
            },
        )
        groups = observed.content["tenants"]["t"]["groups"]
        assert list(groups["one"]["users"]) == ["boss@x.be", "member@x.be"]
        assert groups["one"]["callCapacities"][0]["userIds"] == ["member@x.be"]

    @pytest.mark.rule("EX-2", "EX-4")
    def test_an_assistant_that_no_list_shows_is_in_the_group_of_the_executive(self, simulation: Simulation) -> None:
        aide = self.user("aide@y.be", department="")
        answers = {
            "/available_assistants/": {"users": []},
            "/two/users/chief%40x.be/services/executive/assistants/": {"allowOptInOut": True, "assistantUsers": [aide]},
        }
        with laboratory(simulation, small_world()) as ask:
            asking = answering(answers, ask)
            observed = crawl(simulation.contract, asking, "t", ["three", "two", "one"], ["chief@x.be"])
        users = observed.content["tenants"]["t"]["groups"]["two"]["users"]
        assert users["chief@x.be"]["executive"]["assistants"]["assistantUserIds"] == ["aide@y.be"]
        assert users["aide@y.be"]["services"] == ["Executive-Assistant"]

    @pytest.mark.rule("G-13")
    def test_lists_in_contradicting_orders_are_noted(self, simulation: Simulation) -> None:
        users = [self.user("boss@x.be"), self.user("aide@x.be"), self.user("c@x.be")]
        answers = {"/available_users/": {"users": users}, "/available_assistants/": {"users": users[:0:-1]}}
        observed = self.seen(simulation, answers)
        assert any("different orders" in note for note in observed.notes)

    @pytest.mark.rule("EX-3")
    def test_a_system_that_does_not_read_the_body_is_asked_by_the_query_once(self, simulation: Simulation) -> None:
        def deaf(ask: Ask) -> Ask:
            return lambda request: ask(LabRequest(method=request.method, target=request.target))

        with laboratory(simulation, small_world()) as ask:
            observed = crawl(simulation.contract, deaf(ask), "t", ["one", "two"], ["chief@x.be"])
        assert {"boss@x.be", "chief@x.be"} <= {
            user_id
            for group in observed.content["tenants"]["t"]["groups"].values()
            for user_id, user in group["users"].items()
            if "executive" in user
        }
        assert "clerk@x.be" in observed.content["tenants"]["t"]["groups"]["two"]["users"]
        assert sum("?" in request.target for request, _ in observed.exchanges) == 1
        assert any("as a query parameter" in note for note in observed.notes)

    @pytest.mark.parametrize(
        ("answer", "pointer", "reason"),
        [
            ({"call_capacities": [{"name": "a", "isDefault": 1, "maxCalls": 1}]}, "/call_capacities/0/isDefault", ""),
            ({"call_capacities": [], "extra": 1}, "/extra", ""),
            ({"call_capacities": [{"name": "a/b", "isDefault": True, "maxCalls": 1}]}, "/call_capacities/0/name", ""),
            (b"<html>", "", "it is no JSON"),
            (b"", "", "it is no JSON object"),
            ([], "", "it is no JSON object"),
            (302, "", "its status is 302, not 200 or 404"),
        ],
    )
    def test_an_answer_that_the_contract_does_not_allow_is_named(
        self, simulation: Simulation, answer: Any, pointer: str, reason: str
    ) -> None:
        with pytest.raises(UnexpectedAnswer) as raised:
            self.seen(simulation, {"/call_capacities/": answer})
        assert (raised.value.path, raised.value.pointer) == (
            "/api/v1/tenants/t/groups/one/services/call_capacities/",
            pointer,
        )
        assert f"{raised.value.path} at {pointer}: " in str(raised.value) or not pointer
        assert reason in str(raised.value)


class TestOrder:
    def test_it_keeps_the_order_of_each_chain_and_otherwise_that_of_arrival(self) -> None:
        assert merged([["b", "d"], ["a", "b"]], "dcba") == (["c", "a", "b", "d"], True)

    def test_contradictions_end_and_are_told(self) -> None:
        order, agree = merged([["a", "b"], ["b", "a"], ["a", "a"], ["c", "a"]], "abc")
        assert (sorted(order), agree) == (["a", "b", "c"], False)

    def test_many_equal_chains_add_nothing(self) -> None:
        everything = [str(i) for i in range(2_000)]
        assert merged([everything] * 20, reversed(everything)) == (everything, True)
