"""Answers are remembered until the data that they were made from changes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simulator.app import Simulation
from simulator.contract.operation import Call
from simulator.directory import Directory
from simulator.state.answers import RememberedAnswers
from simulator.state.world import Fork, World
from tests.conftest import CAPACITIES

EMPTY = World(directory=Directory(default_domain="d", tenants={}, accounts={}, tokens={}))


def stored(world: World, *places: str) -> World:
    fork = Fork(world)
    for place in places:
        fork.store((place,), object())
    return fork.world


def remembered(world: World, *places: str) -> RememberedAnswers:
    """Return answers that remember one to "call", made from the states at these keys."""
    answers, fork = RememberedAnswers(), Fork(world)
    for place in places:
        fork.state((place,), None)
    answers.remember("call", "answer", 6, fork)
    return answers


def found(answers: RememberedAnswers, call: object, world: World) -> object:
    remembered = answers.find(call, world)
    return None if remembered is None else remembered.answer


def test_an_answer_holds_in_the_world_it_was_made_from() -> None:
    world = stored(EMPTY, "a")
    answers = remembered(world, "a")
    assert found(answers, "call", world) == "answer"
    assert found(answers, "another call", world) is None


def test_it_survives_what_changes_elsewhere() -> None:
    world = stored(EMPTY, "a", "b")
    assert found(remembered(world, "a"), "call", stored(world, "b", "c")) == "answer"


def test_it_does_not_survive_a_change_of_what_it_was_made_from() -> None:
    world = stored(EMPTY, "a", "b")
    for changed in (stored(world, "a"), stored(world, "b"), world._replace(directory=replace(EMPTY.directory))):
        assert found(remembered(world, "a", "b"), "call", changed) is None


def test_neither_where_there_was_nothing_before() -> None:
    answers = remembered(EMPTY, "a")
    assert found(answers, "call", stored(EMPTY, "b")) == "answer"
    assert found(answers, "call", stored(EMPTY, "a")) is None


def test_made_from_a_part_of_a_state_it_survives_changes_of_the_rest() -> None:
    place, (one, other, new) = ("a",), ("one", "other", "new")
    world = EMPTY
    answers, fork = RememberedAnswers(), Fork(world)
    assert fork.part(place, {one: 0}, lambda state: state.get(one)) == 0
    answers.remember("call", "answer", 6, fork)

    def with_state(state: object) -> World:
        fork = Fork(world)
        fork.store(place, state)
        return fork.world

    assert found(answers, "call", world) == "answer"
    assert found(answers, "call", with_state({one: 0, other: new})) == "answer"
    assert found(answers, "call", with_state({one: new})) is None
    assert found(answers, "call", with_state({other: new})) is None


def test_when_the_old_state_comes_back_it_holds_again() -> None:
    world = stored(EMPTY, "a")
    answers = remembered(world, "a")
    assert found(answers, "call", stored(world, "a")) is None
    assert found(answers, "call", world) == "answer"


def test_a_later_answer_takes_the_place_of_an_earlier_one() -> None:
    answers = remembered(EMPTY)
    before = answers.bytes
    answers.remember("call", "newer!", 6, Fork(EMPTY))
    assert (found(answers, "call", EMPTY), answers.bytes) == ("newer!", before)


def test_beyond_their_bytes_the_oldest_are_forgotten() -> None:
    answers = RememberedAnswers(limit=10_000)
    for number in range(10):
        answers.remember(number, number, 2_000, Fork(EMPTY))
    assert [number for number in range(10) if found(answers, number, EMPTY) is not None] == [7, 8, 9]
    assert answers.bytes <= 10_000


def test_one_that_is_too_large_is_not_kept_and_displaces_none() -> None:
    answers = RememberedAnswers(limit=10_000)
    answers.remember("small", "small", 10, Fork(EMPTY))
    answers.remember("large", "large", 20_000, Fork(EMPTY))
    assert (found(answers, "small", EMPTY), found(answers, "large", EMPTY)) == ("small", None)


def test_a_capacity_is_shown_from_memory_until_it_changes_itself(
    simulation: Simulation, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    handler = simulation.handlers["getCallCapacity"]

    def noted(call: Call, fork: Fork) -> object:
        asked.append(call.path["call_capacity_name"])
        return handler(call, fork)

    monkeypatch.setitem(simulation.handlers, "getCallCapacity", noted)
    client = simulation.app(world).test_client()
    reception, other = f"/api/v1/{CAPACITIES}Reception/", f"/api/v1/{CAPACITIES}Other/"
    assert (
        client.post(f"/api/v1/{CAPACITIES}", json={"name": "Other", "maxCalls": 1, "isDefault": False}).status_code
        < 300
    )
    client.get(reception)
    assert client.put(other, json={"maxCalls": 2}).status_code == 200
    assert (client.get(reception).json or {})["maxCalls"] == 7
    assert asked == ["Reception"]
    # The other capacity becomes the default, so this one changes.
    assert client.put(other, json={"isDefault": True}).status_code == 200
    assert (client.get(reception).json or {})["isDefault"] is False
    assert asked == ["Reception", "Reception"]


def test_an_answer_may_hold_as_long_as_another_one() -> None:
    world = stored(EMPTY, "a")
    answers = remembered(world, "a")
    first = answers.find("call", world)
    assert first is not None
    answers.remember_with(first, "the same in other words", "the answer in other words", 20)
    assert found(answers, "the same in other words", world) == "the answer in other words"
    assert found(answers, "the same in other words", stored(world, "a")) is None


def test_what_held_in_one_world_is_looked_at_again_in_the_next() -> None:
    world = stored(EMPTY, "a")
    answers = remembered(world, "a")
    changed = stored(world, "a")
    for _ in range(2):
        assert found(answers, "call", world) == "answer"
        assert found(answers, "call", changed) is None


def test_what_is_forgotten_is_not_found_in_the_same_world_either() -> None:
    answers = RememberedAnswers(limit=10_000)
    for number in range(20):
        answers.remember(number, "answer", 0, Fork(EMPTY))
        assert found(answers, number, EMPTY) == "answer"
    assert found(answers, 0, EMPTY) is None
