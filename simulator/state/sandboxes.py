"""The sandboxes of a server by name: how they are created and dropped (G-17)."""

from __future__ import annotations

import logging
import re
import secrets
import threading
import time
from bisect import insort
from collections.abc import Callable
from itertools import count, islice
from weakref import WeakSet

from simulator.errors import Fault, TooManySandboxes, UnknownSandbox
from simulator.settings import DEFAULTS, Settings
from simulator.state.coverage import Coverage
from simulator.state.events import SANDBOXES, Event
from simulator.state.memory import Memory
from simulator.state.sandbox import ServerSandbox
from simulator.state.world import World

logger = logging.getLogger("simulator.sandboxes")

NAME = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,64}")
NAME_IN_WORDS = "1 to 64 letters, digits, '.', '_' or '-', but not '.' or '..'"
DEFAULT = "default"
"""The name of the sandbox that answers when a request names none."""

IN_USE_SECONDS = 120
MOST_SUGGESTED = 100
"""Among how many of the newest sandboxes the name that was meant is looked for, because that takes time."""
"""How long after its last use a sandbox cannot be dropped for a new one."""


class Sandboxes:
    """The sandboxes by name. A sandbox is created when it is first used. Its seed is `baseline`, unless it has its own.

    If the settings say so, only `create` makes a sandbox, so that a lost one is never replaced by a fresh one (G-17).
    The default sandbox always exists. The settings limit how many others exist. At the limit, a new sandbox replaces
    the least recently used one, and a warning is logged. If that one was used within `IN_USE_SECONDS`, the new one is
    refused (G-17). `total` is the coverage of all sandboxes since the start (S-8), `clock` counts seconds, and `run`
    identifies this server's counts.
    """

    def __init__(
        self, baseline: World, settings: Settings = DEFAULTS, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.baseline = baseline
        self.settings = settings
        self._clock = clock
        self.run = secrets.token_hex(3)
        self.total = Coverage()
        self.memory = Memory(settings, self._existing)
        self._positions = count(1)
        self._changed = 0
        self._default = self._new(DEFAULT, None)
        self._named: dict[str, ServerSandbox] = {}
        self._ended: WeakSet[ServerSandbox] = WeakSet()
        self._lock = threading.Lock()

    def find(self, name: str, now: float | None = None) -> ServerSandbox | None:
        """Return the sandbox of this name, if there is one. `now` is the clock's time, if known.

        This counts as use: every call about a sandbox finds it in this way. `all` and `happened` do not count.
        """
        sandbox = self._default if name == DEFAULT else self._named.get(name)
        if sandbox is not None:
            sandbox.last_use = self._clock() if now is None else now
        return sandbox

    def idle_seconds(self, sandbox: ServerSandbox) -> float:
        """Return how long ago the last use of a sandbox began (G-17). `find` says what a use is."""
        return self._clock() - sandbox.last_use

    def sandbox(self, name: str, *, may_create: bool = True) -> ServerSandbox:
        """Return the sandbox of this name. If there is none, create it, if call and settings allow that (G-17).

        The name must match `NAME`. Raises `UnknownSandbox`, or `TooManySandboxes` if there is no room for a new one.
        """
        sandbox = self.find(name)
        if sandbox is not None:
            return sandbox
        if self.settings.sandboxes == "created":
            why = (
                "; it was never created, was dropped, was replaced by a newer one (--sandbox-limit), or the server has "
                f"started again since; with --sandboxes created, only PUT /_simulator/sandboxes/{name} creates it"
            )
            raise self.unknown(name, why)
        if not may_create:
            raise self.unknown(name)
        return self._put(name)

    def unknown(self, name: str, more: str = "") -> UnknownSandbox:
        """Return the refusal of a call about a sandbox that does not exist (G-17). `more` ends its reason."""
        with self._lock:
            known = [DEFAULT, *islice(reversed(self._named), MOST_SUGGESTED)]
        return UnknownSandbox(Fault("G-17", f"there is no such sandbox: {name[:100]!r}{more}", asked=name, known=known))

    def happened(self, name: str, since: int, watcher: Callable[[], object] | None) -> list[Event] | None:
        """Return what has happened in a sandbox after a position, or `None` if there is no such sandbox (S-13).

        As soon as something else happens, `watcher` is called once, in any thread (see `ServerSandbox.watchers`). This
        is no use of the sandbox.
        """
        # Under the lock, the sandbox cannot be replaced between the two steps, so that nothing is missed.
        with self._lock:
            sandbox = self._default if name == DEFAULT else self._named.get(name)
            if sandbox is None:
                return None
            if watcher is not None:
                sandbox.watchers.add(watcher)
            found = sandbox.happened(since)
            if self._changed > since:
                insort(found, (self._changed, SANDBOXES, None))
            return found

    def forget_watcher(self, name: str, watcher: Callable[[], object]) -> None:
        """Do not call a watcher any more."""
        with self._lock:
            sandbox = self._default if name == DEFAULT else self._named.get(name)
            if sandbox is not None:
                sandbox.watchers.discard(watcher)

    def next_position(self) -> int:
        """Return the position of this moment. What has happened has a lower one, what will happen a higher one."""
        return next(self._positions)

    def _note_change(self) -> None:
        """Note that a sandbox was made or dropped. Only under the lock."""
        self._changed = next(self._positions)
        for sandbox in (self._default, *self._named.values()):
            if sandbox.watchers:
                sandbox.wake()

    def all(self) -> list[ServerSandbox]:
        """Return all sandboxes: the default one, then the others in the order of their creation."""
        with self._lock:
            return [self._default, *self._named.values()]

    def _existing(self) -> list[ServerSandbox]:
        """Return all sandboxes, and the ended ones that a call still uses."""
        return [*self.all(), *self._ended]

    def create(self, name: str, seed: World | None) -> ServerSandbox:
        """Create a sandbox from its own seed or the baseline. It replaces an older one of the same name (G-17).

        Raises `TooManySandboxes`.
        """
        if name != DEFAULT:
            return self._put(name, seed, replaces=True)
        with self._lock:
            old, new = self._default, self._new(name, seed)
            self._default = new
            self._note_change()
        self._end(old)
        return new

    def reset(self, name: str) -> None:
        """Take a sandbox back to its seed (S-5), or create it. Raises the same as `sandbox`.

        If the baseline was replaced since the sandbox began, this is its seed now, unless it has a seed of its own.
        """
        self.sandbox(name)
        with self._lock:
            old = self._default if name == DEFAULT else self._named.get(name)
            # Another call may have dropped it.
            if old is None:
                return
            new = old.renewed(old.seed if old.has_own_seed else self.baseline)
            if name == DEFAULT:
                self._default = new
            else:
                self._named[name] = new
        self._end(old)

    def replace_baseline(self, baseline: World) -> bool:
        """Let new sandboxes and later resets start from another world (S-5).

        The default sandbox is reset to it at once, unless it has a seed of its own. Return whether it was reset.
        """
        with self._lock:
            self.baseline = baseline
            old = self._default
            if old.has_own_seed:
                return False
            self._default = old.renewed(baseline)
        self._end(old)
        return True

    def drop(self, name: str) -> bool:
        """Drop a named sandbox, and return whether it existed."""
        with self._lock:
            dropped = self._named.pop(name, None)
            if dropped is not None:
                self._note_change()
        if dropped is not None:
            self._end(dropped)
        return dropped is not None

    def _new(self, name: str, seed: World | None) -> ServerSandbox:
        memory = self.memory
        sandbox = ServerSandbox(
            name, seed or self.baseline, self.settings, self.total, self._positions, memory.grew, memory.admit
        )
        sandbox.has_own_seed = seed is not None
        sandbox.last_use = self._clock()
        return sandbox

    def _end(self, sandbox: ServerSandbox) -> None:
        sandbox.end()
        self._ended.add(sandbox)

    def _put(self, name: str, seed: World | None = None, *, replaces: bool = False) -> ServerSandbox:
        """Return a new sandbox, or the one that has the name already unless `replaces` is set."""
        with self._lock:
            old = self._named.get(name)
            if old is not None and not replaces:
                return old
            if old is None:
                self._make_room(name)
            else:
                del self._named[name]
                self._end(old)
            sandbox = self._named[name] = self._new(name, seed)
            self._note_change()
            return sandbox

    def _make_room(self, name: str) -> None:
        """At the limit, drop the least recently used sandbox. Raises `TooManySandboxes` if it is in use."""
        limit = self.settings.sandbox_limit
        if len(self._named) < limit:
            return
        oldest = min(self._named.values(), key=lambda each: each.last_use, default=None)
        if oldest is None or self.idle_seconds(oldest) < IN_USE_SECONDS:
            reason = (
                f"there is no room for a new sandbox {name!r}: of the {limit} that --sandbox-limit allows, each was "
                f"used within the last {IN_USE_SECONDS} seconds; drop those that are no longer needed"
            )
            raise TooManySandboxes(Fault("G-17", reason))
        del self._named[oldest.name]
        self._end(oldest)
        logger.warning("sandbox %s dropped: the least recently used of more than %d", oldest.name, limit)
