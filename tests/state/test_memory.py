"""The memory of all sandboxes together is bounded, and the log says what is dropped (S-10)."""

from __future__ import annotations

import gc
import logging
import socket
import tracemalloc
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import httpx
import orjson
import pytest

from simulator.app import Simulation
from simulator.document import MOST_THOROUGHLY
from simulator.library import Simulator
from simulator.settings import Settings
from simulator.state.journal import Content, Exchange, Message
from simulator.state.memory import Memory, weigh
from simulator.state.sandbox import ServerSandbox
from simulator.state.sandboxes import Sandboxes
from simulator.state.world import Fork, World
from tests.conftest import CAPACITIES, EXECUTIVE, wait_until

pytestmark = pytest.mark.rule("S-10")

KIB, MIB = 1024, 1024 * 1024


def exchange(size: int) -> Exchange:
    message = Message((), bytes(size), size)
    content = Content("PUT", "/", "", None, None, message, 200, None, None, (), (), "", None, None)
    return Exchange("i", 1, 0.0, 0.0, content, content.size)


def fixture(users: int = 0, groups: int = 0, *, settings: bool = False) -> dict[str, Any]:
    executive = {"screening": {"enabled": True}, "criteria": [{"name": "c", "active": True}]}
    user: dict[str, Any] = {"firstName": "First", "lastName": "Last", "services": ["Executive"]}
    user |= {"executive": executive} if settings else {}
    many = {"g": {"users": {f"user{i}@x.be": user for i in range(users)}}, **{str(i): {} for i in range(groups)}}
    return {"version": 1, "defaultDomain": "x.be", "tenants": {"t": {"type": "Enterprise", "groups": many}}}


def warnings(caplog: pytest.LogCaptureFixture, logger: str = "simulator.memory") -> list[str]:
    return [each.getMessage() for each in caplog.records if each.name == logger and each.levelno == logging.WARNING]


