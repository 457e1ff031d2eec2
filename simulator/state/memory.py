"""The memory limit of all sandboxes of a server: what is refused and what is forgotten at the limit (S-10)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from sys import getsizeof
from typing import TYPE_CHECKING, Any

from simulator.errors import Fault, InsufficientMemory
from simulator.settings import Settings

if TYPE_CHECKING:
    from simulator.state.sandbox import ServerSandbox

logger = logging.getLogger("simulator.memory")

_OBJECT = 500
_ARRAY = 100
"""About how many bytes a world needs for an object or array of its document, besides the texts and numbers."""

MEBIBYTE = 1024 * 1024

_STEPS = 32
"""How often all kept calls are added up while they grow by the limit."""


def weigh(content: Any, most: int) -> int:
    """Return about how many bytes a world of this document takes. Above `most`, any larger number is returned.

    Measured worlds of users, groups, tenants, departments, accounts and settings took 70 to 105 % of the estimate.
    """
    weight, waiting = 0, [content]
    while waiting and weight <= most:
        value = waiting.pop()
        if isinstance(value, dict):
            weight += _OBJECT
            # Not `sum`: other threads could not run while it adds up a million sizes.
            for key in value:
                weight += getsizeof(key)
            waiting.extend(value.values())
        elif isinstance(value, list):
            weight += _ARRAY
            waiting.extend(value)
        else:
            weight += getsizeof(value)
    return weight


class Memory:
    """Keeps the memory of all sandboxes within the limits of the settings.

    Worlds, what calls of the API add to them, sessions and injected faults stay until they are removed; what does not
    fit is refused. If journals and remembered answers take too much, old ones are forgotten. The first refusal and the
    first forgetting are logged. `sandboxes` returns all sandboxes that still exist, in any order.
    """

    def __init__(self, settings: Settings, sandboxes: Callable[[], Iterable[ServerSandbox]]) -> None:
        self.settings = settings
        self._sandboxes = sandboxes
        self._lock = threading.Lock()
        self._reserved = 0
        self._left = 0
        self._reviewing = threading.Lock()
        self._unseen = 0
        self._step = settings.calls_limit // _STEPS
        self._said: set[str] = set()

    @property
    def arranged(self) -> int:
        """How many bytes worlds, sessions and injected faults take. A world that sandboxes share counts once."""
        rest, weights = 0, dict[int, int]()
        for sandbox in self._sandboxes():
            rest += sandbox.faults.bytes + sandbox.added
            weights.update(sandbox.weights)
        return rest + sum(weights.values())

    @property
    def calls(self) -> int:
        """How many bytes journals and remembered answers take."""
        return sum(sandbox.calls_bytes for sandbox in self._sandboxes())

    @contextmanager
    def room(self, weight: int) -> Iterator[None]:
        """Reserve `weight` bytes until the block ends. Raises `InsufficientMemory` if they are not free (S-10)."""
        with self._lock:
            self._check(weight)
            self._reserved += weight
            # What is reserved is not left for calls of the API.
            self._left = 0
        try:
            yield
        finally:
            with self._lock:
                self._reserved -= weight

    def admit(self, size: int) -> None:
        """Let a call of the API add `size` bytes. Raises `InsufficientMemory` if they are not free (S-10).

        Everything is added up only if it is not sure that the bytes are free.
        """
        with self._lock:
            if size > self._left:
                self._left = self._check(size)
            self._left -= size

    def _check(self, size: int) -> int:
        """Return how many bytes are free. Raises `InsufficientMemory` if it is less than `size`."""
        limit = self.settings.arranged_limit
        kept = self.arranged + self._reserved
        if size and kept + size > limit:
            taken = f"it takes {_mebibytes(size)} MiB or more; " if size >= MEBIBYTE else ""
            reason = (
                f"there is no room for this: {taken}worlds, sessions and injected faults take {_mebibytes(kept)} MiB "
                f"already and may take {limit // MEBIBYTE} MiB, half of --memory-limit; drop what is no longer needed"
            )
            if self.settings.log_requests:
                self._say_once("refused", "the memory limit is reached, and calls are refused with 507: %s", reason)
            raise InsufficientMemory(Fault("S-10", reason))
        return limit - kept

    def grew(self, size: int) -> None:
        """Note that `size` more bytes are kept of a call. From time to time, all kept bytes are added up."""
        self._unseen += size
        if self._unseen > self._step:
            self._review()

    def _review(self) -> None:
        """Forget old calls if they take too much, those of the least recently used sandbox first."""
        if not self._reviewing.acquire(blocking=False):
            return
        try:
            self._unseen = 0
            limit = self.settings.calls_limit
            if self.calls <= limit - self._step:
                return
            excess = self.calls - (limit - 4 * self._step)
            for sandbox in sorted(self._sandboxes(), key=lambda each: each.last_use):
                if excess <= 0:
                    break
                excess -= sandbox.forget(excess)
            reason = (
                "journals and remembered answers take %d bytes, a quarter of --memory-limit: old ones are forgotten"
            )
            self._say_once("forgotten", reason, limit)
        finally:
            self._reviewing.release()

    def _say_once(self, what: str, message: str, *arguments: object) -> None:
        if what not in self._said:
            self._said.add(what)
            logger.warning(message, *arguments)


def _mebibytes(size: int) -> int:
    """Return a number of bytes in MiB, rounded up."""
    return -(-size // MEBIBYTE)
