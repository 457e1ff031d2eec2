"""Remembered answers: a GET gets the same answer again until the data behind it changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from simulator.directory import Directory
from simulator.state.world import Fork, Read, World

MOST_BYTES = 1024 * 1024
"""How many bytes the remembered answers of a sandbox may take together."""

_OVERHEAD = 1_000
"""About how many bytes an answer takes besides its body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """An answer, and what it was made from: a directory, and parts of states.

    Both are immutable. A change replaces them, and then the answer no longer holds.
    """

    answer: Any
    size: int
    directory: Directory
    reads: tuple[Read, ...]

    def holds_in(self, world: World) -> bool:
        """Return whether this is still the answer in this world."""
        if world.directory is not self.directory:
            return False
        get = world.states.get
        for key, find, found in self.reads:  # noqa: SIM110  # `all` of a generator takes three times as long
            if find(get(key)) is not found:
                return False
        return True


class RememberedAnswers:
    """The answers of a sandbox, by call. Beyond `limit` bytes, the oldest are forgotten.

    `grew` is called with the size of each new answer, in bytes.
    """

    def __init__(self, limit: int = MOST_BYTES, grew: Callable[[int], object] = int) -> None:
        self.limit = limit
        self._grew = grew
        self.bytes = 0
        # Answers already checked against the world of the last call, so that they need no second check.
        self._holding: tuple[World | None, dict[object, Remembered]] = (None, {})
        self._answers: dict[object, Remembered] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._answers)

    def find(self, call: object, world: World) -> Remembered | None:
        """Return the remembered answer to a call if it holds in this world."""
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
        """Keep an answer of `size` bytes that was made from this fork."""
        reads = tuple(fork.reads)
        self._keep(call, Remembered(answer=answer, size=size + _kept(reads), directory=fork.directory, reads=reads))

    def remember_with(self, other: Remembered, call: object, answer: object, size: int) -> None:
        """Keep an answer of `size` bytes that holds as long as another remembered answer."""
        self._keep(call, replace(other, answer=answer, size=size + _kept(other.reads)))

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


def _kept(reads: Iterable[Read]) -> int:
    """Return how many bytes states take that are kept for these reads alone, once others have replaced them (S-10)."""
    return sum([getattr(read.found, "added", 0) for read in reads])
