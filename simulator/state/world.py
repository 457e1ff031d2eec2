"""A world: everything that the API can show at one moment, as one immutable value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

from rpds import HashTrieMap

from simulator.directory import Directory

Key = tuple[str, ...]
"""The key of a state in a world: the service's name, then the ids of tenant, group and perhaps user."""

S = TypeVar("S")
T = TypeVar("T")


class World(NamedTuple):
    """The directory, and the states of the services by their keys.

    The map is persistent: a changed world shares all but a few nodes with the world before. `added` is about how many
    bytes calls of the API have added since the world was read (S-10). It does not include what was only replaced.
    """

    directory: Directory
    states: HashTrieMap[Key, object] = HashTrieMap()
    added: int = 0


class Read(NamedTuple):
    """What the function `find` found in the state at a key. Its result must depend on this state alone.

    `find` gets `None` if no state is stored.
    """

    key: Key
    find: Callable[[Any], object]
    found: object


class Fork:
    """A world that one request changes. Others see the changes once `world` becomes the sandbox's world (G-7)."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.reads: list[Read] = []
        """The parts of states that the request has read."""

    @property
    def directory(self) -> Directory:
        """The directory of the world."""
        return self.world.directory

    def state(self, key: Key, initial: S) -> S:
        """Return the state at a key, or the initial state if none is stored."""
        found = self.world.states.get(key)
        self.reads.append(Read(key, _itself, found))
        return initial if found is None else cast(S, found)

    def part(self, key: Key, initial: S, find: Callable[[S], T]) -> T:
        """Return what `find` finds in the state at a key, for a request that reads nothing else of this state."""

        def look(state: S | None) -> T:
            return find(initial if state is None else state)

        found = look(cast("S | None", self.world.states.get(key)))
        self.reads.append(Read(key, look, found))
        return found

    def store(self, key: Key, state: object, growth: int = 0) -> None:
        """Store a state at a key. `growth` is about how many bytes more than the state before it adds to the world."""
        directory, states, added = self.world
        self.world = World(directory, states.insert(key, state), added + growth)

    def discard(self, key: Key) -> None:
        """Remove the state at a key, if there is one."""
        self.world = self.world._replace(states=self.world.states.discard(key))


def _itself(state: object) -> object:
    return state
