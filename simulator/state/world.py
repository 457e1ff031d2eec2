"""A world: everything the API can show at one moment, as one immutable value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeVar, cast

from rpds import HashTrieMap

from simulator.directory import Directory

Place = tuple[str, ...]
"""Where a state belongs: the service's name, then the ids of tenant, group and perhaps user."""

S = TypeVar("S")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The directory and the services' states by place.

    The map is persistent: a changed world shares all but a few nodes with the one before, however large both are.
    """

    directory: Directory
    states: HashTrieMap[Place, object] = field(default_factory=HashTrieMap)


class Read(NamedTuple):
    """What was found in the state at a place, by a function that depends on the state alone.

    The function gets `None` where nothing was ever stored.
    """

    place: Place
    find: Callable[[Any], object]
    found: object


class Fork:
    """A world being changed by one request. Nobody else sees the changes until the sandbox takes `world` over (G-7)."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.reads: list[Read] = []
        """What the request looked at in the states."""

    @property
    def directory(self) -> Directory:
        """The directory of the world."""
        return self.world.directory

    def state(self, place: Place, initial: S) -> S:
        """The state at a place, or the initial one where none was ever stored."""
        found = self.world.states.get(place)
        self.reads.append(Read(place, _itself, found))
        return initial if found is None else cast(S, found)

    def part(self, place: Place, initial: S, find: Callable[[S], T]) -> T:
        """What `find` finds in the state at a place, for a request that looks at nothing else of it."""

        def look(state: S | None) -> T:
            return find(initial if state is None else state)

        found = look(cast("S | None", self.world.states.get(place)))
        self.reads.append(Read(place, look, found))
        return found

    def store(self, place: Place, state: object) -> None:
        """Put a state at its place."""
        self.world = World(directory=self.world.directory, states=self.world.states.insert(place, state))

    def discard(self, place: Place) -> None:
        """Forget the state at a place, if there is one."""
        self.world = replace(self.world, states=self.world.states.discard(place))


def _itself(state: object) -> object:
    return state
