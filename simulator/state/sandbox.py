"""A sandbox: a world that changes over time, and everything else that belongs to one test.

The module is long because all parts of a sandbox share its locks.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import count

from simulator.settings import DEFAULTS, Settings
from simulator.state.answers import RememberedAnswers
from simulator.state.coverage import Counted, Coverage
from simulator.state.events import GAP, REQUEST, RESET, SNAPSHOTS, STATE, Event
from simulator.state.faults import InjectedFaults
from simulator.state.journal import Exchange, Journal
from simulator.state.sessions import Sessions
from simulator.state.world import Fork, World


class Version:
    """A world at one point in a sandbox's history. If the same world comes back later, that is a new version."""

    __slots__ = ("world",)

    def __init__(self, world: World) -> None:
        self.world = world


class Snapshot:
    """A version with a name. `taken_at` is in seconds since the epoch. Worlds are immutable, so nothing is copied."""

    __slots__ = ("name", "taken_at", "version")

    def __init__(self, name: str, version: Version) -> None:
        self.name = name
        self.version = version
        self.taken_at = time.time()


class ServerSandbox:
    """A world over time, and everything else that belongs to one test: sessions, journal, faults, coverage.

    Sandboxes may share `total`, which counts all their calls, and `positions`, which number their journals' entries.
    `grew` is called with the number of bytes kept of each call. `admit` is called with the number of bytes that a call
    is about to add to the world or to the sessions, and raises `InsufficientMemory` if there is no room (S-10). Readers
    take `version` without a lock and see one whole world. Writers use `transaction`, one after another.

    When something happens, each of the `watchers` is called once and removed (S-13). They may be called in any thread,
    also while the sandbox is locked, so they must not wait.
    """

    def __init__(
        self,
        name: str,
        seed: World,
        settings: Settings = DEFAULTS,
        total: Coverage | None = None,
        positions: Iterator[int] | None = None,
        grew: Callable[[int], object] = int,
        admit: Callable[[int], object] = int,
    ) -> None:
        self.name = name
        self.total = total
        self._positions = positions or count(1)
        self._grew = grew
        self._admit = admit
        self.seed = seed
        self.has_own_seed = False
        """Whether the seed is not that of the server."""
        self.settings = settings
        self.created_at = time.time()
        self.last_use = 0.0
        self._lock = threading.Lock()
        self._record_lock = threading.Lock()
        self._reservations = 0
        self.watchers: set[Callable[[], object]] = set()
        self.version = Version(seed)
        self._keep_snapshots({})
        self.answers = self._no_answers()
        self.journal = Journal(settings.journal_limit, settings.journal_bytes, self._positions)
        self._changes = {RESET: self.journal.position}
        self.faults = InjectedFaults()
        self.coverage = Coverage()
        self.requests = 0
        self.sessions = Sessions(admit)

    def transaction(self) -> AbstractContextManager[Fork]:
        """Return a fork of the present world. It replaces this world if the block ends without an exception (G-7).

        Raises `InsufficientMemory` at the end of the block if what was added does not fit (S-10).
        """
        return _Transaction(self)

    def replace(self, version: Version, world: World) -> bool:
        """Replace the world, unless `version` is no longer the present one. Return whether it was replaced."""
        with self._lock:
            if self.version is not version:
                return False
            if world is not version.world:
                self._enter(Version(world))
            return True

    def _enter(self, version: Version) -> None:
        before, self.version = self.version, version
        if version.world.directory is not before.world.directory:
            # With another directory, no remembered answer holds. Keeping them would keep the old directory in memory.
            self.answers = self._no_answers()
            self._keep_snapshots(self._snapshots)
        self.note(STATE)

    def _no_answers(self) -> RememberedAnswers:
        return RememberedAnswers(grew=self._grew)

    @contextmanager
    def reserved(self) -> Iterator[None]:
        """Reserve the sandbox until the block ends. Calls of the API that change something wait (`is_reserved`)."""
        with self._lock:
            self._reservations += 1
        try:
            yield
        finally:
            with self._lock:
                self._reservations -= 1

    @property
    def is_reserved(self) -> bool:
        """Whether calls of the API that change something must wait."""
        return self._reservations > 0

    def renewed(self, seed: World) -> ServerSandbox:
        """Return the sandbox that replaces this one at a reset. It starts anew from `seed`, with the snapshots (S-5).

        A call that arrived before the reset and ends after it, as a delayed call may, still acts on the old sandbox.
        """
        new = ServerSandbox(self.name, seed, self.settings, self.total, self._positions, self._grew, self._admit)
        new.has_own_seed = self.has_own_seed
        new.created_at, new.last_use = self.created_at, self.last_use
        new._keep_snapshots(self._snapshots)
        return new

    def end(self) -> None:
        """Free what nobody can reach any more. A delayed call may keep the sandbox itself in memory for long."""
        self.clear_journal()
        self.answers = self._no_answers()
        self._keep_snapshots({})
        self.wake()

    def record(self, exchange: Exchange | None, counted: Counted | None) -> None:
        """Record a call: `exchange` in the journal and `counted` in the coverage, unless they are `None`."""
        with self._record_lock:
            self.requests += 1
            if exchange is not None:
                self.journal.record(exchange)
            if counted is not None:
                self.coverage.count(counted)
                if self.total is not None:
                    self.total.count(counted)
        if self.watchers:
            self.wake()
        self._grew(0 if exchange is None else exchange.size)

    def note(self, kind: str) -> None:
        """Note that something of this kind has happened now, and wake who watches."""
        with self._record_lock:
            self._changes[kind] = next(self._positions)
        if self.watchers:
            self.wake()

    def wake(self) -> None:
        """Call the watchers, and remove them."""
        while self.watchers:
            # Another thread may take the last one.
            with suppress(KeyError):
                self.watchers.pop()()

    def happened(self, since: int) -> list[Event]:
        """Return what has happened after a position, in this order (S-13).

        Each call is an event. All other changes of one kind are one event, at the position of the last of them.
        """
        with self._record_lock:
            calls, forgotten = self.journal.newer(since), self.journal.forgotten
            changes = list(self._changes.items())
        found: list[Event] = [(position, REQUEST, exchange) for position, exchange in calls]
        found += [(position, kind, None) for kind, position in changes if position > since]
        if forgotten > since:
            found.append((forgotten, GAP, None))
        # No two have the same position.
        found.sort()
        return found

    @property
    def calls_bytes(self) -> int:
        """About how many bytes journal and remembered answers take."""
        return self.journal.bytes + self.answers.bytes

    def forget(self, size: int) -> int:
        """Free `size` bytes of kept calls, or as many as there are, and return how many were freed.

        Remembered answers go first, because they only save time. Then the oldest exchanges go.
        """
        with self._record_lock:
            freed = self.answers.bytes
            self.answers = self._no_answers()
            return freed + self.journal.forget(size - freed)

    @property
    def added(self) -> int:
        """About how many bytes calls of the API have added: to the present world, to snapshots, and sessions (S-10).

        A snapshot counts what was added before it, although it shares this with the present world until that changes.
        """
        return self.version.world.added + self._snapshots_added + self.sessions.bytes

    def clear_journal(self) -> None:
        """Forget the exchanges of the journal."""
        with self._record_lock:
            self.journal.clear()
        self.wake()

    @property
    def snapshots(self) -> Mapping[str, Snapshot]:
        """The snapshots by name, oldest first."""
        return self._snapshots

    def take_snapshot(self, name: str) -> Snapshot | None:
        """Give the present version a name. At the limit, take no snapshot and return `None` (S-3)."""
        with self._lock:
            others = {key: each for key, each in self._snapshots.items() if key != name}
            if len(others) >= self.settings.snapshot_limit:
                return None
            snapshot = Snapshot(name, self.version)
            self._keep_snapshots({**others, name: snapshot})
            self.note(SNAPSHOTS)
            return snapshot

    def drop_snapshot(self, name: str) -> None:
        """Forget a snapshot."""
        with self._lock:
            self._keep_snapshots({key: each for key, each in self._snapshots.items() if key != name})
            self.note(SNAPSHOTS)

    def _keep_snapshots(self, snapshots: dict[str, Snapshot]) -> None:
        """Keep these snapshots, and note what they take, so that nobody has to look at each of them (S-10).

        `weights` has the weight of each directory that the sandbox keeps, by the directory's identity.
        """
        self._snapshots = snapshots
        kept = [each.version.world for each in snapshots.values()]
        self._snapshots_added = sum(world.added for world in kept)
        worlds = (self.seed, self.version.world, *kept)
        self.weights = {id(world.directory): world.directory.weight for world in worlds}

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to the snapshot's world. Everything else stays as it is (S-5)."""
        with self._lock:
            self._enter(snapshot.version)

    def open_session(self, account_name: str, origin: str | None = None) -> tuple[str, bool]:
        """Open a session (see `Sessions.open`). Only within a transaction."""
        is_new = origin is not None and not self.sessions.has(origin)
        opened = self.sessions.open(account_name, origin)
        if is_new:
            # From now on, a call of this origin without credentials is explained in the journal. The records that
            # are remembered for equal calls of earlier do not explain it.
            self.answers = self._no_answers()
        return opened

    def end_sessions(self, session_ids: Collection[str] | None) -> int:
        """End these sessions, or all of them (see `Sessions.end`)."""
        with self._lock:
            return self.sessions.end(session_ids)


class _Transaction(AbstractContextManager[Fork]):
    """One change of a sandbox. Not a generator: that would take twice as long as the change itself."""

    __slots__ = ("_fork", "_sandbox")

    def __init__(self, sandbox: ServerSandbox) -> None:
        self._sandbox = sandbox

    def __enter__(self) -> Fork:
        self._sandbox._lock.acquire()
        self._fork = Fork(self._sandbox.version.world)
        return self._fork

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        sandbox, world = self._sandbox, self._fork.world
        try:
            before = sandbox.version.world
            if kind is None and world is not before:
                if world.added > before.added:
                    sandbox._admit(world.added - before.added)
                sandbox._enter(Version(world))
        finally:
            sandbox._lock.release()