class TestCalls:
    def test_a_thousand_sandboxes_with_full_journals_stay_within_the_limit(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        sandboxes = Sandboxes(world, Settings(memory_limit=16 * MIB, journal_bytes=64 * KIB))
        largest = 0
        for number in range(1_000):
            for _ in range(7):
                sandboxes.sandbox(f"s{number}").record(exchange(10_000), None)
            largest = max(largest, sandboxes.memory.calls)
        assert 3 * MIB < largest <= 4 * MIB
        assert len(warnings(caplog)) == 1
        assert "forgotten" in warnings(caplog)[0]

    def test_what_was_not_used_for_longest_is_forgotten_first(self, world: World) -> None:
        seconds = iter(range(1_000_000))
        settings = Settings(memory_limit=1 * MIB, journal_bytes=64 * KIB)
        sandboxes = Sandboxes(world, settings, clock=lambda: next(seconds))
        for name in ("old", "older", "new"):
            for _ in range(6):
                sandboxes.sandbox(name).record(exchange(10_000), None)
        sandboxes.sandbox("old")
        for _ in range(12):
            sandboxes.sandbox("new").record(exchange(10_000), None)
            sandboxes.sandbox("newest").record(exchange(10_000), None)
        kept = {each.name: len(each.journal.exchanges()) for each in sandboxes.all()}
        assert kept["older"] < kept["old"] == kept["new"] == 6

    def test_remembered_answers_go_before_the_calls_of_their_sandbox(
        self, simulation: Simulation, world: World
    ) -> None:
        app = simulation.app(world, Settings(memory_limit=1 * MIB, journal_bytes=64 * KIB))
        sandboxes: Sandboxes = app.wsgi_app.sandboxes  # type: ignore[attr-defined]  # the gateway has them
        client = app.test_client()
        assert client.get(f"/api/v1/{CAPACITIES}").status_code == 200
        default = sandboxes.sandbox("default")
        assert default.answers.bytes > 0
        calls = default.journal.bytes
        assert default.forget(1) > 1
        assert (default.answers.bytes, default.journal.bytes) == (0, calls)

    def test_dropped_sandboxes_leave_room_for_others(self, world: World, caplog: pytest.LogCaptureFixture) -> None:
        sandboxes = Sandboxes(world, Settings(memory_limit=1 * MIB))
        for number in range(100):
            sandboxes.sandbox("s").record(exchange(100_000), None)
            sandboxes.drop("s")
            assert sandboxes.memory.calls == 0, number
        assert warnings(caplog) == []

    def test_what_was_reset_leaves_room_although_a_call_still_uses_it(self, world: World) -> None:
        sandboxes = Sandboxes(world, Settings(memory_limit=1 * MIB))
        used = sandboxes.sandbox("s")
        with used.transaction() as fork:
            fork.store(("a",), 1, 50_000)
        used.take_snapshot("kept")
        used.record(exchange(100_000), None)
        used.answers.remember("call", "answer", 5_000, Fork(used.version.world))
        sandboxes.reset("s")
        assert (used.calls_bytes, dict(used.snapshots)) == (0, {})
        assert sandboxes.memory.calls == 0
        # The call may still change its world. The snapshot belongs to the sandbox that is new.
        assert sandboxes.memory.arranged == world.directory.weight + 50_000 + 50_000


class TestWorlds:
    LIMIT = 4 * MIB

    @pytest.fixture
    def client(self, simulation: Simulation, world: World) -> Any:
        return simulation.app(world, Settings(memory_limit=self.LIMIT)).test_client()

    def fill(self, client: Any, prefix: str = "s") -> int:
        """Create sandboxes with their own worlds until one is refused. Return how many there was room for."""
        for number in range(100):
            answer = client.put(f"/_simulator/sandboxes/{prefix}{number}", json={"fixture": fixture(300)})
            if answer.status_code != 200:
                assert answer.status_code == 507
                assert answer.json["errors"][0]["code"] == 50701
                assert answer.json["errors"][0]["details"]["rule"] == "S-10"
                return number
        raise AssertionError("there is room for all of them")

    def test_those_beyond_the_limit_are_refused_whichever_call_makes_them(self, client: Any) -> None:
        assert 2 < self.fill(client) < 12
        before = client.get("/_simulator/state").json
        patch = {"tenants": {"t": fixture(300)["tenants"]["t"]}}
        for method, path, body in [
            ("PUT", "state", fixture(300)),
            ("PATCH", "state", patch),
            ("PATCH", "state", {"tenants": {"foo": {"groups": {"bargroup": {"services": None}}}}} | patch),
            ("PUT", "sandboxes/more", {"fixture": fixture(300)}),
            ("POST", "faults", {"operationId": "*", "status": 500, "body": {"a": "x" * 500_000}}),
        ]:
            assert client.open(f"/_simulator/{path}", method=method, json=body).status_code == 507, path
        assert client.get("/_simulator/state").json == before

    def test_what_was_dropped_leaves_room(self, client: Any) -> None:
        count = self.fill(client)
        assert client.delete("/_simulator/sandboxes/s0").status_code == 204
        assert client.put("/_simulator/sandboxes/t", json={"fixture": fixture(300)}).status_code == 200
        for name in ("t", *(f"s{number}" for number in range(1, count))):
            client.delete(f"/_simulator/sandboxes/{name}")
        assert self.fill(client, "u") == count

    def test_a_snapshot_holds_its_world_until_it_is_dropped(self, client: Any) -> None:
        kept = 0
        for number in range(100):
            if client.put("/_simulator/state", json=fixture(300)).status_code != 204:
                break
            client.put(f"/_simulator/snapshots/s{number}")
            kept = number
        assert 2 < kept < 12
        client.delete("/_simulator/snapshots/s0")
        assert client.put("/_simulator/state", json=fixture(300)).status_code == 204

    def test_a_world_that_is_shared_counts_once(self, client: Any) -> None:
        assert client.put("/_simulator/state", json=fixture(1_000)).status_code == 204
        for number in range(50):
            assert client.put(f"/_simulator/snapshots/s{number}").status_code == 200
            assert client.post(f"/_sandboxes/x{number}/_simulator/reset").status_code == 204
        assert client.put("/_simulator/sandboxes/t", json={"fixture": fixture(300)}).status_code == 200

    def test_the_log_says_it_once(self, client: Any, caplog: pytest.LogCaptureFixture) -> None:
        self.fill(client)
        for _ in range(5):
            assert client.put("/_simulator/state", json=fixture(300)).status_code == 507
        assert len(warnings(caplog)) == 1
        assert "507" in warnings(caplog)[0]

    @pytest.mark.parametrize("content", [fixture(2_000), fixture(1_000, settings=True), fixture(groups=3_000)])
    def test_their_size_is_about_what_they_take(self, simulation: Simulation, content: dict[str, Any]) -> None:
        text = orjson.dumps(content)
        # Objects that are made only once, the first time, are not part of a world.
        simulation.fixtures.world_of_content(orjson.loads(text))
        gc.collect()
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            world = simulation.fixtures.world_of_content(orjson.loads(text))
            gc.collect()
            taken = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        weight = weigh(content, 1 << 40)
        assert world.directory.tenants
        # Not everything is measured: the map of states allocates memory outside Python.
        assert 0.3 * weight < taken < 1.2 * weight

    def test_it_takes_no_longer_to_say_that_one_is_too_large(self) -> None:
        bomb: list[Any] = []
        for _ in range(60):
            bomb = [bomb, bomb]
        assert MIB < weigh(bomb, MIB) < 2 * MIB


class TestWhatCallsAdd:
    """Capacities, criteria, settings and sessions that calls of the API make count like the worlds that hold them."""

    @pytest.fixture
    def simulator(self) -> Iterator[Simulator]:
        with Simulator(memory_limit=480 * KIB) as simulator:
            yield simulator

    @pytest.fixture
    def client(self, simulator: Simulator) -> Iterator[httpx.Client]:
        with httpx.Client(base_url=simulator.url) as client:
            yield client

    def add(self, client: httpx.Client, what: str, number: int) -> httpx.Response:
        name = f"new {number}"
        if what == "capacities":
            return client.post(f"/api/v1/{CAPACITIES}", json={"name": name, "isDefault": False, "maxCalls": 1})
        if what == "criteria":
            return client.post(f"/api/v1/{EXECUTIVE}criteria/", json={"name": name})
        sandbox = f"/_sandboxes/s{number}"
        if what == "settings":
            return client.put(f"{sandbox}/api/v1/{EXECUTIVE}screening/", json={"enabled": True})
        if what == "replaced capacities":
            return client.put(f"{sandbox}/api/v1/{CAPACITIES}Reception/", json={"maxCalls": number})
        account = {"username": "groupadmin", "password": "secret"}
        return client.post("/api/v1/login/" if what == "sessions" else f"{sandbox}/api/v1/login/", json=account)

    def fill(self, client: httpx.Client, what: str) -> int:
        """How many of them there is room for. The first one that does not fit is refused, and changes nothing."""
        for number in range(1, 1_000):
            answer = self.add(client, what, number)
            if not answer.is_success:
                assert answer.status_code == 507
                error = answer.json()["errors"][0]
                assert (error["code"], error["details"]["rule"]) == (50701, "S-10")
                assert "there is no room for this" in error["details"]["reason"]
                return number - 1
        raise AssertionError("there is room for all of them")

    @pytest.mark.parametrize(
        ("what", "least", "most"),
        [
            ("capacities", 50, 250),
            ("criteria", 20, 60),
            ("settings", 20, 120),
            ("replaced capacities", 100, 500),
            ("sessions", 200, 500),
            ("sessions of many sandboxes", 200, 600),
        ],
    )
    def test_what_does_not_fit_is_refused(self, client: httpx.Client, what: str, least: int, most: int) -> None:
        assert least < self.fill(client, what) < most

    def test_a_call_that_is_refused_changes_nothing_and_the_journal_says_why(self, client: httpx.Client) -> None:
        before = len(client.get(f"/api/v1/{CAPACITIES}").json()["call_capacities"])
        count = self.fill(client, "capacities")
        entry = client.get("/_simulator/requests?limit=1").json()["requests"][0]
        assert (entry["status"], entry["rule"]) == (507, "S-10")
        assert len(client.get(f"/api/v1/{CAPACITIES}").json()["call_capacities"]) == before + count
        assert client.put("/_simulator/snapshots/one").status_code == 507
        assert client.delete(f"/api/v1/{CAPACITIES}new 1/").status_code == 200

    @pytest.mark.parametrize("what", ["capacities", "criteria", "sessions"])
    def test_what_was_deleted_or_reset_leaves_room(self, client: httpx.Client, what: str) -> None:
        count = self.fill(client, what)
        if what == "capacities":
            for number in range(1, 11):
                assert client.delete(f"/api/v1/{CAPACITIES}new {number}/").status_code == 200
            assert self.add(client, what, 1).status_code == 201
        assert client.post("/_simulator/reset").status_code == 204
        assert self.fill(client, what) == count

    def test_what_one_sandbox_was_given_another_has_no_room_for_until_it_is_dropped(self, client: httpx.Client) -> None:
        assert self.fill(client, "settings") > 1
        assert self.add(client, "criteria", 1).status_code == 507
        assert client.delete("/_simulator/sandboxes/s1").status_code == 204
        assert self.add(client, "criteria", 1).status_code == 200

    def test_a_change_of_the_same_thing_takes_no_more_room_however_often_it_is_made(self, client: httpx.Client) -> None:
        for number in range(300):
            changed = client.put(f"/api/v1/{CAPACITIES}Reception/", json={"maxCalls": number, "userIds": ["user_1"]})
            assert changed.status_code == 200
            assert client.put(f"/api/v1/{EXECUTIVE}screening/", json={"enabled": number % 2 == 0}).status_code == 200
        assert self.fill(client, "capacities") > 50

    def test_a_snapshot_counts_again_what_calls_have_added(self, client: httpx.Client) -> None:
        for number in range(60):
            assert self.add(client, "capacities", number).status_code == 201
        assert client.put("/_simulator/snapshots/one").status_code == 200
        answer = client.put("/_simulator/snapshots/two")
        assert (answer.status_code, answer.json()["errors"][0]["details"]["rule"]) == (507, "S-10")
        assert client.post("/_simulator/snapshots/one/restore").status_code == 204

    def test_a_snapshot_is_restored_only_if_there_is_room_to_change_it(self, client: httpx.Client) -> None:
        for number in range(40):
            assert self.add(client, "capacities", number).status_code == 201
        assert client.put("/_simulator/snapshots/one").status_code == 200
        assert client.post("/_simulator/reset").status_code == 204
        assert self.fill(client, "settings") > 1
        assert client.post("/_simulator/snapshots/one/restore").status_code == 507
        for number in range(1, 20):
            client.delete(f"/_simulator/sandboxes/s{number}")
        assert client.post("/_simulator/snapshots/one/restore").status_code == 204

    def test_a_snapshot_of_what_no_call_has_changed_needs_no_room(self, client: httpx.Client) -> None:
        assert client.put("/_simulator/snapshots/seed-like").status_code == 200
        self.fill(client, "capacities")
        assert client.post("/_simulator/snapshots/seed-like/restore").status_code == 204
        assert client.put("/_simulator/snapshots/another").status_code == 200

    def test_the_fixture_itself_counts_once_and_what_calls_make_of_it_as_what_is_new(self, world: World) -> None:
        sandboxes = Sandboxes(world, Settings(memory_limit=1 * MIB))
        before = sandboxes.memory.arranged
        for number in range(10):
            with sandboxes.sandbox(f"s{number}").transaction() as fork:
                fork.store(("a",), number, 100)
        assert sandboxes.memory.arranged - before == 1_000
        sandboxes.reset("s0")
        assert sandboxes.memory.arranged - before == 900

    def test_all_is_added_up_only_where_the_room_may_be_too_small(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        counts: list[Memory] = []

        def counted(memory: Memory) -> int:
            counts.append(memory)
            return 0

        monkeypatch.setattr(Memory, "arranged", property(counted))
        sandbox = Sandboxes(world, Settings(memory_limit=16 * MIB)).sandbox("s")
        for number in range(1_000):
            with sandbox.transaction() as fork:
                fork.store((str(number),), number, 1_000)
        assert sandbox.added == 1_000_000
        assert len(counts) == 1

    def test_an_answer_made_from_much_that_calls_have_added_is_remembered_with_its_size(
        self, simulation: Simulation, world: World
    ) -> None:
        app = simulation.app(world, Settings())
        default: ServerSandbox = app.wsgi_app.sandboxes.sandbox("default")  # type: ignore[attr-defined]  # the gateway's
        client = app.test_client()
        for number in range(100):
            assert client.post(f"/api/v1/{EXECUTIVE}criteria/", json={"name": f"c{number}"}).status_code == 200
        assert client.get(f"/api/v1/{EXECUTIVE}criteria/c1/").status_code == 200
        assert default.answers.bytes > 200_000


class TestOnTheWay:
    @pytest.fixture
    def simulator(self) -> Iterator[Simulator]:
        with Simulator(memory_limit=2 * MIB) as simulator:
            yield simulator

    def test_a_body_that_does_not_fit_is_refused_and_the_next_one_is_not(
        self, simulator: Simulator, caplog: pytest.LogCaptureFixture
    ) -> None:
        url = f"{simulator.url}/api/v1/{CAPACITIES}Reception/"
        for _ in range(3):
            answer = httpx.put(url, content=b" " * 600_000)
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
            error = answer.json()["errors"][0]
            assert (error["code"], error["details"]["rule"]) == (50301, "S-10")
        assert httpx.put(url, content=b"{" + b" " * 400_000 + b"}").status_code == 200
        assert len(warnings(caplog, "simulator.server")) == 1

    def test_calls_that_wait_keep_their_bodies_counted_although_their_clients_are_gone(
        self, simulator: Simulator
    ) -> None:
        with simulator.sandbox() as sandbox:
            sandbox.fault(operationId="updateCallCapacity", delayMs=60_000)
            url = httpx.URL(f"{sandbox.url}/api/v1/{CAPACITIES}Reception/")
            body = b"{" + b" " * 200_000 + b"}"
            head = f"PUT {url.path} HTTP/1.1\r\nHost: {url.netloc.decode()}\r\nContent-Length: {len(body)}\r\n\r\n"
            server = simulator._server
            assert server is not None
            for waiting in (1, 2):
                with socket.create_connection((server.host, server.port)) as client:
                    client.sendall(head.encode() + body)
                    wait_until(lambda waiting=waiting: server.delayed == waiting)  # type: ignore[misc]
            assert [httpx.put(url, content=body).status_code for _ in range(3)] == [503] * 3


def large(entries: int) -> bytes:
    return b"{" + b",".join(b'"%d": 0' % number for number in range(entries)) + b"}"


class TestWork:
    @pytest.mark.rule("S-3")
    def test_of_very_many_faults_about_a_thousand_are_looked_for(self, simulation: Simulation) -> None:
        bad = {str(number): {"x": 0, "y": 0} for number in range(20_000)}
        nested = fixture()
        nested["tenants"]["t"]["groups"] = bad
        nested["accounts"] = bad
        for content in (orjson.loads(large(50_000)), nested):
            _, faults = simulation.fixtures.schema.read_what_is_valid(content)
            assert 1_000 <= len(faults) < 5_000

    @pytest.mark.rule("S-4")
    def test_large_yaml_that_is_wrong_is_refused_without_a_search_for_the_place(self, simulation: Simulation) -> None:
        client = simulation.app(settings=Settings()).test_client()
        wrong = b"version: 1\nversion: 2\n"
        most = MOST_THOROUGHLY - len(wrong)
        for padding, said in ((most, "body:2: /version: stands here twice"), (most + 1, "too large to search it")):
            text = wrong + b"#" * padding
            answer = client.put("/_simulator/state", data=text, content_type="application/yaml")
            assert answer.status_code == 400
            assert said in (answer.json or {})["errors"][0]["details"]["reason"]

    def test_the_largest_bodies_are_read_one_by_one(self, simulation: Simulation, world: World) -> None:
        gateway: Any = simulation.app(world).wsgi_app

        def key(sandbox: str, size: int) -> str:
            environ = {
                "REQUEST_METHOD": "PUT",
                "PATH_INFO": f"/_sandboxes/{sandbox}/_simulator/state",
                "CONTENT_LENGTH": str(size),
                "wsgi.input": BytesIO(bytes(size)),
                "wsgi.input_terminated": True,
            }
            return str(gateway(environ, lambda *_: None).key)

        assert key("a", 2 * MIB) == key("b", 2 * MIB)
        assert key("a", 100) != key("b", 100)
