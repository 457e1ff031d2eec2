"""Answers already given: as long as nothing changes that an answer to a GET was made from, it is the same again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from simulator.directory import Directory
from simulator.state.world import Fork, Read, World

MOST_BYTES = 1024 * 1024
"""How large the remembered answers of a sandbox get together, in bytes."""

_OVERHEAD = 1_000
"""About what an answer takes besides its body, in bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """An answer, and what it was made from: a directory, and what was found in states.

    These never change: others come instead of them.
    """

    answer: Any
    size: int
    directory: Directory
    reads: tuple[Read, ...]

    def holds_in(self, world: World) -> bool:
        """Whether it is the answer in this world."""
        if world.directory is not self.directory:
            return False
        get = world.states.get
        for place, find, found in self.reads:  # noqa: SIM110  # `all` of a generator takes three times as long
            if find(get(place)) is not found:
                return False
        return True


class RememberedAnswers:
    """The answers of a sandbox, by call; beyond `limit` bytes the oldest are forgotten.

    `grew` is told how large each new one is.
    """

    def __init__(self, limit: int = MOST_BYTES, grew: Callable[[int], object] = int) -> None:
        self.limit = limit
        self._grew = grew
        self.bytes = 0
        # What was found to hold in the world that was asked for last.
        self._holding: tuple[World | None, dict[object, Remembered]] = (None, {})
        self._answers: dict[object, Remembered] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._answers)

    def find(self, call: object, world: World) -> Remembered | None:
        """The answer to a call, if it was given before and holds in this world."""
        last, holding = self._holding
        if last is not world:
            holding = {}
            self._holding = (world, holding)
        remembered = holding.get(call)
        if remembered is None:
            remembered = self._answers.get(call)
            if remembered is None or not remembered.holds_in(world):
                return None
            holding[call] = remembered
        return remembered

    def remember(self, call: object, answer: object, size: int, fork: Fork) -> None:
        """Keep the answer that was made from a fork of a world and is of so many bytes."""
        self._keep(call, Remembered(answer=answer, size=size, directory=fork.directory, reads=tuple(fork.reads)))

    def remember_with(self, other: Remembered, call: object, answer: object, size: int) -> None:
        """Keep the answer to a call that holds as long as another one does and is of so many bytes."""
        self._keep(call, replace(other, answer=answer, size=size))

    def _keep(self, call: object, remembered: Remembered) -> None:
        size = remembered.size + _OVERHEAD
        if size > self.limit:
            return
        with self._lock:
            self._forget(call)
            self._answers[call] = remembered
            self.bytes += size
            while self.bytes > self.limit:
                self._forget(next(iter(self._answers)))
        self._grew(size)

    def _forget(self, call: object) -> None:
        self._holding[1].pop(call, None)
        remembered = self._answers.pop(call, None)
        if remembered is not None:
            self.bytes -= remembered.size + _OVERHEAD
