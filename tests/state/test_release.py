"""How large worlds are freed."""

from __future__ import annotations

import threading
from queue import Empty, SimpleQueue

import pytest

from simulator.app import Simulation
from simulator.state.release import PIECE, SMALL, outlive


class Owner:
    pass


class Part:
    """Notes which thread freed it."""

    def __init__(self, freed: SimpleQueue[str]) -> None:
        self.freed = freed

    def __del__(self) -> None:
        self.freed.put(threading.current_thread().name)


def test_another_thread_frees_the_many_parts_of_what_is_gone() -> None:
    freed: SimpleQueue[str] = SimpleQueue()
    owner, count = Owner(), SMALL + PIECE
    outlive(owner, [Part(freed) for _ in range(count)])
    with pytest.raises(Empty):
        freed.get_nowait()
    del owner
    assert {freed.get(timeout=10) for _ in range(count)} == {"apio-simulator-release"}


def test_few_parts_need_no_thread() -> None:
    freed: SimpleQueue[str] = SimpleQueue()
    owner = Owner()
    outlive(owner, [Part(freed) for _ in range(SMALL)])
    assert [freed.get_nowait() for _ in range(SMALL)] == [threading.current_thread().name] * SMALL
    del owner


def test_the_users_of_a_large_world_outlive_its_directory(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[object] = []
    monkeypatch.setattr("simulator.fixture.fixtures.outlive", lambda _, parts: kept.extend(parts))
    world = simulation.world()
    users = [user for tenant in world.directory.tenants.values() for user in tenant.users.values()]
    states = [state for place, state in world.states.items() if len(place) > 3]
    assert users
    assert states
    assert {id(each) for each in (*users, *states)} <= {id(each) for each in kept}
