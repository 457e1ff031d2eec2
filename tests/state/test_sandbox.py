"""Worlds, transactions and sandboxes: no lost update, no torn read, and a write whose cost does not grow."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

import httpx
import pytest

from simulator.directory import Directory
from simulator.errors import Refusal, TooManySandboxes
from simulator.settings import Settings
from simulator.state.sandbox import ServerSandbox
from simulator.state.sandboxes import IN_USE_SECONDS, Sandboxes
from simulator.state.sessions import SESSIONS
from simulator.state.world import Fork, World
from tests.conftest import CAPACITIES, Api

EMPTY = World(directory=Directory(default_domain="d", tenants={}, accounts={}, tokens={}))
THREADS = 8
R = TypeVar("R")


def in_threads(work: Callable[[int], R], count: int = THREADS) -> list[R]:
    with ThreadPoolExecutor(count) as pool:
        return [future.result() for future in [pool.submit(work, number) for number in range(count)]]


@pytest.mark.rule("G-7")
def test_a_transaction_that_fails_leaves_the_world_as_it_was() -> None:
    sandbox = ServerSandbox("s", EMPTY)
    before = sandbox.version
    with suppress(Refusal), sandbox.transaction() as fork:
        fork.store(("a",), 1)
        raise Refusal
    assert sandbox.version is before
    with sandbox.transaction() as fork:
        fork.store(("a",), 1)
    assert Fork(sandbox.version.world).state(("a",), 0) == 1
    assert Fork(before.world).state(("a",), 0) == 0


@pytest.mark.rule("G-7")
def test_no_update_is_lost_between_threads() -> None:
    sandbox = ServerSandbox("s", EMPTY)

    def count(_: int) -> None:
        for _ in range(500):
            with sandbox.transaction() as fork:
                fork.store(("n",), fork.state(("n",), 0) + 1)

    in_threads(count)
    assert Fork(sandbox.version.world).state(("n",), 0) == THREADS * 500


@pytest.mark.rule("G-7")
def test_a_reader_sees_all_of_a_change_or_nothing_of_it() -> None:
    sandbox = ServerSandbox("s", EMPTY)
    done = threading.Event()

    def write() -> None:
        try:
            for number in range(2_000):
                with sandbox.transaction() as fork:
                    fork.store(("left",), number)
                    fork.store(("right",), number)
        finally:
            done.set()

    def read() -> None:
        while not done.is_set():
            fork = Fork(sandbox.version.world)
            assert fork.state(("left",), 0) == fork.state(("right",), 0)

    in_threads(lambda number: write() if number == 0 else read(), 4)


def test_a_write_leaves_the_world_before_it_alone_and_shares_all_the_rest_with_it() -> None:
    large = EMPTY
    for number in range(20_000):
        large = large._replace(states=large.states.insert(("service", str(number)), number))
    fork = Fork(large)
    fork.store(("service", "7"), "changed")
    assert fork.world.directory is large.directory
    assert all(fork.world.states[place] is large.states[place] for place in large.states if place != ("service", "7"))
    assert large.states[("service", "7")] == 7
    assert len(fork.world.states) == 20_000


def test_a_change_of_the_directory_forgets_the_answers_of_the_one_before() -> None:
    sandbox = ServerSandbox("s", EMPTY)
    sandbox.answers.remember("call", "answer", 6, Fork(EMPTY))
    before = sandbox.take_snapshot("before")
    with sandbox.transaction() as fork:
        fork.store(("a",), 1)
    assert len(sandbox.answers) == 1
    with sandbox.transaction() as fork:
        fork.world = fork.world._replace(directory=replace(EMPTY.directory))
    assert len(sandbox.answers) == 0
    sandbox.answers.remember("call", "another answer", 6, Fork(sandbox.version.world))
    assert before is not None
    sandbox.restore(before)
    assert len(sandbox.answers) == 0


def test_sessions_are_bounded_and_end_with_a_reset() -> None:
    sandboxes = Sandboxes(EMPTY)
    sandbox = sandboxes.sandbox("s")
    ids = [sandbox.open_session("a")[0] for _ in range(SESSIONS + 1)]
    assert sandbox.sessions.find(ids[0]) is None
    assert sandbox.sessions.find(ids[-1]) == "a"
    sandboxes.reset("s")
    assert sandboxes.sandbox("s").sessions.find(ids[-1]) is None


@pytest.mark.rule("G-17")
def test_a_sandbox_makes_room_when_it_was_not_used_for_some_time_and_not_before() -> None:
    now = 0.0
    sandboxes = Sandboxes(EMPTY, Settings(sandbox_limit=2), clock=lambda: now)

    def names() -> list[str]:
        return [each.name for each in sandboxes.all()]

    for name in ("one", "two"):
        sandboxes.sandbox(name)
    now = IN_USE_SECONDS / 2
    assert sandboxes.find("one") is not None
    now = IN_USE_SECONDS - 1
    for new in (
        lambda: sandboxes.sandbox("three"),
        lambda: sandboxes.create("three", None),
        lambda: sandboxes.reset("three"),
    ):
        with pytest.raises(TooManySandboxes):
            new()
    assert names() == ["default", "one", "two"]
    now = IN_USE_SECONDS
    sandboxes.sandbox("three")
    assert names() == ["default", "one", "three"]
    with pytest.raises(TooManySandboxes):
        sandboxes.sandbox("four")
    sandboxes.create("one", None)
    sandboxes.reset("three")
    assert names() == ["default", "three", "one"]


@pytest.mark.rule("S-5")
def test_what_is_gone_keeps_nothing_but_its_world() -> None:
    sandboxes = Sandboxes(EMPTY)
    for end in (sandboxes.reset, sandboxes.drop, lambda name: sandboxes.create(name, None)):
        old = sandboxes.sandbox("s")
        old.take_snapshot("before")
        old.answers.remember("call", "answer", 6, Fork(EMPTY))
        end("s")
        assert sandboxes.sandbox("s") is not old
        assert (len(old.snapshots), len(old.answers)) == (0, 0)


def test_threads_that_meet_in_a_new_sandbox_get_the_same_one() -> None:
    sandboxes = Sandboxes(EMPTY)
    barrier = threading.Barrier(THREADS)

    def meet(_: int) -> ServerSandbox:
        barrier.wait()
        return sandboxes.sandbox("new")

    assert len(set(map(id, in_threads(meet)))) == 1


class TestOverHttp:
    @pytest.mark.rule("G-7", "CC-6", "CC-7")
    def test_eight_clients_leave_one_default_and_no_user_in_two_capacities(self, api: Api, server: str) -> None:
        names = [f"c{number}" for number in range(THREADS)]
        for name in names:
            api.ok("POST", CAPACITIES, {"name": name, "isDefault": False, "maxCalls": 1})
        users = ["user_1@sip.netaxis.be", "user_9@sip.netaxis.be"]

        def client(number: int) -> int:
            with httpx.Client(base_url=server) as client:
                mine, won = Api(client, api.root.rpartition("/")[2]), 0
                for _ in range(15):
                    path = CAPACITIES + names[number] + "/"
                    won += mine("PUT", path, {"isDefault": True, "userIds": users}).is_success
                    listed = mine.ok("GET", CAPACITIES)["call_capacities"]
                    assert len([each for each in listed if each["isDefault"]]) <= 1
                    mine.ok("PUT", path, {"userIds": []})
                return won

        assert sum(in_threads(client)) >= THREADS
        listed = api.ok("GET", CAPACITIES)["call_capacities"]
        assert len([each for each in listed if each["isDefault"]]) == 1
        available = [user["userId"] for user in api.ok("GET", CAPACITIES + "available_users/")["users"]]
        assert set(users) <= set(available)

    @pytest.mark.rule("G-7")
    def test_eight_clients_create_every_name_exactly_once(self, api: Api, server: str) -> None:
        def client(_: int) -> int:
            with httpx.Client(base_url=server) as client:
                mine = Api(client, api.root.rpartition("/")[2])
                body = {"isDefault": False, "maxCalls": 1}
                return sum(mine("POST", CAPACITIES, {**body, "name": f"n{i}"}).status_code == 201 for i in range(20))

        assert sum(in_threads(client)) == 20
        assert len(api.ok("GET", CAPACITIES)["call_capacities"]) == 22
