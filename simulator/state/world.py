"""A world: everything the API can show at one moment, as one immutable value."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeVar, cast

from rpds import HashTrieMap

from simulator.directory import Directory

Place = tuple[str, ...]
"""Where a state belongs: the service's name, then the ids of tenant, group and perhaps user."""

S = TypeVar("S")


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The directory and the services' states by place.

    The map is persistent: a changed world shares all but a few nodes with the one before, however large both are.
    """

    directory: Directory
    states: HashTrieMap[Place, object] = field(default_factory=HashTrieMap)


class Fork:
    """A world being changed by one request. Nobody else sees the changes until the sandbox takes `world` over (G-7)."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.read: dict[Place, object] = {}
        """The states that were asked for, `None` where there was none."""

    @property
    def directory(self) -> Directory:
        """The directory of the world."""
        return self.world.directory

    def state(self, place: Place, initial: S) -> S:
        """The state at a place, or the initial one where none was ever stored."""
        found = self.read[place] = self.world.states.get(place)
        return initial if found is None else cast(S, found)

    def store(self, place: Place, state: object) -> None:
        """Put a state at its place."""
        self.world = World(directory=self.world.directory, states=self.world.states.insert(place, state))

    def discard(self, place: Place) -> None:
        """Forget the state at a place, if there is one."""
        self.world = replace(self.world, states=self.world.states.discard(place))
