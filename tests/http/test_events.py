"""The event stream of a sandbox: what it tells, in which order, and where it goes on (S-13)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from types import SimpleNamespace
from typing import Any, NamedTuple

import httpx
import orjson
import pytest

from simulator.app import Simulation
from simulator.control.requests import _by_path
from simulator.http.events import MOST_AT_ONCE
from simulator.server import streaming
from simulator.settings import Settings
from simulator.state.world import World
from tests.conftest import CAPACITIES, Api, faults, served, wait_until

pytestmark = pytest.mark.rule("S-13")

RECEPTION = f"{CAPACITIES}Reception/"
EVENTS = "/_simulator/events"


class Event(NamedTuple):
    kind: str
    id: str | None
    data: Any


def parsed(lines: Iterator[str]) -> Iterator[Event]:
    """Yield the events in the lines of a stream."""
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if name in ("event", "id", "data"):
            fields[name] = value
        elif not line and "event" in fields:
            yield Event(fields["event"], fields.get("id"), orjson.loads(fields["data"]))
            fields = {}


def all_of(text: str) -> list[Event]:
    return list(parsed(iter(text.split("\n"))))


@contextmanager
def watching(api: Api, query: str = "", **headers: str) -> Iterator[Iterator[Event]]:
    """Open a stream, and yield its events after the first."""
    with (
        httpx.Client(base_url=api.client.base_url, timeout=10) as client,
        client.stream("GET", f"{api.root}{EVENTS}?{query}", headers=headers) as response,
    ):
        assert response.status_code == 200, response.read()
        found = parsed(response.iter_lines())
        assert next(found).kind == "hello"
        yield found


def kinds(events: Iterator[Event], number: int) -> list[str]:
    return [event.kind for event in islice(events, number)]


def ended(api: Api, query: str, **headers: str) -> list[Event]:
    """Return the events of a stream that ends."""
    response = api.control("GET", f"events?{query}", headers=headers)
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == "text/event-stream"
    return all_of(response.text)


def paths(events: list[Event]) -> list[str]:
    return [event.data["path"].rpartition("s/")[2] for event in events if event.kind == "request"]


class TestWhatItTells:
    def test_it_begins_with_hello_and_how_soon_to_come_again(self, api: Api) -> None:
        response = api.control("GET", "events?seconds=0")
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Accel-Buffering"] == "no"
        assert response.text.startswith("retry: 1000\n")
        [hello] = all_of(response.text)
        assert hello.data.keys() == {"run", "sandbox", "sequence"}
        assert hello.data["sandbox"] == api.root.rpartition("/")[2]
        assert hello.id == f"{hello.data['run']}@{hello.data['sequence']}"

    def test_a_call_is_told_as_the_journal_has_it_but_for_headers_and_bodies(self, api: Api) -> None:
        api.arranged("POST", "faults", {"operationId": "getCallCapacity", "status": 503, "times": 1})
        with watching(api) as events:
            api("GET", f"{CAPACITIES}?a=<b>")
            api("GET", RECEPTION, headers={"Authorization": "Bearer foogroup-admin"})
            api("PUT", RECEPTION, {"maxCalls": 100_000})
            told = [event.data for event in islice((each for each in events if each.kind == "request"), 3)]
        left_out = {"sandbox", "request", "response", "basis", "assumed", "ignored", "explanation"}
        journal = api.arranged("GET", "requests")["requests"]
        assert told == [{name: value for name, value in entry.items() if name not in left_out} for entry in journal]
        assert [each["status"] for each in told] == [200, 503, 400]

    @pytest.mark.parametrize("path", ["nul%00/", "line%0Aevent: x/", "%3Cscript%3E/", "%E2%80%AE/"])
    def test_what_a_client_sends_cannot_break_the_stream(self, api: Api, path: str) -> None:
        with watching(api, "limit=1") as events:
            api("GET", f"{CAPACITIES}{path}")
            [event] = events
        assert event.data["path"] == api.arranged("GET", "requests")["requests"][0]["path"]

    def test_calls_come_in_the_order_in_which_they_ended(self, api: Api) -> None:
        api.arranged("POST", "faults", {"operationId": "getCallCapacity", "delayMs": 150})
        with watching(api, "limit=2") as events:
            slow = threading.Thread(target=partial(httpx.get, f"{api.client.base_url}{api.root}/api/v1/{RECEPTION}"))
            slow.start()
            wait_until(lambda: api.arranged("GET", "faults")["faults"][0]["hits"])
            api("GET", CAPACITIES)
            calls = [event for event in events if event.kind == "request"]
            slow.join()
        assert [each.data["operationId"] for each in calls] == ["listCallCapacities", "getCallCapacity"]
        assert [each.data["id"] for each in calls] == [
            each["id"] for each in api.arranged("GET", "requests")["requests"]
        ]

    @pytest.mark.parametrize(
        ("method", "path", "body", "kind"),
        [
            ("PATCH", "state", {"tenants": {"foo": {"groups": {"foogroup": {"services": []}}}}}, "state"),
            ("POST", "snapshots/known/restore", None, "state"),
            ("PUT", "snapshots/new", None, "snapshots"),
            ("DELETE", "snapshots/known", None, "snapshots"),
            ("POST", "faults", {"operationId": "*", "status": 503}, "faults"),
            ("DELETE", "faults/1", None, "faults"),
            ("DELETE", "faults", None, "faults"),
            ("DELETE", "requests", None, "gap"),
            ("POST", "reset", None, "reset"),
        ],
    )
    def test_what_changes_is_told_once(self, api: Api, method: str, path: str, body: Any, kind: str) -> None:
        api.arranged("PUT", "snapshots/known")
        api.arranged("POST", "faults", {"operationId": "login", "status": 503})
        api("GET", CAPACITIES)
        with watching(api) as events:
            api.arranged(method, path, body)
            api("GET", RECEPTION)
            told = list(islice((event for event in events if event.kind != "sandboxes"), 2))
        assert [event.kind for event in told] == [kind, "request"]
        assert told[0].data == {"sandbox": api.root.rpartition("/")[2]}

    def test_a_write_changes_the_state_and_a_read_does_not(self, api: Api) -> None:
        with watching(api) as events:
            api("GET", RECEPTION)
            api("PUT", RECEPTION, {"maxCalls": 3})
            api("PUT", RECEPTION, {"maxCalls": -3})
            told = [event.kind for event in islice((each for each in events if each.kind != "sandboxes"), 4)]
        assert told == ["request", "state", "request", "request"]

    def test_a_fault_that_takes_effect_changes_its_hits(self, api: Api) -> None:
        api.arranged("POST", "faults", {"operationId": "getCallCapacity", "status": 503})
        with watching(api) as events:
            api("GET", RECEPTION)
            told = list(islice((each for each in events if each.kind != "sandboxes"), 2))
        assert [event.kind for event in told] == ["faults", "request"]
        assert told[1].data["fault"] == "1"

    def test_sandboxes_that_come_and_go_are_told_in_each_sandbox(self, api: Api) -> None:
        other = f"{api.root.rpartition('/')[2][-50:]}-other"
        created, called = f"/_simulator/sandboxes/{other}", f"/_sandboxes/{other}/api/v1/{CAPACITIES}"
        for method, path in (("PUT", created), ("DELETE", created), ("GET", called), ("DELETE", created)):
            with watching(api) as events:
                api.client.request(method, path)
                assert next(events).kind == "sandboxes"

    def test_a_replaced_sandbox_begins_anew_and_the_stream_goes_on(self, api: Api) -> None:
        name = api.root.rpartition("/")[2]
        with watching(api) as events:
            api.control("PUT", f"sandboxes/{name}")
            wanted = (each for each in events if each.kind != "sandboxes")
            assert next(wanted).kind == "reset"
            api("GET", CAPACITIES)
            assert next(wanted).kind == "request"

    def test_a_fixture_that_is_read_again_resets_the_default_sandbox(
        self, simulation: Simulation, world: World
    ) -> None:
        app = simulation.app(world)
        cursor = all_of(app.test_client().get(EVENTS).text)[0].id
        app.extensions["sandboxes"].replace_baseline(world)
        told = all_of(app.test_client().get(f"{EVENTS}?since={cursor}").text)
        assert [event.kind for event in told] == ["hello", "reset"]

    def test_the_stream_of_a_dropped_sandbox_says_so_and_ends(self, api: Api) -> None:
        name = api.root.rpartition("/")[2]
        with watching(api) as events:
            api.control("DELETE", f"sandboxes/{name}")
            last = list(events)[-1]
        assert last == Event("dropped", None, {"sandbox": name})
        assert api.control("GET", "events?seconds=0").status_code == 404

    def test_two_sandboxes_never_mix(self, api: Api) -> None:
        other = Api(api.client, f"{api.root.rpartition('/')[2][-50:]}-other")
        other.reset()
        with watching(api, "limit=5") as here, watching(other, "limit=5") as there:
            for number in range(5):
                api("GET", f"{CAPACITIES}here{number}/")
                other("GET", f"{CAPACITIES}there{number}/")
            told, told_there = list(here), list(there)
        assert paths(told) == [f"here{number}/" for number in range(5)]
        assert paths(told_there) == [f"there{number}/" for number in range(5)]
        api.control("DELETE", f"sandboxes/{other.root.rpartition('/')[2]}")


class TestWhereItGoesOn:
    def test_who_comes_again_gets_each_later_event_once(self, api: Api) -> None:
        with watching(api, "limit=2") as events:
            for number in range(6):
                api("GET", f"{CAPACITIES}{number}/")
            first = list(events)
        rest = ended(api, "seconds=0", **{"Last-Event-ID": str(first[-1].id)})
        assert paths(first) + paths(rest) == [f"{number}/" for number in range(6)]

    def test_nothing_is_lost_or_doubled_while_many_call_and_the_stream_breaks_off(self, api: Api) -> None:
        since, seen = api.arranged("GET", "requests")["cursor"], list[str]()

        def call(caller: int) -> None:
            with httpx.Client(base_url=api.client.base_url) as client:
                for number in range(40):
                    client.get(f"{api.root}/api/v1/{CAPACITIES}{caller}-{number}/")

        callers = [threading.Thread(target=call, args=[caller]) for caller in range(4)]
        for each in callers:
            each.start()
        while len(seen) < 160:
            for event in ended(api, f"since={since}&seconds=1&limit=7"):
                since = str(event.id)
                if event.kind == "request":
                    seen.append(event.data["id"])
        for each in callers:
            each.join()
        journal = api.arranged("GET", "requests?limit=1000")["requests"]
        assert seen == [entry["id"] for entry in journal]

    def test_the_id_of_an_event_and_the_cursor_of_the_journal_are_the_same(self, api: Api) -> None:
        api("GET", CAPACITIES)
        cursor = api.arranged("GET", "requests")["cursor"]
        api("GET", RECEPTION)
        *_, event = ended(api, f"since={cursor}&seconds=0")
        assert event.data["operationId"] == "getCallCapacity"
        api("GET", f"{CAPACITIES}none/")
        later = api.arranged("GET", "requests", params={"since": event.id})["requests"]
        assert [entry["status"] for entry in later] == [404]

    def test_a_reset_in_between_is_told_with_the_calls_after_it(self, api: Api) -> None:
        [hello] = ended(api, "seconds=0")
        api("GET", CAPACITIES)
        api.reset()
        api("GET", RECEPTION)
        events = [each for each in ended(api, f"since={hello.id}&seconds=0") if each.kind != "sandboxes"]
        assert [each.kind for each in events] == ["hello", "reset", "request"]
        assert paths(events) == ["Reception/"]

    def test_the_header_counts_before_the_query(self, api: Api) -> None:
        [hello] = ended(api, "seconds=0")
        api("GET", CAPACITIES)
        *_, last = ended(api, f"since={hello.id}&seconds=0")
        assert paths(ended(api, f"since={hello.id}&seconds=0", **{"Last-Event-ID": str(last.id)})) == []

    def test_where_the_journal_has_forgotten_calls_there_is_a_gap(self, simulation: Simulation, world: World) -> None:
        with (
            served(simulation.app(world, Settings(journal_limit=3))) as server,
            httpx.Client(base_url=server.url) as client,
        ):
            api = Api(client, "default")
            [hello] = ended(api, "seconds=0")
            for number in range(5):
                api("GET", f"{CAPACITIES}{number}/")
            events = ended(api, f"since={hello.id}&seconds=0")
            assert [each.kind for each in events] == ["hello", "gap", "request", "request", "request"]
            assert paths(events) == ["2/", "3/", "4/"]
            # Who has seen the gap is not told of it again.
            assert [each.kind for each in ended(api, f"since={events[1].id}&seconds=0")][1:] == ["request"] * 3

    @pytest.mark.parametrize("place", ["ffffff@1", "{run}@999999999", "nonsense", "{run}@-1", "{run}@1, {run}@1"])
    def test_a_place_that_this_server_never_gave_is_a_gap_before_all_that_is_there(self, api: Api, place: str) -> None:
        [hello] = ended(api, "seconds=0")
        api("GET", CAPACITIES)
        last_id = place.format(run=hello.data["run"])
        events = ended(api, "seconds=0", **{"Last-Event-ID": last_id})
        told = [each.kind for each in events if each.kind != "sandboxes"]
        assert told == ["hello", "gap", "reset", "request"]

    def test_the_sign_of_life_has_the_place_so_that_calls_that_do_not_match_are_no_gap(
        self, simulation: Simulation, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(streaming, "BEAT_SECONDS", 0.05)
        with (
            served(simulation.app(world, Settings(journal_limit=1))) as server,
            httpx.Client(base_url=server.url) as client,
        ):
            api = Api(client, "default")
            with client.stream("GET", f"{EVENTS}?status=404") as response:
                lines = response.iter_lines()
                assert "id: " in next(line for line in lines if line.startswith("id"))
                with httpx.Client(base_url=server.url) as caller:
                    caller.get(f"/api/v1/{CAPACITIES}")
                    cursor = caller.get("/_simulator/requests").json()["cursor"]
                while (place := next(line for line in lines if line.startswith("id: "))) != f"id: {cursor}":
                    assert next(lines) == ""
            api("GET", f"{CAPACITIES}none/")
            events = ended(api, "status=404&seconds=0", **{"Last-Event-ID": place.removeprefix("id: ")})
            assert [each.kind for each in events] == ["hello", "request"]

    def test_who_is_far_behind_gets_it_in_parts(self, api: Api) -> None:
        [hello] = ended(api, "seconds=0")
        long = "x" * 2_000
        for number in range(100):
            api("GET", f"{CAPACITIES}{long}{number}/")
        assert 100 * len(long) > 2 * MOST_AT_ONCE
        assert len(paths(ended(api, f"since={hello.id}&limit=100"))) == 100


class TestItsEnd:
    def test_filters_and_limit_are_about_calls(self, api: Api) -> None:
        with watching(
            api, f"limit=2&rule=G-9&operationId=getCallCapacity&method=get&status=4xx&path=*{CAPACITIES}*"
        ) as told:
            api("PUT", f"{CAPACITIES}none/", {"maxCalls": 1})
            for number in range(3):
                api("GET", CAPACITIES)
                api("GET", f"{CAPACITIES}{number}/")
            events = list(told)
        assert paths(events) == ["0/", "1/"]

    @pytest.mark.parametrize(
        ("query", "rule"),
        [
            ("operationId=none", "S-7"),
            ("rule=none", "S-7"),
            ("status=none", "S-1"),
            ("since=none", "S-13"),
            ("limit=-1", "S-13"),
            ("seconds=86401", "S-13"),
            ("seconds=0.5", "S-13"),
            ("colour=red", "S-1"),
        ],
    )
    def test_what_cannot_be_meant_is_refused(self, api: Api, query: str, rule: str) -> None:
        response = api.control("GET", f"events?{query}")
        assert (response.status_code, faults(response)) == (400, {(rule, None)})

    def test_a_filter_of_very_many_stars_takes_no_longer_than_one_star(self) -> None:
        parts: list[str] = []

        class Path(str):
            __slots__ = ()

            def find(self, part: str, *place: Any) -> int:
                parts.append(part)
                return str.find(self, part, *place)

        matches = _by_path("/a" + "*" * 100_000 + "b*")
        assert matches(SimpleNamespace(path=Path("/a/x/b/y")))  # type: ignore[arg-type]
        assert not matches(SimpleNamespace(path=Path("/a/x/y")))  # type: ignore[arg-type]
        assert parts == ["b", "b"]

    def test_limit_0_ends_after_hello(self, api: Api) -> None:
        [hello] = ended(api, "seconds=0")
        api("GET", CAPACITIES)
        assert [each.kind for each in ended(api, f"since={hello.id}&limit=0")] == ["hello"]

    def test_after_some_seconds_it_ends(self, api: Api) -> None:
        assert [each.kind for each in ended(api, "seconds=1")] == ["hello"]

    def test_an_application_in_the_same_process_does_not_wait_unless_told(
        self, simulation: Simulation, world: World
    ) -> None:
        client = simulation.app(world).test_client()
        assert [each.kind for each in all_of(client.get(f"{EVENTS}?limit=9").text)] == ["hello"]
        cursor = client.get("/_simulator/requests").json["cursor"]  # type: ignore[index]
        for _ in range(2):
            client.get(f"/api/v1/{CAPACITIES}")
        assert [each.kind for each in all_of(client.get(f"{EVENTS}?since={cursor}").text)][1:] == ["request"] * 2
        assert client.head(EVENTS).status_code == 405

    def test_it_waits_in_the_calling_thread_as_long_as_it_is_told(self, simulation: Simulation, world: World) -> None:
        app = simulation.app(world)
        found: list[str] = []
        threads = threading.active_count()
        reader = threading.Thread(
            target=lambda: found.append(app.test_client().get(f"{EVENTS}?seconds=9&limit=1").text)
        )
        reader.start()
        sandbox = app.extensions["sandboxes"].find("default")
        wait_until(lambda: sandbox.watchers)
        assert threading.active_count() == threads + 1
        app.test_client().get(f"/api/v1/{CAPACITIES}")
        reader.join(5)
        assert [each.kind for each in all_of(found[0])] == ["hello", "request"]
        assert not sandbox.watchers
        assert [each.kind for each in all_of(app.test_client().get(f"{EVENTS}?seconds=1").text)] == ["hello"]


@pytest.mark.rule("S-2")
class TestWhoMayWatch:
    @pytest.mark.parametrize(
        ("headers", "settings", "status"),
        [
            ({"Host": "evil.example"}, Settings(), 403),
            ({"Origin": "http://evil.example"}, Settings(), 403),
            ({"Origin": "http://localhost"}, Settings(), 200),
            ({"Sec-Fetch-Site": "cross-site"}, Settings(), 403),
            ({"Sec-Fetch-Site": "same-site"}, Settings(), 403),
            ({"Sec-Fetch-Site": "same-origin"}, Settings(), 200),
            ({}, Settings(control_token="t"), 401),
            ({"Authorization": "Bearer x"}, Settings(control_token="t"), 401),
            ({"Authorization": "Bearer t"}, Settings(control_token="t"), 200),
            ({}, Settings(control=False), 404),
            ({"Accept": "application/json"}, Settings(), 406),
            ({"Accept": "text/event-stream"}, Settings(), 200),
        ],
    )
    def test_a_caller_is_checked_as_for_a_change(
        self, simulation: Simulation, world: World, headers: dict[str, str], settings: Settings, status: int
    ) -> None:
        response = simulation.app(world, settings).test_client().get(EVENTS, headers=headers)
        assert response.status_code == status
        assert not any(name.startswith("Access-Control") for name, _ in response.headers)

    def test_watching_does_not_make_a_sandbox(self, client: httpx.Client) -> None:
        response = client.get(f"/_sandboxes/nobody-made-this{EVENTS}")
        assert (response.status_code, faults(response)) == (404, {("G-17", None)})
