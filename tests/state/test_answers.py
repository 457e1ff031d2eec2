"""Answers are remembered as long as nothing changes that they were made from."""

from __future__ import annotations

from dataclasses import replace

from simulator.directory import Directory
from simulator.state.answers import RememberedAnswers
from simulator.state.world import Fork, World

EMPTY = World(directory=Directory(default_domain="d", tenants={}, accounts={}, tokens={}))


def stored(world: World, *places: str) -> World:
    fork = Fork(world)
    for place in places:
        fork.store((place,), object())
    return fork.world


def remembered(world: World, *places: str) -> RememberedAnswers:
    """The answer to "call", made from the states at some places."""
    answers, fork = RememberedAnswers(), Fork(world)
    for place in places:
        fork.state((place,), None)
    answers.remember("call", "answer", 6, fork)
    return answers


def test_an_answer_holds_in_the_world_it_was_made_from() -> None:
    world = stored(EMPTY, "a")
    answers = remembered(world, "a")
    assert answers.find("call", world) == "answer"
    assert answers.find("another call", world) is None


def test_it_survives_what_changes_elsewhere() -> None:
    world = stored(EMPTY, "a", "b")
    assert remembered(world, "a").find("call", stored(world, "b", "c")) == "answer"


def test_it_does_not_survive_a_change_of_what_it_was_made_from() -> None:
    world = stored(EMPTY, "a", "b")
    for changed in (stored(world, "a"), stored(world, "b"), replace(world, directory=replace(EMPTY.directory))):
        assert remembered(world, "a", "b").find("call", changed) is None


def test_neither_where_there_was_nothing_before() -> None:
    answers = remembered(EMPTY, "a")
    assert answers.find("call", stored(EMPTY, "b")) == "answer"
    assert answers.find("call", stored(EMPTY, "a")) is None


def test_when_the_old_state_comes_back_it_holds_again() -> None:
    world = stored(EMPTY, "a")
    answers = remembered(world, "a")
    assert answers.find("call", stored(world, "a")) is None
    assert answers.find("call", world) == "answer"


def test_a_later_answer_takes_the_place_of_an_earlier_one() -> None:
    answers = remembered(EMPTY)
    before = answers.bytes
    answers.remember("call", "newer!", 6, Fork(EMPTY))
    assert (answers.find("call", EMPTY), answers.bytes) == ("newer!", before)


def test_beyond_their_bytes_the_oldest_are_forgotten() -> None:
    answers = RememberedAnswers(limit=10_000)
    for number in range(10):
        answers.remember(number, number, 2_000, Fork(EMPTY))
    assert [number for number in range(10) if answers.find(number, EMPTY) is not None] == [7, 8, 9]
    assert answers.bytes <= 10_000


def test_one_that_is_too_large_is_not_kept_and_displaces_none() -> None:
    answers = RememberedAnswers(limit=10_000)
    answers.remember("small", "small", 10, Fork(EMPTY))
    answers.remember("large", "large", 20_000, Fork(EMPTY))
    assert (answers.find("small", EMPTY), answers.find("large", EMPTY)) == ("small", None)
